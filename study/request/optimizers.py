"""Loads the optimizers of a request and has them keep their contract. Imports torch."""

from collections.abc import Mapping

from analysis.ledger.schema import trials_schema
from study.request.records import Request
from trainables.contract import check_optimizer, check_point, check_reductions, check_resumable
from trainables.optimizers import optimizer_names, resolve_optimizer
from trainables.spec import OptimizerSpec


def load_optimizers(request: Request) -> dict[str, OptimizerSpec]:
    """The optimizers of a request by name, in its order.

    Raises:
        ValueError: A user's own file does not hold what it should, or the values of a grid are not for its optimizer.
    """
    optimizers = {name: resolve_optimizer(name, request.files) for name in request.optimizers}
    for name in request.files:
        check_optimizer(name, optimizers[name])
        check_reductions(name, optimizers[name], _simpler(request, optimizers[name]))
        if request.run.storage is not None:
            check_resumable(name, optimizers[name])
    # A hyperparameter may not have the name of a ledger column.
    trials_schema(hyperparameter for spec in optimizers.values() for hyperparameter in spec.space)
    _check_grid(request, optimizers)
    return optimizers


def _simpler(request: Request, spec: OptimizerSpec) -> dict[str, OptimizerSpec]:
    """The optimizers that one reduces to, as far as they are known; they need not be part of the study."""
    known = {*request.files, *optimizer_names()}
    return {name: resolve_optimizer(name, request.files) for name in spec.reduces_to if name in known}


def _check_grid(request: Request, optimizers: Mapping[str, OptimizerSpec]) -> None:
    for name, values in request.values.items():
        space = optimizers[name].space
        if set(values) != set(space):
            raise ValueError(
                f"--values must give each hyperparameter of {name} ({', '.join(sorted(space))}), "
                f"got {', '.join(sorted(values))}."
            )
        for end in (min, max):
            check_point(name, optimizers[name], {key: end(numbers) for key, numbers in values.items()})
