"""Two studies side by side, whatever they compare: what differs, and what each found out."""

import pathlib
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from analysis.claims.file import Claims
from analysis.ledger.join import YOUNGER, load_studies, refuse_twice, shown
from analysis.ledger.study import Optimizer, Study
from analysis.report.repeats import repeats_table
from analysis.tables.overview import Overview, overview_of
from analysis.tables.results import Result
from analysis.verdicts.claims_of_study import Judgement, judge_claims
from analysis.verdicts.verdict import Verdict

VERDICT_COLUMNS = {
    "verdict": pl.String, "estimate": pl.Float64, "low": pl.Float64, "high": pl.Float64, "seeds": pl.Int64
}  # fmt: skip
"""What the table of verdicts has of each side, as in `verdicts.json`."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of two studies.

    Args:
        name: What it is called: its folder, with as many folders above it as tell the two apart.
        tunings: The overview of each repeat of its tuning; all but `repeats_table` rests on the first.
        judgement: The verdicts on its claims.
    """

    name: str
    tunings: tuple[Overview, ...]
    judgement: Judgement

    @property
    def overview(self) -> Overview:
        """Those of the first tuning."""
        return self.tunings[0]

    @property
    def study(self) -> Study:
        """The study."""
        return self.overview.ledger.study

    def result(self, optimizer: str) -> Result | None:
        """What the study found out about an optimizer, if it holds it."""
        return next((result for result in self.overview.results if result.optimizer == optimizer), None)


@dataclass(frozen=True)
class Comparison:
    """Two studies side by side."""

    a: Side
    b: Side

    @property
    def sides(self) -> tuple[Side, Side]:
        """Both, in the order given."""
        return self.a, self.b

    @property
    def optimizers(self) -> list[str]:
        """Those of the first study, then what only the second one holds."""
        return list(dict.fromkeys([*self.a.study.optimizers, *self.b.study.optimizers]))

    def accuracies(self) -> pl.DataFrame:
        """Test accuracy of every fresh seed of every tuned setting.

        Returns:
            Columns `optimizer`, `setting` (the name of the study), `number`, `replicate`, `seed`, `status`,
            `test_accuracy`.
        """
        return pl.concat(
            side.overview.accuracies.filter(setting="tuned").with_columns(setting=pl.lit(side.name))
            for side in self.sides
        )

    def tables(self) -> dict[str, pl.DataFrame]:
        """What is stored as CSV, by file name."""
        results = [
            repeats_table(side.tunings).select(pl.lit(side.name).alias("study"), pl.all()) for side in self.sides
        ]
        found = {
            "compare_differences": pl.DataFrame(
                difference_rows(self.a.study, self.b.study),
                schema=dict.fromkeys(("field", "a", "b"), pl.String),
                orient="row",
            ),
            "compare_results": pl.concat(results, how="diagonal_relaxed"),
            "compare_seeds": self.accuracies().rename({"setting": "study"}),
        }
        return {**found, "compare_verdicts": _verdict_table(self.verdicts())}

    def verdicts(self) -> list["VerdictRow"]:
        """What both say about the claims of either."""
        return verdict_rows(self.a.judgement.verdicts, self.b.judgement.verdicts)


def compare(study_dir_a: pathlib.Path, study_dir_b: pathlib.Path, own: Claims | None = None) -> Comparison:
    """Read two studies, each with its repeats, and judge their claims.

    Args:
        study_dir_a: Folder of the first study.
        study_dir_b: Folder of the second one.
        own: Claims to judge both by, in the place of those that each study began with.

    Raises:
        LedgerError: A folder holds no ledger, both are the same, or a claim names an optimizer that nobody knows.
    """
    folders = (study_dir_a, study_dir_b)
    refuse_twice(folders)
    tunings = [tuple(overview_of(ledger) for ledger in load_studies([folder]).repeats) for folder in folders]
    a, b = (
        Side(name=name, tunings=found, judgement=judge_claims(found, own))
        for name, found in zip(side_names(*folders), tunings, strict=True)
    )
    return Comparison(a, b)


def side_names(study_dir_a: pathlib.Path, study_dir_b: pathlib.Path) -> tuple[str, str]:
    """The last parts of two different paths, as few as tell them apart."""
    one, other = (folder.resolve().parts for folder in (study_dir_a, study_dir_b))
    length = next(length for length in range(1, max(len(one), len(other)) + 1) if one[-length:] != other[-length:])
    return str(pathlib.Path(*one[-length:])), str(pathlib.Path(*other[-length:]))


def difference_rows(a: Study, b: Study) -> list[tuple[str, str, str]]:
    """Every entry of the descriptions that differs: its name and both values, as short texts.

    The fields of the identity come first, as it alone decides which rows are comparable; then how far the studies go;
    then the definitions of the optimizers that both hold.
    """
    identities = [{**study.identity, **YOUNGER, **study.identity} for study in (a, b)]
    extents = [
        {
            "optimizers": ", ".join(study.optimizers),
            "num_trials": study.num_trials,
            "num_confirm_seeds": study.num_confirm_seeds,
            "sweep": study.has_sweep,
            "num_sweep_seeds": study.num_sweep_seeds,
        }
        for study in (a, b)
    ]
    definitions = [
        {
            f"{name}.{key}": value
            for name in a.optimizers
            if name in b.optimizers
            for key, value in _definition(study.optimizers[name]).items()
        }
        for study in (a, b)
    ]
    return [
        (name, shown(mine.get(name)), shown(theirs.get(name)))
        for mine, theirs in (identities, extents, definitions)
        for name in dict.fromkeys([*mine, *theirs])
        if mine.get(name) != theirs.get(name)
    ]


def _definition(optimizer: Optimizer) -> dict[str, object]:
    """What decides which points are trained and how, in short words."""
    ranges = {name: f"{axis.low:g} to {axis.high:g}, {axis.scale}" for name, axis in optimizer.space.items()}
    published = {f"published.{name}": value for name, value in optimizer.published.items()}
    values = {f"values.{name}": ", ".join(f"{value:g}" for value in axis) for name, axis in optimizer.values.items()}
    return {**ranges, **published, **values, "source": optimizer.source}


@dataclass(frozen=True)
class VerdictRow:
    """What two studies say about one claim; None where a study does not hold both of its sides."""

    claim: str
    unit: str
    a: Verdict | None
    b: Verdict | None


def verdict_rows(a: Sequence[Verdict], b: Sequence[Verdict]) -> list[VerdictRow]:
    """The claims that either study tests: those of the first one in its order, then what only the second one tests.

    A claim is the same in both if its words and the unit of its numbers are.
    """
    mine, theirs = ({(verdict.claim, verdict.unit): verdict for verdict in verdicts} for verdicts in (a, b))
    return [VerdictRow(*key, mine.get(key), theirs.get(key)) for key in dict.fromkeys([*mine, *theirs])]


def _verdict_table(rows: Sequence[VerdictRow]) -> pl.DataFrame:
    sides = ("a", "b")
    schema: dict[str, type[pl.DataType]] = {"claim": pl.String, "unit": pl.String}
    schema |= {f"{name}_{side}": kind for side in sides for name, kind in VERDICT_COLUMNS.items()}
    content = []
    for row in rows:
        entries = [verdict.as_dict() if verdict else {} for verdict in (row.a, row.b)]
        content.append([row.claim, row.unit, *(entry.get(name) for entry in entries for name in VERDICT_COLUMNS)])
    return pl.DataFrame(content, schema=schema, orient="row")
