"""Verdicts on ledgers whose truth is planted."""

import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from analysis.claims.file import parse_claims
from analysis.ledger.load import load
from analysis.ledger.schema import timings_schema
from analysis.ledger.study import LedgerError
from analysis.report.__main__ import main
from analysis.report.text.verdict_sentences import not_tested, sentence
from analysis.tables.overview import overview_of
from analysis.verdicts.claims_of_study import judge_claims
from analysis.verdicts.default_vocabulary import VOCABULARY

SGD = {
    "space": {"learning_rate": {"low": 1e-4, "high": 1.0, "scale": "log", "unit": "1"}},
    "published": {"learning_rate": 0.01},
}
LANGEVIN = {
    "space": {**SGD["space"], "diffusion": {"low": 1e-9, "high": 0.1, "scale": "log", "unit": "loss"}},
    "published": {"learning_rate": 0.01, "diffusion": 0.01},
}
CLAIMS = """
[datasets.cifar10-mini]
chance_accuracy = 0.1
learned_accuracy = 0.175
targets = [0.25, 0.4]

[[questions]]
name = "converges faster"
metric = "restricted_steps_to_target"
improvement = "relative"
smallest_effect = 0.1
a = ["langevin"]
b = ["sgd"]
refuted_by = "{b} is faster than {a}"

[[questions]]
name = "is more stable"
metric = "oscillation"
improvement = "log_ratio"
smallest_effect = 0.0953
needs_learning = true
a = ["langevin"]
b = ["sgd"]
refuted_by = "{b} swings less than {a}"

[[questions]]
name = "overfits less"
metric = "matched_loss_gap"
improvement = "difference"
smallest_effect = 0.02
needs_learning = true
a = ["langevin"]
b = ["sgd"]
refuted_by = "{b} overfits less than {a}"

[[questions]]
name = "is less sensitive"
metric = "good_volume"
improvement = "difference"
smallest_effect = 0.05
needs_learning = true
a = ["langevin"]
b = ["sgd"]
refuted_by = "{b} is less sensitive than {a}"

[[questions]]
name = "costs little more"
metric = "seconds_per_step"
improvement = "within"
bound = 1.1
batch_size = 100
smallest_effect = 0.0
a = ["langevin"]
b = ["sgd"]
refuted_by = "{a} costs more than {b}"

[[questions]]
name = "classifies better"
metric = "test_error"
improvement = "difference"
smallest_effect = 0.025
a = ["langevin"]
b = ["sgd", "adam"]
refuted_by = "{b} is better than {a}"
"""
CONFIRMED = {"sgd": 24, "langevin": 24}


@pytest.fixture
def study(synthetic, tmp_path):
    """Writes a study of sgd and langevin; langevin's numbers are sgd's and what is planted."""

    class Planted(synthetic):
        better, swing, gap, cost = 0.0, 1.0, 0.0, 1.0

        def error(self, hyperparameters, replicate):
            plain = 0.45 + 0.06 * math.log10(hyperparameters["learning_rate"] / 0.03) ** 2 + 0.01 * math.sin(replicate)
            # Not the same at every seed, or any difference at all would be sure.
            gained = self.better + 0.004 * math.cos(replicate) if "diffusion" in hyperparameters else 0.0
            return min(1.0, plain - gained)

        def replicate(self, name, phase, number, sampler, point, replicate, group):
            trial, epochs = super().replicate(name, phase, number, sampler, point, replicate, group)
            if trial["status"] == "complete":
                random = np.random.default_rng([replicate, name == "langevin"])
                for row in epochs:
                    scale = 0.2 * (self.swing if name == "langevin" else 1.0)
                    row["step_losses"] = (2 + scale * random.normal(size=125)).tolist()
                    row["validation_loss"] += (self.gap if name == "langevin" else 0.0) + 0.002 * random.normal()
                trial["validation_loss"] = trial["best_validation_loss"] = epochs[-1]["validation_loss"]
            return trial, epochs

        def write(self, folder):
            super().write(folder)
            random = np.random.default_rng(1)
            rows = [
                {"optimizer": name, "block": block, "batch_size": 100, "replicates": 1, "steps": 10, "device": "cpu",
                 "seconds": 0.1 * (self.cost if name == "langevin" else 1.0) * (1 + 0.01 * random.normal()),
                 "node": "127.0.0.1"}
                for block in range(30) for name in self.optimizers
            ]  # fmt: skip
            (folder / "timings").mkdir()
            pq.write_table(pa.Table.from_pylist(rows, timings_schema()), folder / "timings" / "a.parquet")
            return folder

    def write(claims=CLAIMS, looks=(), **changes):
        made = Planted(
            **{"optimizers": {"sgd": SGD, "langevin": LANGEVIN}, "num_trials": 33, "num_confirm_seeds": 12}
            | {key: changes.pop(key) for key in list(changes) if key not in ("better", "swing", "gap", "cost")}
        )
        for key, value in changes.items():
            setattr(made, key, value)
        folder = made.write(tmp_path / "study")
        content = json.loads((folder / "study.json").read_text(encoding="utf-8"))
        if claims:
            content["claims"] = {"text": claims, "hash": "-", "known": ["sgd", "langevin", "adam"]}
        content["looks"] = list(looks)
        (folder / "study.json").write_text(json.dumps(content), encoding="utf-8")
        return folder

    return write


