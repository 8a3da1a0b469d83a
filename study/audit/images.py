"""An audit of the error that the test images alone bring: how often it explains a difference that is none.

Images differ in how hard they are for each of two optimizers, whose errors over all images there might be are equal;
twelve networks of each classify the same thousand of them.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import polars as pl
from scipy.special import expit
from scipy.stats import binom

from analysis.tables.overview import Overview
from analysis.tables.runs import ConfirmedRuns
from analysis.verdicts.image_error import image_error
from study.audit.curves import RATE_ALONE, Array, Formula
from study.audit.ledgers import Plan, claims_on, simulated
from study.audit.seeds import NUM_SEEDS, SURE, Audit

NUM_IMAGES = 1000
HARDNESS, OF_OPTIMIZER = 1.5, 0.7
"""Standard deviations, in log odds of being right: what is common to both optimizers, and what is each one's own."""


def audits(num_studies: int) -> Iterator[Audit]:
    """The only one of this kind.

    Args:
        num_studies: Simulated studies behind the share.
    """
    random = np.random.default_rng(7)
    plan = Plan(optimizers=dict.fromkeys("ab", Formula(space=RATE_ALONE)), has_curves=False)
    overview, claims = simulated(random, plan), claims_on("a", "b", ("test_error",))
    found = 0
    for _ in range(num_studies):
        difference, study = classified(random, overview)
        error = image_error(claims.questions[0], "a", "b", [ConfirmedRuns(study, claims)], range(NUM_SEEDS))
        assert error is not None, "every run says which images it has right"
        found += abs(difference) <= 1.96 * error.standard_error
    low, high = binom.interval(SURE, num_studies, 0.95)
    yield Audit(
        f"difference of errors on {NUM_IMAGES:,} images within 1.96 of its error by images",
        "95.0%",
        f"{found / num_studies:.1%} ({found})",
        bool(low <= found <= high),
    )


def classified(random: np.random.Generator, overview: Overview) -> tuple[float, Overview]:
    """Difference of the mean accuracies of both optimizers, and the study with what their networks have right."""
    hardness = HARDNESS * random.normal(size=NUM_IMAGES)
    right = {name: _right(random, hardness) for name in ("a", "b")}
    packed = [
        pl.DataFrame({"optimizer": name, "phase": "confirm", "replicate": range(NUM_SEEDS), "test_correct": rows})
        for name, rows in ((name, [np.packbits(own).tobytes() for own in table]) for name, table in right.items())
    ]
    ledger = overview.ledger
    keys = ["optimizer", "phase", "replicate"]
    bits = pl.concat(packed).cast({"replicate": pl.Int32})
    trials = ledger.trials.drop("test_correct").join(bits, on=keys, how="left", maintain_order="left")
    study = replace(ledger.study, identity={**ledger.study.identity, "num_test_images": NUM_IMAGES})
    found = replace(overview, ledger=replace(ledger, study=study, trials=trials))
    return float(right["a"].mean() - right["b"].mean()), found


def _right(random: np.random.Generator, hardness: Array) -> Array:
    """Whether each of twelve networks of an optimizer is right on each image, shape (NUM_SEEDS, NUM_IMAGES)."""
    odds = hardness + OF_OPTIMIZER * random.normal(size=NUM_IMAGES)
    return np.asarray(random.random((NUM_SEEDS, NUM_IMAGES)) < expit(odds))
