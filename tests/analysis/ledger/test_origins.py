"""When two runs compute alike, and what is named when they do not."""

import pytest

from analysis.ledger.origins import differences, differing_plugins, named

RUN = {
    "versions": {"python": "3.11.4", "torch": "2.3.1", "optuna": "4.0.0", "ray": "2.30.0", "pyarrow": "17.0.0"},
    "code": {"trainables/models": "0123456789ab", "study/queue": "ba9876543210"},
    "hardware": {"cpu": "one"},
}


def changed(part, name, value):
    return {**RUN, part: {**RUN[part], name: value}}


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("versions", "python", "3.11.9"),
        ("versions", "ray", "2.40.0"),
        ("versions", "pyarrow", "18.0.0"),
        ("hardware", "cpu", "another"),
        ("code", "plug_in_that_the_other_did_not_use", "00112233"),
    ],
)
def test_what_changes_no_number_is_no_difference(part, name, value):
    assert differences(RUN, changed(part, name, value)) == []
    assert differences(changed(part, name, value), RUN) == []


@pytest.mark.parametrize(
    ("part", "name", "value", "said"),
    [
        ("versions", "python", "3.12.0", "python was 3.11 and is 3.12"),
        ("versions", "torch", "2.4.0", "torch was 2.3.1 and is 2.4.0"),
        ("versions", "optuna", None, "optuna was 4.0.0 and is not there"),
        ("versions", "scipy", "1.14.0", "scipy was not there and is 1.14.0"),
        ("code", "trainables/models", "77", "the code of trainables/models was 0123456789ab and is 77"),
    ],
)
def test_what_has_changed_is_named_from_what_to_what(part, name, value, said):
    assert differences(RUN, changed(part, name, value)) == [said]


@pytest.mark.parametrize("part", ["code", "versions"])
def test_a_run_that_did_not_store_what_it_computed_with_differs(part):
    old = {name: value for name, value in RUN.items() if name != part}
    stored = {"code": "digests of the code were", "versions": "the versions were"}[part]
    assert differences(old, RUN) == [f"{stored} not stored"]
    assert differences(old, old) == []
    assert len(differences(None, RUN)) == 2
    assert differences(None, None) == []


def test_no_line_grows_with_what_has_changed():
    other = {**RUN, "code": {f"place{number}": "b" * 500 for number in range(99)}}
    old = {**RUN, "code": {f"place{number}": "a" * 500 for number in range(99)}}
    said = named(differences(old, other))
    assert said.endswith("; 95 more")
    assert len(said) < 600


def test_a_plug_in_is_compared_with_all_runs_that_used_it():
    """The first run is like the third one, which uses another adam than the second."""
    runs = [{"code": {"study": "1", **used}} for used in ({}, {"adam": "1"}, {"adam": "2"})]
    assert differing_plugins(runs[:2], runs[2]) == ["the code of adam was 1 and is 2"]
    assert differing_plugins([*runs, None], runs[1]) == []
    assert differing_plugins(runs[:1], runs[2]) == []
