"""Experiment folders of Ray Tune: one folder per trial with `params.json` and `result.json`. No Ray is needed.

Only these two and `error.txt` are read; what Tune pickles (`params.pkl`, `tuner.pkl`, `error.pkl`) never is.
"""

import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence

from analysis.ingest.values import SourceError, flatten, whole
from analysis.lines import one_line

PARAMS, RESULT, ERROR = "params.json", "result.json", "error.txt"
ITERATION = "training_iteration"
MAX_MESSAGE_LENGTH = 300


def trial_folders(root: pathlib.Path) -> list[pathlib.Path]:
    """The folders of the trials of an experiment.

    Raises:
        SourceError: There is none.
    """
    folders = sorted({path.parent for name in (PARAMS, RESULT) for path in root.glob(f"*/{name}")})
    if not folders:
        raise SourceError(
            f"an experiment of Ray Tune is a folder with one folder for each trial, which holds {PARAMS} and {RESULT}; "
            f"{str(root)!r} has none; give the folder that the Tuner names as its results' path."
        )
    return folders


def read_lines(folder: pathlib.Path) -> tuple[list[Mapping[str, object]], list[int]]:
    """The results of a trial that count, one per iteration, and the attempt of each.

    Raises:
        SourceError: The file is not what Tune writes.
    """
    return _current(list(_lines(folder / RESULT)), folder)


def _lines(path: pathlib.Path) -> Iterator[dict[str, object]]:
    if not path.exists():
        return
    # A byte that is no text spoils its line, which is then named below.
    text = path.read_text(encoding="utf-8", errors="backslashreplace")
    # The end of a file whose writer was killed may be half a line: a result that was never reported.
    for place, line in enumerate(text[: text.rfind("\n") + 1].splitlines(), start=1):
        try:
            content = json.loads(line)
            if not isinstance(content, dict):
                raise ValueError("it is no JSON object")
        except (ValueError, RecursionError) as error:
            raise SourceError(
                f"{str(path)!r}, line {place} must be a result as Ray Tune writes it ({one_line(str(error))}); "
                "restore the file or remove the trial's folder."
            ) from None
        yield flatten({name: value for name, value in content.items() if name != "config"}) | {
            "config": content.get("config")
        }


def _current(
    lines: Sequence[Mapping[str, object]], folder: pathlib.Path
) -> tuple[list[Mapping[str, object]], list[int]]:
    """The lines that count, and the attempt of each."""
    kept: list[Mapping[str, object]] = []
    attempts: list[int] = []
    attempt = 0
    for line in lines:
        iteration = whole(line.get(ITERATION), f"{str(folder)!r}: {ITERATION}")
        if iteration is None or not 1 <= iteration <= len(kept) + 1:
            raise SourceError(
                f"{str(folder / RESULT)!r}: {ITERATION} must count 1, 2, 3, ..., got {iteration} after {len(kept)}; "
                "results of iterations are missing, remove the trial's folder."
            )
        if iteration <= len(kept):
            attempt += 1
        kept[iteration - 1 :], attempts[iteration - 1 :] = [line], [attempt]
    return kept, attempts


def read_config(folder: pathlib.Path, lines: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """The config of a trial, nested keys joined.

    Raises:
        SourceError: There is none, or it is not what Tune writes.
    """
    path = folder / PARAMS
    try:
        content = (
            json.loads(path.read_text(encoding="utf-8")) if path.exists() else lines[0]["config"] if lines else None
        )
    except (ValueError, RecursionError) as error:
        raise SourceError(
            f"{str(path)!r} must be JSON ({one_line(str(error))}); restore it or remove the trial's folder."
        ) from None
    if not isinstance(content, dict):
        raise SourceError(f"{str(path)!r} must hold the config of the trial; restore it or remove the trial's folder.")
    return flatten(content)


def read_error(folder: pathlib.Path) -> str | None:
    """The last line of the error that Tune has stored."""
    path = folder / ERROR
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n") if path.exists() else []
    return next((one_line(line)[:MAX_MESSAGE_LENGTH] for line in reversed(lines) if line.strip()), None)
