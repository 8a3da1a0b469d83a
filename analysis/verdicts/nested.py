"""Is it the optimizer or its setting? An optimizer against itself without what it adds to a simpler one.

At one setting and one seed both are trained from the same weights on the same images, so their difference is the
effect of what is added and of nothing else. What is left of the lead over the simpler optimizer at its own winner is
the effect of the setting:

    improvement over the simpler one = effect of the optimizer + effect of the setting, seed by seed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.claims.file import Claims
from analysis.claims.questions import Question
from analysis.metrics import METRICS, PAIR_METRICS
from analysis.statistics.paired import fewest_pairs
from analysis.tables.ablations import Ablation, ablations, trial_of
from analysis.tables.runs import ConfirmedRuns
from analysis.verdicts.evidence import Evidence, NotTestableError, PairedSeeds
from analysis.verdicts.evidence_of_runs import (
    have_own_seeds,
    measured,
    paired_values,
    targets_of,
    tuning_variance,
)
from analysis.verdicts.evidence_of_tunings import PairedTunings
from analysis.verdicts.judge import resting_on
from analysis.verdicts.looks import num_looks, of_all_looks, share_of
from analysis.verdicts.refusals import Pairs, refuse_sides
from analysis.verdicts.study_metrics import STUDY_METRICS
from analysis.verdicts.targets import TIMES_TO_TARGETS, Targets
from analysis.verdicts.verdict import Verdict
from analysis.wording import count

Values = NDArray[np.float64]
"""Of a metric or its improvement, shape (num_repeats, num_seeds)."""

COLUMNS = (
    *("verdict", "estimate", "low", "high", "unit", "level", "smallest_effect", "p", "seeds"),
    *("value_a", "value_b", "reason"),
)
"""Of the table of verdicts, those of the table of nested pairs."""


@dataclass(frozen=True, kw_only=True)
class Nested:
    """What an optimizer adds to a simpler one, by the metric of one question.

    Args:
        ablation: The optimizer, the simpler one and the neutral values.
        optimizer: The winner against itself at the neutral values.
        total: The winner against the simpler optimizer's winner; None where the study does not hold that or cannot
            compare the two.
        setting: The winner at the neutral values against the simpler optimizer's winner; None as for `total`.
    """

    ablation: Ablation
    optimizer: Verdict
    total: Verdict | None = None
    setting: Verdict | None = None

    @property
    def question(self) -> Question:
        """The question whose metric it is."""
        return self.optimizer.question

    def rows(self) -> list[dict[str, Any]]:
        """Its rows of the table of nested pairs, one for each part; only that of the optimizer has a verdict."""
        parts = {"total": self.total, "optimizer": self.optimizer, "setting": self.setting}
        key = {"optimizer": self.ablation.optimizer, "simpler": self.ablation.simpler, "at": self.ablation.neutral}
        return [
            {
                **key,
                "question": self.question.name,
                "part": part,
                **{name: value for name, value in found.as_row().items() if name in COLUMNS},
                "verdict": found.word if part == "optimizer" else None,
            }
            for part, found in parts.items()
            if found is not None
        ]


def compare_nested(repeats: Sequence[ConfirmedRuns], claims: Claims, verdicts: Sequence[Verdict]) -> list[Nested]:
    """Every nested pair of a study by the metric of every question that compares runs by seed.

    The level is that at which all ablations of a study hold together in one question, and no lower than that of the
    verdict on the same two optimizers.

    Args:
        repeats: The repeats of the tuning, the first one first.
        claims: What is claimed.
        verdicts: On the claims that the study holds both sides of.
    """
    study = repeats[0].overview.ledger.study
    found = ablations(study) if study.num_confirm_seeds else []
    levels = {(verdict.question.name, verdict.a, verdict.b): verdict.level for verdict in verdicts}
    nested = []
    for question in claims.questions:
        for ablation in found if question.metric not in STUDY_METRICS else ():
            look = num_looks([confirmed.overview.ledger for confirmed in repeats], list(_sources(ablation, repeats)))
            level = 1 - claims.alpha * share_of(look) / len(found)
            level = max(level, levels.get((question.name, ablation.optimizer, ablation.simpler), level))
            nested.append(_compare(question, ablation, repeats, level, look))
    return nested


def _sources(ablation: Ablation, repeats: Sequence[ConfirmedRuns]) -> Iterator[tuple[str, str]]:
    """Phase and optimizer of the runs that are looked at."""
    yield "confirm", ablation.optimizer
    if any("ablation" in trial_of(ablation, confirmed.overview)["phase"] for confirmed in repeats):
        yield "ablation", ablation.optimizer
    if ablation.simpler in repeats[0].overview.ledger.study.optimizers:
        yield "confirm", ablation.simpler


def _compare(
    question: Question, ablation: Ablation, repeats: Sequence[ConfirmedRuns], level: float, look: int
) -> Nested:
    a, alone, simpler = ablation.optimizer, ablation.side, ablation.simpler
    effect = question.effect_for(repeats[0].dataset)
    sides = {"optimizer": (a, alone), "total": (a, simpler), "setting": (alone, simpler)}
    blank = {
        part: Verdict(
            question=question, a=ours, b=theirs, word="NOT TESTABLE", level=level, look=look,
            smallest_effect=effect or 0.0,
        )
        for part, (ours, theirs) in sides.items()
    }  # fmt: skip
    try:
        if effect is None:
            raise NotTestableError(f"the claims fix no smallest effect for the data set {repeats[0].dataset}")
        parts = _parts(question, ablation, _begun(ablation, repeats), level)
    except NotTestableError as reason:
        return Nested(ablation=ablation, optimizer=replace(blank["optimizer"], reason=str(reason)))
    found = {part: resting_on(evidence, blank[part]) for part, evidence in parts.items()}
    adjusted = {part: replace(own, p_value=of_all_looks(own.p_value, look)) for part, own in found.items()}
    return Nested(ablation=ablation, **adjusted)


def _begun(ablation: Ablation, repeats: Sequence[ConfirmedRuns]) -> list[ConfirmedRuns]:
    """The first repeat and the others as far as they have something to say.

    Raises:
        NotTestableError: The first one has not trained the ablation.
    """
    if not repeats[0].of(ablation.side):
        raise NotTestableError(f"{ablation.side} has not been trained on fresh seeds")
    sides = [ablation.optimizer, ablation.side]
    if ablation.simpler in repeats[0].overview.ledger.study.optimizers:
        sides.append(ablation.simpler)
    return [repeats[0], *(confirmed for confirmed in repeats[1:] if all(confirmed.of(side) for side in sides))]


def _parts(
    question: Question, ablation: Ablation, repeats: Sequence[ConfirmedRuns], level: float
) -> dict[str, Evidence]:
    """The evidence for each part: for that of the optimizer alone where the simpler one cannot be compared.

    A metric of two runs has a value of the winner for each run that it is compared with. So the effect of the
    optimizer is measured between the two runs that it is about, on the scale of the simpler one's winner, and that of
    the setting is what is left of the total.

    Raises:
        NotTestableError: The rows cannot answer.
    """
    # The same targets for all parts, or they would not add up: those of the claim on the two optimizers.
    is_rival_known = all(confirmed.of(ablation.simpler) for confirmed in repeats)
    rival = ablation.simpler if is_rival_known else ablation.side
    targets = targets_of(ablation.optimizer, rival, repeats) if question.metric in TIMES_TO_TARGETS else None
    own = _pairs(question, ablation.optimizer, ablation.side, repeats, level, targets)
    total = _total(question, ablation, repeats, level, targets)
    values = paired_values([own] if total is None else [own, total])
    if values[0][..., 0].size < fewest_pairs(level):
        raise NotTestableError(f"{count(values[0][..., 0].size, 'pair')}, and a verdict needs {fewest_pairs(level)}")
    metric = METRICS.get(question.metric) or PAIR_METRICS[question.metric]

    def improvement(ours: Values, theirs: Values) -> Values:
        return question.improvement.measure(ours, theirs, metric=metric.name, better=metric.better)

    with_it, without_it = values[0][..., 0], values[0][..., 1]
    if total is None:
        return {"optimizer": _at_settings(improvement(with_it, without_it), with_it, without_it, repeats)}
    ours, theirs = values[1][..., 0], values[1][..., 1]
    whole = improvement(ours, theirs)
    of_optimizer = improvement(with_it, theirs) - improvement(without_it, theirs)
    return {
        "optimizer": _at_settings(of_optimizer, with_it, without_it, repeats),
        "total": _of_winners(whole, ours, theirs, question, repeats, targets),
        "setting": _of_winners(whole - of_optimizer, without_it, theirs, question, repeats, targets),
    }


def _at_settings(improvement: Values, ours: Values, theirs: Values, repeats: Sequence[ConfirmedRuns]) -> PairedSeeds:
    """Evidence that is exact whatever the tunings have found: every pair counts if tunings have seeds of their own."""
    each = improvement.reshape(1, -1) if have_own_seeds(repeats) else improvement
    return PairedSeeds.of(each, ours, theirs)


def _of_winners(
    improvement: Values,
    ours: Values,
    theirs: Values,
    question: Question,
    repeats: Sequence[ConfirmedRuns],
    targets: Targets | None,
) -> Evidence:
    """Evidence that holds the luck of the tunings where there are several: as for a claim on both winners."""
    if len(repeats) > 1 and have_own_seeds(repeats):
        return PairedTunings.of(improvement, ours, theirs, tuning_variance(question, repeats, theirs, targets))
    return PairedSeeds.of(improvement, ours, theirs)


def _total(
    question: Question, ablation: Ablation, repeats: Sequence[ConfirmedRuns], level: float, targets: Targets | None
) -> list[Pairs] | None:
    if ablation.simpler not in repeats[0].overview.ledger.study.optimizers:
        return None
    try:
        return _pairs(question, ablation.optimizer, ablation.simpler, repeats, level, targets)
    except NotTestableError:
        return None


def _pairs(
    question: Question, a: str, b: str, repeats: Sequence[ConfirmedRuns], level: float, targets: Targets | None
) -> list[Pairs]:
    refuse_sides(question, a, b, repeats, level)
    return [measured(question, a, b, confirmed, targets) for confirmed in repeats]
