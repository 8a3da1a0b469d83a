"""From checked arguments to a `StudySpec`: loads the optimizers and compares with what is stored."""

import argparse
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from analysis.claims.file import hash_of, packaged_text
from analysis.ledger.schema import repeat_directory
from analysis.ledger.study import NO_MODEL
from study.ledger import read_study
from study.ledger.lock import repeats
from study.request.checks import Selection
from study.request.output import Output, open_output
from study.search import load_search
from study.spec import MODEL, Extent, Identity, OptimizerDefinition, StudySpec
from trainables.data.sizes import DATASETS
from trainables.optimizers import optimizer_names, resolve_optimizer
from trainables.spec import OptimizerSpec

DEFAULT_TRIALS = 24
"""With `--search optuna` 24 trials hold 16 space-filling points, the fewest that sensitivity numbers are made of."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user has asked for, complete and checked.

    Args:
        spec: The study, grown by what the directory holds already.
        optimizers: The loaded optimizers of the study, by name.
        directory: Where the study is kept.
        place: What messages call it.
        claims: What is claimed, as `study.json` stores it; None for a study that began without.
    """

    spec: StudySpec
    optimizers: Mapping[str, OptimizerSpec]
    directory: pathlib.Path
    place: str
    claims: Mapping[str, object] | None = None


def study_output(arguments: argparse.Namespace, selection: Selection) -> Output:
    """Where the study is kept; with --fresh the first of `NAME`, `NAME-2`, `NAME-3`, ... that is not in use.

    Raises:
        ValueError: It is a URI that does not serve, or holds another study.
    """
    identity = _identity(arguments, selection)
    output = open_output(arguments.output, pathlib.Path("results", identity.study_hash), fresh=arguments.fresh)
    stored = output.stored_study()
    if stored is not None:
        _refuse(str(output), StudySpec.from_dict(stored).identity.differences(identity))
    return output


def build_request(
    arguments: argparse.Namespace, selection: Selection, directory: pathlib.Path, place: str | None = None
) -> Request:
    """Load the optimizers and put the study together. Imports torch, after all checks that do without it.

    Args:
        arguments: Those of the command line.
        selection: What they choose.
        directory: Where the study is kept.
        place: What messages call that; its name if None.

    Raises:
        ValueError: The directory holds another study, or an optimizer's file or a grid is not of the right form.
    """
    identity = _identity(arguments, selection)
    place = place or str(directory)
    stored = read_study(directory)
    old = None if stored is None else StudySpec.from_dict(stored)
    if old is not None:
        _refuse(place, old.identity.differences(identity))
    optimizers = _load(selection, resumable=arguments.storage is not None)
    _check_grid(selection, optimizers)
    definitions = {
        name: OptimizerDefinition.of(spec, source=selection.files.get(name), values=selection.values.get(name, {}))
        for name, spec in optimizers.items()
    }
    extent = Extent(
        optimizers=selection.optimizers,
        num_trials=_num_trials(arguments, selection),
        num_confirm_seeds=arguments.confirm_seeds,
        sweep=not arguments.no_sweep,
    )
    spec = StudySpec(identity=identity, extent=extent, optimizers=definitions)
    if old is not None:
        _refuse(place, old.differences(spec))
        spec = old.extended(spec)
        optimizers = _with_stored(spec, optimizers, place)
    _check_budgets(spec)
    claims = _fixed_claims(selection, stored, directory)
    return Request(spec=spec, optimizers=optimizers, directory=directory, place=place, claims=claims)


def _fixed_claims(
    selection: Selection, stored: Mapping[str, Any] | None, directory: pathlib.Path
) -> Mapping[str, object] | None:
    """The claims that the first run has fixed, or that this first run fixes."""
    if stored is None:
        text = packaged_text() if selection.claims is None else selection.claims
        return {"text": text, "hash": hash_of(text), "known": [*optimizer_names(), *selection.files]}
    fixed: Mapping[str, object] | None = stored.get("claims")
    if selection.claims is not None and (fixed is None or fixed["text"] != selection.claims):
        raise ValueError(
            f"--claims must be those that {directory} began with: claims made after the first trial test nothing. "
            f"Leave it out; `python -m analysis.report {directory} --claims FILE` shows other claims, and says so."
        )
    return fixed


