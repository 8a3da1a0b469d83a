"""The contract of every improvement: what speaks for the claim is positive, and is drawn where it is written."""

import math
import re

import numpy as np
import pytest

from analysis.verdicts.evidence import NotTestableError
from analysis.verdicts.improvements import IMPROVEMENTS

OURS, THEIRS = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[2.0, 3.0], [4.0, 5.0]])
FOR_RUNS = sorted(name for name, kind in IMPROVEMENTS.items() if not kind.has_bound)


def made(name):
    """The improvement, at a bound of one if it has a bound: then 0 says for all of them that both sides are equal."""
    return IMPROVEMENTS[name].of(1.0 if IMPROVEMENTS[name].has_bound else None)


def measured(name, ours, theirs, better="lower"):
    return made(name).measure(ours, theirs, metric="test_error", better=better)


@pytest.mark.parametrize("name", sorted(IMPROVEMENTS))
def test_equal_sides_differ_by_nothing_and_the_lower_side_is_better(name):
    assert made(name).name == name
    np.testing.assert_array_equal(measured(name, OURS, OURS), np.zeros_like(OURS))
    assert (measured(name, OURS, THEIRS) > 0).all()
    assert (measured(name, THEIRS, OURS) < 0).all()
    assert measured(name, OURS, THEIRS).shape == OURS.shape


@pytest.mark.parametrize("name", FOR_RUNS)
def test_the_better_direction_is_only_a_sign(name):
    np.testing.assert_array_equal(measured(name, OURS, THEIRS, "higher"), -measured(name, OURS, THEIRS))


@pytest.mark.parametrize("metric_unit", ["fraction", "nats"])
@pytest.mark.parametrize("name", sorted(IMPROVEMENTS))
def test_an_improvement_is_drawn_at_the_number_that_is_written(name, metric_unit):
    improvement = made(name)
    unit = improvement.unit(metric_unit)
    for value in (-0.25, 0.0, 0.25):
        written = float(re.match(r"[+−]?[\d.]+", improvement.amount(value, unit))[0].replace("−", "-"))
        assert written == pytest.approx(improvement.on_axis(value, unit), abs=5e-3)
    subject, direction = improvement.axis_title("test error", unit)
    assert "test error" in subject
    assert direction in ("right of the line: for the claim", "left of the line: for the claim")


@pytest.mark.parametrize("name", sorted(IMPROVEMENTS))
def test_ends_are_read_from_the_small_number_to_the_large_one(name):
    improvement = made(name)
    low, high = (improvement.on_axis(end, improvement.unit("nats")) for end in improvement.ends(-0.5, 0.5))
    assert low < high
    assert improvement.axis_title("x", "nats")[1].startswith("left") == (improvement.ends(-0.5, 0.5) == (0.5, -0.5))


@pytest.mark.parametrize("name", sorted(IMPROVEMENTS))
def test_every_improvement_has_its_sentences(name):
    improvement = made(name)
    for sentence in (improvement.effect_sign, improvement.reading):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
    assert "1.5 of" in improvement.comparison("test error", "1.5 of", "sgd")
    assert re.match(r"(above|below) 0\.1", improvement.beyond("0.1", is_zero=False))
    assert improvement.middle("nats").startswith("of ")
    assert re.match(r"\d", improvement.size(0.1, improvement.unit("nats")))


def test_closed_forms():
    assert measured("difference", np.array(0.2), np.array(0.5)) == pytest.approx(0.3)
    assert measured("relative", np.array([1.0, 2.0]), np.array([2.0, 4.0])) == pytest.approx([1 / 3, 2 / 3])
    assert measured("log_ratio", np.array(1.0), np.array(2.0)) == pytest.approx(math.log(2))
    within = IMPROVEMENTS["within"].of(1.1).measure(np.array(3.0), np.array(2.0), metric="x", better="lower")
    assert within == pytest.approx(1.1 - 1.5)


def test_what_has_no_ratio_is_refused_with_the_name_of_the_metric():
    with pytest.raises(NotTestableError, match="the rival's mean test_error is 0: nothing is relative to it"):
        measured("relative", OURS, np.zeros_like(OURS))
    with pytest.raises(NotTestableError, match="test_error is not positive in every seed, so that it has no ratio"):
        measured("log_ratio", OURS, np.zeros_like(OURS))
    with pytest.raises(ValueError, match="within needs a bound, got none"):
        IMPROVEMENTS["within"].of(None)
