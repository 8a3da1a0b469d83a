import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.spec import Hyperparameter, OptimizerSpec

FRACTIONS = st.floats(0, 1)


@st.composite
def axes(draw: st.DrawFn) -> Hyperparameter:
    """Ranges of every scale, from a few per cent to 12 decades wide."""
    scale = draw(st.sampled_from(["linear", "log", "log_complement"]))
    width = draw(st.floats(1.05, 1e6))
    match scale:
        case "linear":
            low = draw(st.floats(-1e3, 1e3))
            return Hyperparameter(low=low, high=low + width, scale=scale)
        case "log":
            low = draw(st.floats(1e-12, 1))
            return Hyperparameter(low=low, high=low * width, scale=scale)
        case _:
            low = draw(st.floats(-1, 0.9))
            return Hyperparameter(low=low, high=1 - (1 - low) / width, scale=scale)


@given(axes())
def test_ends_are_exact(axis):
    assert (axis.at(0), axis.at(1)) == (axis.low, axis.high)
    assert (axis.at(0.0), axis.at(1.0)) == (axis.low, axis.high)
    assert (axis.fraction(axis.low), axis.fraction(axis.high)) == (0, 1)


@given(axes(), FRACTIONS)
def test_fraction_undoes_at(axis, fraction):
    # The worst case loses 6 digits where 1 - value is 1e-6 and one more because the range is narrow.
    assert axis.fraction(axis.at(fraction)) == pytest.approx(fraction, abs=1e-8)


@given(axes(), FRACTIONS, FRACTIONS)
def test_values_stay_in_the_range_and_in_order(axis, fraction, other):
    smaller, larger = sorted((fraction, other))
    assert axis.low <= axis.at(smaller) <= axis.at(larger) <= axis.high


@given(axes())
def test_middle_is_even_in_the_measure_of_its_scale(axis):
    low, high = axis.low, axis.high
    middle = {
        "linear": lambda: (low + high) / 2,
        "log": lambda: math.sqrt(low * high),
        "log_complement": lambda: 1 - math.sqrt((1 - low) * (1 - high)),
    }[axis.scale]()
    assert axis.at(0.5) == pytest.approx(middle, rel=1e-9, abs=1e-9)


def test_published_momentum_is_the_middle_of_its_range():
    """1 - mu of 0.1 is half-way from 1 to 0.01 in decades."""
    assert Hyperparameter(low=0.0, high=0.99, scale="log_complement").fraction(0.9) == pytest.approx(0.5)


@pytest.mark.parametrize(("value", "fraction"), [(1e-5, -0.25), (10.0, 1.25)])
def test_values_beyond_the_range_have_fractions_beyond_the_unit_interval(value, fraction):
    axis = Hyperparameter(low=1e-4, high=1.0, scale="log")
    assert axis.fraction(value) == pytest.approx(fraction)
    assert axis.at(fraction) == pytest.approx(value)


@pytest.mark.parametrize(
    ("scale", "value"), [("log", 0.0), ("log", -1.0), ("log_complement", 1.0), ("log_complement", 2.0)]
)
def test_no_fraction_where_the_scale_is_not_defined(scale, value):
    with pytest.raises(ValueError, match=r"math domain|expected"):
        Hyperparameter(low=0.1, high=0.9, scale=scale).fraction(value)


