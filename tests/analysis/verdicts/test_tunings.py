"""Verdicts of a study that was tuned several times: of the optimizers if every tuning has seeds of its own."""

import json
import math
import shutil
import zlib
from dataclasses import replace

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from scipy import stats

from analysis.claims.file import parse_claims
from analysis.ledger.join import load_studies
from analysis.report.__main__ import main
from analysis.report.text.verdict_sentences import about, basis, sentence
from analysis.statistics.paired import sign_flip_interval
from analysis.tables.overview import overview_of
from analysis.verdicts.claims_of_study import judge_claims
from analysis.verdicts.default_vocabulary import VOCABULARY
from analysis.verdicts.evidence import Median

RATE = {"low": 1e-4, "high": 1.0, "scale": "log", "unit": "1"}
PLAIN = {"space": {"learning_rate": RATE}, "published": {"learning_rate": 0.01}}
DIRECTIONAL = {"SUPPORTED", "DIRECTION ONLY", "REFUTED", "WORSE"}
NAMES = ("a", "b", "c", "d")
CLAIMS = """
[[questions]]
name = "classifies better"
metric = "test_error"
improvement = "difference"
smallest_effect = 0.02
a = ["a"]
b = ["b", "c", "d"]
refuted_by = "{b} is better than {a}"
"""


@pytest.fixture
def tuned(synthetic, tmp_path):
    """Writes tunings of four optimizers: error .4, noise of .01 a seed, the luck of a tuning and what is planted."""

    class Tuned(synthetic):
        luck, better = 0.0, 0.0

        def points(self, name):
            self.name = name
            return list(super().points(name))

        def error(self, hyperparameters, replicate):
            repeat = self.identity["repeat"]
            streams = (f"{self.name} {repeat}", f"{self.name} {repeat} {self.first_seed + replicate}")
            tuning, seed = (np.random.default_rng(zlib.crc32(stream.encode())).normal() for stream in streams)
            away = 0.05 * math.log10(hyperparameters["learning_rate"] / 0.03) ** 2
            return 0.4 + away - self.better * (self.name == "a") + self.luck * tuning + 0.01 * seed

    def write(num_tunings, *, own_seeds=True, luck=0.0, better=0.0, **changes):
        for repeat in range(num_tunings):
            own = {"own_seeds": True} if own_seeds and repeat else {}
            made = Tuned(
                optimizers=dict.fromkeys(NAMES, PLAIN), num_trials=4, num_confirm_seeds=12,
                identity={"repeat": repeat, **own}, first_seed=1000 * repeat if own_seeds else 0,
                **(changes if repeat == num_tunings - 1 else {}),
            )  # fmt: skip
            made.luck, made.better = luck, better
            made.write(tmp_path / "study" / "repeats" / str(repeat) if repeat else tmp_path / "study")
        return tmp_path / "study"

    return write


def judged(folder, claims=CLAIMS):
    tunings = [overview_of(ledger) for ledger in load_studies([folder]).repeats]
    return judge_claims(tunings, parse_claims(claims, VOCABULARY)).verdicts


def test_one_tuning_speaks_of_its_settings(tuned):
    for verdict in judged(tuned(1, better=0.1)):
        assert (verdict.word, verdict.about, verdict.num_tunings) == ("SUPPORTED", "settings", 1)
        assert verdict.at_settings is None
        assert sentence(verdict).startswith("With these settings a classifies better than")


def test_tunings_with_seeds_of_their_own_speak_of_the_optimizers(tuned):
    verdicts = judged(tuned(3, better=0.1, luck=0.002))
    for verdict in verdicts:
        assert (verdict.word, verdict.at_settings) == ("SUPPORTED", "SUPPORTED")
        assert (verdict.about, verdict.num_tunings) == ("optimizers", 3)
        assert verdict.evidence.estimate == pytest.approx(0.1, abs=0.02)
        assert sentence(verdict).startswith("Tuned 3 times, a classifies better than")
        assert basis(verdict) == "3 tunings of 12 seeds"
        assert verdict.as_dict()["about"] == "optimizers"


def test_the_luck_of_tuning_decides_about_settings_and_not_about_optimizers(tuned):
    """Nothing differs but what each tuning happened to find: settings are told apart, optimizers are not."""
    verdicts = judged(tuned(3, luck=0.05))
    assert "INCONCLUSIVE" in {verdict.word for verdict in verdicts}
    assert not DIRECTIONAL & {verdict.word for verdict in verdicts}
    assert DIRECTIONAL & {verdict.at_settings for verdict in verdicts}
    for verdict in verdicts:
        if verdict.word == "INCONCLUSIVE":
            assert verdict.tunings_needed > 3
            assert f"3 tunings of 12 seeds cannot tell; about {verdict.tunings_needed:,} would." in sentence(verdict)
            assert verdict.seeds_needed is None


