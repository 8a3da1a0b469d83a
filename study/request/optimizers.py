"""Loads the optimizers of a request and has them keep their contract. Imports torch."""

from collections.abc import Mapping

from analysis.ledger.schema import trials_schema
from study.request.records import Request
from trainables.contract import check_point
from trainables.contract.foreign import declared
from trainables.optimizers import is_foreign, load_optimizer
from trainables.spec import OptimizerSpec


def load_optimizers(request: Request) -> dict[str, OptimizerSpec]:
    """The optimizers of a request by name, in its order; those of others are tried out, and cannot be built here.

    Raises:
        ValueError: Code of others does not hold what it should, or the values of a grid are not for its optimizer.
    """
    optimizers = {name: _load(name, request) for name in request.optimizers}
    # A hyperparameter may not have the name of a ledger column.
    trials_schema(hyperparameter for spec in optimizers.values() for hyperparameter in spec.space)
    _check_grid(request, optimizers)
    return optimizers


def load_stored(name: str) -> OptimizerSpec:
    """An optimizer of an earlier run that came without a file.

    Raises:
        ValueError: There is no such optimizer any more, or it does not keep its contract.
    """
    return declared(name, {}) if is_foreign(name) else load_optimizer(name)


def _load(name: str, request: Request) -> OptimizerSpec:
    if not is_foreign(name):
        return load_optimizer(name)
    return declared(name, request.files, request.values.get(name), resumes=request.run.storage is not None)


def _check_grid(request: Request, optimizers: Mapping[str, OptimizerSpec]) -> None:
    for name, values in request.values.items():
        space = optimizers[name].space
        if set(values) != set(space):
            raise ValueError(
                f"--values must give each hyperparameter of {name} ({', '.join(sorted(space))}), "
                f"got {', '.join(sorted(values))}."
            )
        if is_foreign(name):
            continue
        for end in (min, max):
            check_point(name, optimizers[name], {key: end(numbers) for key, numbers in values.items()})
