"""Looks at a growing study that has fixed how many confirmation seeds there may be, and what more seeds can decide."""

import json
import math
import zlib

import numpy as np
import pyarrow.parquet as pq
import pytest

from analysis.claims.file import parse_claims
from analysis.ledger.load import load
from analysis.ledger.study import LedgerError
from analysis.report.__main__ import main
from analysis.statistics.sequential import sequential_interval, sequential_p, spent_share
from analysis.tables.overview import overview_of
from analysis.verdicts.claims_of_study import judge_claims
from analysis.verdicts.default_vocabulary import VOCABULARY
from analysis.verdicts.evidence_of_looks import PairedLooks
from analysis.verdicts.schedule import confirmed_seeds
from analysis.verdicts.undecided import NEGLIGIBLE, chance_of_decision, undecided

PLAIN = {
    "space": {"learning_rate": {"low": 1e-4, "high": 1.0, "scale": "log", "unit": "1"}},
    "published": {"learning_rate": 0.3},
}
CLAIMS = """
[[questions]]
name = "classifies better"
metric = "test_error"
improvement = "difference"
smallest_effect = 0.02
a = ["a"]
b = ["b", "c", "adam"]
refuted_by = "{b} is better than {a}"

[[questions]]
name = "is less sensitive"
metric = "good_volume"
improvement = "difference"
smallest_effect = 0.05
a = ["a"]
b = ["b"]
refuted_by = "{b} is less sensitive than {a}"
"""
ERROR = 0.05 / 3


@pytest.fixture
def study(synthetic, tmp_path):
    """Writes a study of a, b and c at so many seeds: error .4 with noise of .02 a seed, less for a as planted."""

    class Noisy(synthetic):
        better, former = 0.0, ()

        def points(self, name):
            self.name = name
            yield "published", 0, "published", dict(PLAIN["published"])
            for number in range(1, self.num_trials):
                yield "explore", number, "sobol", {"learning_rate": 0.03 * 10 ** (-number / 20)}
            for number, rate in enumerate((PLAIN["published"]["learning_rate"], *self.former, 0.03 * 10**-0.05)):
                yield "confirm", number, "winner" if number else "published", {"learning_rate": rate}

        def error(self, hyperparameters, replicate):
            seed = np.random.default_rng(zlib.crc32(f"{self.name} {replicate}".encode())).normal()
            away = 0.05 * math.log10(hyperparameters["learning_rate"] / 0.03) ** 2
            return 0.4 + away - self.better * (self.name == "a") + 0.02 * seed

    def write(seeds, *, looks=(), most=48, every=True, **changes):
        made = Noisy(optimizers=dict.fromkeys("abc", PLAIN), num_trials=3, num_confirm_seeds=seeds)
        for key, value in changes.items():
            setattr(made, key, value)
        folder = made.write(tmp_path / f"study-{len(list(tmp_path.iterdir()))}")
        content = json.loads((folder / "study.json").read_text(encoding="utf-8"))
        content["looks"] = list(looks)
        if every is not None:
            content["error_plan"] = {"counts_every_claim": every, "most_confirm_seeds": most}
        (folder / "study.json").write_text(json.dumps(content), encoding="utf-8")
        return folder

    return write


def judged(folder):
    return judge_claims([overview_of(load(folder))], parse_claims(CLAIMS, VOCABULARY)).verdicts


def against(folder, rival, question="classifies better"):
    return next(verdict for verdict in judged(folder) if (verdict.question.name, verdict.b) == (question, rival))


def at(seeds, number=1):
    """A look at which a, b and c had so many seeds of their winner."""
    return {"confirmed_seeds": {name: {"0": seeds, str(number): seeds} for name in "abc"}}


def test_claims_that_the_study_does_not_hold_have_their_share_of_the_error(study):
    assert against(study(12, most=None), "b").level == pytest.approx(1 - 0.05 / 2 / 3)
    assert against(study(12, most=None, every=False), "b").level == pytest.approx(1 - 0.05 / 2 / 2)
    assert against(study(12, every=None), "b").level == pytest.approx(1 - 0.05 / 2 / 2)


def test_p_values_know_of_the_looks_unless_the_study_is_of_before(study):
    old, new = (against(study(12, every=every, most=None, better=0.01), "b") for every in (None, True))
    assert new.p_value == pytest.approx(2 * old.p_value)
    assert (new.p_holm, old.p_holm) == (pytest.approx(min(1, 3 * new.p_value)), pytest.approx(2 * old.p_value))


