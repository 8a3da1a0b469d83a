"""The audits on whole simulated ledgers pass, and would not if metrics, looks or intervals were careless."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from analysis.metrics import PAIR_METRICS
from analysis.metrics._swing import rolling_median
from analysis.statistics.intervals import Interval
from analysis.statistics.median import median_interval
from analysis.statistics.paired import sign_flip_interval
from analysis.tables import cost
from analysis.tables.sensitivity import imprecision
from analysis.verdicts import evidence, evidence_of_looks
from analysis.verdicts.evidence_of_tunings import PairedTunings
from analysis.verdicts.judge import judge
from study.audit import costs, curves, explored, images, intervals, ledgers, looks, nested, questions, sensitivity


def swings_at_the_end(one, other):
    """What the metric would be if it did not compare where the losses are equal."""
    found = [losses - rolling_median(losses) for losses in (one.step_losses(), other.step_losses())]
    ours, theirs = (float(np.sqrt(np.square(own[-128:]).mean())) for own in found)
    return ours, theirs


def test_a_ledger_is_judged_as_one_that_was_stored():
    """By the rules of a report, every question that its rows can answer."""
    random = np.random.default_rng(0)
    plan = ledgers.Plan(optimizers=dict.fromkeys("ab", questions.PLAIN), has_sweep=True, num_fresh=8)
    repeats = [ledgers.simulated(random, plan, repeat) for repeat in range(2)]
    seeds = [set(found.ledger.trials["seed"].unique()) for found in repeats]
    assert seeds[0].isdisjoint(seeds[1])
    verdicts, untested = judge(repeats, ledgers.claims_on("a", "b"))
    assert not untested
    words = {verdict.question.metric: verdict.word for verdict in verdicts}
    assert words.pop("seconds_per_step") == "NOT TESTABLE"
    assert len(words) == 5
    assert "NOT TESTABLE" not in words.values()


@pytest.mark.parametrize("shape", curves.STEEPNESS)
def test_the_expected_error_is_the_mean_of_the_errors_of_networks(shape):
    formula = curves.Formula(space=curves.WITH_KNOB, shape=shape, better=0.01, knob=0.02, knob_slope=0.1)
    random = np.random.default_rng(0)
    for rate in (0.01, 0.03, 0.1):
        point = {"learning_rate": rate, "knob": 0.5}
        luck = curves.Luck.drawn(random, 4000)
        expected = formula.expected_error(point)
        assert formula.errors(random, point, luck).mean() == pytest.approx(expected, abs=5 * 0.0224 / 4000**0.5)
        found = formula.curves(random, point, luck)
        assert found.test_error.mean() == pytest.approx(expected, abs=5 * 0.03 / 4000**0.5)
        assert found.validation_error[:, -1].mean() == pytest.approx(expected, abs=5 * 0.03 / 4000**0.5)


def test_beyond_the_edge_every_network_diverges():
    formula = curves.Formula(space=curves.RATE_ALONE, shape="edge")
    luck = curves.Luck.drawn(np.random.default_rng(0), 3)
    assert formula.errors(np.random.default_rng(0), {"learning_rate": 0.9}, luck).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.slow
def test_a_verdict_on_runs_that_forgets_the_luck_of_tuning_is_found_out(monkeypatch):
    kind = questions.IN_SETTINGS
    families = questions.by_metric(kind, 1, 12)[questions.SWING]
    audits = (questions.false_directions, questions.coverage, questions.told_apart)
    assert all(audit(families, "swing").is_passed for audit in audits)
    monkeypatch.setattr(PairedTunings, "interval", lambda self, level: self.at_settings.interval(level))
    assert not questions.false_directions(families, "swing").is_passed
    assert not questions.coverage(families, "swing").is_passed


@pytest.mark.slow
def test_a_swing_that_is_not_compared_at_equal_loss_is_found_out(monkeypatch):
    kind = questions.IN_LEVEL._replace(metrics=(questions.SWING,))
    matched = questions.by_metric(kind, 2, 6)[questions.SWING]
    assert questions.false_words(matched, "swing").is_passed
    careless = replace(PAIR_METRICS[questions.SWING], function=swings_at_the_end)
    monkeypatch.setitem(PAIR_METRICS, questions.SWING, careless)
    assert not questions.false_words(questions.by_metric(kind, 2, 6)[questions.SWING], "swing").is_passed


def test_an_effect_that_is_not_there_is_not_found():
    planted = questions.by_metric(questions.IN_OPTIMIZER, 3, 4)[questions.ERROR]
    assert questions.power(planted, "error").is_passed
    kind = questions.IDENTICAL._replace(metrics=(questions.ERROR,))
    assert not questions.power(questions.by_metric(kind, 0, 4)[questions.ERROR], "error").is_passed


@pytest.mark.slow
def test_a_cost_of_imprecision_around_the_winner_is_found_out(monkeypatch):
    """As claims were judged before the best decade was sought."""

    def around_the_winner(curve):
        steps = np.arange(-2, 3) * imprecision.SPACING
        line = np.stack([np.interp(steps, curve.steps, errors) for errors in curve.errors.T], axis=1)
        return 0.0, line.mean(axis=0)

    def outcomes():
        return list(sensitivity.swept(np.random.default_rng(0), "edge", 24, shares_winner=False))

    assert sensitivity.false_directions(outcomes(), "edge").is_passed
    monkeypatch.setattr(imprecision, "best_decade", around_the_winner)
    assert not sensitivity.false_directions(outcomes(), "edge").is_passed


def test_optimizers_with_one_winner_differ_by_nothing_but_the_luck_of_seeds():
    (found,) = sensitivity.swept(np.random.default_rng(0), "parabola", 1, shares_winner=True)
    assert found.truth == [0.0] * 6
    assert all(item.estimate != 0 for item in found.evidence)


def test_an_interval_of_busy_steps_that_is_too_narrow_is_found_out(monkeypatch):
    same = dict.fromkeys("abcde", 1.0)
    assert costs.coverage(np.random.default_rng(0), same, 100).is_passed
    monkeypatch.setattr(cost, "median_interval", lambda values, _: median_interval(values, 0.3))
    assert not costs.coverage(np.random.default_rng(0), same, 100).is_passed
    at_bound = {**same, "a": costs.BOUND, "b": costs.BOUND}
    monkeypatch.setattr(evidence, "median_interval", lambda values, _: median_interval(values, 0.9))
    assert not costs.false_directions(np.random.default_rng(0), at_bound, 40).is_passed


@pytest.fixture(scope="module")
def other_ranges():
    """Nested pairs that differ in their settings alone."""
    return list(nested.compared(np.random.default_rng(0), nested.KINDS[2], 8))


def test_an_effect_of_the_setting_that_is_called_one_of_the_optimizer_is_found_out(other_ranges):
    assert nested.false_directions(other_ranges, "optimizer", "range").is_passed
    careless = [
        own._replace(found=replace(own.found, optimizer=own.found.total, setting=own.found.optimizer))
        for own in other_ranges
    ]
    assert not nested.false_directions(careless, "optimizer", "range").is_passed
    assert not nested.planted_share(careless, "setting", "range").is_passed


def test_parts_of_a_nested_pair_add_up_and_are_covered(other_ranges):
    for part in nested.PARTS:
        assert nested.coverage(other_ranges, part, "range").is_passed
    for own in other_ranges:
        assert own.truth["total"] == pytest.approx(own.truth["optimizer"] + own.truth["setting"])
        assert own.truth["optimizer"] == 0
    elsewhere = [own._replace(truth={part: value + 0.2 for part, value in own.truth.items()}) for own in other_ranges]
    for part in nested.PARTS:
        assert not nested.coverage(elsewhere, part, "range").is_passed


@pytest.mark.slow
def test_looks_that_each_spend_all_of_the_error_are_found_out(monkeypatch):
    values = np.random.default_rng(0).normal(size=(40, looks.LOOKS[-1]))
    courses = [looks.until_decided(own, 0.0) for own in values[:12]]
    assert looks.false_directions(courses, "normal").is_passed
    assert max(course.num_seeds for course in courses) > looks.LOOKS[1]

    def careless(differences, looks, most_pairs, error):
        del looks, most_pairs
        return sign_flip_interval(differences, 1 - 2 * error)

    monkeypatch.setattr(evidence_of_looks, "sequential_interval", careless)
    courses = [looks.until_decided(own, 0.0) for own in values]
    assert not looks.false_directions(courses, "normal").is_passed
    assert not looks.coverage(courses).is_passed


def test_an_interval_of_a_share_without_width_at_its_ends_is_found_out(monkeypatch):
    def wald(successes, trials, level):
        del level
        share = successes / trials
        half = 1.96 * (share * (1 - share) / trials) ** 0.5
        return Interval(share - half, share + half)

    assert all(audit.is_passed for audit in intervals.audits(100))
    assert not intervals.share("Wilson", wald).is_passed
    monkeypatch.setattr(intervals, "summarise", lambda rows, *_: rows.with_columns(low=pl.lit(0), high=pl.lit(0)))
    assert not intervals.mean(np.random.default_rng(0), 100).is_passed


def test_an_error_of_images_that_counts_every_run_is_found_out(monkeypatch):
    (audit,) = images.audits(60)
    assert audit.is_passed
    real = images.image_error

    def careless(*words):
        found = real(*words)
        return replace(found, standard_error=found.standard_error / images.NUM_SEEDS**0.5)

    monkeypatch.setattr(images, "image_error", careless)
    (audit,) = images.audits(60)
    assert not audit.is_passed


@pytest.mark.parametrize(("plan", "cases"), [(plan, cases) for plan, _, cases in explored.CASES])
def test_an_interval_about_the_search_space_of_no_width_is_found_out(plan, cases):
    careless = [case._replace(interval=lambda _: Interval(-1.0, -1.0)) for case in cases]
    audits = list(explored.coverages(np.random.default_rng(0), plan, [*cases, *careless], 3))
    assert [audit.is_passed for audit in audits] == [True] * len(cases) + [False] * len(cases)


def test_true_numbers_about_the_search_space_by_hand():
    """A parabola over three decades is within two points of its lowest over 2 sqrt(0.2) of them."""
    assert explored.true_volume() == pytest.approx(2 * 0.2**0.5 / 3, abs=1e-3)
    rate, knob = 0.1**2 * (1.5**4 / 5 - 1.5**4 / 9), 0.2**2 / 12
    assert explored.true_importance_of_knob() == pytest.approx(knob / (rate + knob), abs=5e-3)
    assert 0.55 < explored.true_best_of_five() < explored.expected_errors("both").mean()
