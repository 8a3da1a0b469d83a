"""Runs a command with AVX-512 switched off in torch, the matrix libraries, NumPy and our compiled code.

Fails if a switch does not act. `python .ci/without_avx512.py pytest tests/trainables`
"""

import os
import subprocess
import sys

SWITCHES = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
}

NUMPY_FEATURES = """
import numpy
found = numpy.show_config(mode="dicts")["SIMD Extensions"]["found"]
print(*(name for name in found if name.startswith(("AVX512", "X86_V4"))))
"""

CHECK = """
import os
import torch
from trainables.models.simple_cnn import native

print("torch", torch.backends.cpu.get_cpu_capability())
torch.nn.functional.conv2d(torch.ones(1, 3, 9, 9), torch.ones(6, 3, 5, 5))
try:
    macros = native._run([*native._compiler(), *native._options(), "-E", "-dM", "-x", "c", os.devnull])
except native.NoLibraryError:
    macros = b""  # nothing is compiled then
print("compiler", "AVX512" if b"__AVX512F__" in macros else "AVX2")
"""


def output(script: str, environment: dict[str, str]) -> str:
    """What a fresh interpreter prints."""
    command = [sys.executable, "-c", script]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Switch, check, and become the command."""
    environment = {**os.environ, **SWITCHES, "CFLAGS": f"{os.environ.get('CFLAGS', '')} -mno-avx512f"}
    # NumPy takes names that it knows and the processor has, and warns of others.
    environment["NPY_DISABLE_CPU_FEATURES"] = output(NUMPY_FEATURES, dict(os.environ)).strip()
    told = output(CHECK, {**environment, "ONEDNN_VERBOSE": "1"})
    isa = next((line for line in told.splitlines() if ",isa:" in line), "")
    if "torch AVX2" not in told or not isa.endswith("AVX2") or "compiler AVX2" not in told:
        sys.exit(f"AVX-512 must be off in torch, oneDNN and the compiler, but they said:\n{told}")
    if left := output(NUMPY_FEATURES, environment).strip():
        sys.exit(f"AVX-512 must be off in NumPy, but it found {left}")
    os.execvpe(sys.argv[1], sys.argv[1:], environment)


if __name__ == "__main__":
    main()
