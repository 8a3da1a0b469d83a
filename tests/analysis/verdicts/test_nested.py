"""Is it the optimizer or its setting? Effects planted in either, and in both against each other."""

import json

import numpy as np
import pytest

from analysis.claims.file import packaged_text, parse_claims
from analysis.ledger.join import load_studies
from analysis.metrics import METRICS, PAIR_METRICS
from analysis.statistics.paired import sign_flip_interval
from analysis.tables.overview import overview_of
from analysis.tables.runs import ConfirmedRuns
from analysis.verdicts.claims_of_study import judge_claims
from analysis.verdicts.default_vocabulary import VOCABULARY
from analysis.verdicts.evidence import PairedSeeds
from analysis.verdicts.need import need_of
from analysis.verdicts.verdict import Verdict

SIDE = "langevin at diffusion 0"


@pytest.fixture
def judged(planted, tmp_path):
    """The judgement of such a study."""

    def make(name="study", **changes):
        return judge_folder(planted(**changes).write(tmp_path / name))

    return make


def judge_folder(folder):
    return judge_claims([overview_of(ledger) for ledger in load_studies([folder]).repeats])


def of_question(judgement, name="classifies better"):
    (found,) = (pair for pair in judgement.nested if pair.question.name == name)
    return found


def test_an_effect_of_the_noise_is_one_of_the_optimizer(judged):
    judgement = judged(of_noise=0.08)
    pair, (need,) = of_question(judgement), judgement.needs
    assert pair.optimizer.word == "SUPPORTED"
    assert pair.optimizer.evidence.estimate == pytest.approx(0.08, abs=0.005)
    assert pair.setting.evidence.estimate == pytest.approx(0.0, abs=0.005)
    assert pair.setting.interval.low < 0 < pair.setting.interval.high
    assert need.word == "NEEDED"
    assert need.objective is pair


def test_an_effect_of_the_rate_is_none_of_the_optimizer(judged):
    """Although the total, which is what the claim is about, is supported."""
    judgement = judged(of_rate=0.08)
    pair, (need,) = of_question(judgement), judgement.needs
    (verdict,) = (verdict for verdict in judgement.verdicts if verdict.question is pair.question)
    assert verdict.word == "SUPPORTED"
    assert pair.optimizer.word == "EQUIVALENT"
    assert pair.optimizer.interval.low < 0 < pair.optimizer.interval.high
    assert pair.setting.evidence.estimate == pytest.approx(0.08, abs=0.005)
    assert pair.setting.interval.low > 0.07
    assert need.word == "HARMLESS"


def test_what_another_setting_makes_up_for_is_needed_at_its_own(judged):
    (need,) = judged(of_noise=0.06, of_rate=-0.06).needs
    assert (need.word, need.is_made_up_for) == ("NEEDED", True)
    (missed,) = judged("missed", of_noise=0.06).needs
    assert (missed.word, missed.is_made_up_for) == ("NEEDED", False)


def test_noise_that_harms_is_not_excused_by_a_better_rate(judged):
    judgement = judged(of_noise=-0.06, of_rate=0.06)
    pair, (need,) = of_question(judgement), judgement.needs
    assert pair.total.evidence.estimate == pytest.approx(0.0, abs=0.005)
    assert pair.optimizer.word == "REFUTED"
    assert pair.setting.interval.low > 0.05
    assert need.word == "HARMFUL"


def test_the_swing_of_the_rate_is_none_of_the_noise(judged):
    by_rate = of_question(judged("rate", swing_of_rate=1.5), "is more stable")
    assert by_rate.total.interval.low > 0.2
    assert by_rate.optimizer.interval.low < 0 < by_rate.optimizer.interval.high
    by_noise = of_question(judged("noise", swing_of_noise=1.5), "is more stable")
    assert by_noise.optimizer.word == "SUPPORTED"
    assert by_noise.setting.interval.low < 0 < by_noise.setting.interval.high


def test_harmless_to_the_test_error_may_matter_otherwise(judged):
    (need,) = judged(swing_of_noise=1.5).needs
    assert need.word == "HARMLESS"
    assert [pair.question.name for pair in need.effects] == ["is more stable"]
    (idle,) = judged("idle").needs
    assert (idle.word, idle.effects) == ("HARMLESS", ())


