"""Good volume: the share of the search space in which an optimizer comes close to the best, "how easy to tune"."""

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analysis.ledger.load import Ledger
from analysis.ledger.study import Axis, Optimizer
from analysis.statistics.intervals import LEVEL, percentile_interval
from analysis.tables.sensitivity.points import (
    MIN_POINTS,
    Cloud,
    Missing,
    clouds,
    lacking,
    pooled_seed_deviation,
    transform,
)
from analysis.tables.sensitivity.resampling import SEED, best_error, draw_points, draw_seeds, drawn_means

EPSILON = 0.02
"""Errors that differ by no more count as equally good, as a fraction: two points of error."""

RULE_DECADES = 2
"""Half the width of the common rule: the published setting is varied by a factor of 100 either way."""

ROUNDING = 1e-12
"""Errors are multiples of one over the number of images, and a sum with epsilon must not miss its equal."""

NAME = "good volume"


@dataclass(frozen=True, kw_only=True)
class VolumeDifference:
    """Good volume of one optimizer minus that of another; positive means that the first is easier to tune.

    Args:
        estimate: Difference of the shares.
        volumes: Both shares.
        num_points: Explore points of the one that has fewer.
        draws: The difference in each resample of points and seeds, shape (num_draws,).
    """

    estimate: float
    volumes: tuple[float, float]
    num_points: int
    draws: NDArray[np.float64]


def good_volume_difference(ledger: Ledger, a: str, b: str, eps: float = EPSILON) -> VolumeDifference | Missing:
    """How much more of its search space is good for optimizer `a` than for `b`.

    Good is a point whose mean error over seeds is at most `eps` above the best of the explore points of *all*
    optimizers: one that never learns has no good point. The best is judged by seeds that did not choose it
    (`best_error`) and found anew in each resample of 4,000; seeds are resampled jointly for all points and optimizers.

    Args:
        ledger: The rows.
        a: First optimizer.
        b: Second optimizer.
        eps: Tolerance, as a fraction.

    Raises:
        ValueError: The study holds no optimizer of that name.
    """
    found = clouds(ledger)
    for name in (a, b):
        if name not in found:
            raise ValueError(
                f"Unknown optimizer {name!r}; this study holds {', '.join(found)}. Choose two of these, or run it."
            )
    for name in (a, b):
        if missing := found[name].lacks(MIN_POINTS, NAME):
            return missing
    best, drawn_best = _common_best(found)
    ours, theirs = (share_of_good(found[name].means, best, eps) for name in (a, b))
    draws = [_draws(found[name], drawn_best, eps) for name in (a, b)]
    return VolumeDifference(
        estimate=ours - theirs,
        volumes=(ours, theirs),
        num_points=min(len(found[name].means) for name in (a, b)),
        draws=draws[0] - draws[1],
    )


def good_volumes(ledger: Ledger, eps: float = EPSILON) -> pl.DataFrame:
    """Good volume of every optimizer over its declared space and over a common rule.

    The declared space decides the share: who declares a narrower one finds more of it good. The common rule is the
    published setting varied by two decades either way in every hyperparameter; explore points tell only of its part
    within the declared space, and `covered` says how large that is. Nothing is known of the rest. Where no setting is
    published there is no such rule, and no row for it.

    Where seeds differ by more than `eps`, good points are told from others by luck: see `seed_deviation`.

    Args:
        ledger: The rows.
        eps: Tolerance, as a fraction.

    Returns:
        Columns `optimizer`, `space` ("declared" or "common rule"), `measured_from` ("common best" or "own best"),
        `epsilon`, `seed_deviation` (pooled over the better half of the points, null for one seed), `num_points` (in
        that space), `covered` (fraction), `volume` with its interval `low`, `high`
        (fractions), and `reason` where there is no number.
    """
    found = clouds(ledger)
    common = _common_best(found)
    rows = []
    for name, cloud in found.items():
        optimizer = ledger.study.optimizers[name]
        own = _common_best({name: cloud})
        spaces = [("declared", np.ones(cloud.num_points, bool), 1.0)]
        if optimizer.published:
            spaces.append(("common rule", *_within_rule(optimizer, cloud)))
        for space, inside, part in spaces:
            for measured_from, best in (("common best", common), ("own best", own)):
                row = {
                    "optimizer": name, "space": space, "measured_from": measured_from, "epsilon": eps,
                    "seed_deviation": pooled_seed_deviation(cloud.errors), "num_points": int(inside.sum()),
                    "covered": part,
                }  # fmt: skip
                rows.append({**row, **_volume(cloud, inside, best, eps, space)})
    text = dict.fromkeys(("optimizer", "space", "measured_from"), pl.String)
    before = {**dict.fromkeys(("epsilon", "seed_deviation"), pl.Float64), "num_points": pl.Int64}
    numbers = dict.fromkeys(("covered", "volume", "low", "high"), pl.Float64)
    return pl.DataFrame(rows, schema={**text, **before, **numbers, "reason": pl.String})


