"""Optimizers whose networks come from a formula, step by step, so that claims can be judged by their own metrics."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import log10
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from study.spec import OptimizerDefinition
from trainables.spec import Hyperparameter

Array = NDArray[np.float64]

RATE, KNOB = "learning_rate", "knob"
BEST_RATE = 0.03
NUM_EPOCHS, STEPS_PER_EPOCH = 8, 80
NUM_STEPS = NUM_EPOCHS * STEPS_PER_EPOCH
FIRST_LOSS, CHANCE = 2.303, 0.1
LEAST_ERROR = 0.55

Shape = Literal["parabola", "edge", "plateau"]
"""How the error follows the logarithm of the learning rate."""

STEEPNESS = {"parabola": 0.1, "edge": 0.03, "plateau": 0.15}
EDGE, BEYOND, DIVERGES_AT = 0.3, 0.5, 0.8
"""Decades above the best rate from which the error of "edge" rises by so much a decade, and at which it diverges."""

REACH = 0.7
"""Decades to either side that a plateau is wide."""


class Luck(NamedTuple):
    """What seeds change, standard normal, shape (num_seeds,) each: error, logarithms of the pace and of the swing."""

    error: Array
    pace: Array
    swing: Array

    @classmethod
    def drawn(cls, random: np.random.Generator, num_seeds: int) -> "Luck":
        """Of new seeds."""
        return cls(*random.normal(size=(3, num_seeds)))


class Spread(NamedTuple):
    """Standard deviations of what seeds change."""

    error: float
    pace: float
    swing: float


COMMON, OWN = Spread(error=0.01, pace=0.05, swing=0.03), Spread(error=0.02, pace=0.1, swing=0.05)
"""Of what all networks of one seed share, and of each network."""


class Curves(NamedTuple):
    """What networks did, after each epoch in shape (num_seeds, NUM_EPOCHS) and at each step."""

    train_loss: Array
    validation_loss: Array
    validation_error: Array
    step_losses: Array
    test_error: Array


@dataclass(frozen=True, kw_only=True)
class Formula:
    """One optimizer.

    With u the decades by which the learning rate is above the best one: the error is lowest at u = 0; the training loss
    falls exponentially, and faster with u; the step losses swing about it by what the loss and u give, and the
    validation loss is above it by what they give, so that optimizers that reach other losses, or reach them sooner, are
    alike where the losses are equal.

    Args:
        space: Range of the learning rate, and of the knob if it has one.
        shape: Of the error over u.
        steepness: Of the error, by square decade; that of the shape if None.
        better: Part by which the error is lower at every setting.
        knob: The same of any knob above 0.
        knob_slope: By which the error rises from knob 0 to knob 1.
        floor: What the training loss falls to, in nats.
        reduces_to: As of `OptimizerSpec`.
    """

    space: Mapping[str, Hyperparameter]
    shape: Shape = "parabola"
    steepness: float | None = None
    better: float = 0.0
    knob: float = 0.0
    knob_slope: float = 0.0
    floor: float = 1.2
    reduces_to: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def definition(self) -> OptimizerDefinition:
        """As a study stores it."""
        published = {name: axis.at(0.9) for name, axis in self.space.items()}
        return OptimizerDefinition(
            equation="", space=self.space, published=published, reference="", reduces_to=self.reduces_to
        )

    def expected_error(self, point: Mapping[str, float]) -> float:
        """Mean error at a setting; 1 where every network diverges."""
        u = log10(point[RATE] / BEST_RATE)
        if self.shape == "edge" and u > DIVERGES_AT:
            return 1.0
        steepness = STEEPNESS[self.shape] if self.steepness is None else self.steepness
        above = max(0.0, abs(u) - REACH) if self.shape == "plateau" else u * u
        edge = BEYOND * max(0.0, u - EDGE) if self.shape == "edge" else 0.0
        gained = self.better + (self.knob if point.get(KNOB, 0.0) > 0 else 0.0)
        return LEAST_ERROR + steepness * above + edge + self.knob_slope * point.get(KNOB, 0.0) - gained

    def errors(self, random: np.random.Generator, point: Mapping[str, float], common: Luck) -> Array:
        """Errors of networks at a setting, shape (num_seeds,): of validation after the last epoch."""
        expected = self.expected_error(point)
        if expected >= 1:
            return np.ones_like(common.error)
        own = OWN.error * random.normal(size=common.error.shape)
        return np.clip(expected + COMMON.error * common.error + own, 0.0, 0.95)

    def curves(self, random: np.random.Generator, point: Mapping[str, float], common: Luck) -> Curves:
        """Whole curves of networks at a setting that does not diverge."""
        u, num_seeds = log10(point[RATE] / BEST_RATE), len(common.error)
        own = Luck.drawn(random, num_seeds)
        luck = Luck(*(a * x + b * y for a, x, b, y in zip(COMMON, common, OWN, own, strict=True)))
        pace = (0.004 * 10 ** (0.3 * u) * np.exp(luck.pace))[:, None]
        ends = np.arange(1.0, NUM_EPOCHS + 1) * STEPS_PER_EPOCH

        def train_loss(steps: Array) -> Array:
            return np.asarray(self.floor + (FIRST_LOSS - self.floor) * np.exp(-pace * steps))

        train, now = train_loss(ends), train_loss(np.arange(float(NUM_STEPS)))
        swing = 0.3 * now / FIRST_LOSS * (10 ** (0.5 * u) * np.exp(luck.swing))[:, None]
        gap = 0.3 * 10 ** (0.2 * u) * np.square(FIRST_LOSS - train)
        last = (self.expected_error(point) + luck.error)[:, None]
        risen = (1 - np.exp(-pace * ends)) / (1 - np.exp(-pace * NUM_STEPS))
        accuracy = CHANCE + (1 - last - CHANCE) * risen
        evaluated = random.normal(size=(3, num_seeds, NUM_EPOCHS))
        return Curves(
            train_loss=train + 0.01 * evaluated[0],
            validation_loss=train + gap + 0.01 * evaluated[1],
            validation_error=np.clip(1 - accuracy + 0.01 * evaluated[2], 0.0, 0.95),
            step_losses=now + swing * random.normal(size=now.shape),
            test_error=np.clip(last[:, 0] + 0.015 * random.normal(size=num_seeds), 0.0, 0.95),
        )


RATE_ALONE = {RATE: Hyperparameter(low=1e-3, high=1.0, scale="log", unit="1")}
WITH_KNOB = {**RATE_ALONE, KNOB: Hyperparameter(low=0.0, high=1.0, scale="linear", unit="1")}
