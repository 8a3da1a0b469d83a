"""Claims on the cost of imprecision: judged from the sweep of the first tuning, or not testable for a reason."""

import json

import pytest

from analysis.claims.file import parse_claims
from analysis.ledger.load import load
from analysis.tables.overview import overview_of
from analysis.verdicts.claims_of_study import judge_claims
from analysis.verdicts.default_vocabulary import VOCABULARY

QUESTION = """
[[questions]]
name = "is less sensitive"
metric = "{metric}"
improvement = "difference"
smallest_effect = 0.03
a = ["momentum"]
b = ["{rival}"]
refuted_by = "{{b}} is less sensitive than {{a}}"
"""
RATE = "learning_rate_imprecision_cost"
SEEDS = {"num_sweep_seeds": 12, "num_confirm_seeds": 12, "num_trials": 9, "merged": False, "group_size": 12}


@pytest.fixture
def study(synthetic, tmp_path):
    """Writes a study in which error of both optimizers is a parabola over log10 of the learning rate."""

    def make(**changes):
        return synthetic(**{**SEEDS, "rate_limit": 9.0, **changes}).write(tmp_path / "study")

    return make


def verdict(*folders, metric=RATE, rival="sgd"):
    overviews = [overview_of(load(folder)) for folder in folders]
    claims = parse_claims(QUESTION.format(metric=metric, rival=rival), VOCABULARY)
    return judge_claims(overviews, claims).verdicts[0]


def test_equal_curves_are_equivalent_wherever_their_winners_lie(study):
    """Both are .06 x^2: a decade around the best rate costs .06 / 8 more than the rate itself, and winners differ."""
    found = verdict(study())
    assert found.word == "EQUIVALENT"
    assert found.evidence.num_values == 12
    assert found.evidence.value_b == pytest.approx(0.06 / 8, abs=0.005)
    assert found.superiority is not None


def test_a_second_hyperparameter_adds_its_own_cost(study):
    folder = study()
    rate, both = (verdict(folder, metric=metric) for metric in (RATE, "imprecision_cost"))
    assert both.evidence.value_a > rate.evidence.value_a
    assert both.evidence.value_b == rate.evidence.value_b


def test_the_sweep_of_the_first_tuning_alone_counts(study, synthetic, tmp_path):
    folder = study()
    again = synthetic(**{**SEEDS, "phases": ("tuning", "confirm"), "identity": {"repeat": 1}}).write(tmp_path / "again")
    assert verdict(folder, again).evidence.estimate == verdict(folder).evidence.estimate


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"num_sweep_seeds": None}, "the study has a sweep of nine learning rates on the tuning seeds alone"),
        ({"phases": ("tuning", "confirm")}, "the study has no sweep"),
        ({"num_sweep_seeds": 5}, "5 seeds, and a verdict needs 7"),
        ({"outcome": lambda key: "failed" if key == ("sgd", "sweep", 1, 0) else "complete"},
         "1 run of sgd around its winner is missing for learning_rate"),
    ],
)  # fmt: skip
def test_what_the_sweep_cannot_answer_is_not_testable(study, changes, reason):
    found = verdict(study(**changes))
    assert (found.word, found.reason) == ("NOT TESTABLE", reason)


def test_an_optimizer_without_learning_rate_has_no_such_cost(study, synthetic):
    stride = {"low": 1e-4, "high": 1.0, "scale": "log", "unit": "1"}
    sign = {"space": {"stride": stride}, "published": {"stride": 0.01}}
    folder = study(optimizers={"momentum": synthetic().optimizers["momentum"], "sign": sign})
    found = verdict(folder, rival="sign")
    assert (found.word, found.reason) == ("NOT TESTABLE", "sign searches no learning_rate")
    assert verdict(folder, rival="sign", metric="imprecision_cost").word != "NOT TESTABLE"


def test_a_look_at_fewer_sweep_runs_costs_the_claim_that_rests_on_them(study):
    folder = study()
    path = folder / "study.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    confirmed = {"sgd": 24, "momentum": 24}
    looks = [{"confirmed": confirmed, "swept": {"sgd": 6, "momentum": 6}}, {"confirmed": confirmed}]
    path.write_text(json.dumps({**content, "looks": looks}), encoding="utf-8")
    assert verdict(folder).look == 2
