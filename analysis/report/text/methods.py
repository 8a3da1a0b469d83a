"""The methods section and the provenance, generated from what was actually done."""

from collections.abc import Mapping
from typing import Any

from analysis.ledger.study import NO_MODEL, Study
from analysis.report.text.methods_of_claims import claims_methods
from analysis.report.text.nested_sentences import methods as nested_methods
from analysis.tables.overview import Overview
from analysis.verdicts.claims_of_study import Judgement
from analysis.wording import LEVEL_NAME, count

CIFAR10 = (
    "CIFAR-10: A. Krizhevsky, Learning Multiple Layers of Features from Tiny Images, University of Toronto, 2009, "
    "https://www.cs.toronto.edu/~kriz/cifar.html."
)
SEARCHES = {
    "optuna": "scrambled Sobol points, then points chosen by TPE (Optuna)",
    "sobol": "scrambled Sobol points",
    "random": "random points, even in the measure of each axis",
    "grid": "a grid given by the user",
}


def methods(overview: Overview, judgement: Judgement, which_rows: str) -> list[str]:
    """Data, budget, selection, claims and intervals, one paragraph each.

    Args:
        overview: The numbers of the report.
        judgement: Its verdicts.
        which_rows: Which rows answer which question, in the words of the sections.
    """
    study = overview.ledger.study
    claims = claims_methods(overview, judgement, which_rows)
    nested = nested_methods(judgement)
    return [*_import(study), _data(study), _budget(overview), _selection(study), *claims, *nested, _intervals()]


def attribution(study: Study) -> str:
    """Whom the images are owed to; empty for a dataset that this report does not know."""
    return CIFAR10 if "cifar10" in str(study.identity.get("dataset", "")) else ""


def _import(study: Study) -> list[str]:
    if study.source is None:
        return []
    return [
        f"The runs were trained elsewhere and imported ({study.source}): what they measured, on which data and how "
        "their settings were chosen is as their owner describes it. A run without an outcome at the last epoch counts "
        "as failed."
    ]


def _data(study: Study) -> str:
    if study.identity.get("model") == NO_MODEL:
        return f"No data and no network: curves of {count(study.num_epochs, 'epoch')} come from a formula with noise."
    stored = {key: study.identity.get(key, "not stored") for key in ("dataset", "model", "batch_size", "precision")}
    counted = [
        count(number, f"{part} image")
        for part in ("training", "validation", "test")
        if isinstance(number := study.identity.get(f"num_{'train' if part == 'training' else part}_images"), int)
    ]
    text = (
        f"Dataset {stored['dataset']} ({'; '.join(counted) or 'sizes not stored'}), model {stored['model']}, "
        f"batch size {stored['batch_size']}, {count(study.num_epochs, 'epoch')}, precision {stored['precision']}."
    )
    if isinstance(subset := study.identity.get("num_evaluation_images"), int):
        text += (
            " After each epoch losses and errors are measured on a fixed training subset and a fixed validation subset "
            f"of {count(subset, 'image')} each."
        )
    return text


def _budget(overview: Overview) -> str:
    study = overview.ledger.study
    done = sorted({result.trials for result in overview.results})
    ended = f"{done[0]} ended for each" if len(done) == 1 else f"between {done[0]} and {done[-1]} ended"
    search = str(study.identity.get("search", "not stored"))
    meaning = f", {SEARCHES[search]}" if search in SEARCHES else ""
    return (
        f"Every optimizer may use {count(study.num_trials, 'tuning trial')}; {ended}. Search: {search}{meaning}. "
        f"{_replicates(overview)}"
    )


def _replicates(overview: Overview) -> str:
    study = overview.ledger.study
    if study.source is None:
        return (
            f"A trial is one setting trained from {count(study.num_seeds, 'seed')} at once. A seed gives the same "
            "initialisation and data order to every setting of every optimizer, so differences are paired."
        )
    text = f"A trial is one setting, trained {count(study.num_seeds, 'time')}. "
    if overview.ledger.trials["seed"].null_count():
        return text + "Which seeds the runs had is not known, so pairs of runs have nothing in common."
    return text + "Differences are paired by seed; what runs of one seed have in common is up to what trained them."


def _selection(study: Study) -> str:
    text = (
        "The winner has the lowest validation error at the last epoch, mean over its replicates rounded to 12 decimal "
        "places; ties go to the earlier trial. A diverged replicate has error 1 and is counted, never left out of an "
        "error; a trial with a failed or missing replicate cannot win. "
    )
    if not study.num_confirm_seeds:
        return text + "No confirmation is planned, so every number comes from the seeds that chose the settings."
    ablations = " and of ablations" if any(optimizer.reduces_to for optimizer in study.optimizers.values()) else ""
    most = study.error_plan.most_confirm_seeds
    more = f" (winners on up to {most}, where claims were open)" if most else ""
    return text + (
        f"Winner and published setting are retrained on {count(study.num_confirm_seeds, 'fresh seed')}{more}; the test "
        f"set is read once, after the last epoch of those runs{ablations}. Validation data served selection too. The "
        "validation error that a setting won by is the least of many and so too low: the results show that of the "
        "fresh seeds, on the same images, and beside it the other one, in tuning."
    )


def _intervals() -> str:
    return (
        f"All other intervals are at {LEVEL_NAME}, each on its own and not adjusted for their number: they describe, "
        "and only the verdicts test. Those of means over seeds are Student's t intervals, the difference "
        "tuned − published is paired by seed; those of shares of runs are Wilson's; those of the search space resample "
        "points and seeds; those of step costs are exact ones of the median over the blocks. They cover neither the "
        "luck of the tuning run nor that of the images."
    )


def provenance(study: Study) -> list[tuple[str, str]]:
    """Where the rows come from: name and value, in order."""
    found = [("study", study.study_hash), ("seed", str(study.identity.get("seed", "not stored")))]
    for place, run in enumerate(study.runs, start=1):
        name = f"run {place}" if len(study.runs) > 1 else "run"
        found += [
            (f"{name}: started", str(run.get("started", "not stored"))),
            (f"{name}: command", str(run.get("command", "not stored"))),
            (f"{name}: commit", str(run.get("commit") or "not known")),
            (f"{name}: versions", _pairs(run.get("versions"))),
            (f"{name}: hardware", _pairs(run.get("hardware"))),
        ]
    return found


def _pairs(entry: Mapping[str, Any] | None) -> str:
    return ", ".join(f"{key} {_plain(value)}" for key, value in (entry or {}).items()) or "not stored"


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