def verdicts(folder, own=None):
    """Verdict of each claim, by question and rival."""
    judged = judge_claims([overview_of(load(folder))], own)
    return {(verdict.question.name, verdict.b): verdict for verdict in judged.verdicts}


def test_planted_improvements_are_supported(study):
    found = verdicts(study(better=0.2, swing=0.5, gap=-0.5, cost=1.0))
    assert {key: verdict.word for key, verdict in found.items()} == {
        ("converges faster", "sgd"): "SUPPORTED",
        ("is more stable", "sgd"): "SUPPORTED",
        ("overfits less", "sgd"): "SUPPORTED",
        ("is less sensitive", "sgd"): "SUPPORTED",
        ("costs little more", "sgd"): "SUPPORTED",
        ("classifies better", "sgd"): "SUPPORTED",
    }
    better = found["classifies better", "sgd"]
    assert better.evidence.estimate == pytest.approx(0.2, abs=0.005)
    assert better.evidence.num_values == 12
    assert better.p_value == better.p_holm == 2.0**-11
    assert found["is more stable", "sgd"].evidence.estimate == pytest.approx(math.log(2), abs=0.1)
    assert found["overfits less", "sgd"].evidence.estimate > 0.4


def test_superiority_is_counted_pair_by_pair(study):
    """Differences of .006 -+ .004 among seeds that spread by .01: langevin wins at each, though the sides overlap."""
    found = verdicts(study(better=0.006))["classifies better", "sgd"]
    assert found.superiority == 1.0
    assert found.evidence.ours.max() > found.evidence.theirs.min()


@pytest.mark.parametrize("metric", ["test_error", "test_accuracy"])
@pytest.mark.parametrize("better", [-0.002, 0.0, 0.002])
def test_superiority_follows_the_better_direction_of_the_metric(study, better, metric):
    found = verdicts(study(better=better, claims=CLAIMS.replace("test_error", metric)))["classifies better", "sgd"]
    assert found.superiority == np.mean(found.evidence.differences > 0)
    assert 0 < found.superiority < 1


def test_the_opposite_is_refuted(study):
    found = verdicts(study(better=-0.1, swing=2.0, gap=0.5, cost=1.3, num_trials=97))
    words = {name: verdict.word for (name, b), verdict in found.items() if b == "sgd"}
    assert words == dict.fromkeys(words, "REFUTED")
    assert len(words) == 6


def test_sides_that_differ_by_nothing_that_matters_are_equivalent(study):
    found = verdicts(study())
    for name in ("converges faster", "is more stable", "overfits less", "classifies better"):
        assert found[name, "sgd"].word == "EQUIVALENT", name


def test_a_small_improvement_is_a_direction_only(study):
    assert verdicts(study(better=0.0255))["classifies better", "sgd"].word == "DIRECTION ONLY"


def test_a_small_loss_is_worse_and_not_refuted(study):
    assert verdicts(study(better=-0.0255))["classifies better", "sgd"].word == "WORSE"


def test_an_improvement_that_matters_is_excluded_where_a_loss_is_not(study):
    found = verdicts(study(claims=CLAIMS.replace("0.025", "0.001"), better=-0.0015))["classifies better", "sgd"]
    assert found.word == "NOT BETTER BY WHAT MATTERS"
    assert found.interval.low < -0.001
    assert found.interval.high > 0
    assert found.seeds_needed is None