def test_the_interval_is_that_of_a_two_way_layout_of_the_raw_rows(tuned):
    """By hand from the rows of the winners: four optimizers in three tunings, Scheffe's interaction, Student's t."""
    folder = tuned(3, luck=0.01)
    ledgers = load_studies([folder]).repeats
    last = pl.col("number") == pl.col("number").max().over("optimizer")
    fresh = [ledger.trials.filter(phase="confirm").filter(last) for ledger in ledgers]
    winners = [rows.group_by("optimizer").agg(pl.col("test_error").mean()) for rows in fresh]
    means = np.array([[dict(table.iter_rows())[name] for table in winners] for name in NAMES])
    left = means - means.mean(axis=0) - means.mean(axis=1, keepdims=True) + means.mean()
    pooled = 2 * (left**2).sum() / (3 * 2)
    for place, verdict in enumerate(judged(folder), start=1):
        own = means[place] - means[0]
        error = (max(pooled, own.var(ddof=1)) / 3) ** 0.5
        low, high = stats.t.interval(1 - 0.05 / 2 / 3, 3 * 2, loc=own.mean(), scale=error)
        assert (verdict.interval.low, verdict.interval.high) == pytest.approx((low, high))


def test_a_relative_improvement_has_the_variance_of_its_own_scale(tuned):
    """That of the metric over the mean of b: no other pair's rival, nor the optimizers' order, has a say."""
    folder = tuned(3, luck=0.03)
    in_units = judged(folder)
    relative = judged(folder, CLAIMS.replace('"difference"', '"relative"'))
    for plain, scaled in zip(in_units, relative, strict=True):
        rival = plain.evidence.value_b
        assert (scaled.interval.low, scaled.interval.high) == pytest.approx(
            (plain.interval.low / rival, plain.interval.high / rival)
        )


def test_an_optimizer_that_shares_no_seed_with_the_others_is_left_out_of_the_luck(tuned):
    folder = tuned(3, better=0.1, luck=0.002)
    for path in (folder / "repeats" / "2" / "trials").glob("*.parquet"):
        rows, is_of_c, is_early = pq.read_table(path), pl.col("optimizer") == "c", pl.col("replicate") < 6
        kept = pl.from_arrow(rows).select((pl.col("phase") != "confirm") | (is_of_c ^ is_early)).to_series()
        pq.write_table(rows.filter(kept.to_arrow()), path)
    verdict, alone, _ = judged(folder)
    assert (verdict.word, alone.word) == ("SUPPORTED", "NOT TESTABLE")
    assert alone.reason == "the two sides share no seed"
    assert np.isfinite([verdict.interval.low, verdict.interval.high, verdict.p_value]).all()


def test_tunings_that_share_their_seeds_are_judged_as_they_were(tuned):
    """Old studies: the mean over the repeats at each seed, by the sign-flip test; about settings."""
    for verdict in judged(tuned(3, own_seeds=False, better=0.1)):
        assert (verdict.about, verdict.num_tunings, verdict.evidence.num_values) == ("settings", 3, 12)
        flips = sign_flip_interval(verdict.evidence.differences, verdict.level)
        assert verdict.interval == flips
        assert sentence(verdict).startswith("With the settings of 3 tunings a classifies better than")


def test_a_tuning_without_confirmation_is_not_counted_yet(tuned):
    for verdict in judged(tuned(3, better=0.1, phases=("tuning",))):
        assert (verdict.word, verdict.num_tunings) == ("SUPPORTED", 2)


def test_the_first_screen_names_the_questions_that_are_about_settings(tuned):
    """Steps are timed with the winners of the first tuning alone, and only that is swept."""
    verdicts = judged(tuned(3, better=0.1))
    assert about(verdicts).endswith("the luck of the tuning is in every interval.")
    timed = replace(
        verdicts[0],
        question=replace(verdicts[0].question, name="costs little more"),
        evidence=Median(estimate=0.0, value_a=1.0, value_b=1.0, num_values=9, values=np.zeros(9)),
    )
    assert about([*verdicts, timed]).endswith(" Those on “costs little more” are about the settings found first.")


def test_the_report_says_what_its_verdicts_are_about(tuned, tmp_path):
    (tmp_path / "claims.toml").write_text(CLAIMS, encoding="utf-8")
    said = {}
    for number in (1, 3):
        folder = tuned(number, better=0.1)
        assert main([str(folder), "--claims", str(tmp_path / "claims.toml")]) == 0
        said[number] = (folder / "report" / "report.md").read_text(encoding="utf-8")
        entries = json.loads((folder / "report" / "verdicts.json").read_text(encoding="utf-8"))
        assert {entry["about"] for entry in entries} == {"settings" if number == 1 else "optimizers"}
        shutil.rmtree(folder)
    assert "are about the settings that the tuning found, not about the optimizers" in said[1]
    assert "are about the optimizers: each was tuned 3 times" in said[3]
    assert "Claims on optimizers rest on 3 tunings of each" in said[3]
    assert "with seeds of their own (--repeats) give verdicts on the optimizers" in said[1]
