"""The figures of the questions: what they draw, to which question they belong, what they say where rows are missing."""

from dataclasses import replace

import altair
import numpy as np
import polars as pl
import pytest

from analysis import metrics
from analysis.claims.file import packaged_text, parse_claims
from analysis.ledger.load import load
from analysis.metrics import METRICS, PAIR_METRICS
from analysis.report import charts
from analysis.report.charts.palette import Palette
from analysis.report.contents import figures, metric_family, study_tables
from analysis.report.figures.effects import effects, on_axis
from analysis.report.figures.figure import reasons
from analysis.report.figures.joint_maps import coupling
from analysis.report.figures.time_to_target import survival
from analysis.report.figures.tuning_budget import coverage
from analysis.report.sections import SECTIONS
from analysis.report.text.verdict_sentences import amount, interval, sentence
from analysis.statistics.intervals import Interval
from analysis.tables.overfitting import mean_losses
from analysis.tables.overview import overview_of
from analysis.verdicts.claims_of_study import judge_claims
from analysis.verdicts.default_vocabulary import VOCABULARY
from analysis.verdicts.evidence import Median, PairedSeeds
from analysis.verdicts.study_metrics import STUDY_METRICS
from analysis.verdicts.verdict import Verdict

FAMILIES = {*metrics.FAMILIES.names(), *(metric.family for metric in STUDY_METRICS.values())}
PALETTE = Palette.of(["langevin", "sgd"])
CLAIMS = parse_claims(packaged_text(), VOCABULARY)
QUESTIONS = {question.name: question for question in CLAIMS.questions}


def figures_of(overview, claims=None):
    judgement = judge_claims([overview], claims)
    return figures(study_tables(overview, judgement.claims), judgement.verdicts)


@pytest.fixture(scope="module")
def tables(rich_dir):
    return study_tables(overview_of(load(rich_dir)), CLAIMS)


@pytest.fixture(scope="module")
def drawn(tables):
    return figures_of(tables.overview)


@pytest.fixture(scope="module")
def small(ledger_dir):
    return {figure.name: figure for figure in figures_of(overview_of(load(ledger_dir)), CLAIMS).every}


def rows_of(panel):
    return [row for rows in panel.chart.tables.values() for row in rows]


def paired(differences, word="SUPPORTED", name="overfits less", **changes):
    values = np.array([differences], dtype=np.float64)
    evidence = PairedSeeds.of(values, values + 1, values)
    ends = changes.pop("interval", Interval(min(differences), max(differences)))
    fields = {"a": "langevin", "b": "sgd", "level": 0.99, "smallest_effect": 0.02, "evidence": evidence}
    return Verdict(question=QUESTIONS[name], word=word, interval=ends, **(fields | changes))


def test_every_question_gets_the_figures_of_its_metric_after_its_effects(drawn):
    names = {question: [figure.name for figure in own] for question, own in drawn.of_questions.items()}
    assert names["converges faster"] == ["effects_1_converges_faster", "learning_curves", "survival"]
    assert names["is more stable"] == ["effects_2_is_more_stable", "divergence_rates", "divergence"]
    assert names["overfits less"] == ["effects_3_overfits_less", "losses", "generalization_gap"]
    assert names["costs little more"] == ["effects_5_costs_little_more", "step_cost"]
    assert names["classifies better"] == ["effects_6_classifies_better"]
    assert {"learning_rate", "good_volume", "expected_best", "importance"} < set(names["is less sensitive"])
    assert drawn.of_sections == {}


def test_two_hyperparameters_at_once_have_a_map_with_the_trials_on_top(drawn, tables):
    figure = next(figure for figure in drawn.every if figure.name == "joint_map")
    assert [panel.optimizer for panel in figure.panels] == ["momentum", "adam", "adam", "langevin", "constant_noise"]
    for panel in figure.panels:
        rows = rows_of(panel)
        assert sum("deviation" in row for row in rows) == 256
        assert sum("trial" in row and row["mark"] is None for row in rows) >= 20
    assert coupling(tables["joint_slope"]) in figure.text


