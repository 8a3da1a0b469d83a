"""How sure a difference of test errors is as far as the images go: the part of its luck that more seeds do not mend."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.claims.questions import Question
from analysis.metrics import Run
from analysis.tables.runs import ConfirmedRuns


@dataclass(frozen=True, kw_only=True)
class ImageError:
    r"""Standard error of the mean difference of test errors from the sampling of the test images alone.

    Seeds and images are crossed: every run of both sides classifies the same images. With d_i the mean over seeds and
    tunings of (a is right on image i) - (b is right on it), the mean difference is that of d_i over the images, and its
    standard error at these seeds is s(d) / sqrt(num_images). Images on which both sides agree bring nothing, whatever
    their difficulty.

    Args:
        standard_error: As a fraction of the images.
        num_images: Test images.
    """

    standard_error: float
    num_images: int


def image_error(
    question: Question, a: str, b: str, repeats: Sequence[ConfirmedRuns], seeds: Sequence[int]
) -> ImageError | None:
    """The error of a claim on a difference of test errors; None for other claims and where images are not known.

    Args:
        question: What is claimed.
        a: The optimizer that the claim praises.
        b: Its rival.
        repeats: The repeats of the tuning.
        seeds: Replicates of both that the claim rests on, in every repeat.
    """
    if question.metric not in ("test_error", "test_accuracy") or question.improvement.name != "difference":
        return None
    num_images = repeats[0].overview.ledger.study.identity.get("num_test_images")
    if not isinstance(num_images, int) or num_images < 2:
        return None
    difference = np.zeros(num_images)
    for confirmed in repeats:
        for seed in seeds:
            ours, theirs = (_is_right(confirmed.of(name)[seed], num_images) for name in (a, b))
            if ours is None or theirs is None:
                return None
            difference += ours - theirs
    difference /= len(repeats) * len(seeds)
    return ImageError(standard_error=float(difference.std(ddof=1)) / math.sqrt(num_images), num_images=num_images)


def _is_right(run: Run, num_images: int) -> NDArray[np.float64] | None:
    """Whether each test image is classified correctly, 0 or 1: none by a diverged run."""
    if run.has_diverged:
        return np.zeros(num_images)
    packed = run.trial.get("test_correct")
    if packed is None or len(packed) != -(-num_images // 8):
        return None
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=num_images).astype(np.float64)