def share_of_good(means: NDArray[np.float64], best: float, eps: float) -> float:
    """Share of the points that are at most `eps` above the best.

    Args:
        means: Mean errors, shape (num_points,).
        best: What the tolerance is measured from.
        eps: Tolerance.
    """
    return float((means <= best + eps + ROUNDING).mean())


def _volume(
    cloud: Cloud, inside: NDArray[np.bool_], best: tuple[float, NDArray[np.float64]], eps: float, space: str
) -> dict[str, float | str | None]:
    missing = cloud.lacks(MIN_POINTS, NAME)
    if missing is None and inside.sum() < MIN_POINTS:
        missing = Missing(
            f"{cloud.optimizer} has {int(inside.sum())} of the {MIN_POINTS} explore points that its {NAME} over the "
            f"{space} needs: {lacking(int(inside.sum()), MIN_POINTS)}."
        )
    if missing:
        return {"volume": None, "low": None, "high": None, "reason": missing.reason}
    interval = percentile_interval(_draws(cloud, best[1], eps, inside), LEVEL)
    volume = share_of_good(cloud.means[inside], best[0], eps)
    return {"volume": volume, "low": interval.low, "high": interval.high, "reason": None}


def _common_best(found: Mapping[str, Cloud]) -> tuple[float, NDArray[np.float64]]:
    """`best_error` of all points: its estimate, and in each resample, shape (num_draws,)."""
    # By name: of equal points the first counts, and nothing may depend on the order in which optimizers are listed.
    held = [found[name] for name in sorted(found) if found[name].num_points]
    if not held:
        return math.nan, np.empty(0)
    num_seeds = min(cloud.num_seeds for cloud in held)
    errors = [cloud.errors[:, :num_seeds] for cloud in held]
    even, every = np.full((1, num_seeds), 1 / num_seeds), [np.arange(cloud.num_points)[None] for cloud in held]
    drawn = [_places(cloud) for cloud in held]
    return float(best_error(errors, even, every)[0]), best_error(errors, draw_seeds(num_seeds), drawn)


def _places(cloud: Cloud) -> NDArray[np.int64]:
    """Places of the points in each resample, shape (num_draws, num_points)."""
    return draw_points(cloud.optimizer, cloud.num_points, repeat=cloud.repeat)


def _drawn(cloud: Cloud) -> NDArray[np.float64]:
    """Mean errors of the resampled points, shape (num_draws, num_points)."""
    return drawn_means(cloud.errors, draw_seeds(cloud.num_seeds), _places(cloud))


def _draws(
    cloud: Cloud, drawn_best: NDArray[np.float64], eps: float, inside: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Good volume in each resample, shape (num_draws,).

    A resample without a good point does not show that there is none, nor one without a bad point that all are good:
    there the share is drawn from its posterior under Jeffreys' prior, Beta(k + 1/2, n - k + 1/2) for k of n good.
    """
    drawn = _drawn(cloud)
    counted = np.ones_like(drawn, dtype=bool)
    if inside is not None:
        counted = inside[_places(cloud)]
    total = np.maximum(counted.sum(axis=1), 1)
    good = ((drawn <= drawn_best[:, None] + eps + ROUNDING) & counted).sum(axis=1)
    random = np.random.default_rng([SEED, 1, zlib.crc32(cloud.optimizer.encode()), cloud.repeat])
    rest = random.beta(0.5, total + 0.5)
    return np.asarray(np.where(good == 0, rest, np.where(good == total, 1 - rest, good / total)))


def _within_rule(optimizer: Optimizer, cloud: Cloud) -> tuple[NDArray[np.bool_], float]:
    """Which points lie within the common rule, and the share of the rule that the declared space covers."""
    inside, covered = np.ones(cloud.num_points, dtype=bool), 1.0
    for place, (name, axis) in enumerate(optimizer.space.items()):
        low, high = transform(axis, [axis.low, axis.high])
        first, last = rule_range(axis, optimizer.published[name])
        values = low + cloud.points[:, place] * (high - low)
        inside &= (values >= first - ROUNDING) & (values <= last + ROUNDING)
        covered *= max(0.0, (min(high, last) - max(low, first)) / (last - first))
    return inside, covered


def rule_range(axis: Axis, published: float) -> tuple[float, float]:
    """Ends of the common rule on the scale of `transform`: a factor of 100 to either side of the published value.

    On "log_complement" the factor is on 1 - value, and a value that cannot be negative stops at 0. A published value of
    0 on a linear scale has no decades: its rule is the declared range.
    """
    if axis.scale == "linear":
        if published == 0:
            return axis.low, axis.high
        ends = sorted((published / 10**RULE_DECADES, published * 10**RULE_DECADES))
        return ends[0], ends[1]
    center = float(transform(axis, published))
    first, last = center - RULE_DECADES, center + RULE_DECADES
    return (max(first, 0.0), last) if axis.scale == "log_complement" and axis.low >= 0 else (first, last)