def test_few_seeds_say_how_many_are_needed(study):
    found = verdicts(study(num_confirm_seeds=6))
    assert found["classifies better", "sgd"].word == "NOT TESTABLE"
    assert found["classifies better", "sgd"].reason == "6 common seeds, and a verdict needs 7"


def test_an_optimizer_that_learns_nothing_wins_nothing(study):
    found = verdicts(study(better=-0.45, swing=0.5, gap=-0.5))
    for name in ("is more stable", "overfits less", "is less sensitive"):
        assert found[name, "sgd"].word == "NOT TESTABLE"
        assert "langevin has learned nothing: 12 of 12 seeds" in found[name, "sgd"].reason
    assert found["converges faster", "sgd"].reason == "0 of 12 seeds of langevin reach any target"
    assert found["classifies better", "sgd"].word == "REFUTED"


def test_a_target_that_most_runs_miss_is_left_out_and_named(study):
    """The metric is that of the other targets, to the last digit: accuracies end at .55, those of langevin at .57."""
    claims = CLAIMS.replace("[0.25, 0.4]", "[0.25, 0.4, 0.7, 0.9]")
    found = verdicts(study(claims, better=0.02))["converges faster", "sgd"]
    assert found.dropped_targets == (0.7, 0.9)
    assert found.as_row()["dropped_targets"] == "0.7 0.9"
    left_out = "Left out: 70.0% and 90.0% accuracy, which fewer than half of the runs of both reach."
    assert sentence(found).endswith(f". {left_out}")
    for run in (found.evidence.ours, found.evidence.theirs):
        assert run.max() < 375


def test_targets_that_most_runs_reach_are_all_kept(study):
    found = verdicts(study())["converges faster", "sgd"]
    assert found.dropped_targets == ()
    assert found.as_row()["dropped_targets"] is None
    assert "Left out" not in sentence(found)


def test_without_a_target_that_half_of_the_runs_reach_nothing_is_judged(study):
    found = verdicts(study(CLAIMS.replace("[0.25, 0.4]", "[0.7, 0.9]")))["converges faster", "sgd"]
    assert found.word == "NOT TESTABLE"
    assert found.reason == "of the targets 70.0% and 90.0% none is reached by half of the 24 runs"


def test_two_sides_that_guess_are_not_equivalent(study):
    folder = study(claims=CLAIMS.replace("learned_accuracy = 0.175", "learned_accuracy = 0.9"))
    found = verdicts(folder)["classifies better", "sgd"]
    assert found.word == "NOT TESTABLE"
    assert found.reason == ("neither langevin nor sgd has learned anything: most seeds stay below 90.0% test accuracy")


def test_a_diverged_seed_is_counted_and_never_left_out(study):
    lost = ("langevin", "confirm", 1, 3)
    found = verdicts(study(better=0.2, swing=0.5, outcome=lambda key: "diverged" if key == lost else "complete"))
    gap = found["overfits less", "sgd"]
    assert gap.word == "NOT TESTABLE"
    assert gap.reason.startswith("1 of 12 seeds of langevin diverged")
    error = found["classifies better", "sgd"]
    assert error.evidence.ours.max() == 1.0
    assert error.word == "INCONCLUSIVE"
    values, error_of_next = error.evidence.differences, 0.05 / 4
    ends = {
        number: stats.t.ppf(1 - error_of_next / 2, number - 1) * values.std(ddof=1) / number**0.5 for number in (18, 19)
    }
    # With 19 seeds and the same mean the next look would see its sign.
    assert ends[19] < values.mean() < ends[18]
    assert error.seeds_needed == 19
    assert found["is more stable", "sgd"].evidence.ours.max() == 10.0


def test_a_failed_seed_is_not_left_out(study):
    lost = ("langevin", "confirm", 1, 3)
    found = verdicts(study(better=0.2, outcome=lambda key: "failed" if key == lost else "complete"))
    error = found["classifies better", "sgd"]
    assert error.word == "NOT TESTABLE"
    assert error.reason == "1 fresh seed of langevin failed, and which seeds fail may depend on the optimizer"