@pytest.mark.parametrize(
    ("low", "high", "scale", "message"),
    [
        (1.0, 1.0, "linear", r"low must be below high and both finite, got low=1\.0, high=1\.0; widen"),
        (2.0, 1.0, "log", r"low must be below high and both finite, got low=2\.0, high=1\.0; widen"),
        (0.0, math.inf, "linear", r"low must be below high and both finite, got low=0\.0, high=inf; widen"),
        (math.nan, 1.0, "linear", r"low must be below high and both finite, got low=nan, high=1\.0; widen"),
        (0.0, 1.0, "log", r"scale='log' needs low > 0, got low=0\.0, high=1\.0; raise low or use scale='linear'"),
        (-1.0, 1.0, "log", r"scale='log' needs low > 0, got low=-1\.0"),
        (0.0, 1.0, "log_complement", r"scale='log_complement' needs high < 1, got low=0\.0, high=1\.0; lower high"),
        (1e59, math.nextafter(1e59, 2e59), "log", r"low and high must be told apart on scale='log', got .*; change"),
        (0.0, 1.0, "cubic", r"scale must be 'linear', 'log' or 'log_complement', got 'cubic'; pick one of these"),
    ],
)
def test_a_range_without_meaning_is_refused(low, high, scale, message):
    with pytest.raises(ValueError, match=message):
        Hyperparameter(low=low, high=high, scale=scale)


def spec(**changes: object) -> OptimizerSpec:
    space = {
        "learning_rate": Hyperparameter(low=1e-4, high=1.0, scale="log"),
        "momentum": Hyperparameter(low=0.0, high=0.99, scale="log_complement"),
    }
    published = {"learning_rate": 0.01, "momentum": 0.9}
    fields = {"build": print, "equation": "θ ← θ", "space": space, "published": published, "reference": "a test"}
    return OptimizerSpec(**{**fields, **changes})


@pytest.mark.parametrize(
    ("published", "message"),
    [
        ({"learning_rate": 0.01}, r"for each of learning_rate, momentum, got learning_rate; give these and no others"),
        ({}, r"for each of learning_rate, momentum, got none; give"),
        (
            {"learning_rate": 0.01, "momentum": 0.9, "epsilon": 1e-8},
            r"for each of learning_rate, momentum, got epsilon, learning_rate, momentum; give",
        ),
        (
            {"learning_rate": 2.0, "momentum": 0.9},
            r"published\['learning_rate'\] must lie within its range, from 0\.0001 to 1, got 2; widen .* or mend",
        ),
        (
            {"learning_rate": 0.01, "momentum": -0.1},
            r"published\['momentum'\] must lie within its range, from 0 to 0\.99, got -0\.1; widen",
        ),
        ({"learning_rate": math.nan, "momentum": 0.9}, r"published\['learning_rate'\] must lie .*, got nan; widen"),
    ],
)
def test_a_published_setting_outside_the_space_is_refused(published, message):
    with pytest.raises(ValueError, match=message):
        spec(published=published)


def test_a_published_setting_may_lie_at_either_end_of_its_range():
    assert spec(published={"learning_rate": 1.0, "momentum": 0.0}).published["momentum"] == 0.0


def test_an_empty_space_is_refused():
    with pytest.raises(ValueError, match="space must name at least one hyperparameter, got none; add one"):
        spec(space={}, published={})


@pytest.mark.parametrize(
    "name",
    ["../x", "<script>", "two\nlines", "😀", "x" * 10_000, "", "learning rate", "Rate", "1st", "class", "lambda"],
)
def test_a_hyperparameter_that_could_be_no_argument_column_and_file_is_refused(name):
    with pytest.raises(ValueError, match=r"^A hyperparameter is named by up to 40 .*, got .*; rename it\.$") as refused:
        spec(space={name: Hyperparameter(low=0.1, high=1.0)}, published={name: 0.5})
    assert len(str(refused.value)) < 250


@pytest.mark.parametrize("field", ["equation", "reference"])
@pytest.mark.parametrize("text", ["", "two\nlines", "\x1b[31mred", "x" * 501, 3])
def test_a_text_that_is_not_one_short_line_is_refused(field, text):
    with pytest.raises(
        ValueError, match=rf"^{field} must be one line of 1 to 500 printable characters, got .*; shorten"
    ):
        spec(**{field: text})


