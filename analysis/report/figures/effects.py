"""The effect of each claim of a question with its interval, every seed drawn."""

import math
import re
from collections.abc import Sequence
from typing import Literal

import polars as pl

from analysis.claims.questions import Question
from analysis.report import charts
from analysis.report.charts.palette import Palette
from analysis.report.figures.figure import Figure, Panel
from analysis.report.text import verdict_sentences as verdict_text
from analysis.verdicts.claim import unit_of
from analysis.verdicts.verdict import Verdict
from analysis.wording import level_name

MARGIN = 0.06
"""Part of the axis that is left free at each end."""


def effects(verdicts: Sequence[Verdict], place: int, palette: Palette) -> Figure:
    """Estimates and intervals of the claims of one question.

    Args:
        verdicts: All of the question.
        place: Place of the question in the file of claims, from 1.
        palette: Colours.
    """
    question = verdicts[0].question
    slug = re.sub(r"[^a-z0-9]+", "_", question.name.lower()).strip("_")
    name = f"effects_{place}_{slug}".rstrip("_")
    judged = [verdict for verdict in verdicts if verdict.evidence and verdict.interval]
    title = f"Effect and interval of each claim: {question.name}"
    if not judged:
        text = "No claim of this question could be tested, so there is no effect to draw."
        return Figure(name=name, title=title, text=text, panels=(), tables=("verdicts", "run_metrics"))
    marks = sorted(on_axis(question, end) for end in _neutral(judged))
    claims, seeds = _claims(judged), _seeds(judged)
    scale = question.improvement.scale
    limits = _limits([*_numbers(claims, "mean", "low", "high"), *_numbers(seeds, "value"), *marks], scale)
    chart = charts.plot_effects(
        # An interval without an end reaches to the end of the axis.
        claims.with_columns(pl.col("low").fill_null(limits[0]), pl.col("high").fill_null(limits[1])),
        seeds,
        palette,
        axis_title=_axis_title(question),
        limits=limits,
        neutral=(on_axis(question, 0.0), marks[0], marks[-1]),
        scale=scale,
    )
    return Figure(
        name=name, title=title, text=_text(judged), tables=("verdicts", "run_metrics"), columns=1, width=620,
        panels=(Panel(chart=chart, description=title),),
    )  # fmt: skip


def on_axis(question: Question, improvement: float) -> float:
    """An improvement in the numbers that sentences write; infinite ones stay so."""
    return question.improvement.on_axis(improvement, unit_of(question))


def _axis_title(question: Question) -> list[str]:
    """What `on_axis` returns, with its unit, and which side speaks for the claim: two lines."""
    return question.improvement.axis_title(verdict_text.noun_of(question.metric), unit_of(question))


def _text(judged: Sequence[Verdict]) -> str:
    levels = sorted({level_name(verdict.level) for verdict in judged})
    text = (
        "Large points are the estimates, thick lines their intervals at the level of the claims "
        f"({' or '.join(levels)}, as the family and the looks share the error)"
    )
    if any(verdict.pairs for verdict in judged):
        text += "; each small circle is one pair of runs that share their seed"
    if any(verdict.pairs and verdict.about == "optimizers" for verdict in judged):
        text += ", and the intervals hold the luck of the tunings as well"
    return f"{text}. {judged[0].question.improvement.reading}"


def _neutral(judged: Sequence[Verdict]) -> list[float]:
    smallest = judged[0].smallest_effect
    return [-smallest, 0.0, smallest]


def _claims(judged: Sequence[Verdict]) -> pl.DataFrame:
    rows = []
    for verdict in judged:
        assert verdict.evidence is not None
        assert verdict.interval is not None
        ends = [verdict.interval.low, verdict.interval.high]
        is_log = verdict.question.improvement.scale == "log"
        low, high = sorted(on_axis(verdict.question, end) for end in ends)
        rows.append(
            {
                **_sides(verdict),
                "mean": on_axis(verdict.question, verdict.evidence.estimate),
                "low": low if math.isfinite(low) and (low > 0 or not is_log) else None,
                "high": high if math.isfinite(high) else None,
                "tip": f"{verdict.word}: {verdict_text.effect(verdict)} ({verdict_text.interval(verdict)}, "
                f"{verdict_text.basis(verdict)})",
            }
        )
    numbers = dict.fromkeys(("mean", "low", "high"), pl.Float64)
    return pl.DataFrame(rows, schema_overrides=numbers)


def _seeds(judged: Sequence[Verdict]) -> pl.DataFrame:
    rows = [
        {
            **_sides(verdict),
            "value": on_axis(verdict.question, float(difference)),
            "tip": f"one pair of runs: {verdict_text.amount(verdict, float(difference))}",
        }
        for verdict in judged
        if verdict.pairs
        for difference in verdict.pairs.differences
    ]
    types = dict.fromkeys(("optimizer", "rival", "pair", "tip"), pl.String)
    return pl.DataFrame(rows, schema={**types, "value": pl.Float64})


def _sides(verdict: Verdict) -> dict[str, str]:
    return {"optimizer": verdict.a, "rival": verdict.b, "pair": f"{verdict.a} vs {verdict.b}"}


def _numbers(rows: pl.DataFrame, *columns: str) -> list[float]:
    return [value for column in columns for value in rows[column].drop_nulls().to_list()]


def _limits(values: Sequence[float], scale: Literal["linear", "log"]) -> tuple[float, float]:
    """Ends of an axis that shows all values with a margin."""
    is_log = scale == "log"
    ends = [math.log(value) for value in (min(values), max(values))] if is_log else [min(values), max(values)]
    margin = MARGIN * (ends[1] - ends[0]) or 0.05
    low, high = ends[0] - margin, ends[1] + margin
    return (math.exp(low), math.exp(high)) if is_log else (low, high)
