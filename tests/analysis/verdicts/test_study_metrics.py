"""The contract of every metric of a whole study: a new file is judged, written and drawn without another edit."""

import json
from pathlib import Path

import pytest

from analysis.claims.file import parse_claims
from analysis.ledger.load import load
from analysis.ledger.schema import PHASES
from analysis.report.contents import metric_family
from analysis.report.sections import SECTIONS
from analysis.report.text.verdict_sentences import noun_of
from analysis.tables.overview import overview_of
from analysis.verdicts import study_metrics
from analysis.verdicts.claims_of_study import judge_claims
from analysis.verdicts.default_vocabulary import VOCABULARY
from analysis.verdicts.evidence import Draws, Median, PairedSeeds
from analysis.verdicts.improvements import IMPROVEMENTS
from analysis.verdicts.looks import LOOKED_AT
from analysis.verdicts.study_metrics import STUDY_METRICS

EVERY = pytest.mark.parametrize("name", sorted(STUDY_METRICS))


def claim(name, **changes):
    """A file with one claim of the only form that the metric allows, or of another one."""
    terms = STUDY_METRICS[name]
    entry = {"name": "is better", "metric": name, "improvement": terms.improvement, "smallest_effect": 0.05}
    entry |= {"bound": 1.1} if IMPROVEMENTS[terms.improvement].has_bound else {}
    entry |= {"batch_size": 100} if terms.needs_batch_size else {}
    entry |= {"a": ["langevin"], "b": ["adam"], "refuted_by": "{b} is better than {a}"} | changes
    lines = [f"{key} = {json.dumps(value)}" for key, value in entry.items() if value is not None]
    return "\n".join(["[[questions]]", *lines])


def test_every_file_is_a_metric_of_its_name():
    files = {path.stem for path in Path(study_metrics.__file__).parent.glob("*.py")} - {"__init__"}
    assert set(STUDY_METRICS) == files
    assert files


@EVERY
def test_a_claim_says_what_the_metric_asks_for_and_nothing_else(name):
    terms = STUDY_METRICS[name]
    (question,) = parse_claims(claim(name), VOCABULARY).questions
    assert question.improvement.name == terms.improvement
    for other in set(IMPROVEMENTS) - {terms.improvement}:
        with pytest.raises(ValueError, match="improvement of 'is better' must be"):
            parse_claims(claim(name, improvement=other), VOCABULARY)
    wrong = None if terms.needs_batch_size else 100
    with pytest.raises(ValueError, match="must have a batch_size if and only if its metric is "):
        parse_claims(claim(name, batch_size=wrong), VOCABULARY)


@EVERY
def test_its_words_and_its_family_are_known(name):
    metric = STUDY_METRICS[name]
    assert all((metric.unit, metric.noun, metric.counted, metric.interval or metric.exact_if))
    assert noun_of(name) == metric.noun
    assert metric_family(name) in {section.family for section in SECTIONS}
    assert set(metric.phases) <= {*PHASES} & {*LOOKED_AT}


@EVERY
def test_a_claim_on_it_is_judged_or_not_testable_for_a_reason(name, rich_dir):
    (verdict,) = judge_claims([overview_of(load(rich_dir))], parse_claims(claim(name), VOCABULARY)).verdicts
    if verdict.word == "NOT TESTABLE":
        assert verdict.reason
        assert not verdict.reason.endswith(".")
    else:
        assert isinstance(verdict.evidence, (Draws | Median) if STUDY_METRICS[name].interval else PairedSeeds)
        assert verdict.interval.low <= verdict.evidence.estimate <= verdict.interval.high
        assert verdict.unit == verdict.question.improvement.unit(STUDY_METRICS[name].unit)
        assert (verdict.p_holm is None) == isinstance(verdict.evidence, Draws | Median)
