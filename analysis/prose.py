"""Sentences of the report, generated from what was actually done."""

from collections.abc import Mapping
from typing import Any

from analysis.completeness import Completeness
from analysis.findings import Findings
from analysis.results import Result
from analysis.spec import Study, one_line
from analysis.wording import LEVEL_NAME, count, listing, number_word, percent, percent_interval, points

QUESTION = "Is this optimizer really better, or was it only tuned better?"
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


def deck(findings: Findings) -> str:
    """What was compared, in two sentences below the title."""
    study = findings.ledger.study
    several = len(study.optimizers) > 1
    sides = (
        f"{number_word(len(study.optimizers))} optimizers"
        if several
        else f"the optimizer {next(iter(study.optimizers))}"
    )
    text = (
        f"{sides} got the same budget of {count(study.num_trials, 'setting')}"
        if several
        else f"{sides} got a budget of {count(study.num_trials, 'setting')}"
    )
    text = f"{text[0].upper()}{text[1:]} on {study.identity.get('dataset', 'one dataset')}, each trained from {count(study.num_seeds, 'seed')}."
    if study.num_confirm_seeds:
        text += (
            f" The best setting {'of each ' if several else ''}and the published one were then retrained on "
            f"{count(study.num_confirm_seeds, 'fresh seed')}, and only then shown the test images."
        )
    return text


def answer(findings: Findings) -> list[str]:
    """What the numbers say, as description and not as a test."""
    known = [(result, result.tuned_accuracy) for result in findings.results if result.tuned_accuracy]
    if not known:
        return _tuning_answer(findings)
    top, best = max(known, key=lambda pair: pair[1].mean)
    sentences = [
        f"Tuned {top.optimizer} is right on {percent(best.mean)} of the test images"
        + (f" ({LEVEL_NAME} interval {percent_interval(best)})" if best.low is not None else "")
        + (", the highest mean here." if len(known) > 1 else ".")
    ]
    rivals = [result.optimizer for result, accuracy in known if result is not top and _overlaps(accuracy, best)]
    if rivals:
        sentences.append(
            f"The interval of {listing(rivals)} overlaps with it."
            if len(rivals) == 1
            else f"The intervals of {listing(rivals)} overlap with it."
        )
    moved = [(result, result.difference) for result in findings.results if result.difference]
    if moved:
        low, high = (pick(moved, key=lambda pair: pair[1].mean) for pick in (min, max))
        sentences.append(
            f"Tuning moved {low[0].optimizer} by {points(low[1].mean)}"
            + (
                f" and {high[0].optimizer} by {points(high[1].mean)}, the least and the most."
                if len(moved) > 1
                else "."
            )
        )
    return sentences


def _tuning_answer(findings: Findings) -> list[str]:
    if not findings.best:
        return ["No setting has ended with all its replicates yet, so there is no best one."]
    best = min(findings.best.values(), key=lambda setting: setting.validation_error)
    return [
        f"So far the lowest validation error is {percent(best.validation_error)}, by {best.optimizer}. "
        "It is the error that chose the setting, so it flatters; the test accuracy comes with the confirmation."
    ]


def _overlaps(one: Any, other: Any) -> bool:
    if one.low is None or other.low is None:
        return False
    return bool(one.low <= other.high and other.low <= one.high)


def status(found: Completeness) -> str:
    """How much of the study is there."""
    if not found.missing:
        return f"complete: {count(found.done, 'trial')}"
    return f"partial: {found.done:,} of {count(found.planned, 'trial')}"


def notes(findings: Findings) -> list[str]:
    """What a reader must know before trusting the numbers."""
    found = []
    if orphans := findings.ledger.num_orphans:
        found.append(f"{count(orphans, 'epoch row')} of replicates that are not in the table of trials were left out.")
    failed = findings.ledger.trials.filter(status="failed")
    if failed.height:
        found.append(
            f"{count(failed.height, 'replicate')} failed and {'has' if failed.height == 1 else 'have'} no outcome; "
            "a trial with a failed replicate cannot win."
        )
        messages = (
            failed["message"]
            .fill_null("no message")
            .value_counts(sort=True)
            .sort(["count", "message"], descending=[True, False])
        )
        found += [
            f"{count(row['count'], 'failure')}: {one_line(row['message'])[:300]}" for row in messages.head(5).to_dicts()
        ]
    lost = [
        f"{result.optimizer} ({side}) {diverged} of {accuracy.num_values}"
        for result in findings.results
        for side, diverged, accuracy in _sides(result)
        if diverged and accuracy
    ]
    if lost:
        found.append(
            f"Fresh seeds that diverged and count as accuracy 0: {listing(lost)}. There the share that diverged says more than the mean."
        )
    return found