def test_the_first_look_at_a_quarter_of_the_seeds_is_that_of_before(study):
    old, new = against(study(12, most=None, better=0.03), "b"), against(study(12, better=0.03), "b")
    assert new.level == pytest.approx(old.level)
    assert (new.interval.low, new.interval.high) == pytest.approx((old.interval.low, old.interval.high), abs=1e-6)
    assert new.word == old.word


def test_later_looks_spend_what_the_root_of_their_seeds_leaves(study):
    found = against(study(24, looks=[at(12), at(12), at(18)], better=0.01), "b")
    assert isinstance(found.evidence, PairedLooks)
    assert found.schedule.looks == (12, 18, 24)
    assert found.level == pytest.approx(1 - ERROR * spent_share(24, 48))
    expected = sequential_interval(found.evidence.differences, (12, 18, 24), 48, ERROR)
    assert (found.interval.low, found.interval.high) == pytest.approx((expected.low, expected.high))
    assert found.p_value == pytest.approx(sequential_p(found.evidence.differences, (12, 18, 24), 48))


def test_a_look_at_another_winner_leaves_the_next_one_what_it_has_not_spent(study):
    folder = study(18, looks=[at(12)], former=[0.1])
    assert {tuple(counts) for counts in confirmed_seeds(load(folder)).values()} == {("0", "1", "2")}
    found = against(folder, "b")
    assert found.schedule.looks == (18,)
    assert found.schedule.left == pytest.approx(0.5)
    assert found.level == pytest.approx(1 - ERROR * 0.5 * spent_share(18, 48))


def test_more_confirmation_seeds_are_no_look_at_what_does_not_rest_on_them(study):
    explored = load(study(6, num_trials=40)).trials.filter(phase="explore", optimizer="a").height
    looks = [{**at(12), "confirmed": dict.fromkeys("abc", 24), "explored": dict.fromkeys("abc", explored)}]
    fixed, before = (study(24, looks=looks, most=most, num_trials=40) for most in (48, None))
    assert against(fixed, "b", "is less sensitive").level == pytest.approx(1 - 0.05 / 2)
    assert against(before, "b", "is less sensitive").level == pytest.approx(1 - 0.05 / 4)


def test_a_decided_word_is_never_undone(study):
    """The same runs seen at 12, 18, ... seeds: the interval only ever shrinks."""
    for better in (0.0, 0.02, 0.05):
        looks, last = [], {}
        for seeds in (12, 18, 24, 30):
            for verdict in judged(study(seeds, looks=looks, better=better)):
                if verdict.schedule:
                    low, high = last.get(verdict.b, (-math.inf, math.inf))
                    assert low <= verdict.interval.low <= verdict.interval.high <= high
                    last[verdict.b] = (verdict.interval.low, verdict.interval.high)
            looks.append(at(seeds))


def interrupted(folder, kept):
    """The study as it is if groups ended in any order: of each optimizer the replicates that are confirmed."""
    for table in ("trials", "epochs"):
        for path in (folder / table).glob("*.parquet"):
            rows = pq.read_table(path)
            names, phases, replicates = (rows[key].to_pylist() for key in ("optimizer", "phase", "replicate"))
            has_ended = [
                phase != "confirm" or name not in kept or replicate in kept[name]
                for name, phase, replicate in zip(names, phases, replicates, strict=True)
            ]
            pq.write_table(rows.filter(has_ended), path)
    return folder


def test_a_look_at_an_interrupted_study_is_at_the_first_seeds_that_both_sides_have(study):
    whole = against(study(12), "b")
    folder = interrupted(study(24), {"a": range(18), "b": [*range(12), *range(18, 24)]})
    assert confirmed_seeds(load(folder))["b"] == {"0": 12, "1": 12}
    verdict = against(folder, "b")
    assert verdict.schedule.looks == (12,)
    assert np.array_equal(verdict.evidence.differences, whole.evidence.differences)
    assert verdict.interval == whole.interval


def test_there_is_no_look_where_the_first_seeds_of_a_side_are_missing(study):
    verdict = against(interrupted(study(24), {"a": range(18), "b": range(6, 24)}), "b")
    assert (verdict.word, verdict.schedule) == ("NOT TESTABLE", None)
    assert verdict.reason == "the first confirmation seeds of a side are not there yet"


