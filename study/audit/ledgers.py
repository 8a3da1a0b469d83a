"""Ledgers of simulated studies, in memory: tuned by the real search, and their rows computed by a formula."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from analysis.claims.file import Claims, packaged_text, parse_claims
from analysis.ledger.load import Ledger
from analysis.ledger.schema import epochs_schema, trials_schema
from analysis.ledger.study import Axis, ErrorPlan, Optimizer, Study
from analysis.tables.overview import Overview
from analysis.tables.settings import settings, shown_runs, winners
from analysis.verdicts.default_vocabulary import VOCABULARY
from study.audit.curves import NUM_EPOCHS, NUM_STEPS, STEPS_PER_EPOCH, Formula, Luck
from study.queue.tuning import Tuning
from study.search import load_search

NUM_SEEDS, LAG = 2, 8
DATASET = "synthetic"
"""Whose landmarks and smallest effects hold."""

Rows = list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a study consists of.

    Args:
        optimizers: By name.
        has_sweep: Whether every hyperparameter is swept around each winner.
        has_curves: Whether epochs and steps are stored of fresh seeds.
        shares_winner: Whether the first optimizer is tuned for all, so that all have its setting.
        num_fresh: Seeds of everything but tuning.
        num_trials: Points of each tuning.
    """

    optimizers: Mapping[str, Formula]
    num_fresh: int = 12
    num_trials: int = 24
    has_sweep: bool = False
    has_curves: bool = True
    shares_winner: bool = False

    def study(self, repeat: int) -> Study:
        """What `study.json` would say."""
        return Study(
            study_hash="audit",
            identity={"dataset": DATASET, "num_epochs": NUM_EPOCHS, "repeat": repeat},
            optimizers={name: _stored(name, formula) for name, formula in self.optimizers.items()},
            num_trials=self.num_trials,
            num_seeds=NUM_SEEDS,
            num_confirm_seeds=self.num_fresh,
            has_sweep=self.has_sweep,
            num_sweep_seeds=self.num_fresh if self.has_sweep else None,
            runs=(),
            error_plan=ErrorPlan(counts_every_claim=True),
        )


def _stored(name: str, formula: Formula) -> Optimizer:
    definition = formula.definition
    space = {key: Axis(low=axis.low, high=axis.high, scale=axis.scale) for key, axis in formula.space.items()}
    return Optimizer(
        name=name,
        equation="",
        space=space,
        published=definition.published,
        reference="",
        reduces_to=definition.reduces_to,
    )


def simulated(random: np.random.Generator, plan: Plan, repeat: int = 0) -> Overview:
    """One tuning of a study as the verdicts see it: every optimizer tuned, and its winner trained on fresh seeds.

    Args:
        random: Source of the luck.
        plan: The study.
        repeat: Number of the tuning; its seeds are in no other one.
    """
    study = plan.study(repeat)
    seeds, fresh = Luck.drawn(random, NUM_SEEDS), Luck.drawn(random, plan.num_fresh)
    tuned: Rows = []
    trials: Rows = []
    epochs: Rows = []
    for name, formula in plan.optimizers.items():
        if not tuned or not plan.shares_winner:
            tuned = _tuned(random, formula, seeds, plan.num_trials)
        trials += [{**row, "optimizer": name} for row in tuned]
        best = _winner(tuned, formula.space)
        for phase, number, point in _around(study, name, best):
            rows, curves = _trained(random, formula, point, fresh, has_curves=plan.has_curves and phase != "sweep")
            key = {"optimizer": name, "phase": phase, "number": number}
            trials += [{**row, **key} for row in rows]
            epochs += [{**row, **key} for row in curves]
    first_seed = 1000 * (repeat + 1)
    frame = _frame(trials, trials_schema(study.hyperparameters)).with_columns(seed=first_seed + pl.col("replicate"))
    return overview(Ledger(study, frame, _frame(epochs, epochs_schema()), num_orphans=0))


def with_timings(overview: Overview, timings: pl.DataFrame) -> Overview:
    """The same study with these rows of timed steps."""
    return replace(overview, ledger=replace(overview.ledger, timings=timings))


def overview(ledger: Ledger) -> Overview:
    """What verdicts need of `overview_of`: the figures' tables are left empty."""
    study, nothing = ledger.study, pl.DataFrame()
    points = settings(study, ledger.trials)
    best = winners(study, points)
    figures = (
        "accuracies",
        "seed_curves",
        "mean_curves",
        "final_gaps",
        "mean_gaps",
        "responses",
        "step_times",
        "counts",
    )
    return Overview(
        ledger=ledger,
        points=points,
        best=best,
        results=[],
        shown=shown_runs(study, points, best),
        **dict.fromkeys(figures, nothing),
    )