@pytest.mark.parametrize("devices", [{"sgd": "cpu", "langevin": "cpu"}, {"sgd": "cpu", "langevin": "a GPU"}])
def test_seconds_of_different_devices_are_not_compared(study, devices):
    folder = study(claims=CLAIMS.replace("restricted_steps_to_target", "restricted_seconds_to_target"))
    for path in (folder / "trials").iterdir():
        rows = pq.read_table(path)
        places = pa.array([devices[name] for name in rows["optimizer"].to_pylist()])
        pq.write_table(rows.set_column(rows.column_names.index("device"), rows.schema.field("device"), places), path)
    found = verdicts(folder)
    reason = found["converges faster", "sgd"].reason
    says_so = reason == "the runs were trained on a GPU and cpu, whose seconds cannot be compared"
    assert says_so == (len(set(devices.values())) == 2)
    assert found["classifies better", "sgd"].word == "EQUIVALENT"


def test_too_few_points_and_no_timings_are_said(study):
    folder = study(num_trials=9)
    (folder / "timings" / "a.parquet").unlink()
    found = verdicts(folder)
    assert found["is less sensitive", "sgd"].word == "NOT TESTABLE"
    assert "16" in found["is less sensitive", "sgd"].reason
    assert found["costs little more", "sgd"].reason == "no steps were timed"


@pytest.mark.parametrize(("num_blocks", "word"), [(6, "NOT TESTABLE"), (7, "SUPPORTED")])
def test_few_timing_blocks_allow_no_verdict(study, num_blocks, word):
    """At an error of 0.025 the range of 6 blocks errs too often (2 / 2^6 = 0.031), that of 7 does not."""
    folder = study(cost=1.0)
    place = folder / "timings" / "a.parquet"
    pq.write_table(pq.read_table(place, filters=[("block", "<", num_blocks)], schema=timings_schema()), place)
    found = verdicts(folder)["costs little more", "sgd"]
    assert found.word == word
    assert found.reason == ("" if word == "SUPPORTED" else "6 timing blocks, and a verdict needs 7")


def test_the_verdict_on_costs_rests_on_order_statistics_of_the_blocks(study):
    found = verdicts(study(cost=1.09))["costs little more", "sgd"]
    values = np.sort(found.evidence.values)
    assert found.evidence.num_values == len(values) == 30
    # P(Binomial(30, 1/2) <= 7) = 0.0026 and P(... <= 8) = 0.0081; at most 0.0125 each: the 9th of each side.
    assert (found.interval.low, found.interval.high) == (values[8], values[-9])
    assert found.evidence.estimate == pytest.approx(np.median(values))


def test_nothing_is_judged_before_the_confirmation(study):
    found = verdicts(study(phases=("tuning",)))
    assert {verdict.word for (_, b), verdict in found.items() if b == "sgd"} <= {"NOT TESTABLE", "SUPPORTED"}
    assert found["classifies better", "sgd"].reason == "the winner of langevin has not been confirmed on fresh seeds"


@pytest.mark.parametrize(
    ("looks", "number"),
    [
        ([], 1),
        ([{"confirmed": CONFIRMED}], 1),
        ([{"confirmed": {}}, {"confirmed": {"sgd": 12}}], 1),
        ([{"confirmed": {"sgd": 12, "langevin": 12}}, {"confirmed": CONFIRMED}], 2),
        ([{"confirmed": {"sgd": 12, "langevin": 12}}, {"confirmed": {"sgd": 18, "langevin": 18}}], 3),
    ],
)
def test_each_look_at_other_runs_costs_half_of_alpha(study, looks, number):
    found = verdicts(study(looks=looks))["converges faster", "sgd"]
    assert found.level == pytest.approx(1 - 0.05 * 2.0**-number)
    assert found.look == number


def test_after_very_many_looks_nothing_can_be_told(study):
    looks = [{"confirmed": {"sgd": number, "langevin": number}} for number in range(1, 60)]
    folder = study(looks=looks)
    found = verdicts(folder)
    on_runs = ("converges faster", "is more stable", "overfits less", "classifies better")
    assert {(found[name, "sgd"].word, found[name, "sgd"].reason) for name in on_runs} == {
        ("NOT TESTABLE", "langevin and sgd have been looked at so often that no number of seeds gives a verdict")
    }
    assert main([str(folder)]) == 0
    assert "this is look 1 and 59." in (folder / "report" / "report.md").read_text(encoding="utf-8")


