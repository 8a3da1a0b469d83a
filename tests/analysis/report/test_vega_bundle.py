"""The chart library is made once, kept, and made again whenever what is kept cannot be trusted."""

import pathlib

import pytest
import vl_convert

from analysis.report.vega_bundle import chart_library

BUNDLE = "const a = '</script>'; // <!-- é"
SAFE = "const a = '<\\/script>'; // <\\!-- é"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> list[str]:
    """Grows by the text of each library that is made; the cache folder is empty."""
    texts: list[str] = []

    def bundle() -> str:
        texts.append(BUNDLE)
        return BUNDLE

    monkeypatch.setattr(vl_convert, "javascript_bundle", bundle)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return texts


def kept(folder: pathlib.Path) -> list[pathlib.Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_the_library_is_made_once(made, tmp_path):
    assert [chart_library() for _ in range(3)] == [SAFE] * 3
    assert len(made) == len(kept(tmp_path)) == 1


def test_another_release_has_a_library_of_its_own(made, tmp_path, monkeypatch):
    chart_library()
    monkeypatch.setattr("analysis.report.vega_bundle.version", lambda _: "99.0")
    chart_library()
    assert len(made) == len(kept(tmp_path)) == 2


@pytest.mark.parametrize("damage", [b"", b"no digest", None, "cut", "flipped"])
def test_a_damaged_file_is_replaced(damage, made, tmp_path):
    chart_library()
    (path,) = kept(tmp_path)
    whole = path.read_bytes()
    flipped = whole[:-1] + bytes([whole[-1] ^ 1])
    path.write_bytes({"cut": whole[:-1], "flipped": flipped, None: b"\xff" * 100}.get(damage, damage))
    assert chart_library() == SAFE
    assert len(made) == 2
    assert path.read_bytes() == whole


def test_a_cache_that_cannot_be_written_costs_time_alone(made, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert [chart_library() for _ in range(2)] == [SAFE] * 2
    assert len(made) == 2


def test_a_user_without_a_home_has_no_cache(made, monkeypatch):
    def no_user(_: int) -> None:
        raise KeyError("uid not found")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", no_user)
    assert [chart_library() for _ in range(2)] == [SAFE] * 2
    assert len(made) == 2


@pytest.mark.parametrize("setting", ["", "relative"])
def test_without_a_setting_it_is_kept_below_the_home_folder(setting, made, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", setting)
    monkeypatch.setenv("HOME", str(tmp_path))
    chart_library()
    (path,) = kept(tmp_path)
    assert path.parent == tmp_path / ".cache" / "optimizer-study"
    assert len(made) == 1