def claims_on(a: Sequence[str], b: Sequence[str], metrics: Iterable[str] | None = None) -> Claims:
    """The article's claims, on other optimizers.

    Args:
        a: Those that are praised.
        b: Their rivals.
        metrics: Of the questions that are asked; all if None.
    """
    claims = parse_claims(packaged_text(), VOCABULARY)
    asked = [own for own in claims.questions if metrics is None or own.metric in set(metrics)]
    return replace(claims, questions=tuple(replace(own, a=tuple(a), b=tuple(b)) for own in asked))


def _tuned(random: np.random.Generator, formula: Formula, seeds: Luck, num_trials: int) -> Rows:
    tuning = Tuning(
        load_search("optuna"),
        formula.definition,
        seed=int(random.integers(2**31)),
        num_trials=num_trials,
        num_seeds=NUM_SEEDS,
        lag=LAG,
    )
    rows: Rows = []
    while (number := tuning.next_number()) is not None:
        proposal = tuning.start(number)
        key = {"phase": proposal.phase, "sampler": proposal.sampler, "number": number, **proposal.point}
        errors = formula.errors(random, proposal.point, seeds)
        for replicate, error in enumerate(errors.tolist()):
            tuning.record(number, proposal.point, replicate, error)
            rows.append({**key, **_outcome(replicate, error)})
    return rows


def _winner(rows: Rows, names: Iterable[str]) -> dict[str, float]:
    by_number: dict[int, Rows] = {}
    for row in rows:
        by_number.setdefault(row["number"], []).append(row)
    means = {number: round(np.mean([row["validation_error"] for row in own]), 12) for number, own in by_number.items()}
    best = min(means, key=lambda number: (means[number], number))
    return {name: by_number[best][0][name] for name in names}


def _around(study: Study, name: str, best: Mapping[str, float]) -> Iterable[tuple[str, int, Mapping[str, float]]]:
    """Phase, number and point of each trial on fresh seeds."""
    yield "confirm", 1, best
    optimizer = study.optimizers[name]
    for number, at in enumerate(optimizer.reduces_to.values()):
        if {**best, **at} != best:
            yield "ablation", number, {**best, **at}
    if study.sweep:
        for number, moved in study.sweep.points(optimizer.space, best).items():
            yield "sweep", number, {**best, moved.hyperparameter: moved.value}


def _trained(
    random: np.random.Generator, formula: Formula, point: Mapping[str, float], fresh: Luck, *, has_curves: bool
) -> tuple[Rows, Rows]:
    """Rows of `trials` and of `epochs` of one setting."""
    if not has_curves or formula.expected_error(point) >= 1:
        errors = formula.errors(random, point, fresh).tolist()
        return [{**point, **_outcome(number, error)} for number, error in enumerate(errors)], []
    curves = formula.curves(random, point, fresh)
    trials, epochs = [], []
    for replicate, (error, test) in enumerate(zip(curves.validation_error[:, -1], curves.test_error, strict=True)):
        trials.append({**point, **_outcome(replicate, float(error)), "test_error": float(test)})
        steps = curves.step_losses[replicate].reshape(NUM_EPOCHS, STEPS_PER_EPOCH)
        for epoch in range(NUM_EPOCHS):
            own = {name: float(getattr(curves, name)[replicate, epoch]) for name in EVALUATED}
            key = {"replicate": replicate, "epoch": epoch + 1, "steps": STEPS_PER_EPOCH, "seconds": 1.0}
            epochs.append({**key, **own, "step_losses": steps[epoch]})
    return trials, epochs


EVALUATED = ("train_loss", "validation_loss", "validation_error")


def _outcome(replicate: int, error: float) -> dict[str, Any]:
    status = "diverged" if error >= 1 else "complete"
    common = {"attempt": 0, "group_size": 1, "seconds": 1.0, "device": "cpu", "node": "audit", "run": 0}
    found = {"replicate": replicate, "status": status, "validation_error": error, "test_error": error}
    return {**common, **found, "steps": NUM_STEPS, "images": NUM_STEPS}


def _frame(rows: Rows, schema: Any) -> pl.DataFrame:
    types = pl.DataFrame(pl.from_arrow(schema.empty_table())).schema
    return pl.DataFrame(rows, schema=types)
