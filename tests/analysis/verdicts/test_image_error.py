"""What the test images alone bring to a difference of test errors, against brute force and redrawn images."""

import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analysis.claims.file import parse_claims
from analysis.ledger.load import load
from analysis.report.text.verdict_sentences import sentence
from analysis.tables.overview import overview_of
from analysis.verdicts.claims_of_study import judge_claims
from analysis.verdicts.default_vocabulary import VOCABULARY

CLAIMS = """
[datasets.cifar10-mini]
learned_accuracy = 0.175

[[questions]]
name = "classifies better"
metric = "test_error"
improvement = "difference"
smallest_effect = 0.025
a = ["momentum"]
b = ["sgd"]
refuted_by = "{b} is better"
"""
NUM_SEEDS = 8


def right_on(random, num_images):
    """Which seeds of either side are right on which images, shape (2, num_seeds, num_images).

    Images differ in difficulty, and on each the first side is better or worse by another amount.
    """
    difficulty, leaning = random.uniform(0.2, 0.8, num_images), random.uniform(-0.2, 0.2, num_images)
    chances = np.stack([difficulty + leaning, difficulty - leaning])
    return random.random((2, NUM_SEEDS, num_images)) < chances[:, None]


@pytest.fixture
def judged(synthetic, tmp_path):
    """The verdict on momentum against sgd whose fresh seeds were right on these images."""

    def judge(right, num_images, claims=CLAIMS, lost=()):
        folder = synthetic(
            num_confirm_seeds=NUM_SEEDS,
            identity={"num_test_images": num_images},
            outcome=lambda key: "diverged" if key in lost else "complete",
        ).write(tmp_path / "study")
        path = folder / "trials" / "all.parquet"
        rows = pq.read_table(path)
        content = rows.to_pylist()
        for row in content:
            if row["phase"] == "confirm" and row["status"] == "complete":
                bits = right[0 if row["optimizer"] == "momentum" else 1][row["replicate"]]
                row |= {"test_correct": np.packbits(bits).tobytes(), "test_error": 1 - bits[:num_images].mean()}
        pq.write_table(pa.Table.from_pylist(content, schema=rows.schema), path)
        return judge_claims([overview_of(load(folder))], parse_claims(claims, VOCABULARY)).verdicts[0]

    return judge


@pytest.mark.parametrize("num_images", [203, 1000])
def test_the_error_is_that_of_the_mean_over_seeds_image_by_image(judged, num_images):
    right = right_on(np.random.default_rng(1), num_images)
    found = judged(right, num_images)
    by_image = [
        sum(int(right[0, seed, image]) - int(right[1, seed, image]) for seed in range(NUM_SEEDS)) / NUM_SEEDS
        for image in range(num_images)
    ]
    mean = sum(by_image) / num_images
    variance = sum((value - mean) ** 2 for value in by_image) / (num_images - 1)
    assert found.evidence.estimate == pytest.approx(mean)
    assert found.image_error.standard_error == pytest.approx(math.sqrt(variance / num_images))
    assert found.image_error.num_images == num_images
    assert found.as_row()["image_error"] == found.image_error.standard_error


def test_it_is_how_much_the_estimate_moves_when_the_images_are_drawn_again(judged):
    random = np.random.default_rng(2)
    right = right_on(random, 400)
    found = judged(right, 400)
    drawn = random.integers(0, 400, (4000, 400))
    means = (right[0].mean(axis=0) - right[1].mean(axis=0))[drawn].mean(axis=1)
    assert found.image_error.standard_error == pytest.approx(means.std(), rel=4 / math.sqrt(2 * 4000))


def test_images_on_which_both_sides_agree_bring_nothing(judged):
    right = np.tile(np.random.default_rng(3).random((1, 1, 400)) < 0.5, (2, NUM_SEEDS, 1))
    assert judged(right, 400).image_error.standard_error == 0


def test_a_diverged_run_is_right_on_no_image(judged):
    right = right_on(np.random.default_rng(4), 400)
    found = judged(right, 400, lost=[("sgd", "confirm", number, 2) for number in (0, 1)])
    right[1, 2] = False
    differences = right[0].mean(axis=0) - right[1].mean(axis=0)
    assert found.evidence.estimate == pytest.approx(differences.mean())
    assert found.image_error.standard_error == pytest.approx(differences.std(ddof=1) / 20)


def test_the_sentence_says_it(judged):
    right = right_on(np.random.default_rng(5), 1000)
    found = judged(right, 1000)
    error = f"{100 * found.image_error.standard_error:.1f} points"
    assert sentence(found).endswith(
        f" The 1,000 test images alone bring a standard error of {error}, which the interval leaves out."
    )


def test_without_the_bits_of_every_image_nothing_is_said(judged):
    short = judged(right_on(np.random.default_rng(6), 80), 400)
    assert short.image_error is None
    assert short.as_row()["image_error"] is None
    assert "alone" not in sentence(short)


def test_a_ratio_of_errors_has_no_error_in_points(judged):
    right = right_on(np.random.default_rng(7), 400)
    found = judged(right, 400, claims=CLAIMS.replace('"difference"', '"relative"'))
    assert found.evidence is not None
    assert found.image_error is None
