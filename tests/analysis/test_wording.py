"""Numbers as readers see them."""

import pytest

from analysis import wording
from analysis.ledger.study import Axis
from analysis.report.page import linked, markdown_text, script_json
from analysis.statistics.intervals import Estimate


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.01, "0.01"),
        (0.0123456, "0.0123"),
        (1e-5, "1e−5"),
        (2.44e-7, "2.44e−7"),
        (0.0, "0"),
        (3.0, "3"),
        (-0.5, "−0.5"),
    ],
)
def test_numbers_have_three_digits(value, text):
    assert wording.number(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.9, "0.9"), (0.99934, "0.99934"), (0.999, "0.999"), (0.0, "0")])
def test_a_value_near_one_keeps_the_digits_of_its_complement(value, text):
    assert wording.number(value, Axis(low=0, high=0.9999, scale="log_complement")) == text


def test_a_limit_beside_zero_keeps_its_sign():
    assert wording.points_interval(Estimate(0.01, -0.0004, 0.02, 5)) == "−0.04 to +2.0"


def test_one_seed_says_that_it_has_no_interval():
    assert wording.percent_interval(Estimate(0.5, None, None, 1)) == "one seed, no interval"


def test_markdown_shows_hostile_text_as_it_is():
    assert markdown_text("a|b\n<script>*x*") == r"a\|b &lt;script&gt;\*x\*"


def test_embedded_json_cannot_end_its_script():
    text = script_json({"name": "</script><!-- & \u2028"})
    assert not set("<>&\u2028") & set(text)


def test_a_reference_links_its_address_and_nothing_else():
    text = str(linked("Polyak <1964> (https://doi.org/10.1016/0041-5553(64)90137-5), and so on"))
    address = "https://doi.org/10.1016/0041-5553(64)90137-5"
    assert text == f'Polyak &lt;1964&gt; (<a href="{address}">{address}</a>), and so on'