def test_open_claims_ask_for_a_round_of_seeds_for_both_sides(study):
    folder = study(12, better=0.012)
    verdicts = judged(folder)
    found = undecided(verdicts)
    still_open = {verdict.b for verdict in verdicts if verdict.schedule and verdict.word == "INCONCLUSIVE"}
    assert still_open
    assert found.seeds == dict.fromkeys({"a", *still_open}, 18)
    assert (found.num_open, found.num_given_up, found.num_claims) == (len(still_open), 0, 2)


def test_decided_claims_ask_for_nothing(study):
    found = undecided(judged(study(12, better=0.2)))
    assert (found.seeds, found.num_open, found.num_claims) == ({}, 0, 2)


def test_too_few_seeds_for_a_verdict_ask_for_more(study):
    folder = study(6)
    assert against(folder, "b").word == "NOT TESTABLE"
    assert against(folder, "b").seeds_needed > 6
    assert undecided(judged(folder)).seeds == {"a": 12, "b": 12, "c": 12}
    assert undecided(judged(study(6, most=7))).seeds == {}


def test_claims_that_the_last_look_can_hardly_decide_are_given_up(study):
    folder = study(18, looks=[at(12)], most=19, better=0.014)
    found = undecided(judged(folder))
    waiting = [verdict for verdict in judged(folder) if verdict.schedule and verdict.word == "INCONCLUSIVE"]
    chances = [chance_of_decision(verdict, verdict.schedule) for verdict in waiting]
    assert waiting
    assert found.num_given_up == sum(chance < NEGLIGIBLE for chance in chances)
    assert against(study(48, most=48, better=0.014), "b").seeds_needed is None


def test_seeds_needed_are_those_of_a_coming_round(study):
    found = against(study(12, better=0.012), "b")
    assert found.word == "INCONCLUSIVE"
    assert found.seeds_needed in (18, 24, 30, 36, 42, 48, None)
    rounds = [later.number for later in found.evidence.later(found.level)]
    assert rounds == [18, 24, 30, 36, 42, 48]


def test_the_chance_of_a_decision_is_the_share_of_studies_that_the_last_look_decides(study):
    """Means of 48 seeds drawn from what 12 seeds say of them."""
    found = against(study(12, better=0.012), "b")
    last = list(found.evidence.later(found.level))[-1]
    random = np.random.default_rng(0)
    deviation = found.evidence.differences.std(ddof=1)
    truth = random.normal(found.evidence.estimate, deviation / 12**0.5, size=20_000)
    others = random.normal(truth, deviation / 36**0.5)
    means = (12 * found.evidence.estimate + 36 * others) / 48
    decided = (np.abs(means) > last.half_width) | (np.abs(means) + last.narrower < 0.02)
    assert chance_of_decision(found, found.schedule) == pytest.approx(decided.mean(), abs=0.02)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("error_plan", {"most_confirm_seeds": 48}),
        ("error_plan", {"counts_every_claim": True, "most_confirm_seeds": 0}),
        ("looks", [{"confirmed_seeds": {"a": {"1": "12"}}}]),
        ("looks", [{"confirmed_seeds": {"a": {"x": 12}}}]),
    ],
)
def test_what_is_no_plan_and_no_look_is_refused(study, name, value):
    folder = study(6)
    content = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    (folder / "study.json").write_text(json.dumps({**content, name: value}), encoding="utf-8")
    with pytest.raises(LedgerError, match=r"study\.json must follow format 1"):
        load(folder)


def test_the_methods_say_which_rule_judged(study, tmp_path):
    (tmp_path / "claims.toml").write_text(CLAIMS, encoding="utf-8")
    said = {}
    for most, every in ((48, True), (None, True), (None, None)):
        folder = study(18, looks=[at(12)], most=most, every=every)
        assert main([str(folder), "--claims", str(tmp_path / "claims.toml")]) == 0
        said[most, every] = (folder / "report" / "report.md").read_text(encoding="utf-8")
    assert "the looks at up to n of the 48 confirmation seeds" in said[48, True]
    assert "looks so far were at 12 and 18 seeds; elsewhere look k is judged at 0.05 / 2^k" in said[48, True]
    assert "look k is judged at 0.05 / 2^k" in said[None, True]
    assert "All claims of the file count in their family" in said[None, True]
    assert "classifies better (3 claims)" in said[None, True]
    assert "adjusted by Holm's method for the family and for all looks" in said[None, True]
    assert "classifies better (2 claims)" in said[None, None]
    assert "All claims of the file count" not in said[None, None]
    assert "adjusted by Holm's method for the family, not for other looks" in said[None, None]
    assert "as long as every look is at the same optimizers" in said[None, None]
    assert "as long as every look is at the same optimizers" not in said[None, True]
