"""The claims that a report judges: where they come from, whether they were fixed in time, and the verdicts."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from analysis.claims.file import Claims, packaged_text, parse_claims
from analysis.ledger.study import LedgerError, Study
from analysis.tables.overview import Findings
from analysis.verdicts.verdicts import Verdict, judge


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Verdicts with what a reader must know about the claims.

    Args:
        claims: What is claimed.
        verdicts: One on each claim.
        notes: Whether the claims came after the rows; shown first of all.
    """

    claims: Claims
    verdicts: tuple[Verdict, ...]
    notes: tuple[str, ...]

    def as_json(self) -> str:
        """The content of `verdicts.json`."""
        entries = [verdict.as_dict() for verdict in self.verdicts]
        return json.dumps(entries, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def table(self) -> pl.DataFrame:
        """The verdicts with everything that was computed for them, one row per claim."""
        entries = [
            {
                **verdict.as_dict(),
                "level": verdict.level,
                "smallest_effect": verdict.smallest_effect,
                "p": verdict.p_value,
                "hodges_lehmann": verdict.hodges_lehmann,
                "effect_size": verdict.effect_size,
                "superiority": verdict.superiority,
                "value_a": verdict.evidence.value_a if verdict.evidence else None,
                "value_b": verdict.evidence.value_b if verdict.evidence else None,
                "luck": verdict.luck,
                "reason": verdict.reason,
            }
            for verdict in self.verdicts
        ]
        return pl.from_dicts(entries, infer_schema_length=None)


def judge_claims(repeats: Sequence[Findings], own: Claims | None = None) -> Judgement:
    """Judge the claims that the study has fixed, or others.

    Args:
        repeats: Findings of each repeat of the tuning, the first one first.
        own: Claims in the place of those of the study; the notes say so.

    Raises:
        LedgerError: A claim names an optimizer that nobody knows, or the stored claims cannot be read.
    """
    study = repeats[0].ledger.study
    claims = own or _stored(study)
    try:
        claims.check_names(_known(study))
    except ValueError as error:
        raise LedgerError(str(error)) from None
    verdicts = judge(repeats, claims)
    return Judgement(claims=claims, verdicts=tuple(verdicts), notes=tuple(_notes(study, claims)))


def _stored(study: Study) -> Claims:
    if study.claims is None:
        return parse_claims(packaged_text())
    try:
        return parse_claims(study.claims.text)
    except ValueError as error:
        raise LedgerError(f"the claims in study.json must be readable, they are not ({error}); use --claims.") from None


def _known(study: Study) -> set[str]:
    known = study.claims.known if study.claims else parse_claims(packaged_text()).optimizers
    return {*study.optimizers, *known}


def _notes(study: Study, claims: Claims) -> list[str]:
    if study.claims is None:
        return ["These claims were not fixed before the study: they may have been chosen to fit its results."]
    if study.claims.text != claims.text:
        return [
            "These are not the claims that the study began with: they were changed afterwards and may have been chosen "
            "to fit its results."
        ]
    return []
