"""Half space-filling, half adaptive: Sobol points for sensitivity, Optuna's TPE for the best setting.

The kind of a point depends on its number alone: 0 is the published setting, 1 to 9 are Sobol points, then odd numbers
are the next Sobol points and even ones TPE's, so a study of any size holds both and a larger one continues it.
"""

from collections.abc import Mapping

import optuna
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import create_trial

from study.search import Point, PointRequest, Proposal, SearchAlgorithm, published
from study.search.sobol import sobol_point
from trainables.randomness import derive_seed
from trainables.spec import Hyperparameter

FIRST_TPE = 10

optuna.logging.set_verbosity(optuna.logging.WARNING)


def learns(number: int) -> bool:
    """Whether point `number` is TPE's."""
    return number >= FIRST_TPE and number % 2 == 0


def propose(request: PointRequest) -> Proposal:
    """The point that the number calls for."""
    number = request.number
    if number == 0:
        return published(request)
    if learns(number):
        return Proposal(tpe_point(request), "exploit", "tpe")
    index = number - 1 if number < FIRST_TPE else (number + FIRST_TPE - 3) // 2
    return Proposal(sobol_point(request, index), "explore", "sobol")


def tpe_point(request: PointRequest) -> Point:
    """The point that a tree-structured Parzen estimator proposes (Bergstra et al. 2011).

    The sampler works on the unit cube, even in each hyperparameter's scale.
    """
    # The sampler's seed is a 32-bit number.
    seed = derive_seed(request.seed, f"tpe/{request.number}") % 2**32
    # Sobol points have explored already, so no start-up trials: Optuna's own would be random.
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed, n_startup_trials=0))
    cube: dict[str, BaseDistribution] = {name: FloatDistribution(0.0, 1.0) for name in sorted(request.space)}
    for observation in request.observations:
        fractions = _fractions(request.space, observation.point)
        study.add_trial(create_trial(params=fractions, distributions=cube, value=observation.objective))
    fractions = study.ask(cube).params
    return {name: axis.at(fractions[name]) for name, axis in sorted(request.space.items())}


def _fractions(space: Mapping[str, Hyperparameter], point: Point) -> dict[str, float]:
    # Rounding may put an end of the range a hair outside of it.
    return {name: min(1.0, max(0.0, axis.fraction(point[name]))) for name, axis in sorted(space.items())}


SEARCH = SearchAlgorithm(propose=propose, learns=learns)
