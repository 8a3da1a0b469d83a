"""Studies of Optuna as runs: what their parameters, reports, values and states mean in a ledger."""

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from analysis.command_line import Parser
from analysis.ingest.description import NOT_GIVEN, Description
from analysis.ingest.optuna_open import open_storage, open_study
from analysis.ingest.runs import SourceRun
from analysis.ingest.sources import Found, Source, add_description, add_seed_key, readings_of
from analysis.ingest.values import CURVES, OUTCOMES, Reading, SourceError, listed, read_curves, whole
from analysis.ledger.study import Axis, Optimizer, check_axis
from analysis.lines import one_line

if TYPE_CHECKING:
    import optuna

VALUE = "value"
"""Name for what a trial reports and returns; every other name is one of the trial's user attributes."""


@dataclass(frozen=True, kw_only=True)
class Optuna:
    """How the studies are read.

    Args:
        optimizers: As described; the search space of the others is that of their distributions.
        readings: How our numbers are read: from `value` or from a user attribute, which may hold one number or a list
            of one per epoch. Hyperparameters are read from parameters, by default of the same name.
        seed_key: Parameter or user attribute that holds the seed; None if there is none.
    """

    optimizers: Mapping[str, Optimizer] = field(default_factory=dict)
    readings: Mapping[str, Reading] = field(default_factory=dict)
    seed_key: str | None = None


@dataclass(frozen=True)
class FromOptuna:
    """What was found.

    Args:
        runs: One per trial that has ended.
        optimizers: Those described, and those of the studies.
        notes: What a reader of the report has to know.
    """

    runs: list[SourceRun]
    optimizers: Mapping[str, Optimizer]
    notes: list[str]


def read_optuna(storage: str, studies: Sequence[tuple[str, str, str]], how: Optuna) -> FromOptuna:
    """The ended trials of studies of one storage.

    The n-th step at which trials report is epoch n. By default the value is the validation error, or the accuracy if
    the study maximises it. A pruned or failed trial has no outcome; a value that is not finite means divergence.

    Args:
        storage: URL of a database or path of a journal file.
        studies: Name of the study, optimizer and phase.
        how: How they are read.

    Raises:
        SourceError: The storage or a study cannot be read, or what it holds has no place in a ledger.
    """
    opened = open_storage(storage)
    found = [(open_study(opened, name), optimizer, phase) for name, optimizer, phase in studies]
    trials = [(study, optimizer, phase, trial) for study, optimizer, phase in found for trial in study.get_trials()]
    ended = [entry for entry in trials if entry[3].state.is_finished()]
    steps = sorted({step for *_, trial in ended for step in trial.intermediate_values})
    optimizers = dict(how.optimizers)
    for _, optimizer, _ in found:
        own = [trial for _, name, _, trial in ended if name == optimizer]
        optimizers.setdefault(optimizer, _optimizer(optimizer, own, how.seed_key))
    runs = [_run(study, optimizers[optimizer], phase, trial, steps, how) for study, optimizer, phase, trial in ended]
    return FromOptuna(runs, optimizers, _notes(runs, len(steps), len(trials) - len(ended)))


def _optimizer(name: str, trials: Sequence["optuna.trial.FrozenTrial"], seed_key: str | None) -> Optimizer:
    """An optimizer as its distributions describe it."""
    space: dict[str, Axis] = {}
    for trial in trials:
        for key, distribution in trial.distributions.items():
            if key != seed_key and space.setdefault(key, axis := _axis(name, key, distribution)) != axis:
                raise SourceError(
                    f"optimizer {name}: trials of one study search {key} in one range, here are several; "
                    f"say the range in the description, under [optimizers.{name}.space]."
                )
    if not space:
        raise SourceError(f"optimizer {name}: its studies hold no trial with a parameter; leave them out.")
    return Optimizer(name=name, equation=NOT_GIVEN, space=space, published={}, reference=NOT_GIVEN)


def _axis(name: str, key: str, distribution: Any) -> Axis:
    from optuna.distributions import FloatDistribution, IntDistribution

    if not isinstance(distribution, (FloatDistribution, IntDistribution)):
        raise SourceError(
            f"optimizer {name}: hyperparameters are numbers in a range, {key} is {one_line(str(distribution))[:200]}; "
            f"say its range in the description, or make each choice an optimizer of its own."
        )
    axis = Axis(
        low=float(distribution.low), high=float(distribution.high), scale="log" if distribution.log else "linear"
    )
    try:
        check_axis(f"optimizer {name}, {key}", axis)
    except ValueError as error:
        raise SourceError(str(error)) from None
    return axis


