"""The compiled library is made once, for anyone who asks at once, and done without where it cannot be had."""

import os
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
images = torch.arange(2 * 3072).remainder(251).to(torch.uint8).view(2, 3, 32, 32)
print(type(model._features).__name__, model.forward(images, torch.tensor([[0], [1]])).sum().item())
"""


def run(source, cache, **environment):
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run([sys.executable, "-c", source], env=environment, capture_output=True, text=True, check=False)


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
    kinds, sums = zip(*(run(TRAIN, tmp_path, CC=name).stdout.split() for name in (compiler, "cc")), strict=True)
    assert kinds == ("TorchFeatures", "NativeFeatures")
    assert float(sums[0]) == pytest.approx(float(sums[1]), rel=1e-5)


def test_a_cache_that_may_not_be_written_is_no_error(tmp_path):
    tmp_path.joinpath("optimizer-study").write_text("in the way")
    assert run(TRAIN, tmp_path).stdout.startswith("TorchFeatures")