def _sides(result: Result) -> list[tuple[str, int, Any]]:
    return [
        ("tuned", result.tuned_diverged, result.tuned_accuracy),
        ("published", result.published_diverged, result.published_accuracy),
    ]


def methods(findings: Findings) -> list[str]:
    """Data, budget, selection and intervals, one paragraph each."""
    study = findings.ledger.study
    return [_data(study), _budget(study, findings), _selection(study), _intervals()]


def _data(study: Study) -> str:
    identity = study.identity
    images = "; ".join(
        f"{identity[key]:,} {name}"
        for key, name in (
            ("num_train_images", "training images"),
            ("num_validation_images", "validation images"),
            ("num_test_images", "test images"),
        )
        if isinstance(identity.get(key), int)
    )
    text = f"Dataset {identity.get('dataset', 'not named')} ({images}), model {identity.get('model', 'not named')}, batch size "
    text += f"{identity.get('batch_size', 'not stored')}, {count(study.num_epochs, 'epoch')}, precision {identity.get('precision', 'not stored')}."
    if isinstance(subset := identity.get("num_evaluation_images"), int):
        text += f" After each epoch the losses are measured on a fixed training and a fixed validation subset of {count(subset, 'image')} each."
    return text


def _budget(study: Study, findings: Findings) -> str:
    tried = sorted({result.trials for result in findings.results})
    text = f"Every optimizer may use {count(study.num_trials, 'tuning trial')}, the published setting included"
    text += (
        f"; {tried[0]} were done for each. " if len(tried) == 1 else f"; between {tried[0]} and {tried[-1]} were done. "
    )
    search = str(study.identity.get("search", "not stored"))
    text += f"Search: {search}, {SEARCHES[search]}. " if search in SEARCHES else f"Search: {search}. "
    return text + (
        f"A trial is one setting trained from {count(study.num_seeds, 'seed')} at once; a seed gives the same initialisation and data order "
        "to every setting of every optimizer, so differences are paired."
    )


def _selection(study: Study) -> str:
    text = (
        "The winner has the lowest validation error at the last epoch, mean over its replicates; ties go to the earlier trial. A diverged "
        "replicate has error 1 and is counted, never left out of an error; a trial with a failed or missing replicate cannot win. "
    )
    if not study.num_confirm_seeds:
        return text + "No confirmation is planned, so every number comes from the seeds that chose the settings."
    return text + (
        f"Winner and published setting are retrained on {count(study.num_confirm_seeds, 'fresh seed')}; the test set is read once, after the last epoch of those runs."
    )


def _intervals() -> str:
    return (
        f"Intervals are Student's t intervals of the mean over seeds at {LEVEL_NAME}, each on its own and not adjusted for their number; "
        "the difference tuned − published is paired by seed. They cover the luck of seeds, not that of the tuning run nor that of the test images."
    )


def provenance(study: Study) -> list[tuple[str, str]]:
    """Where the rows come from: name and value, in order."""
    found = [("study", study.study_hash), ("seed", str(study.identity.get("seed", "not stored")))]
    for place, run in enumerate(study.runs, start=1):
        name = f"run {place}" if len(study.runs) > 1 else "run"
        versions: Mapping[str, Any] = run.get("versions") or {}
        hardware: Mapping[str, Any] = run.get("hardware") or {}
        found += [
            (f"{name}: started", str(run.get("started"))),
            (f"{name}: command", str(run.get("command"))),
            (f"{name}: commit", str(run.get("commit") or "not known")),
            (f"{name}: versions", ", ".join(f"{key} {value}" for key, value in versions.items())),
            (f"{name}: hardware", ", ".join(f"{key} {_plain(value)}" for key, value in hardware.items())),
        ]
    return found


def _plain(value: Any) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
