"""What the report says of nested pairs: whether an addition earns its place, and whose effect a lead is."""

import json
import re

import polars as pl
import pytest

from analysis.report.write import write_report

HEADING = "Is it the optimizer or its setting?"


@pytest.fixture
def told(planted, tmp_path_factory):
    """The report of a study in which these effects are planted: its Markdown in one line, and its folder."""

    def make(**changes):
        report = write_report(planted(**changes).write(tmp_path_factory.mktemp("told") / "study"))
        text = report.path.with_name("report.md").read_text(encoding="utf-8")
        return " ".join(text.replace("\\", "").split()), report.path.parent

    return make


def nested_part(text):
    return text.partition(f"## {HEADING}")[2].partition(" ## ")[0]


def test_a_lead_of_the_rate_is_not_told_as_one_of_the_noise(told):
    text, _ = told(of_rate=0.08)
    part = nested_part(text)
    assert re.search(
        r"= HARMLESS, diffusion of langevin: langevin at its winner \(diffusion 1e−4\) against the same learning_rate "
        r"at diffusion 0, which is sgd: [+−]0\.\d+ points \(−0\.\d+ to \+0\.\d+ points\) in test error\. So its best "
        r"diffusion is in effect zero: any difference is below 2\.5 points, the least that would matter\. Against "
        r"sgd at its own winner it is \+[78]\.\d points .* in all; the rest, \+[78]\.\d points .*, is the setting: "
        r"learning_rate 0\.1 against 0\.06\.",
        part,
    ), part
    assert re.search(
        r"\| langevin over sgd \(at diffusion 0\) \| test error \| \+.* \| = EQUIVALENT: .* \| \+.* \|", part
    )
    assert text.index(HEADING) < text.index("## The answer in numbers"), "on the first screen"


def test_a_lead_of_the_noise_is_told_as_needed(told):
    part = nested_part(told(of_noise=0.08)[0])
    assert "✔ NEEDED, diffusion of langevin" in part
    assert (
        "So there it needs its diffusion: the whole interval lies above 2.5 points, the least that would matter."
        in part
    )


def test_a_small_lead_that_is_sure_is_not_called_zero(told):
    part = nested_part(told(of_noise=0.012)[0])
    assert "= HARMLESS" in part
    assert "So its diffusion changes the test error, but by less than 2.5 points, the least that would matter" in part
    assert "in effect zero" not in part


def test_a_need_that_may_be_small_says_so(told):
    part = nested_part(told(of_noise=0.026)[0])
    assert "So there it needs its diffusion, but perhaps for less than 2.5 points, the least that would matter." in part


def test_what_another_setting_makes_up_for_is_told(told):
    part = nested_part(told(of_noise=0.06, of_rate=-0.06)[0])
    assert "✔ NEEDED, diffusion of langevin" in part
    assert "Another setting makes up for it: against sgd at its own winner it is" in part
    assert "makes up" not in nested_part(told(of_noise=0.08)[0])


def test_noise_that_harms_is_told(told):
    part = nested_part(told(of_noise=-0.06, of_rate=0.06)[0])
    assert "✘ HARMFUL" in part
    assert "So its diffusion does harm: without, the winner would be better." in part


def test_noise_that_only_changes_the_swing_is_not_told_to_be_zero_altogether(told):
    part = nested_part(told(swing_of_noise=1.5)[0])
    assert re.search(
        r"So to the test error its best diffusion is in effect zero, but not to the swing of the step losses at equal "
        r"training loss, 1\.\d+ times \(1",
        part,
    )


def test_what_has_not_been_trained_is_open_and_missing(told):
    text, folder = told(phases=("tuning", "confirm"))
    assert "Whether langevin needs its diffusion is open: langevin at diffusion 0 has not been trained" in text
    assert "langevin: 1 ablation trial" in text
    assert "ablation.csv" in text
    assert "nested.csv" not in nested_part(text)
    assert (folder / "tables" / "ablation.csv").exists()


def test_a_complete_study_lacks_no_ablation(told):
    assert "Study complete: 9 trials." in told()[0]


def test_the_methods_say_how_it_was_compared_and_which_runs_read_the_test_set(told):
    text, _ = told()
    assert "Nested pairs. langevin at diffusion 0 is sgd. Each winner was also trained at these values" in text
    assert "after the last epoch of those runs and of ablations" in text


def test_the_page_shows_badge_sentence_and_table(told):
    _, folder = told(of_noise=0.08)
    page = (folder / "report.html").read_text(encoding="utf-8")
    part = page.partition('<div id="nested">')[2].partition("</div>")[0]
    assert f"<h2>{HEADING}</h2>" in part
    assert re.search(r'class="verdict supported"><b aria-hidden="true">✔</b> NEEDED</span>', part)
    assert part.count("<tr>") == 1 + 4, "a head and four questions"
    assert "intervals at 97.5%" in part
    assert pl.read_csv(folder / "tables" / "nested.csv").height == 4 * 3


def test_a_report_of_an_old_ledger_says_nothing_of_it(told, planted):
    optimizers = {
        name: {key: value for key, value in entry.items() if key != "reduces_to"}
        for name, entry in planted().optimizers.items()
    }
    text, folder = told(optimizers=optimizers)
    page = (folder / "report.html").read_text(encoding="utf-8")
    for word in (HEADING, "ablation", "Nested pairs"):
        assert word not in text
        assert word not in page
    assert not {"ablation.csv", "nested.csv"} & {path.name for path in (folder / "tables").iterdir()}


def test_verdicts_on_claims_are_the_same_with_and_without_ablations(told, planted, tmp_path):
    _, folder = told(of_rate=0.08)
    without = write_report(planted(of_rate=0.08, phases=("tuning", "confirm")).write(tmp_path / "without"))
    found = (
        path.read_text(encoding="utf-8") for path in (folder / "verdicts.json", without.path.with_name("verdicts.json"))
    )
    assert len({json.dumps(json.loads(text)) for text in found}) == 1


def test_several_tunings_are_told_without_the_values_of_each(planted, tmp_path):
    folder = planted(of_rate=0.08).write(tmp_path / "study")
    planted(of_rate=0.08, identity={"repeat": 1, "own_seeds": True}, first_seed=1000).write(folder / "repeats" / "1")
    text = write_report(folder).path.with_name("report.md").read_text(encoding="utf-8").replace("\\", "")
    assert "langevin at its winners of 2 tunings against the same learning_rate at diffusion 0, which is sgd:" in text
    assert "is the setting: learning_rate." in text
    assert "from 24 seeds, with intervals at 97.5%" in text


def test_hyperparameters_taken_away_together_are_listed(told, planted):
    noisy = planted().optimizers["langevin"]
    decay = {"low": 1e-5, "high": 1.0, "scale": "log", "unit": "1"}
    both = {
        **noisy,
        "space": {**noisy["space"], "decay": decay},
        "published": {**noisy["published"], "decay": 0.001},
        "reduces_to": {"sgd": {"diffusion": 0.0, "decay": 0.0}, "noisy": {"decay": 0.0}},
    }
    winners = {**planted().winners, "langevin": {**planted().winners["langevin"], "decay": 0.01}}
    part = nested_part(told(of_noise=0.08, optimizers={**planted().optimizers, "langevin": both}, winners=winners)[0])
    assert "NEEDED, diffusion and decay of langevin: langevin at its winner (diffusion 1e−4 and decay 0.01)" in part
    assert "= HARMLESS, decay of langevin: langevin at its winner (decay 0.01) against the same" in part
    assert "at decay 0, which is noisy:" in part
