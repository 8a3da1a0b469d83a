"""The compiled library is made once, for anyone who asks at once, and done without where it cannot be had."""

import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from trainables.models.simple_cnn import native
from trainables.models.simple_cnn.features import NativeFeatures, TorchFeatures
from trainables.models.simple_cnn.network import ReplicatedSimpleCNN

LOAD = "from trainables.models.simple_cnn import native; native.library()"


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """A cache of the test's own, and no library of an earlier test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    native.library.cache_clear()
    yield
    native.library.cache_clear()


def make_model() -> ReplicatedSimpleCNN:
    return ReplicatedSimpleCNN([torch.Generator().manual_seed(0)], torch.device("cpu"))


def test_processes_that_compile_at_once_end_with_one_library(tmp_path):
    def load(_: int) -> int:
        return subprocess.run([sys.executable, "-c", LOAD], env=os.environ, check=False).returncode

    with ThreadPoolExecutor() as pool:
        assert list(pool.map(load, range(3))) == [0, 0, 0]
    (kept,) = (tmp_path / "optimizer-study").iterdir()
    before = kept.stat()
    native.library()
    assert kept.stat() == before, "compiled again"


def test_no_other_user_may_write_the_library_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        native.library()
    finally:
        os.umask(before)
    folder = tmp_path / "optimizer-study"
    (kept,) = folder.iterdir()
    assert [path.stat().st_mode & 0o777 for path in (folder, kept)] == [0o700, 0o700]


@pytest.mark.parametrize("mode", [0o720, 0o702])
def test_a_library_that_others_may_have_written_is_compiled_anew(tmp_path, mode):
    native.library()
    (kept,) = (tmp_path / "optimizer-study").iterdir()
    kept.write_bytes(b"of a stranger")
    kept.chmod(mode)
    native.library.cache_clear()
    native.library()
    assert kept.stat().st_mode & 0o777 == 0o700
    assert kept.read_bytes() != b"of a stranger"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_library_of_another_user_is_compiled_anew(tmp_path):
    native.library()
    (kept,) = (tmp_path / "optimizer-study").iterdir()
    os.chown(kept, 12345, 12345)
    native.library.cache_clear()
    native.library()
    assert kept.stat().st_uid == 0


@pytest.mark.parametrize(
    ("compiler", "reason"),
    [
        ("absent-compiler", "^there is no C compiler 'absent-compiler'; install one, or name it in CC$"),
        ("", "^there is no C compiler ''; install one, or name it in CC$"),
        ("false", "/false failed: no message$"),
        (f"{sys.executable} -c pass", "^the compiled convolutions could not be kept or loaded: "),
    ],
)
def test_without_a_compiler_the_reason_is_told_and_torch_does_the_work(compiler, reason, monkeypatch):
    monkeypatch.setenv("CC", compiler)
    with pytest.raises(native.NoLibraryError, match=reason):
        native.library()
    assert isinstance(make_model()._features, TorchFeatures)


def test_a_cache_that_may_not_be_written_is_no_error(tmp_path):
    tmp_path.joinpath("optimizer-study").write_text("in the way")
    assert isinstance(make_model()._features, TorchFeatures)


def test_each_set_of_options_has_a_library_of_its_own(tmp_path, monkeypatch):
    """Options that the predefined macros do not show included."""
    for options in ("", "-fno-unroll-loops"):
        monkeypatch.setenv("CFLAGS", options)
        native.library.cache_clear()
        native.library()
    assert len(list((tmp_path / "optimizer-study").iterdir())) == 2


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the option is for processors of this kind")
def test_shorter_vectors_compute_the_same(few_images, monkeypatch):
    images, chosen = torch.from_numpy(few_images.train_images[:9].copy()), torch.arange(9).view(9, 1)
    found = []
    for options in ("", "-mno-avx512f"):
        monkeypatch.setenv("CFLAGS", options)
        native.library.cache_clear()
        model = make_model()
        assert isinstance(model._features, NativeFeatures)
        losses = model.backpropagate(images, chosen, chosen.T)
        found.append(torch.cat([losses, model.gradients[0]]))
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-6)


def test_a_user_without_a_home_is_no_error(monkeypatch):
    def no_user(_: int):
        raise KeyError("uid not found")

    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", no_user)
    with pytest.raises(native.NoLibraryError, match="home directory"):
        native.library()