def test_an_optimizer_reduces_to_nothing_unless_it_says_so():
    assert spec().reduces_to == {}
    assert spec(reduces_to={"sgd": {"momentum": 0}}).reduces_to == {"sgd": {"momentum": 0}}
    assert spec(reduces_to={"sgd": {"momentum": -3.0}}), "a neutral value may lie outside of its range"


@pytest.mark.parametrize(
    ("reduces_to", "message"),
    [
        ({"momentum": 0.0}, r"of the form \{'sgd': \{'momentum': 0\.0\}\}, got \{'momentum': 0\.0\}; mend it"),
        (["sgd"], r"of the form .*, got \['sgd'\]; mend it"),
        ({"No name": {"momentum": 0.0}}, r"with the name of an optimizer, got 'No name'; mend it"),
        ({3: {"momentum": 0.0}}, r"with the name of an optimizer, got '3'; mend it"),
        (
            {"sgd": {}},
            r"\['sgd'\] must give the neutral value of some of learning_rate, momentum and .*, got none; mend",
        ),
        ({"sgd": {"noise": 0.0}}, r"neutral value of some of learning_rate, momentum and leave .*, got noise; mend"),
        ({"sgd": {"momentum": 0.0, "learning_rate": 0.1}}, r"leave at least one, got momentum, learning_rate; mend"),
        ({"sgd": {"momentum": math.nan}}, r"reduces_to\['sgd'\]\['momentum'\] must be a finite number, got nan; mend"),
        ({"sgd": {"momentum": math.inf}}, r"must be a finite number, got inf; mend"),
        ({"sgd": {"momentum": False}}, r"must be a finite number, got False; mend"),
        ({"sgd": {"momentum": "0"}}, r"must be a finite number, got 0; mend"),
    ],
)
def test_a_reduction_without_meaning_is_refused(reduces_to, message):
    with pytest.raises(ValueError, match=message):
        spec(reduces_to=reduces_to)


AXIS = Hyperparameter(low=0.0, high=1.0)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        (
            "low",
            "1e-5",
            r"low must be a number of Python, at most 1e\+60, got str '1e-5'; mend it, or put float",
        ),
        ("high", None, r"high must be a number of Python, .*, got NoneType 'None'; mend it"),
        ("high", True, r"high must be a number of Python, .*, got bool 'True'; mend it"),
        ("high", 10**400, r"high must be a number of Python, .*, got int '10{59}'; mend it"),
        ("high", [1], r"high must be a number of Python, .*, got list '\[1\]'; mend it"),
        ("scale", ["log"], r"scale must be a text, got list"),
        ("unit", 1, r"unit must be a text, got int '1'; mend it"),
    ],
)
def test_a_range_of_another_type_names_its_field(field, value, message):
    with pytest.raises(TypeError, match=f"^{message}"):
        Hyperparameter(**{"low": 0.0, "high": 1.0, field: value})


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("build", "adam", r"build must be a function, got str 'adam'; mend it"),
        ("build", None, r"build must be a function, got NoneType 'None'; mend it"),
        ("space", ["learning_rate"], r"space must be a dictionary, got list"),
        ("space", {"learning_rate": (0, 1)}, r"space\['learning_rate'\] must be a Hyperparameter\(low=.*\), got tuple"),
        ("published", [0.1], r"published must be a dictionary, got list '\[0\.1\]'; mend it"),
        ("published", {"learning_rate": "0.1"}, r"published\['learning_rate'\] must be a number of Python, .* got str"),
        ("published", {"learning_rate": None}, r"published\['learning_rate'\] must be a number of Python, .* NoneType"),
        ("mixes_elements", "no", r"mixes_elements must be True or False, got str 'no'; mend it"),
    ],
)
def test_a_field_of_another_type_is_named(field, value, message):
    right = {"build": print, "equation": "e", "space": {"learning_rate": AXIS}, "published": {"learning_rate": 0.1}}
    with pytest.raises(TypeError, match=f"^{message}"):
        OptimizerSpec(**{**right, "reference": "r", field: value})