def build_requests(
    arguments: argparse.Namespace, selection: Selection, directory: pathlib.Path, place: str | None = None
) -> list[Request]:
    """The study as `build_request` puts it together, then its repeats.

    Raises:
        ValueError: As of `build_request`, or the directory of a repeat holds another study.
    """
    first = build_request(arguments, selection, directory, place)
    return [first, *(_repeated(first, repeat) for repeat in repeats(directory, arguments.repeats)[1:])]


def _repeated(first: Request, repeat: int) -> Request:
    """As far as the study goes, those parts of earlier runs included that this one has not asked for."""
    directory = repeat_directory(first.directory, repeat)
    spec = replace(first.spec, identity=replace(first.spec.identity, repeat=repeat))
    stored = read_study(directory)
    if stored is not None:
        old = StudySpec.from_dict(stored)
        _refuse(str(directory), old.differences(spec))
        spec = old.extended(spec)
    optimizers = _with_stored(spec, first.optimizers, str(directory))
    return Request(spec=spec, optimizers=optimizers, directory=directory, place=str(directory), claims=first.claims)


def _identity(arguments: argparse.Namespace, selection: Selection) -> Identity:
    return Identity(
        dataset=arguments.dataset,
        num_train_images=selection.sizes.train,
        num_validation_images=DATASETS[arguments.dataset].validation,
        num_evaluation_images=selection.sizes.validation,
        num_test_images=selection.sizes.test,
        batch_size=selection.batch_size,
        num_epochs=selection.num_epochs,
        seed=arguments.seed,
        num_seeds=arguments.seeds,
        search=arguments.search,
        lag=arguments.lag,
        model=MODEL if selection.sizes.train else NO_MODEL,
        precision=arguments.precision,
        shared_order=arguments.shared_order,
    )


def _load(selection: Selection, *, resumable: bool) -> dict[str, OptimizerSpec]:
    optimizers = {name: resolve_optimizer(name, selection.files) for name in selection.optimizers}
    if selection.files:
        from trainables.contract import check_optimizer, check_resumable

        for name in selection.files:
            check_optimizer(name, optimizers[name])
            if resumable:
                check_resumable(name, optimizers[name])
    # A hyperparameter may not have the name of a ledger column.
    from analysis.ledger.schema import trials_schema

    trials_schema(hyperparameter for spec in optimizers.values() for hyperparameter in spec.space)
    return optimizers


def _check_grid(selection: Selection, optimizers: Mapping[str, OptimizerSpec]) -> None:
    from trainables.contract import check_point

    for name, values in selection.values.items():
        space = optimizers[name].space
        if set(values) != set(space):
            raise ValueError(
                f"--values must give each hyperparameter of {name} ({', '.join(sorted(space))}), "
                f"got {', '.join(sorted(values))}."
            )
        for end in (min, max):
            check_point(name, optimizers[name], {key: end(numbers) for key, numbers in values.items()})


def _check_budgets(spec: StudySpec) -> None:
    """Refuse a grid that gives one optimizer more points than another, those of earlier runs included."""
    num_points = load_search(spec.identity.search).num_points
    if num_points is None:
        return
    sizes = {name: num_points(definition.values) for name, definition in spec.optimizers.items()}
    if len(set(sizes.values())) > 1:
        shown = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise ValueError(f"--values must give every optimizer the same number of points, a fair budget; got {shown}.")


def _num_trials(arguments: argparse.Namespace, selection: Selection) -> int:
    num_points = load_search(arguments.search).num_points
    if num_points is None:
        return int(arguments.trials or DEFAULT_TRIALS)
    return num_points(next(iter(selection.values.values())))


def _refuse(place: str, differences: list[str]) -> None:
    if differences:
        raise ValueError(
            f"{place} holds a different study: {'; '.join(differences)}. "
            "Choose another --output, or give the same settings to continue it."
        )


def _with_stored(spec: StudySpec, optimizers: Mapping[str, OptimizerSpec], place: str) -> dict[str, OptimizerSpec]:
    """The optimizers of a study that has grown: those of earlier runs are needed as well.

    Stored sources are never run; the user gives the file again.
    """
    if lost := [name for name, stored in spec.optimizers.items() if stored.source and name not in optimizers]:
        files = " ".join(f"--optimizer-file {name}.py" for name in lost)
        raise ValueError(f"{place} holds a study with your own {', '.join(lost)}; add {files} to continue it.")
    return {name: optimizers.get(name) or resolve_optimizer(name, {}) for name in spec.extent.optimizers}
