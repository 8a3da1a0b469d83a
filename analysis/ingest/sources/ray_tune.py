"""Experiment folders of Ray Tune: one folder per trial with `params.json` and `result.json`. No Ray is needed.

Only these two and `error.txt` are read; what Tune pickles (`params.pkl`, `tuner.pkl`, `error.pkl`) never is.
"""

import json
import pathlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from analysis.ingest.assemble import check_setting
from analysis.ingest.runs import SourceRun
from analysis.ingest.values import CURVES, OUTCOMES, Reading, SourceError, flatten, listed, read_curves, whole
from analysis.ledger.study import Optimizer, one_line

PARAMS, RESULT, ERROR = "params.json", "result.json", "error.txt"
ITERATION = "training_iteration"
MAX_MESSAGE_LENGTH = 300


@dataclass(frozen=True, kw_only=True)
class RayTune:
    """How the folders are read.

    Args:
        optimizers: As described.
        readings: How our numbers are read from results, and hyperparameters from configs; one that is not named here
            has the same name there.
        optimizer_key: Key of the config that names the optimizer; None if the folders are given by optimizer.
        seed_key: Key of the config that holds the seed; None if there is none.
        ignore: Keys of the config that may differ without making another setting.
    """

    optimizers: Mapping[str, Optimizer]
    readings: Mapping[str, Reading] = field(default_factory=dict)
    optimizer_key: str | None = None
    seed_key: str | None = None
    ignore: Collection[str] = ()


@dataclass(frozen=True)
class _Trial:
    folder: pathlib.Path
    optimizer: str
    phase: str
    config: Mapping[str, object]
    lines: Sequence[Mapping[str, object]]
    attempts: Sequence[int]


def read_ray_tune(experiments: Sequence[tuple[str | None, pathlib.Path, str]], how: RayTune) -> list[SourceRun]:
    """The trials of all experiments.

    Each line of `result.json` is an epoch. If a trial was tried again, later lines supersede earlier ones of the same
    iteration.

    Args:
        experiments: Optimizer (None if the config names it), folder and phase of each experiment.
        how: How they are read.

    Raises:
        SourceError: A folder holds no trial, a file is not what Tune writes, a key is missing, or settings differ in
            something that is no hyperparameter.
    """
    trials = [_trial(folder, name, phase, how) for name, root, phase in experiments for folder in _folders(root)]
    readings = _readings(trials, how)
    runs = [_run(trial, readings, how) for trial in trials]
    for run in runs:
        check_setting(run, how.optimizers)
    _check_configs(trials, how)
    return runs


def _folders(root: pathlib.Path) -> list[pathlib.Path]:
    folders = sorted({path.parent for name in (PARAMS, RESULT) for path in root.glob(f"*/{name}")})
    if not folders:
        raise SourceError(
            f"an experiment of Ray Tune is a folder with one folder for each trial, which holds {PARAMS} and {RESULT}; "
            f"{str(root)!r} has none; give the folder that the Tuner names as its results' path."
        )
    return folders


def _trial(folder: pathlib.Path, optimizer: str | None, phase: str, how: RayTune) -> _Trial:
    lines, attempts = _current(list(_lines(folder / RESULT)), folder)
    config = _config(folder, lines)
    if optimizer is None:
        if how.optimizer_key is None:
            raise SourceError(
                "which optimizer a folder belongs to must be said: give it as NAME=FOLDER, or the key of the config "
                "that names it with --optimizer-key."
            )
        optimizer = str(_of(config, how.optimizer_key, folder, "--optimizer-key"))
    return _Trial(folder, optimizer, phase, config, lines, attempts)


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


def _config(folder: pathlib.Path, lines: Sequence[Mapping[str, object]]) -> dict[str, object]:
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


def _of(config: Mapping[str, object], key: str, folder: pathlib.Path, option: str) -> object:
    if key not in config:
        raise SourceError(
            f"{str(folder)!r}: {option} must name a key of the config, {listed(config)}, got {key!r}; correct it."
        )
    return config[key]


def _readings(trials: Sequence[_Trial], how: RayTune) -> dict[str, Reading]:
    """The readings of everything that is reported."""
    keys = {key for trial in trials for line in trial.lines for key in line} - {"config"}
    metrics = {name: how.readings[name] for name in (*CURVES, *OUTCOMES) if name in how.readings}
    if missing := {name: reading.key for name, reading in metrics.items() if reading.key not in keys}:
        name, key = next(iter(missing.items()))
        raise SourceError(f"--map {name}: results hold {listed(keys)}, not {key!r}; name one of them.")
    same = {name: Reading(name) for name in (*CURVES, *OUTCOMES) if name in keys and name not in metrics}
    if keys and "validation_error" not in metrics | same:
        raise SourceError(
            f"a validation error is needed, results hold {listed(keys)}; name it with --map validation_error=KEY, "
            "or an accuracy with --map validation_error=1-KEY."
        )
    return metrics | same


def _check_configs(trials: Sequence[_Trial], how: RayTune) -> None:
    """Refuse settings that differ in something that the ledger would not show."""
    apart = {key for key in (how.optimizer_key, how.seed_key) if key} | set(how.ignore)
    searched = {name: {_reading(key, how).key for key in entry.space} for name, entry in how.optimizers.items()}
    everywhere = apart.union(*searched.values())
    groups = [(trials, everywhere, "over all trials")]
    for name, keys in searched.items():
        groups.append(([trial for trial in trials if trial.optimizer == name], apart | keys, f"within {name}"))
    for members, allowed, where in groups:
        keys = {key for trial in members for key in trial.config} - allowed
        for key in sorted(keys):
            values = {json.dumps(trial.config.get(key), sort_keys=True) for trial in members}
            if len(values) > 1:
                raise SourceError(
                    f"key {key!r} of the config takes {len(values)} values {where} ({listed(values, 3)}) but is no "
                    f"hyperparameter; add it to the space in the description, or say --ignore {key} if it is harmless."
                )


def _reading(hyperparameter: str, how: RayTune) -> Reading:
    return how.readings.get(hyperparameter, Reading(hyperparameter))


def _run(trial: _Trial, readings: Mapping[str, Reading], how: RayTune) -> SourceRun:
    origin = f"trial {trial.folder.name}"
    space = how.optimizers[trial.optimizer].space if trial.optimizer in how.optimizers else {}
    seed = None
    if how.seed_key is not None:
        seed = whole(_of(trial.config, how.seed_key, trial.folder, "--seed-key"), f"{origin}: {how.seed_key}")
    epochs = read_curves(trial.lines, readings, origin)
    last = trial.lines[-1] if trial.lines else {}
    final = {name: readings[name](last, origin) for name in OUTCOMES if name in readings}
    node, error = last.get("node_ip"), _error(trial.folder)
    return SourceRun(
        origin=origin,
        optimizer=trial.optimizer,
        phase=trial.phase,
        hyperparameters={name: _reading(name, how)(trial.config, origin) for name in space},
        seed=seed,
        epochs=[{**epoch, "attempt": attempt} for epoch, attempt in zip(epochs, trial.attempts, strict=True)],
        final=final | {"attempt": trial.attempts[-1] if trial.attempts else 0, "node": str(node) if node else None},
        failure=None if trial.lines else error or "no result was reported",
        reason=error,
    )


def _error(folder: pathlib.Path) -> str | None:
    """The last line of the error that Tune has stored."""
    path = folder / ERROR
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n") if path.exists() else []
    return next((one_line(line)[:MAX_MESSAGE_LENGTH] for line in reversed(lines) if line.strip()), None)
