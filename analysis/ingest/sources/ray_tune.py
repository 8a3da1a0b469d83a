"""Experiments of Ray Tune as runs: what their configs and results mean in a ledger. No Ray is needed."""

import argparse
import json
import pathlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from analysis.command_line import Parser
from analysis.ingest.assemble import check_setting
from analysis.ingest.description import Description
from analysis.ingest.ray_tune_folders import read_config, read_error, read_lines, trial_folders
from analysis.ingest.runs import SourceRun
from analysis.ingest.sources import Found, Source, add_description, add_seed_key, readings_of
from analysis.ingest.values import CURVES, OUTCOMES, Reading, SourceError, listed, read_curves, whole
from analysis.ledger.study import Optimizer


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
    trials = [_trial(folder, name, phase, how) for name, root, phase in experiments for folder in trial_folders(root)]
    readings = _readings(trials, how)
    runs = [_run(trial, readings, how) for trial in trials]
    for run in runs:
        check_setting(run, how.optimizers)
    _check_configs(trials, how)
    return runs


def _trial(folder: pathlib.Path, optimizer: str | None, phase: str, how: RayTune) -> _Trial:
    lines, attempts = read_lines(folder)
    config = read_config(folder, lines)
    if optimizer is None:
        if how.optimizer_key is None:
            raise SourceError(
                "which optimizer a folder belongs to must be said: give it as NAME=FOLDER, or the key of the config "
                "that names it with --optimizer-key."
            )
        optimizer = str(_of(config, how.optimizer_key, folder, "--optimizer-key"))
    return _Trial(folder, optimizer, phase, config, lines, attempts)


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
    node, error = last.get("node_ip"), read_error(trial.folder)
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


def _add_options(parser: Parser) -> None:
    parser.add_argument("experiments", nargs="+", metavar="[OPTIMIZER=]FOLDER", help="tuning experiments")
    parser.add_argument(
        "--confirm", nargs="+", default=[], action="extend", metavar="[OPTIMIZER=]FOLDER",
        help="experiments that retrained settings on fresh seeds",
    )  # fmt: skip
    parser.add_argument("--optimizer-key", metavar="KEY", help="key of the config that names the optimizer")
    parser.add_argument(
        "--ignore", nargs="+", default=[], action="extend", metavar="KEY", help="key of the config without effect"
    )
    add_description(parser, phase="explore")
    add_seed_key(parser)


def _read_options(options: argparse.Namespace, description: Description) -> Found:
    how = RayTune(
        optimizers=description.optimizers,
        readings=readings_of(options, description),
        optimizer_key=options.optimizer_key,
        seed_key=options.seed_key,
        ignore=options.ignore,
    )
    experiments = [
        (*_experiment(word), phase)
        for words, phase in ((options.experiments, options.phase), (options.confirm, "confirm"))
        for word in words
    ]
    return read_ray_tune(experiments, how), description, []


def _experiment(word: str) -> tuple[str | None, pathlib.Path]:
    name, equals, folder = word.partition("=")
    # A folder whose own name holds "=" is a folder.
    return (name, pathlib.Path(folder)) if equals and not pathlib.Path(word).is_dir() else (None, pathlib.Path(word))


SOURCE = Source(help="experiment folders of Ray Tune", add_options=_add_options, read=_read_options)
