"""What the report says of open claims: what would decide them, what it costs here, the command."""

import dataclasses

import numpy as np
import pytest

from analysis.claims.file import packaged_text, parse_claims
from analysis.ledger.load import load
from analysis.ledger.study import ErrorPlan
from analysis.report.text.what_would_decide import what_would_decide
from analysis.tables.overview import overview_of
from analysis.verdicts.default_vocabulary import VOCABULARY
from analysis.verdicts.evidence import PairedSeeds
from analysis.verdicts.verdict import Verdict

QUESTION = next(q for q in parse_claims(packaged_text(), VOCABULARY).questions if q.name == "classifies better")
COMMAND = "python -m study.run --search optuna"


def waiting(b="sgd", **needed):
    values = np.linspace(-1, 1, 12)
    evidence = PairedSeeds.of(values[None], values, values)
    return Verdict(
        question=QUESTION, a="momentum", b=b, word="INCONCLUSIVE", level=0.99, smallest_effect=0.1, evidence=evidence,
        **needed,
    )  # fmt: skip


@pytest.fixture
def overview(synthetic, tmp_path):
    """Of sgd and momentum, on a machine of two cores."""
    return overview_of(load(synthetic().write(tmp_path / "study")))


def changed(overview, **changes):
    study = overview.ledger.study
    runs = tuple({**run, "command": changes.pop("command", run["command"])} for run in study.runs)
    study = dataclasses.replace(study, **{"runs": runs, **changes})
    return dataclasses.replace(overview, ledger=dataclasses.replace(overview.ledger, study=study))


def test_more_seeds_are_named_with_their_time_and_command(overview):
    (way,) = what_would_decide([overview], [waiting(seeds_needed=24)])
    trials = overview.ledger.trials.filter(phase="confirm")
    each = [(rows["seconds"] / rows["group_size"]).mean() for _, rows in trials.group_by("optimizer")]
    seconds = round(12 * sum(each) / 2) or 1
    name = "second" if seconds == 1 else "seconds"
    assert way["text"] == (
        f"12 more seeds (about {seconds} {name} of training here) may decide momentum classifies better than sgd:"
    )
    assert way["command"] == f"{COMMAND} --confirm-seeds 24 --repeats 1"


def test_more_tunings_are_named_the_same_way_and_the_cheapest_come_first(overview):
    verdicts = [waiting(tunings_needed=9), waiting(b="adam", tunings_needed=5)]
    ways = what_would_decide([overview] * 3, verdicts)
    assert [way["command"] for way in ways] == [f"{COMMAND} --repeats {number}" for number in (5, 9)]
    assert ways[0]["text"].startswith("2 more tunings (about ")
    assert ways[1]["text"].startswith("6 more tunings (about ")


def test_there_is_no_command_for_more_tunings_than_a_study_may_have(overview):
    most, beyond = what_would_decide([overview] * 3, [waiting(tunings_needed=100), waiting(tunings_needed=101)])
    assert most["command"] == f"{COMMAND} --repeats 100"
    assert beyond["command"] == ""
    assert "98 more tunings" in beyond["text"]


def test_claims_that_so_much_would_decide_stand_together(overview):
    (way,) = what_would_decide([overview], [waiting(seeds_needed=24), waiting(b="adam", seeds_needed=24)])
    assert "may decide momentum classifies better than sgd and momentum classifies better than adam:" in way["text"]
    (many,) = what_would_decide([overview], [waiting(seeds_needed=24)] * 5)
    assert "may decide 5 claims:" in many["text"]


@pytest.mark.parametrize("given", ["--confirm-seeds 12", "--confirm-seeds=12"])
def test_the_command_has_the_option_once(overview, given):
    ways = what_would_decide(
        [changed(overview, command=f"python -m study.run {given} --output 'a b'")], [waiting(seeds_needed=24)]
    )
    assert ways[0]["command"] == "python -m study.run --output 'a b' --confirm-seeds 24 --repeats 1"


@pytest.mark.parametrize("given", ["--repeats 1", "--repeats=1"])
def test_seeds_for_one_tuning_are_not_asked_of_four(overview, given):
    (way,) = what_would_decide([changed(overview, command=f"{COMMAND} {given}")], [waiting(seeds_needed=24)])
    assert way["command"] == f"{COMMAND} {given} --confirm-seeds 24"


def test_a_study_that_has_fixed_its_most_seeds_goes_on_until_decided(overview):
    fixed = changed(overview, error_plan=ErrorPlan(most_confirm_seeds=48))
    (way,) = what_would_decide([fixed], [waiting(seeds_needed=24)])
    assert way["command"] == f"{COMMAND} --until-decided"


def test_without_a_command_that_goes_on_there_is_none(overview):
    for command in (f"{COMMAND} --fresh", None):
        (way,) = what_would_decide([changed(overview, command=command)], [waiting(seeds_needed=24)])
        assert way["command"] == ""
        assert way["text"].endswith(".")


def test_decided_claims_need_nothing(overview):
    assert what_would_decide([overview], [waiting()]) == []
