"""The contract of every metric of a whole study: a new file is judged, written and drawn without another edit."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis.claims.file import parse_claims
from analysis.ledger.load import load
from analysis.ledger.schema import LOOKED_AT, PHASES
from analysis.plugins import PluginError
from analysis.report.contents import metric_family
from analysis.report.sections import SECTIONS
from analysis.report.text.verdict_sentences import noun_of
from analysis.tables.overview import overview_of
from analysis.verdicts import study_metrics
from analysis.verdicts.claims_of_study import judge_claims
from analysis.verdicts.default_vocabulary import VOCABULARY
from analysis.verdicts.evidence import Draws, Median, NotTestableError, PairedSeeds
from analysis.verdicts.improvements import IMPROVEMENTS
from analysis.verdicts.study_metrics import STUDY_METRICS, checked

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


NUMBERS = {"estimate": 0.1, "value_a": 1.0, "value_b": 1.1, "num_values": 9}
DRAWS = {**NUMBERS, "draws": np.array([0.1, 0.2])}
PAIRS = PairedSeeds.of(*np.ones((3, 2, 4)))


def asked(found):
    """What a study gets of a metric that gives or raises this."""

    def gather(*_):
        if isinstance(found, BaseException):
            raise found
        return found

    metric = replace(STUDY_METRICS["good_volume"], gather=gather)
    return checked("good_volume", metric, "mine.py").gather(None, "langevin", "sgd", ())


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (None, "an Evidence, mine.py gives NoneType; mend it."),
        (KeyError("x"), "mine.py raises KeyError('x'); mend or remove it."),
        (SystemExit(0), "mine.py raises SystemExit(0); mend or remove it."),
        (Draws(**DRAWS | {"draws": np.empty(0)}), "numbers and values of one axis, mine.py raises ValueError('dr"),
        (Draws(**DRAWS | {"draws": [0.1]}), "numbers and values of one axis, mine.py raises AttributeError("),
        (Median(**NUMBERS, values=np.zeros((2, 2))), "numbers and values of one axis, mine.py raises ValueError('val"),
        (replace(PAIRS, differences=np.empty(0)), "numbers and values of one axis, mine.py raises ValueError('d"),
        (Draws(**DRAWS | {"estimate": "high"}), "numbers and values of one axis, mine.py raises ValueError("),
    ],
)
def test_evidence_that_is_none_names_its_file(found, message):
    message = f"The metric of a study 'good_volume' must gather evidence, {message}"
    with pytest.raises(PluginError, match=f"^{re.escape(message)}"):
        asked(found)


def test_evidence_and_the_reason_for_none_are_passed_on():
    assert asked(Draws(**DRAWS)).estimate == 0.1
    with pytest.raises(NotTestableError, match="too few"):
        asked(NotTestableError("too few"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"unit": 3}, "unit must be a word or a few, got 3; mend it."),
        ({"noun": ""}, "noun must be a word or a few, got ''; mend it."),
        ({"improvement": "twice"}, f"improvement must be one of {', '.join(IMPROVEMENTS)}, got 'twice'; mend it."),
        ({"phases": ("grid",)}, "phases must be some of confirm, explore, sweep, ablation, got ('grid',); mend it."),
        ({"phases": "confirm"}, "phases must be some of confirm, explore, sweep, ablation, got 'confirm'; mend it."),
        ({"interval": None}, "interval must be a few words or empty, got None; mend it."),
        ({"exact_if": 3}, "exact_if must be a few words or empty, got 3; mend it."),
        ({"better": "more"}, "better must be 'higher' or 'lower', got 'more'; mend it."),
    ],
)
def test_a_metric_of_a_study_says_what_it_must_be(fields, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        replace(STUDY_METRICS["good_volume"], **fields)


def test_a_metric_of_another_name_than_its_file_is_refused():
    message = "A metric of a study has the name of its file, 'mine', mine.py gives 'good_volume'; mend it."
    with pytest.raises(PluginError, match=f"^{re.escape(message)}$"):
        checked("mine", STUDY_METRICS["good_volume"], "mine.py")