def test_the_coupling_says_whether_the_best_learning_rate_moves():
    table = pl.DataFrame(
        [
            {"optimizer": "momentum", "hyperparameter": "momentum", "slope": 0.9, "low": 0.3, "high": 1.5,
             "unit": "decades per decade of 1 - value"},
            {"optimizer": "langevin", "hyperparameter": "diffusion", "slope": 0.0, "low": -0.1, "high": 0.2,
             "unit": "decades per decade"},
            {"optimizer": "adam", "hyperparameter": "beta1", "slope": None, "low": None, "high": None, "unit": ""},
        ]
    )  # fmt: skip
    assert coupling(table) == (
        "The best learning rate of momentum moves with momentum: 0.9 decades per decade of 1 - value (95% 0.3 to 1.5). "
        "The best learning rate of langevin need not move with diffusion: 0 decades per decade (95% −0.1 to 0.2)."
    )


def test_equal_budgets_are_said_to_cover_unequal_spaces_unequally(drawn, tables):
    figure = next(figure for figure in drawn.every if figure.name == "expected_best")
    assert (
        "24 trials lie as close together as a grid of 24 values for sgd (1 hyperparameter), 4.9 values of each for "
        "momentum, langevin and constant_noise (2 hyperparameters) and 2.9 values of each for adam (3 hyperparameters)."
    ) in figure.text
    study = tables.overview.ledger.study
    alike = replace(study, optimizers={name: study.optimizers[name] for name in ("langevin", "momentum")})
    assert coverage(alike) == ""


def test_figures_that_no_question_asks_for_stand_under_their_own_heading(tables):
    text = packaged_text()
    found = figures_of(
        tables.overview, parse_claims(text[: text.index('[[questions]]\nname = "is more stable"')], VOCABULARY)
    )
    assert list(found.of_questions) == ["converges faster"]
    assert list(found.of_sections) == ["Stability", "Overfitting", "Sensitivity to hyperparameters", "Overhead"]


def test_every_figure_stands_once(drawn):
    names = [figure.name for figure in drawn.every]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("metric", sorted({*METRICS, *PAIR_METRICS, *STUDY_METRICS}))
def test_every_metric_has_a_family(metric):
    assert metric_family(metric) in FAMILIES


def test_sections_belong_to_a_family_of_metrics():
    assert {section.family for section in SECTIONS} - {None} <= FAMILIES


def test_every_figure_of_a_large_study_is_drawn_and_every_panel_named(drawn):
    for figure in drawn.every:
        assert figure.panels, figure.text
        assert len({panel.description for panel in figure.panels}) == len(figure.panels), figure.name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "good_volume",
            "sgd and momentum have 4 of the 16 explore points that their good volume needs: 12 are missing",
        ),
        ("importance", "that their importance by fANOVA needs: 28 are missing"),
        ("expected_best", "sgd and momentum have 4 of the 16 explore points"),
        ("step_cost", "No steps were timed"),
    ],
)
def test_a_figure_of_a_small_study_says_what_is_missing(small, name, said):
    assert said in small[name].text


def test_targets_that_nobody_reaches_are_named_and_none_at_all_leave_nothing_to_draw(ledger_dir):
    overview, text = overview_of(load(ledger_dir)), packaged_text()
    targets = "targets = [0.20, 0.25, 0.30, 0.35, 0.40]"
    far = survival(study_tables(overview, parse_claims(text.replace(targets, "targets = [0.98]"), VOCABULARY)), PALETTE)
    assert far.text.endswith("No run of sgd or momentum reaches any target.")
    assert [panel.description for panel in far.panels] == ["Share of runs still below 98.0% accuracy"]
    none = survival(study_tables(overview, parse_claims(text.replace(targets, ""), VOCABULARY)), PALETTE)
    assert none.panels == ()
    assert "fix no targets" in none.text


def test_survival_curves_begin_with_all_runs_and_never_rise(drawn):
    survival = drawn.of_questions["converges faster"][2]
    assert len(survival.panels) == 5
    for panel in survival.panels:
        for name in ("sgd", "langevin"):
            rows = sorted((row for row in rows_of(panel) if row["optimizer"] == name), key=lambda row: row["order"])
            shares = [row["y"] for row in rows]
            assert shares[0] == 1
            assert shares == sorted(shares, reverse=True)


