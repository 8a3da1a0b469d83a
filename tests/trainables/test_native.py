"""The compiled library is made once, for anyone who asks at once, and done without where it cannot be had."""

import os
import platform
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

LOAD = "from trainables import native; native.library()"
TRAIN = """
import torch
from trainables.model import ReplicatedSimpleCNN
model = ReplicatedSimpleCNN([torch.Generator().manual_seed(0)], torch.device("cpu"))
images = torch.randint(256, (9, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
chosen, labels = torch.arange(9).view(9, 1), torch.arange(9).view(1, 9)
print(type(model._features).__name__, model.backpropagate(images, chosen, labels).item(), model.gradients.norm().item())
"""


def run(source, cache, **environment):
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run([sys.executable, "-c", source], env=environment, capture_output=True, text=True, check=False)


def trained(cache, compiler):
    """Which implementation was taken, and the loss and the norm of the gradients that it found."""
    kind, *numbers = run(TRAIN, cache, CC=compiler).stdout.split()
    return kind, [float(number) for number in numbers]


def test_processes_that_compile_at_once_end_with_one_library(tmp_path):
    with ThreadPoolExecutor() as pool:
        ended = list(pool.map(lambda _: run(LOAD, tmp_path), range(3)))
    assert [process.returncode for process in ended] == [0, 0, 0], ended
    (kept,) = (tmp_path / "optimizer-study").iterdir()
    before = kept.stat()
    assert run(LOAD, tmp_path).returncode == 0
    assert kept.stat() == before, "compiled again"


@pytest.mark.parametrize(
    ("compiler", "reason"),
    [
        ("absent-compiler", "there is no C compiler 'absent-compiler'; install one, or name it in CC"),
        ("", "there is no C compiler ''; install one, or name it in CC"),
        ("false", ".*/false failed: no message"),
        (f"{sys.executable} -c pass", "the compiled convolutions could not be kept or loaded: .*"),
    ],
)
def test_without_a_compiler_the_reason_is_told_and_torch_does_the_work(compiler, reason, tmp_path):
    told = run(
        "from trainables import native\ntry: native.library()\nexcept native.NoLibraryError as error: print(error)",
        tmp_path,
        CC=compiler,
    )
    assert re.fullmatch(reason + "\n", told.stdout), told
    kind, numbers = trained(tmp_path, compiler)
    assert kind == "TorchFeatures"
    assert numbers == pytest.approx(trained(tmp_path, "cc")[1], rel=1e-5)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the option is for processors of this kind")
def test_shorter_vectors_compute_the_same(tmp_path):
    kind, numbers = trained(tmp_path, "cc -mno-avx512f")
    assert kind == "NativeFeatures"
    assert numbers == pytest.approx(trained(tmp_path, "cc")[1], rel=1e-5)


def test_a_cache_that_may_not_be_written_is_no_error(tmp_path):
    tmp_path.joinpath("optimizer-study").write_text("in the way")
    assert run(TRAIN, tmp_path).stdout.startswith("TorchFeatures")
