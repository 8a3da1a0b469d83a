"""The chart library of the page, made once for each release and kept in the user's cache folder."""

import hashlib
import pathlib
from contextlib import suppress
from importlib.metadata import version

import vl_convert
from platformdirs import user_cache_path

from analysis.report.replace import replace


def chart_library() -> str:
    """Vega, Vega-Lite and Vega-Embed as one script without imports, safe within a script element.

    To put it together takes seconds and gives the same text every time. A file of the cache that is missing, damaged
    or out of reach costs those seconds, no more.
    """
    with suppress(OSError, ValueError, RuntimeError):  # the last one if the user has no home
        digest, _, kept = _path().read_text(encoding="utf-8").partition("\n")
        if digest == _digest(kept):
            return kept
    library = _bundle()
    with suppress(OSError, RuntimeError):
        path = _path()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # readers of pages run what is kept there
        replace(path, f"{_digest(library)}\n{library}")
    return library


def _bundle() -> str:
    library: str = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its stub demands the optional argument
    return library.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _path() -> pathlib.Path:
    """Where it is kept; the release that made it is in the name."""
    return user_cache_path("optimizer-study") / f"vl-convert-{version('vl-convert-python')}.txt"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
