"""A metric that is declared or computed wrongly is refused in one line that names it."""

import math
import re

import numpy as np
import pytest

from analysis.metrics import METRICS, Metric, find_metrics, metric, pair_metric
from analysis.plugins import PluginError


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"unit": 3}, "unit of the metric 'mine' must be a word, '1' for a pure number, got 3; mend it."),
        ({"unit": ""}, "unit of the metric 'mine' must be a word, '1' for a pure number, got ''; mend it."),
        ({"better": "sideways"}, "better of the metric 'mine' must be 'higher' or 'lower', got 'sideways'; mend it."),
        *(
            (
                {"diverged": score},
                "diverged of the metric 'mine' must be a finite number, a function of the run or None, got "
                f"{score!r}; mend it.",
            )
            for score in ("x", math.inf, math.nan, True, [1.0])
        ),
    ],
)
def test_a_metric_that_is_declared_wrongly_is_refused(fields, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Metric(**{"name": "mine", "function": len, "unit": "1", "better": "lower", "diverged": None, **fields})


@pytest.mark.parametrize("found", ["high", [0.5], np.array([0.5]), math.inf, -math.inf, True])
@pytest.mark.parametrize("status", ["complete", "diverged"])
def test_a_metric_that_gives_no_number_is_named(make_run, found, status):
    @metric(unit="1", better="lower", diverged=lambda _: found)
    def mine(_):
        return found

    message = (
        "The metric 'mine' must be a finite number of every run, or NaN for one that has none, "
        f"{__name__} gives {found!r}; mend it."
    )
    with pytest.raises(PluginError, match=f"^{re.escape(message)}$"):
        mine(make_run([0.5], status=status))


@pytest.mark.parametrize("found", [0.5, np.float32(0.5), np.int64(3), 3, math.nan])
def test_a_metric_gives_a_plain_number(make_run, found):
    @metric(unit="1", better="lower", diverged=None)
    def mine(_):
        return found

    given = mine(make_run([0.5]))
    assert type(given) is float
    assert given == pytest.approx(float(found), nan_ok=True)


@pytest.mark.parametrize("found", ["ab", 0.5, (0.5,), (0.5, "b"), [0.5, 0.5]])
def test_a_metric_of_pairs_that_gives_no_two_numbers_is_named(make_run, found):
    @pair_metric(unit="1", better="lower")
    def mine(*_):
        return found

    with pytest.raises(PluginError, match=rf"'mine' must be two numbers .* {__name__} gives .*; mend it\.$"):
        mine(make_run([0.5]), make_run([0.5]))


@pytest.mark.parametrize("error", [KeyError("x"), SystemExit(0)])
def test_a_metric_that_raises_is_named(make_run, error):
    def mine(*_):
        raise error

    run, ending = make_run([0.5]), re.escape(f", {__name__} raises {error!r}; mend or remove it.")
    with pytest.raises(PluginError, match=rf"^The metric 'mine' must be a number of every run{ending}$"):
        metric(unit="1", better="lower", diverged=None)(mine)(run)
    with pytest.raises(PluginError, match=rf"^The metric 'mine' must be two numbers of every pair of runs{ending}$"):
        pair_metric(unit="1", better="lower")(mine)(run, run)


def test_of_two_families_that_share_a_name_both_are_named(monkeypatch):
    monkeypatch.setattr("analysis.metrics.step_time.blown_up", METRICS["blown_up"], raising=False)
    find_metrics(["step_time", "stability"])  # one and the same metric may be seen from two files
    twin = metric(unit="1", better="lower", diverged=None)(METRICS["blown_up"].function)
    monkeypatch.setattr("analysis.metrics.step_time.blown_up", twin)
    message = (
        "analysis/metrics/step_time.py must name its metrics anew, 'blown_up' is taken by analysis/metrics/stability.py"
    )
    with pytest.raises(PluginError, match=f"^{re.escape(message)}; rename it\\.$"):
        find_metrics(["stability", "step_time"])