def test_a_look_at_fewer_explore_points_costs_the_claim_that_rests_on_them(study):
    found = verdicts(study(looks=[{"confirmed": CONFIRMED, "explored": {"sgd": 32, "langevin": 32}}]))
    assert found["is less sensitive", "sgd"].level == pytest.approx(1 - 0.05 / 4)
    assert found["converges faster", "sgd"].level == pytest.approx(1 - 0.05 / 2)


def test_claims_that_come_afterwards_are_named_first(study):
    folder = study()
    fixed = judge_claims([overview_of(load(folder))])
    assert fixed.notes == ()
    other = parse_claims(CLAIMS.replace("0.025", "0.001"), VOCABULARY)
    changed = judge_claims([overview_of(load(folder))], other)
    assert "changed afterwards" in changed.notes[0]


def test_a_study_without_claims_is_judged_by_those_of_the_package(study):
    found = judge_claims([overview_of(load(study(claims=None)))])
    assert "not fixed before the study" in found.notes[0]
    assert len(found.verdicts) + len(found.untested) == 36


def test_names_that_nobody_knows_are_errors(study):
    with pytest.raises(LedgerError, match=r"known optimizers .*, got nobody"):
        judge_claims([overview_of(load(study(claims=CLAIMS.replace("adam", "nobody"))))])


def test_verdicts_are_written_for_programs_and_people(study, capsys):
    folder = study(better=0.2, num_trials=3)
    assert main([str(folder)]) == 0
    capsys.readouterr()
    entries = json.loads((folder / "report" / "verdicts.json").read_text(encoding="utf-8"))
    assert [sorted(entry) for entry in entries] == [
        sorted(["claim", "question", "a", "b", "verdict", "estimate", "low", "high", "unit", "p_holm", "seeds",
                "seeds_needed", "about", "at_settings", "tunings", "tunings_needed"])
    ] * 7  # fmt: skip
    by_claim = {entry["claim"]: entry for entry in entries}
    assert by_claim["langevin classifies better than sgd"]["verdict"] == "SUPPORTED"
    assert by_claim["langevin classifies better than adam"]["verdict"] == "NOT TESTED"
    page = (folder / "report" / "report.html").read_text(encoding="utf-8")
    text = (folder / "report" / "report.md").read_text(encoding="utf-8")
    for entry in entries:
        if entry["verdict"] != "NOT TESTED":
            assert entry["claim"] in page
            assert entry["claim"] in text
    assert "1 claim of the file was not tested: the study does not hold adam." in text


def test_what_a_study_lacks_is_named_once(study):
    judged = judge_claims([overview_of(load(study(claims=None)))])
    told = not_tested(judged.untested)
    assert told == "30 claims of the file were not tested: the study does not hold adam, constant_noise and momentum."
    reasons = {claim.claim: claim.reason for claim in judged.untested}
    assert len(reasons) == 30
    assert reasons["langevin converges faster than adam"] == "the study does not hold adam"
    assert reasons["constant_noise converges faster than adam"] == "the study does not hold constant_noise and adam"


def test_a_claim_that_is_not_tested_has_no_verdict_and_keeps_its_place_in_the_files(study):
    judged = judge_claims([overview_of(load(study(claims=CLAIMS.replace('["sgd", "adam"]', '["adam", "sgd"]'))))])
    assert [(claim.claim, claim.lacking) for claim in judged.untested] == [
        ("langevin classifies better than adam", ("adam",))
    ]
    assert "NOT TESTED" not in {verdict.word for verdict in judged.verdicts}
    entries = json.loads(judged.as_json())
    assert [entry["b"] for entry in entries[-2:]] == ["adam", "sgd"]
    assert entries[-2]["verdict"] == "NOT TESTED"
    assert entries[-2].keys() == entries[-1].keys()
    assert judged.table()["claim"].to_list() == [entry["claim"] for entry in entries]
    assert judged.table()["reason"].to_list()[-2] == "the study does not hold adam"


@pytest.mark.parametrize("claims", ["absent.toml", "study/study.json"])
def test_command_refuses_what_is_no_file_of_claims(study, tmp_path, capsys, claims):
    folder = study()
    assert main([str(folder), "--claims", str(tmp_path / claims)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "a file of claims is needed" in line
    assert not (folder / "report").exists()