def _run(
    study: "optuna.Study",
    optimizer: Optimizer,
    phase: str,
    trial: "optuna.trial.FrozenTrial",
    steps: Sequence[int],
    how: Optuna,
) -> SourceRun:
    from optuna.study import StudyDirection
    from optuna.trial import TrialState

    origin = f"trial {trial.number} of study {study.study_name!r}"
    own = Reading(VALUE, is_complement=study.direction == StudyDirection.MAXIMIZE)
    # Where the value is said to be something else it is no error as well.
    is_other = VALUE in {reading.key for reading in how.readings.values()}
    readings = {**({} if is_other else {"validation_error": own}), **how.readings}
    attributes: dict[str, object] = dict(trial.user_attrs)
    reported = sorted(trial.intermediate_values)
    if reported != list(steps[: len(reported)]):
        raise SourceError(
            f"{origin}: all trials must report at the same steps, this one does at {listed(reported, 5)} where others "
            f"do at {listed(steps, 5)}; report at every epoch, or leave its study out."
        )
    curves = {name: value for name, value in attributes.items() if isinstance(value, list)}
    lines = [{VALUE: trial.intermediate_values[step]} for step in reported] or [
        {} for _ in range(max((len(curves[key]) for key in _keys(readings) if key in curves), default=0))
    ]
    for place, line in enumerate(lines):
        line |= {key: values[place] for key, values in curves.items() if place < len(values)}
    end = {VALUE: trial.value, **{key: value for key, value in attributes.items() if key not in curves}}
    named = ("validation_loss", "validation_error", *OUTCOMES)
    parameters: dict[str, object] = {**attributes, **trial.params}
    seed = whole(parameters.get(how.seed_key), f"{origin}: {how.seed_key}") if how.seed_key else None
    if how.seed_key and seed is None:
        raise SourceError(
            f"{origin}: --seed-key must be a parameter or attribute of all trials, it has no {how.seed_key}."
        )
    return SourceRun(
        origin=origin,
        optimizer=optimizer.name,
        phase=phase,
        hyperparameters={name: how.readings.get(name, Reading(name))(parameters, origin) for name in optimizer.space},
        seed=seed,
        epochs=read_curves(lines, {name: reading for name, reading in readings.items() if name in CURVES}, origin),
        final={name: readings[name](end, origin) for name in named if name in readings},
        failure={
            TrialState.PRUNED: f"pruned after {len(reported)} of {len(steps)} reports",
            TrialState.FAIL: "failed, Optuna keeps no message",
        }.get(trial.state),
    )


def _keys(readings: Mapping[str, Reading]) -> list[str]:
    return [reading.key for name, reading in readings.items() if name in CURVES]


def _notes(runs: Sequence[SourceRun], num_epochs: int, num_running: int) -> list[str]:
    notes = []
    if num_running:
        notes.append(f"Trials of Optuna that had not ended and were left out: {num_running}.")
    differ = sum(run.failure is None and len(run.epochs) == num_epochs > 0 and _differs(run) for run in runs)
    if differ:
        notes.append(
            f"Optuna trials whose returned validation error is not that of their last report: {differ}. The returned "
            "one counts; if it is the best of all epochs, it flatters noisy optimizers."
        )
    return notes


def _differs(run: SourceRun) -> bool:
    """Whether it returned another finite validation error than it reported last."""
    value, last = run.final.get("validation_error"), run.epochs[-1].get("validation_error")
    return value is not None and last is not None and math.isfinite(value - last) and abs(value - last) > 1e-12


def _add_options(parser: Parser) -> None:
    parser.add_argument("storage", metavar="STORAGE", help="URL of a database or path of a journal file")
    for option, text in (("--study", "tuning study"), ("--confirm", "study that retrained settings on fresh seeds")):
        parser.add_argument(
            option, nargs="+", default=[], action="extend", metavar="STUDY=OPTIMIZER", help=f"{text}, and its optimizer"
        )
    add_description(parser, phase="exploit", required=False)
    add_seed_key(parser)


def _read_options(options: argparse.Namespace, description: Description) -> Found:
    if not options.study:
        raise SourceError("a ledger needs a tuning study, got none; name one with --study STUDY=OPTIMIZER.")
    studies = []
    for words, phase in ((options.study, options.phase), (options.confirm, "confirm")):
        for word in words:
            study, equals, optimizer = word.rpartition("=")
            if not (study and equals and optimizer):
                raise SourceError(f"a study is given as STUDY=OPTIMIZER, got {word!r}; say which optimizer it tuned.")
            studies.append((study, optimizer, phase))
    how = Optuna(
        optimizers=description.optimizers,
        readings=readings_of(options, description),
        seed_key=options.seed_key,
    )
    found = read_optuna(options.storage, studies, how)
    return found.runs, replace(description, optimizers=found.optimizers), found.notes


SOURCE = Source(help="storage of Optuna", add_options=_add_options, read=_read_options)