def test_mean_losses_leave_out_runs_without_a_loss_and_count_the_rest():
    seeds = pl.DataFrame(
        {
            "optimizer": ["sgd"] * 4,
            "setting": ["tuned"] * 4,
            "replicate": [0, 1, 0, 1],
            "epoch": [1, 1, 2, 2],
            "train_loss": [2.0, 3.0, 1.0, None],
            "validation_loss": [2.5, 3.5, 1.25, None],
            "generalization_gap": [0.5, 0.5, 0.25, None],
        }
    )
    found = mean_losses(seeds)
    assert found["train_loss"].to_list() == [2.5, 1.0]
    assert found["validation_loss"].to_list() == [3.0, 1.25]
    assert found["num_values"].to_list() == [2, 1]


def test_losses_at_the_end_are_those_of_the_ledger(tables):
    ledger = tables.overview.ledger
    tuned = tables.overview.shown.filter(setting="tuned", optimizer="adam")
    wanted = ledger.trials.join(tuned, on=["optimizer", "phase", "number"], how="semi").sort("replicate")
    found = tables["run_losses"].filter(optimizer="adam").sort("replicate")
    assert found["test_loss"].to_list() == wanted["test_loss"].to_list()
    assert found.height == 12


def test_divergence_over_the_search_space_counts_every_explored_replicate(tables):
    found = tables["divergence_rates"].filter(setting="search space", optimizer="sgd")
    explored = tables.overview.ledger.trials.filter(optimizer="sgd", phase="explore")
    assert found["replicates"].to_list() == [explored.height]
    assert found["events"].to_list() == [explored.filter(status="diverged").height]
    assert found["events"][0] > 0


def test_the_cost_of_a_step_has_the_bound_of_the_claim_and_a_baseline_of_one(drawn):
    ratios, times = drawn.of_questions["costs little more"][1].panels
    assert {"value": 1.1} in rows_of(ratios)
    assert {row["y"] for row in rows_of(ratios) if row.get("optimizer") == "sgd"} == {1.0}
    assert max(row["y"] for row in rows_of(times)) == pytest.approx(16.5, rel=0.1)


def test_every_pair_of_seeds_is_drawn():
    figure = effects([paired([0.01, 0.03, 0.05])], 1, PALETTE)
    assert sorted(row["value"] for row in rows_of(figure.panels[0]) if "value" in row) == [0.01, 0.03, 0.05]
    assert "one pair of runs" in figure.text


def test_an_interval_without_an_end_reaches_to_the_end_of_the_axis():
    figure = effects([paired([0.01, 0.05], interval=Interval(-0.01, float("inf")))], 1, PALETTE)
    (claim,) = [row for row in rows_of(figure.panels[0]) if "tip" in row and "mean" in row]
    assert claim["low"] == -0.01
    assert claim["high"] > 0.05


def test_claims_that_cannot_be_tested_have_no_effect_to_draw():
    verdict = Verdict(
        question=QUESTIONS["overfits less"],
        a="langevin",
        b="sgd",
        word="NOT TESTABLE",
        level=0.99,
        smallest_effect=0.02,
    )
    figure = effects([verdict], 3, PALETTE)
    assert figure.panels == ()
    assert "no effect to draw" in figure.text


@pytest.mark.parametrize(
    ("name", "improvement", "drawn_at", "written"),
    [
        ("converges faster", 0.25, 25, "+25.0%"),
        ("is more stable", 0.6931471805599453, 2, "2.00 times"),
        ("overfits less", 0.02, 0.02, "+0.02 nats"),
        ("is less sensitive", 0.05, 5, "+5.0 points"),
        ("costs little more", 0.04, 1.06, "1.060 times"),
        ("classifies better", -0.025, -2.5, "−2.5 points"),
    ],
)
def test_an_improvement_is_written_in_the_unit_in_which_it_is_drawn(name, improvement, drawn_at, written):
    assert on_axis(QUESTIONS[name], improvement) == pytest.approx(drawn_at)
    assert amount(paired([0.1, 0.2], name=name), improvement) == written


