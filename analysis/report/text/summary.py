"""Sentences of the report about its numbers: description, not tests."""

import polars as pl

from analysis.ledger.study import NO_MODEL
from analysis.lines import one_line
from analysis.statistics.intervals import Estimate
from analysis.tables.completeness import Completeness
from analysis.tables.overview import Overview
from analysis.tables.results import Result
from analysis.wording import LEVEL_NAME, count, listing, number_word, percent, percent_interval, points

QUESTION = "Is this optimizer really better, or was it only tuned better?"
NOT_TRAINED = (
    "Nothing was trained: a formula drew these curves. They can show how well a search algorithm works, and say "
    "nothing about the optimizers whose names they bear."
)
MAX_MESSAGES = 5
MAX_MESSAGE_LENGTH = 300


def deck(overview: Overview) -> str:
    """What was compared, below the title."""
    study = overview.ledger.study
    names = list(study.optimizers)
    alone = len(names) == 1
    sides = f"the optimizer {names[0]}" if alone else f"{number_word(len(names))} optimizers"
    verb = "gets" if alone else "get"
    budget = f"a budget of {count(study.num_trials, 'setting')}"
    if not alone:
        is_equal = study.source is None or len({result.trials for result in overview.results}) == 1
        budget = budget.replace("a budget", "the same budget") if is_equal else budget.replace("of", "of up to")
    text = f"{sides} {verb} {budget} on {study.identity.get('dataset', 'one dataset')}"
    text = f"{text[0].upper()}{text[1:]}, each trained from {count(study.num_seeds, 'seed')}."
    if not study.num_confirm_seeds:
        return text
    if any(optimizer.published for optimizer in study.optimizers.values()):
        retrained = f"The best setting {'' if alone else 'of each '}and the published one are"
    else:
        retrained = f"The best setting {'' if alone else 'of each '}is"
    return (
        f"{text} {retrained} then retrained on {count(study.num_confirm_seeds, 'fresh seed')}, and only then shown the "
        "test images."
    )


def answer(overview: Overview) -> list[str]:
    """What the numbers say, one sentence each."""
    return [*_warning(overview), *_answer(overview)]


def _warning(overview: Overview) -> list[str]:
    return [NOT_TRAINED] if overview.ledger.study.identity.get("model") == NO_MODEL else []


def _answer(overview: Overview) -> list[str]:
    known = [(result, result.tuned_accuracy) for result in overview.results if result.tuned_accuracy]
    if not known:
        return [_without_confirmation(overview)]
    if all(result.tuned_diverged == accuracy.num_values for result, accuracy in known):
        return ["Every fresh seed of every tuned setting diverged: nothing was learned."]
    return [sentence for sentence in (_best(known), _rivals(known), _moved(overview)) if sentence]


def _without_confirmation(overview: Overview) -> str:
    if not overview.best:
        return "No setting has ended with all its replicates yet, so there is no best one."
    best = min(overview.best.values(), key=lambda setting: setting.validation_error)
    is_planned = overview.ledger.study.num_confirm_seeds > 0
    end = "fresh seeds and the test images come with the confirmation" if is_planned else "no confirmation is planned"
    return (
        f"{'So far the' if is_planned else 'The'} lowest validation error is {percent(best.validation_error)}, by "
        f"{best.optimizer}. It is the error that chose the setting, so it flatters; {end}."
    )


def _best(known: list[tuple[Result, Estimate]]) -> str:
    result, accuracy = max(known, key=lambda pair: pair[1].mean)
    interval = "" if accuracy.low is None else f" ({LEVEL_NAME} interval {percent_interval(accuracy)})"
    end = ", the highest mean here." if len(known) > 1 else "."
    return f"Tuned {result.optimizer} is right on {percent(accuracy.mean)} of the test images{interval}{end}"


def _rivals(known: list[tuple[Result, Estimate]]) -> str:
    best = max(known, key=lambda pair: pair[1].mean)
    rivals = [result.optimizer for result, accuracy in known if result is not best[0] and _overlap(accuracy, best[1])]
    if not rivals:
        return ""
    if len(rivals) == 1:
        return f"The interval of {rivals[0]} overlaps with it."
    return f"The intervals of {listing(rivals)} overlap with it."


def _overlap(one: Estimate, other: Estimate) -> bool:
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.low <= other.high and other.low <= one.high


def _moved(overview: Overview) -> str:
    moved = [(result.optimizer, result.difference.mean) for result in overview.results if result.difference]
    if not moved:
        return ""
    low, high = (pick(moved, key=lambda pair: pair[1]) for pick in (min, max))
    if len(moved) == 1:
        return f"Against its published setting, tuning moved {low[0]} by {points(low[1])}."
    return (
        f"Against the published setting, tuning moved {low[0]} by {points(low[1])} and {high[0]} by {points(high[1])}, "
        "the least and the most."
    )


def status(found: Completeness) -> str:
    """How much of the study is there."""
    tunings = f" in {found.tunings} tunings" if found.tunings > 1 else ""
    if not found.missing:
        return f"complete: {count(found.done, 'trial')}{tunings}"
    return f"partial: {found.done:,} of {count(found.planned, 'trial')}{tunings}"


def notes(overview: Overview) -> list[str]:
    """What a reader must know before trusting the numbers."""
    found = list(overview.ledger.study.notes)
    if orphans := overview.ledger.num_orphans:
        found.append(f"{count(orphans, 'epoch row')} of replicates that are not in the table of trials were left out.")
    lost = [
        f"{result.optimizer} ({side}) {diverged} of {accuracy.num_values}"
        for result in overview.results
        for side, diverged, accuracy in (
            ("tuned", result.tuned_diverged, result.tuned_accuracy),
            ("published", result.published_diverged, result.published_accuracy),
        )
        if diverged and accuracy
    ]
    if lost:
        found.append(
            f"Fresh seeds that diverged and count as accuracy 0: {listing(lost)}. "
            "There the share that diverged says more than the mean."
        )
    return [*found, *_idle(overview), *_failures(overview)]


def _idle(overview: Overview) -> list[str]:
    """Runs that stood still; results all the same, since a schedule that has come to 0 is no fault of its optimizer."""
    idle = overview.ledger.epochs.filter((pl.col("update_norm") == 0) & (pl.col("gradient_norm") > 0))
    found = (
        idle.group_by("optimizer")
        .agg(runs=pl.struct("phase", "number", "replicate").n_unique(), epoch=pl.col("epoch").min())
        .sort("optimizer")
    )
    if found.is_empty():
        return []
    shown = [f"{row['optimizer']} {row['runs']:,}, the first in epoch {row['epoch']}" for row in found.to_dicts()]
    return [
        "Runs whose parameters did not change for a whole epoch, though their gradients were not 0: "
        f"{'; '.join(shown)}. They count as they are: a schedule that has come to 0 leaves such runs, and so does a "
        "broken optimizer."
    ]


def _failures(overview: Overview) -> list[str]:
    failed = overview.ledger.trials.filter(status="failed")
    if failed.is_empty():
        return []
    messages = (
        failed["message"].fill_null("no message").value_counts().sort("count", "message", descending=[True, False])
    )
    shown = [
        f"{count(row['count'], 'failure')}: {one_line(row['message'])[:MAX_MESSAGE_LENGTH]}"
        for row in messages.head(MAX_MESSAGES).to_dicts()
    ]
    hidden = messages.height - len(shown)
    return [
        f"{count(failed.height, 'replicate')} failed and so gave no outcome; "
        "a trial with a failed replicate cannot win.",
        *shown,
        *([f"{count(hidden, 'other message')} in the column message of the ledger."] if hidden else []),
    ]
