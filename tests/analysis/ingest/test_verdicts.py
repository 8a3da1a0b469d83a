"""Runs of other programs are judged as those of a study are, and what they lack is named."""

import pytest

from analysis.claims.file import read_claims
from analysis.ledger.load import load
from analysis.tables.overview import overview_of
from analysis.verdicts.claims_of_study import judge_claims
from analysis.verdicts.default_vocabulary import VOCABULARY

RATES = sorted({10 ** (-4 + place / 4) for place in range(17)} | {1e-2, 1e-3})
CLAIMS = """
[datasets.CIFAR-100]
chance_accuracy = 0.01
learned_accuracy = 0.1
targets = [0.45, 0.55]
"""
QUESTION = """
[[questions]]
name = "{name}"
metric = "{metric}"
improvement = "{improvement}"
smallest_effect = {effect}
needs_learning = true
a = ["sgd"]
b = ["adam"]
refuted_by = "{{b}} is better"
"""
QUESTIONS = [
    ("is right more often", "test_error", "difference", 0.01),
    ("converges faster", "restricted_steps_to_target", "relative", 0.1),
    ("overfits less", "matched_loss_gap", "difference", 0.02),
    ("is more stable", "oscillation", "log_ratio", 0.1),
    ("swings less", "matched_loss_swing", "log_ratio", 0.1),
    ("is less sensitive", "good_volume", "difference", 0.05),
]


@pytest.fixture
def claims(tmp_path):
    path = tmp_path / "claims.toml"
    names = ("name", "metric", "improvement", "effect")
    path.write_text(CLAIMS + "".join(QUESTION.format(**dict(zip(names, row, strict=True))) for row in QUESTIONS))
    return path


@pytest.fixture
def judged(experiment, description, known, taken, claims):
    """Verdicts on 8 fresh seeds and 17 points of each optimizer, by metric; sgd is right on 5 points more."""

    def run(*words, head=""):
        tuning = experiment("tuning").surface(rates=RATES)
        confirm = experiment("confirm").surface(optimizers=["sgd"], rates=[1e-2], seeds=range(5, 13), test_acc=60.0)
        confirm.surface(optimizers=["adam"], rates=[1e-3], seeds=range(5, 13), test_acc=55.0)
        folder = taken(
            "ray-tune", tuning.root, "--confirm", confirm.root, "--optimizer-key", "opt", "--seed-key", "seed",
            "--description", description(f'{head}dataset = "CIFAR-100"\n{known.SPACE}'),
            "--map", "learning_rate=lr", "validation_error=1-val_acc/100", "test_error=1-test_acc/100", *words,
        )  # fmt: skip
        judgement = judge_claims([overview_of(load(folder))], read_claims(claims, VOCABULARY))
        return {row["question"]: row for row in judgement.table().to_dicts()}

    return run


def test_verdicts_are_those_of_the_known_surface(judged):
    verdicts = judged("validation_loss=val_loss", "train_loss=loss", head="steps_per_epoch = 10\n")
    right = verdicts["is right more often"]
    assert (right["verdict"], right["seeds"]) == ("SUPPORTED", 8)
    assert [right[name] for name in ("estimate", "low", "high")] == pytest.approx([0.05] * 3)
    # Both curves are the same at the best setting of each.
    for question in ("converges faster", "overfits less"):
        assert verdicts[question]["verdict"] == "EQUIVALENT"
        assert verdicts[question]["estimate"] == pytest.approx(0, abs=1e-12)
    assert verdicts["is less sensitive"]["verdict"] not in ("NOT TESTABLE", "NOT TESTED")
    assert verdicts["is more stable"]["verdict"] == "NOT TESTABLE"


def test_what_is_not_known_is_not_testable_and_named(judged):
    verdicts = judged()
    assert verdicts["is right more often"]["verdict"] == "SUPPORTED"
    lacking = {
        "converges faster": "steps", "overfits less": "train_loss and validation_loss", "is more stable": "step_losses",
        "swings less": "steps, train_loss and step_losses",
    }  # fmt: skip
    for question, columns in lacking.items():
        assert verdicts[question]["verdict"] == "NOT TESTABLE"
        assert verdicts[question]["reason"] == f"{columns} of some runs are not known"