def test_the_unit_of_an_interval_stands_once():
    assert interval(paired([0.1, 0.2], interval=Interval(-0.01, 0.02))) == "−0.01 to +0.02 nats"
    cost = paired([0.1, 0.2], name="costs little more", interval=Interval(-0.01, 0.02))
    assert interval(cost) == "1.080 to 1.110 times"


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (
            paired([0.03, 0.05]),
            "With these settings langevin overfits less than sgd: 0.04 nats better in gap at equal training loss, and "
            "the whole interval lies above 0.02 nats, the least that would matter.",
        ),
        (
            paired([-0.03, -0.05], "REFUTED"),
            "With these settings the opposite holds: at equal training loss the validation loss of sgd is lower than "
            "that of langevin, and the whole interval lies beyond −0.02 nats, the least that would matter.",
        ),
        (
            paired([-0.3, -0.4], "REFUTED", "is more stable", smallest_effect=0.0953),
            "With these settings the opposite holds: at equal training loss the step losses of sgd swing less than "
            "those of langevin, and the whole interval lies beyond 0.91 times, the least that would matter.",
        ),
        (
            paired([-0.01, -0.03], "REFUTED", "costs little more", smallest_effect=0.0),
            "With these settings the opposite holds: a step of langevin takes more than 1.10 times as long as one of "
            "sgd.",
        ),
        (
            paired([-0.01, -0.03], "WORSE"),
            "With these settings the opposite holds: at equal training loss the validation loss of sgd is lower than "
            "that of langevin, but perhaps by less than 0.02 nats, the least that would matter.",
        ),
        (
            paired([-0.03, 0.01], "NOT BETTER BY WHAT MATTERS"),
            "With these settings langevin is better than sgd in gap at equal training loss by less than 0.02 nats, "
            "the least that would matter, if it is better at all.",
        ),
        (
            paired([-0.03, 0.01], "NOT BETTER BY WHAT MATTERS", "costs little more", smallest_effect=0.05),
            "With these settings langevin is better than sgd in time per step by less than 0.050 of the rival's, "
            "the least that would matter, if it is better at all.",
        ),
        (
            paired([0.03, 0.05], "DIRECTION ONLY", "is more stable", smallest_effect=0.0953),
            "With these settings langevin is more stable than sgd: its swing of the step losses at equal training loss "
            "is 1.04 times better, but perhaps by less than 1.10 times, the least that would matter.",
        ),
        (
            paired([0.0, 0.01], "EQUIVALENT"),
            "With these settings langevin and sgd differ in gap at equal training loss by less than 0.02 nats, the "
            "least that would matter.",
        ),
        (
            paired([-0.03, 0.05], "INCONCLUSIVE", seeds_needed=31),
            "The interval reaches to both sides of no difference: 2 seeds cannot tell; about 31 would.",
        ),
        (
            paired([0.0, 0.1], "NOT TESTABLE", reason="langevin has learned nothing"),
            "langevin has learned nothing.",
        ),
        (paired([0.0, 0.1], "NOT TESTABLE", reason="no steps were timed"), "No steps were timed."),
    ],
    ids=lambda value: value.word if isinstance(value, Verdict) else "",
)
def test_a_verdict_in_plain_words(verdict, said):
    assert sentence(verdict) == said


def test_a_supported_cost_names_the_ratio_and_its_bound():
    evidence = Median(estimate=0.04, value_a=1.06, value_b=1.0, num_values=2, values=np.array([0.03, 0.05]))
    verdict = paired(
        [0.1], name="costs little more", smallest_effect=0.0, evidence=evidence, interval=Interval(0.03, 0.05)
    )
    assert sentence(verdict) == (
        "langevin costs little more than sgd: its time per step is 1.060 times that of sgd, and the whole interval "
        "lies below 1.100 times."
    )


def test_optimizers_that_lack_the_same_share_a_sentence():
    lacking = "has 4 of the 16 explore points that its good volume needs: 12 are missing."
    table = pl.DataFrame(
        {"optimizer": ["sgd", "sgd", "adam", "langevin"], "reason": [f"sgd {lacking}"] * 2 + [f"adam {lacking}", None]}
    )
    assert reasons(table) == (
        "sgd and adam have 4 of the 16 explore points that their good volume needs: 12 are missing."
    )
    assert reasons(table.filter(optimizer="adam")) == f"adam {lacking}"


@pytest.mark.parametrize(
    "name", ["effects_2_is_more_stable", "survival", "losses", "divergence_rates", "importance", "step_cost"]
)
def test_every_kind_of_chart_follows_the_schema_of_vega_lite(drawn, name):
    (figure,) = [figure for figure in drawn.every if figure.name == name]
    for panel in figure.panels[-2:]:
        altair.Chart.from_dict(charts.for_page(panel.chart), validate=True)
