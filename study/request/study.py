"""From a request to a study: loads the optimizers and compares with what is stored."""

import pathlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from analysis.claims.file import hash_of
from analysis.ledger.schema import repeat_directory
from study.ledger import read_study
from study.ledger.lock import repeats
from study.queue.proposals import fixed_points
from study.request.checks import claims_by_default
from study.request.error_plan import fixed_error_plan
from study.request.options import MOST_SWEEP_SEEDS
from study.request.output import Output, open_output
from study.request.records import Request
from study.search import load_search
from study.spec import Extent, Identity, OptimizerDefinition, StudySpec
from trainables.optimizers import optimizer_names
from trainables.spec import OptimizerSpec

DEFAULT_TRIALS = 24
"""With `--search optuna` 24 trials hold 16 space-filling points, the fewest that sensitivity numbers are made of."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """A study as it is to be run: what was asked for, grown by what its directory holds already.

    Args:
        spec: All of the study.
        optimizers: Its loaded optimizers, by name.
        directory: Where it is kept.
        place: What messages call that.
        claims: What is claimed, as `study.json` stores it; None for a study that began without.
        error_plan: How the error of its verdicts is shared out, as it stores that; None for a study of before it did.
    """

    spec: StudySpec
    optimizers: Mapping[str, OptimizerSpec]
    directory: pathlib.Path
    place: str
    claims: Mapping[str, object] | None = None
    error_plan: Mapping[str, object] | None = None

    @property
    def most_confirm_seeds(self) -> int | None:
        """Confirmation seeds that there may be; None if that was not fixed when the study began."""
        most = (self.error_plan or {}).get("most_confirm_seeds")
        return None if most is None else int(str(most))


def study_output(request: Request) -> Output:
    """Where the study is kept; with --fresh the first of `NAME`, `NAME-2`, `NAME-3`, ... that is not in use.

    Raises:
        ValueError: It is a URI that does not serve, or holds another study.
    """
    run = request.run
    output = open_output(run.output, pathlib.Path("results", request.identity.study_hash), fresh=run.fresh)
    stored = output.stored_study()
    if stored is not None:
        old = StudySpec.from_dict(stored).identity
        _refuse(str(output), old.differences(_identity(request, old)))
    return output


def build_study(request: Request, directory: pathlib.Path, place: str | None = None) -> Study:
    """Load the optimizers and put the study together. Imports torch, after all checks that do without it.

    Args:
        request: What is asked for.
        directory: Where the study is kept.
        place: What messages call that; its name if None.

    Raises:
        ValueError: The directory holds another study, or an optimizer's file or a grid is not of the right form.
    """
    place = place or str(directory)
    stored = read_study(directory)
    old = None if stored is None else StudySpec.from_dict(stored)
    identity = _identity(request, old.identity if old else None)
    if old is not None:
        _refuse(place, old.identity.differences(identity))
    from study.request.optimizers import load_optimizers  # here, because torch takes seconds

    optimizers = load_optimizers(request)
    definitions = {
        name: OptimizerDefinition.of(spec, source=request.files.get(name), values=request.values.get(name, {}))
        for name, spec in optimizers.items()
    }
    extent = Extent(
        optimizers=request.optimizers,
        num_trials=_num_trials(request),
        num_confirm_seeds=request.num_confirm_seeds,
        **_sweep(request),
    )
    spec = StudySpec(identity=identity, extent=extent, optimizers=definitions)
    if old is not None:
        _refuse(place, old.differences(spec))
        _refuse_another_sweep(place, old.extent, request)
        spec = old.extended(spec)
        optimizers = _with_stored(spec, optimizers, place)
    _check_budgets(spec)
    claims = _fixed_claims(request, stored, directory)
    plan = fixed_error_plan(request, stored, place)
    return Study(spec=spec, optimizers=optimizers, directory=directory, place=place, claims=claims, error_plan=plan)


def _identity(request: Request, stored: Identity | None) -> Identity:
    """As asked for; where that says nothing of validation images, a study keeps those that it began with."""
    if stored is None or request.has_validation_images:
        return request.identity
    return replace(request.identity, num_evaluation_images=stored.num_evaluation_images)


def _fixed_claims(
    request: Request, stored: Mapping[str, Any] | None, directory: pathlib.Path
) -> Mapping[str, object] | None:
    """The claims that the first run has fixed, or that this first run fixes."""
    if stored is None:
        text = claims_by_default(request.optimizers) if request.claims is None else request.claims
        return {"text": text, "hash": hash_of(text), "known": [*optimizer_names(), *request.files]}
    fixed: Mapping[str, object] | None = stored.get("claims")
    if request.claims is not None and (fixed is None or fixed["text"] != request.claims):
        raise ValueError(
            f"--claims must be those that {directory} began with: claims made after the first trial test nothing. "
            f"Leave it out; `python -m analysis.report {directory} --claims FILE` shows other claims, and says so."
        )
    return fixed


def build_studies(request: Request, directory: pathlib.Path, place: str | None = None) -> list[Study]:
    """The study as `build_study` puts it together, then its repeats.

    Raises:
        ValueError: As of `build_study`, or the directory of a repeat holds another study.
    """
    first = build_study(request, directory, place)
    numbers = repeats(directory, request.num_repeats)[1:]
    # Repeats that share seeds and others that do not could not be judged together.
    stored = [read_study(repeat_directory(directory, number)) for number in numbers]
    own_seeds = all(study is None or study["identity"].get("own_seeds", False) for study in stored)
    return [first, *(_repeated(first, number, own_seeds=own_seeds) for number in numbers)]


def _repeated(first: Study, number: int, *, own_seeds: bool) -> Study:
    """As far as the study goes, those parts of earlier runs included that this one has not asked for.

    A repeat with seeds of its own has no sweep: what lies around its winner is asked of the first tuning alone.
    """
    directory = repeat_directory(first.directory, number)
    identity = replace(first.spec.identity, repeat=number, own_seeds=own_seeds)
    extent = replace(first.spec.extent, sweep=first.spec.extent.sweep and not own_seeds)
    spec = replace(first.spec, identity=identity, extent=extent)
    stored = read_study(directory)
    if stored is not None:
        old = StudySpec.from_dict(stored)
        _refuse(str(directory), old.differences(spec))
        spec = old.extended(spec)
    optimizers = _with_stored(spec, first.optimizers, str(directory))
    return replace(first, spec=spec, optimizers=optimizers, directory=directory, place=str(directory))


def _check_budgets(spec: StudySpec) -> None:
    """Refuse a grid that gives one optimizer more points than another, those of earlier runs included."""
    search = load_search(spec.identity.search)
    sizes = {name: fixed_points(search, definition.values) for name, definition in spec.optimizers.items()}
    if len(set(sizes.values())) > 1:
        shown = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise ValueError(f"--values must give every optimizer the same number of points, a fair budget; got {shown}.")


def _sweep(request: Request) -> dict[str, Any]:
    """The part of the extent about the sweep; without confirmation there is nothing to compare its runs with."""
    num_seeds = request.num_sweep_seeds or min(request.num_confirm_seeds, MOST_SWEEP_SEEDS)
    has_sweep = request.sweep and num_seeds > 0
    return {"sweep": has_sweep, "num_sweep_seeds": num_seeds if has_sweep else None}


def _refuse_another_sweep(place: str, stored: Extent, request: Request) -> None:
    if stored.sweep and stored.num_sweep_seeds is None and request.num_sweep_seeds is not None:
        raise ValueError(
            f"--sweep-seeds is not for the study in {place}, whose sweep began as nine learning rates on the tuning "
            "seeds and is completed as such; leave it out, or choose another --output."
        )


def _num_trials(request: Request) -> int:
    search = load_search(request.identity.search)
    fixed = fixed_points(search, next(iter(request.values.values()), {}))
    return (request.num_trials or DEFAULT_TRIALS) if fixed is None else fixed


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
    from study.request.optimizers import load_stored  # here, because torch takes seconds

    return {name: optimizers.get(name) or load_stored(name) for name in spec.extent.optimizers}