def test_optimizer_and_setting_add_up_to_the_total_at_every_seed_of_every_question(rich_dir):
    judgement = judge_folder(rich_dir)
    pairs = [pair for pair in judgement.nested if pair.total]
    assert {pair.ablation.optimizer for pair in pairs} == {"langevin", "constant_noise", "momentum"}
    assert len({pair.question.name for pair in pairs}) == 4
    kinds = {pair.question.improvement.name for pair in pairs}
    assert kinds >= {"difference", "relative", "log_ratio"}
    for pair in pairs:
        total, own, setting = (part.evidence for part in (pair.total, pair.optimizer, pair.setting))
        assert total.differences == pytest.approx(own.differences + setting.differences, abs=1e-12)
        assert total.estimate == pytest.approx(own.estimate + setting.estimate, abs=1e-12)


def test_the_total_is_what_the_verdict_on_the_claim_rests_on(rich_dir):
    judgement = judge_folder(rich_dir)
    verdicts = {(verdict.question.name, verdict.a, verdict.b): verdict for verdict in judgement.verdicts}
    compared = 0
    for pair in judgement.nested:
        verdict = verdicts.get((pair.question.name, pair.ablation.optimizer, pair.ablation.simpler))
        if verdict and pair.total:
            assert pair.total.evidence.differences == pytest.approx(verdict.evidence.differences)
            assert (pair.total.interval, pair.total.level) == (verdict.interval, verdict.level)
            compared += 1
    assert compared == 8


def test_the_effect_of_the_optimizer_is_measured_between_the_two_runs_that_it_is_about(rich_dir):
    """By hand, from the runs; a metric of two runs has one value for each partner."""
    (ledger,) = load_studies([rich_dir]).repeats
    confirmed = ConfirmedRuns(overview_of(ledger), parse_claims(packaged_text(), VOCABULARY))
    ours, theirs, rival = (confirmed.of(side) for side in ("langevin", SIDE, "sgd"))
    for pair in (pair for pair in judge_folder(rich_dir).nested if pair.ablation.optimizer == "langevin"):
        name = pair.question.metric
        if name in PAIR_METRICS:
            both = [PAIR_METRICS[name](ours[seed], theirs[seed]) for seed in range(12)]
        else:
            both = [(METRICS[name](ours[seed]), METRICS[name](theirs[seed])) for seed in range(12)]
        mine, other = (np.array([values[place] for values in both]) for place in (0, 1))
        by_hand = {
            "difference": lambda mine=mine, other=other: other - mine,
            "relative": lambda mine=mine, other=other, name=name: (
                (other - mine) / np.mean([METRICS[name](rival[seed]) for seed in range(12)])
            ),
            "log_ratio": lambda mine=mine, other=other: np.log(other / mine),
        }[pair.question.improvement.name]()
        assert pair.optimizer.evidence.differences == pytest.approx(by_hand, abs=1e-12)
        interval = sign_flip_interval(by_hand, pair.optimizer.level)
        assert (pair.optimizer.interval.low, pair.optimizer.interval.high) == pytest.approx(
            (interval.low, interval.high), abs=1e-12
        )


def test_a_winner_without_noise_is_its_own_ablation(judged, planted):
    winners = {**planted().winners, "langevin": {"learning_rate": 0.1, "diffusion": 0.0}}
    noisy = planted().optimizers["langevin"]
    linear = {**noisy["space"]["diffusion"], "low": 0.0, "scale": "linear"}
    optimizers = {**planted().optimizers, "langevin": {**noisy, "space": {**noisy["space"], "diffusion": linear}}}
    judgement = judged(optimizers=optimizers, winners=winners, of_rate=0.08)
    pair, (need,) = of_question(judgement), judgement.needs
    assert need.word == "HARMLESS"
    assert (pair.optimizer.interval.low, pair.optimizer.interval.high) == (0.0, 0.0)
    assert pair.setting.evidence.estimate == pair.total.evidence.estimate > 0.07


def test_without_the_simpler_optimizer_there_is_only_the_effect_of_the_optimizer(judged, planted):
    judgement = judged(of_noise=0.08, optimizers={"langevin": planted().optimizers["langevin"]})
    pair, (need,) = of_question(judgement), judgement.needs
    assert judgement.verdicts == ()
    assert (pair.total, pair.setting) == (None, None)
    assert pair.optimizer.evidence.estimate == pytest.approx(0.08, abs=0.005)
    assert need.word == "NEEDED"


def test_an_ablation_that_has_not_been_trained_leaves_it_open(judged):
    judgement = judged(phases=("tuning", "confirm"))
    pair, (need,) = of_question(judgement), judgement.needs
    assert pair.optimizer.word == "NOT TESTABLE"
    assert need.word == "OPEN"
    assert need.reason == f"{SIDE} has not been trained on fresh seeds"
    verdicts = {verdict.question.name: verdict for verdict in judgement.verdicts}
    assert verdicts["classifies better"].word == "EQUIVALENT", "verdicts on claims do not wait for it"


