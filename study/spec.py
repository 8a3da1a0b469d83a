"""One study, fully specified: what is compared, how, and how far."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from analysis.ledger.sweep_design import SweepDesign, sweep_design
from analysis.plugins import NAME
from trainables.models.precision import DEFAULT_PRECISION
from trainables.randomness import derive_seed
from trainables.spec import Hyperparameter, OptimizerSpec

FORMAT_VERSION = 1
MODEL = "simple_cnn"


@dataclass(frozen=True, kw_only=True)
class OptimizerDefinition:
    """An optimizer as the study stores it: everything of its `OptimizerSpec` but the code.

    Args:
        equation: The update in one line.
        space: Range of each hyperparameter.
        published: The setting that its authors print.
        reference: Where it comes from.
        source: Text of the user's own file; None for an optimizer of this package.
        values: For a grid, the values of each hyperparameter.
        reduces_to: The neutral values at which it becomes a simpler optimizer, by the name of that.
    """

    equation: str
    space: Mapping[str, Hyperparameter]
    published: Mapping[str, float]
    reference: str
    source: str | None = None
    values: Mapping[str, Sequence[float]] = field(default_factory=dict)
    reduces_to: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, spec: OptimizerSpec, *, source: str | None, values: Mapping[str, Sequence[float]]) -> Self:
        """What is stored of a loaded optimizer."""
        return cls(
            equation=spec.equation,
            space=dict(spec.space),
            published=dict(spec.published),
            reference=spec.reference,
            source=source,
            values=dict(values),
            reduces_to={name: {key: float(value) for key, value in at.items()} for name, at in spec.reduces_to.items()},
        )

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read back what `dataclasses.asdict` gave."""
        space = {name: Hyperparameter(**axis) for name, axis in stored["space"].items()}
        return cls(**{**stored, "space": space})


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What makes the rows of two runs comparable. Any other value is another study.

    Args:
        dataset: Name of the data set.
        num_train_images: Training images used.
        num_validation_images: Images of the validation split of the data set.
        num_evaluation_images: Validation images, and equally many training images, evaluated at every epoch.
        num_test_images: Test images.
        batch_size: Images per step and replicate.
        num_epochs: Passes over the training images.
        seed: Root of every random stream.
        num_seeds: Replicates of each tuning trial.
        search: Name of the search algorithm.
        lag: A point is chosen from the trials whose number is at least this much smaller.
        model: Name of the network; "none" if nothing is trained.
        precision: Name in `trainables.models.precision.PRECISIONS`.
        shared_order: Whether the replicates of a tuning trial see the images in one order.
        repeat: Which of several tunings this is.
        own_seeds: Whether this repeat has training and confirmation seeds of its own beside the random streams of its
            samplers, as all have that begin now; those of old studies share the seeds of the first tuning.
    """

    dataset: str
    num_train_images: int
    num_validation_images: int
    num_evaluation_images: int
    num_test_images: int
    batch_size: int
    num_epochs: int
    seed: int
    num_seeds: int
    search: str
    lag: int
    model: str = MODEL
    precision: str = DEFAULT_PRECISION
    shared_order: bool = False
    repeat: int = 0
    own_seeds: bool = False

    @property
    def uses_compiled_code(self) -> bool:
        """Whether trials on a CPU run code that is compiled when first needed."""
        return self.model == MODEL and self.precision == DEFAULT_PRECISION

    @property
    def study_hash(self) -> str:
        """Twelve hexadecimal digits that change with the identity and with nothing else."""
        fields = asdict(self)
        for name in ("shared_order", "repeat", "own_seeds"):
            if not fields[name]:  # as before there was a choice
                del fields[name]
        canonical = json.dumps(fields, sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    def search_stream(self, optimizer: str) -> str:
        """Name of the random stream from which the points of an optimizer's tuning come."""
        return f"search/{optimizer}/{self.repeat}" if self.repeat else f"search/{optimizer}"

    @property
    def replicates_seed(self) -> int:
        """Root of the random streams of all replicates."""
        return derive_seed(self.seed, f"repeat/{self.repeat}") if self.own_seeds else self.seed

    def differences(self, other: Self) -> list[str]:
        """The fields in which `other` differs, one "field is mine, not theirs" each."""
        return _differences("", asdict(self), asdict(other))


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How far a study goes; may grow from one run to the next.

    Args:
        optimizers: Names of the optimizers, in the order in which they are shown.
        num_trials: Tuning trials of each optimizer.
        num_confirm_seeds: Fresh seeds on which the published setting, the winner and its ablations are trained.
        sweep: Whether the hyperparameters are swept through the winner.
        num_sweep_seeds: Fresh seeds of the sweep; None without one, and for one of nine learning rates on the tuning
            seeds, as studies of older releases have it.
    """

    optimizers: tuple[str, ...]
    num_trials: int
    num_confirm_seeds: int
    sweep: bool
    num_sweep_seeds: int | None = None


@dataclass(frozen=True, kw_only=True)
class StudySpec:
    """One study: its identity, its extent and the optimizers that it compares."""

    identity: Identity
    extent: Extent
    optimizers: Mapping[str, OptimizerDefinition]

    @property
    def study_hash(self) -> str:
        """Hash of the identity."""
        return self.identity.study_hash

    @property
    def sweep(self) -> SweepDesign | None:
        """What the sweep through a winner consists of; None without one."""
        extent = self.extent
        return sweep_design(
            has_sweep=extent.sweep,
            num_sweep_seeds=extent.num_sweep_seeds,
            num_tuning_seeds=self.identity.num_seeds,
        )

    def to_dict(self) -> dict[str, Any]:
        """The part of `study.json` that defines the study."""
        stored: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return {"format_version": FORMAT_VERSION, "study_hash": self.study_hash, **stored}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read back what `to_dict` gave; other keys are left aside.

        Raises:
            KeyError, TypeError: A part is missing or has other fields.
            ValueError: A value or a name is not allowed.
        """
        for name, definition in stored["optimizers"].items():
            for word in (name, *definition["space"]):
                if not NAME.fullmatch(word):  # it names files and columns
                    raise ValueError(f"{word[:60]!r} can name no optimizer and no hyperparameter")
        extent = {**stored["extent"], "optimizers": tuple(stored["extent"]["optimizers"])}
        return cls(
            identity=Identity(**stored["identity"]),
            extent=Extent(**extent),
            optimizers={name: OptimizerDefinition.from_dict(value) for name, value in stored["optimizers"].items()},
        )

    def extended(self, other: Self) -> Self:
        """This study grown to hold all that `other`, which has no `differences`, asks for.

        A sweep that has begun keeps its design: rows of two designs would not be one curve.
        """
        mine, theirs = self.extent, other.extent
        extent = replace(
            theirs,
            optimizers=tuple(dict.fromkeys((*mine.optimizers, *theirs.optimizers))),
            num_trials=max(mine.num_trials, theirs.num_trials),
            num_confirm_seeds=max(mine.num_confirm_seeds, theirs.num_confirm_seeds),
            sweep=mine.sweep or theirs.sweep,
            num_sweep_seeds=_num_sweep_seeds(mine, theirs),
        )
        return replace(self, extent=extent, optimizers={**self.optimizers, **other.optimizers})

    def differences(self, other: Self) -> list[str]:
        """What keeps the rows of `other` from belonging to this study: its identity or a shared optimizer."""
        found = self.identity.differences(other.identity)
        for name in self.optimizers:
            if name in other.optimizers:
                mine, theirs = (_trained_by(study.optimizers[name]) for study in (self, other))
                found += _differences(f"{name}.", mine, theirs)
        return found


def _num_sweep_seeds(mine: Extent, theirs: Extent) -> int | None:
    if not mine.sweep or mine.num_sweep_seeds is None:
        return None if mine.sweep else theirs.num_sweep_seeds
    return max(mine.num_sweep_seeds, theirs.num_sweep_seeds or 0)


def _trained_by(definition: OptimizerDefinition) -> dict[str, object]:
    """The fields on which rows depend: a corrected reference makes no other study, a neutral value only more trials."""
    others = ("equation", "reference", "reduces_to")
    return {key: value for key, value in asdict(definition).items() if key not in others}


def _differences(prefix: str, mine: Mapping[str, object], theirs: Mapping[str, object]) -> list[str]:
    return [
        f"{prefix}{key} is {_short(mine[key])}, not {_short(theirs[key])}"
        for key in mine
        if _plain(mine[key]) != _plain(theirs[key])
    ]


def _plain(value: object) -> object:
    """The value as JSON would give it back, so that a tuple equals the list that was stored."""
    return json.loads(json.dumps(value))


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
