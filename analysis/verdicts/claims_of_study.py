"""The claims that a report judges: where they come from, whether they were fixed in time, and the verdicts."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from analysis.claims.file import Claims, packaged_text, parse_claims
from analysis.ledger.study import LedgerError, Study
from analysis.tables.origins import mixture
from analysis.tables.overview import Overview
from analysis.tables.runs import ConfirmedRuns
from analysis.verdicts.claim import Untested
from analysis.verdicts.default_vocabulary import VOCABULARY
from analysis.verdicts.judge import judge
from analysis.verdicts.need import Need, needs
from analysis.verdicts.nested import Nested, compare_nested
from analysis.verdicts.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Verdicts with what a reader must know about the claims.

    Args:
        claims: What is claimed.
        verdicts: One on each claim whose two sides the study holds.
        untested: The other claims.
        notes: Whether the claims came after the rows, and whether the rows were made alike; shown first of all.
        nested: What optimizers add to simpler ones, by each question that compares runs.
        needs: Whether that earns its place.
    """

    claims: Claims
    verdicts: tuple[Verdict, ...]
    untested: tuple[Untested, ...]
    notes: tuple[str, ...]
    nested: tuple[Nested, ...] = ()
    needs: tuple[Need, ...] = ()

    def as_json(self) -> str:
        """The content of `verdicts.json`."""
        entries = [claim.as_dict() for claim in self._every_claim()]
        return json.dumps(entries, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def table(self) -> pl.DataFrame:
        """The verdicts with everything that was computed for them, one row per claim."""
        return pl.from_dicts([claim.as_row() for claim in self._every_claim()], infer_schema_length=None)

    def tables(self) -> dict[str, pl.DataFrame]:
        """All that is stored as CSV, by file name: ablations only where an optimizer has a neutral value."""
        rows = {
            "ablation": [need.row() for need in self.needs],
            "nested": [row for pair in self.nested for row in pair.rows()],
        }
        made = {name: pl.from_dicts(own, infer_schema_length=None) for name, own in rows.items() if own}
        return {"verdicts": self.table(), **made}

    def _every_claim(self) -> list[Verdict | Untested]:
        """All claims, tested or not, in the order of the file."""
        every: tuple[Verdict | Untested, ...] = (*self.verdicts, *self.untested)
        found = {(claim.question.name, claim.a, claim.b): claim for claim in every}
        return [found[question.name, a, b] for question in self.claims.questions for a, b in question.pairs]


def judge_claims(repeats: Sequence[Overview], own: Claims | None = None) -> Judgement:
    """Judge the claims that the study has fixed, or others.

    Args:
        repeats: Overview of each repeat of the tuning, the first one first.
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
    verdicts, untested = judge(repeats, claims)
    confirmed = [ConfirmedRuns(overview, claims) for overview in repeats]
    nested = compare_nested(confirmed, claims, verdicts)
    return Judgement(
        claims=claims,
        verdicts=tuple(verdicts),
        untested=tuple(untested),
        notes=(*_notes(study, claims), *filter(None, [mixture([overview.ledger for overview in repeats])])),
        nested=tuple(nested),
        needs=tuple(needs(confirmed, nested)),
    )


def _stored(study: Study) -> Claims:
    if study.claims is None:
        return parse_claims(packaged_text(), VOCABULARY)
    try:
        return parse_claims(study.claims.text, VOCABULARY)
    except ValueError as error:
        raise LedgerError(f"the claims in study.json must be readable, they are not ({error}); use --claims.") from None


def _known(study: Study) -> set[str]:
    known = study.claims.known if study.claims else parse_claims(packaged_text(), VOCABULARY).optimizers
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