def test_a_seed_that_failed_leaves_it_open(judged):
    failing = ("langevin", "ablation", 0, 3)
    (need,) = judged(outcome=lambda key: "failed" if key == failing else "complete").needs
    assert need.word == "OPEN"
    assert need.reason.startswith(f"1 fresh seed of {SIDE} failed")


def test_a_seed_that_diverged_without_the_noise_counts_as_error_1(judged):
    lost = {("langevin", "ablation", 0, seed) for seed in range(12)}
    judgement = judged(outcome=lambda key: "diverged" if key in lost else "complete")
    assert judgement.needs[0].word == "NEEDED"
    gap = of_question(judgement, "overfits less")
    assert gap.optimizer.word == "NOT TESTABLE"
    assert f"{SIDE} has learned nothing" in gap.optimizer.reason


def test_a_ledger_of_an_old_release_has_neither(judged, planted):
    unaware = {
        name: {key: value for key, value in entry.items() if key != "reduces_to"}
        for name, entry in planted().optimizers.items()
    }
    judgement = judged(optimizers=unaware)
    assert (judgement.nested, judgement.needs) == ((), ())
    assert set(judgement.tables()) == {"verdicts"}


def test_a_study_without_confirmation_has_neither(planted, tmp_path):
    folder = planted(num_confirm_seeds=0).write(tmp_path / "study")
    judgement = judge_folder(folder)
    assert (judgement.nested, judgement.needs) == ((), ())


def test_claims_that_ask_nothing_about_the_test_error_leave_it_open(planted, tmp_path):
    folder = planted(of_noise=0.08).write(tmp_path / "study")
    text = packaged_text().replace('metric = "test_error"', 'metric = "early_stopping_error"')
    overviews = [overview_of(ledger) for ledger in load_studies([folder]).repeats]
    (need,) = judge_claims(overviews, parse_claims(text, VOCABULARY)).needs
    assert (need.word, need.reason) == ("OPEN", "the claims fix no smallest effect on the test error")


def test_several_tunings_are_taken_together(planted, tmp_path):
    """Each has an ablation of its own winner; the effect is the mean over them, seed by seed."""
    folder = planted(of_noise=0.08).write(tmp_path / "study")
    winners = {**planted().winners, "langevin": {"learning_rate": 0.3, "diffusion": 1e-3}}
    planted(of_noise=0.02, winners=winners, identity={"repeat": 1}).write(folder / "repeats" / "1")
    judgement = judge_folder(folder)
    pair, (need,) = of_question(judgement), judgement.needs
    assert pair.optimizer.evidence.by_repeat == pytest.approx((0.08, 0.02), abs=0.005)
    assert pair.optimizer.evidence.estimate == pytest.approx(0.05, abs=0.005)
    assert pair.optimizer.evidence.num_values == 12
    assert [winner["diffusion"] for winner in need.winners] == [1e-4, 1e-3]


def test_tunings_with_seeds_of_their_own_give_exact_pairs_to_the_optimizer_and_their_luck_to_the_rest(
    planted, tmp_path
):
    folder = planted(of_noise=0.05, of_rate=0.03).write(tmp_path / "study")
    for repeat, rate in ((1, 0.02), (2, 0.3)):
        winners = {**planted().winners, "langevin": {"learning_rate": rate, "diffusion": 1e-3}}
        identity = {"repeat": repeat, "own_seeds": True}
        again = planted(
            of_noise=0.05, of_rate=0.03, winners=winners, identity=identity, first_seed=1000 * repeat,
            phases=("tuning", "confirm", "ablation"),
        )  # fmt: skip
        again.write(folder / "repeats" / str(repeat))
    judgement = judge_folder(folder)
    pair = of_question(judgement)
    (verdict,) = (verdict for verdict in judgement.verdicts if verdict.question is pair.question)
    own, total, setting = pair.optimizer, pair.total, pair.setting
    assert (own.about, own.evidence.num_values) == ("settings", 36)
    assert own.interval.high - own.interval.low < 0.01
    assert (total.about, setting.about) == ("optimizers", "optimizers")
    assert (total.interval, total.evidence.estimate) == (verdict.interval, verdict.evidence.estimate)
    assert setting.interval.high - setting.interval.low > 0.05, "two of three tunings have found a large rate"
    assert total.evidence.estimate == pytest.approx(own.evidence.estimate + setting.evidence.estimate, abs=1e-12)
    assert setting.evidence.by_repeat == pytest.approx([0.03, 0.0, 0.03], abs=0.006)


def test_a_tuning_that_has_no_ablation_yet_says_nothing_yet(planted, tmp_path):
    folder = planted(of_noise=0.05).write(tmp_path / "study")
    identity = {"repeat": 1, "own_seeds": True}
    planted(of_noise=0.05, identity=identity, first_seed=1000, phases=("tuning", "confirm")).write(
        folder / "repeats" / "1"
    )
    judgement = judge_folder(folder)
    assert of_question(judgement).optimizer.evidence.num_values == 12
    assert judgement.verdicts[-1].num_tunings == 2


def with_looks(folder, *looks):
    path = folder / "study.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "looks": list(looks)}))
    return folder


def test_a_look_at_other_ablation_runs_makes_the_next_one_stricter(planted, tmp_path):
    confirmed = {"langevin": 24, "sgd": 24}
    looks = {
        "now": {"confirmed": confirmed, "ablated": {"langevin": 12}},
        "partial": {"confirmed": confirmed, "ablated": {"langevin": 6}},
        "before there were any": {"confirmed": confirmed},
    }
    levels = {}
    for name, look in looks.items():
        folder = with_looks(planted().write(tmp_path / name), look)
        levels[name] = of_question(judge_folder(folder)).optimizer
    assert [(levels[name].look, levels[name].level) for name in looks] == [(1, 0.975), (2, 0.9875), (1, 0.975)]


def test_the_level_is_that_of_all_ablations_and_no_lower_than_that_of_the_claim(rich_dir):
    judgement = judge_folder(rich_dir)
    levels = {pair.ablation.optimizer: pair.optimizer.level for pair in judgement.nested}
    assert levels["langevin"] == levels["constant_noise"] == 1 - 0.025 / 6
    assert levels["momentum"] == 1 - 0.025 / 3, "no claim is about momentum against sgd"


def test_tables_hold_every_part_and_only_that_of_the_optimizer_has_a_verdict(judged):
    judgement = judged(of_rate=0.08)
    tables = judgement.tables()
    nested = tables["nested"].filter(question="classifies better")
    assert nested["part"].to_list() == ["total", "optimizer", "setting"]
    assert nested["verdict"].to_list() == [None, "EQUIVALENT", None]
    total, own, setting = nested["estimate"]
    assert total == pytest.approx(own + setting)
    (row,) = tables["ablation"].to_dicts()
    assert (row["optimizer"], row["simpler"], row["at"], row["verdict"]) == (
        "langevin",
        "sgd",
        "diffusion 0",
        "HARMLESS",
    )
    assert row["estimate"] == own
    assert "langevin at" not in judgement.as_json(), "verdicts.json is about the claims"


@pytest.mark.parametrize(
    ("center", "spread", "word"),
    [
        (0.06, 0.01, "NEEDED"),
        (0.026, 0.01, "NEEDED"),
        (0.01, 0.005, "HARMLESS"),
        (-0.01, 0.005, "HARMLESS"),
        (-0.026, 0.01, "HARMFUL"),
        (0.0, 0.05, "OPEN"),
        (0.02, 0.03, "OPEN"),
    ],
)
def test_a_difference_too_small_to_matter_is_harmless_and_one_that_is_sure_decides(rich_dir, center, spread, word):
    question = judge_folder(rich_dir).claims.questions[-1]
    draws = np.random.default_rng(0).normal(size=12)
    differences = center + spread * (draws - draws.mean()) / draws.std()
    evidence = PairedSeeds.of(differences[None], differences, np.zeros_like(differences))
    verdict = Verdict(
        question=question, a="a", b="b", word="INCONCLUSIVE", level=0.99, smallest_effect=0.025, evidence=evidence
    )
    assert need_of(verdict) == word


def test_nothing_is_found_needed_or_harmful_where_nothing_differs_more_often_than_the_level_allows(rich_dir):
    question = judge_folder(rich_dir).claims.questions[-1]
    random = np.random.default_rng(0)
    found = 0
    for _ in range(300):
        differences = random.standard_t(2, size=12)
        evidence = PairedSeeds.of(differences[None], differences, np.zeros_like(differences))
        verdict = Verdict(question=question, a="a", b="b", word="INCONCLUSIVE", level=0.95, smallest_effect=0.01,
                          evidence=evidence)  # fmt: skip
        found += need_of(verdict) in ("NEEDED", "HARMFUL")
    # Of 300 with probability 0.05 each, more than 30 come once in 7,000 times.
    assert found <= 30
