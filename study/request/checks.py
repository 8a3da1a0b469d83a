"""What the command line selects: the checks that need neither torch nor Ray."""

import argparse
import math
import pathlib
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from study.cluster.slots import CHOICES
from study.request.options import FEWEST_CONFIRM_SEEDS, RECIPES
from study.search import search_names
from trainables import optimizers
from trainables.data.dataset import check_dataset
from trainables.data.sizes import DATASETS, SplitSizes
from trainables.models.precision import DEFAULT_PRECISION, PRECISIONS
from trainables.optimizers import check_user_name, optimizer_names

PACKAGES = ("analysis", "study", "trainables")

URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|(file|s3|gs):", re.ASCII)
"""Beginning of a URI, also of one that is not allowed or lacks a slash: no such word names a folder."""


@dataclass(frozen=True)
class Selection:
    """What the arguments choose, checked.

    Args:
        optimizers: Names, in the order given.
        files: Text of each user's own file by optimizer name.
        values: For a grid, the values of each hyperparameter by optimizer.
        sizes: Images in use.
        batch_size: Images per step.
        num_epochs: Passes over the training images.
        claims: Text of the user's own file of claims, if one is given.
    """

    optimizers: tuple[str, ...]
    files: dict[str, str]
    values: dict[str, dict[str, list[float]]]
    sizes: SplitSizes
    batch_size: int
    num_epochs: int
    claims: str | None = None


def check(arguments: argparse.Namespace) -> Selection:
    """Check all that can be checked without torch and Ray.

    Raises:
        ValueError: Something is not allowed; the message is one line.
    """
    if arguments.search not in search_names():
        raise ValueError(f"--search must be one of {', '.join(search_names())}, got {arguments.search!r}.")
    if 0 < arguments.confirm_seeds < FEWEST_CONFIRM_SEEDS:
        raise ValueError(
            f"--confirm-seeds must be 0 or at least {FEWEST_CONFIRM_SEEDS}, got {arguments.confirm_seeds}: "
            "with fewer pairs no exact test can reach significance at 0.05."
        )
    files = _read_files(arguments.optimizer_file)
    values = parse_values(arguments.values)
    if arguments.search != "grid" and values:
        raise ValueError(f"--values is for --search grid, got --search {arguments.search}; leave one of them out.")
    names = _optimizers(arguments, files, values)
    if arguments.search == "grid":
        _check_grid(arguments, names, values)
    check_dataset(arguments.dataset, data_dir=arguments.data_dir, download=arguments.download)
    _check_arithmetic(arguments)
    _check_output(arguments.output)
    num_epochs = arguments.epochs or RECIPES[arguments.dataset].num_epochs
    claims = _read_claims(arguments.claims, files) if arguments.claims else None
    return Selection(names, files, values, *_sizes(arguments), num_epochs, claims)


def parse_values(words: Sequence[str]) -> dict[str, dict[str, list[float]]]:
    """Values of a grid, by optimizer and hyperparameter.

    Raises:
        ValueError: A word is not of the form OPTIMIZER.HYPERPARAMETER=V1,V2 with finite, distinct numbers.
    """
    values: dict[str, dict[str, list[float]]] = {}
    for word in words:
        name, _, listed = word.partition("=")
        optimizer, _, hyperparameter = name.partition(".")
        try:
            numbers = [float(number) for number in listed.split(",")]
        except ValueError:
            numbers = []
        if not (optimizer and hyperparameter and numbers and all(map(math.isfinite, numbers))):
            raise ValueError(
                f"--values takes OPTIMIZER.HYPERPARAMETER=V1,V2,... with finite numbers, got {word[:80]!r}."
            )
        if len(set(numbers)) < len(numbers):
            raise ValueError(f"--values must list each value once, got {word[:80]!r}.")
        if hyperparameter in values.setdefault(optimizer, {}):
            raise ValueError(f"--values must give {name} once, got it twice; join the lists.")
        values[optimizer][hyperparameter] = numbers
    return values


def _check_arithmetic(arguments: argparse.Namespace) -> None:
    precision, trains = arguments.precision, bool(DATASETS[arguments.dataset].train)
    if precision not in PRECISIONS:
        raise ValueError(f"--precision must be one of {', '.join(PRECISIONS)}, got {precision!r}.")
    if not trains and (precision != DEFAULT_PRECISION or arguments.shared_order):
        option = "--shared-order" if arguments.shared_order else "--precision"
        raise ValueError(f"{option} is not for --dataset {arguments.dataset}, which trains nothing; leave it out.")
    if arguments.device not in CHOICES:
        raise ValueError(f"--device must be one of {', '.join(CHOICES)}, got {arguments.device!r}.")
    if precision == "tf32" and arguments.device in ("cpu", "mixed"):
        raise ValueError(f"--precision tf32 is for GPUs, got --device {arguments.device}; use float32 or bf16.")


def is_uri(output: str) -> bool:
    """Whether `--output` is a URI, or meant to be one, and not a folder."""
    return URI.match(output) is not None


def _check_output(word: str | None) -> None:
    here = pathlib.Path.cwd()
    if word is None or is_uri(word):
        return
    output = pathlib.Path(word)
    if not output.resolve().is_relative_to(here):
        return
    first = next(iter(output.resolve().relative_to(here).parts), "")
    if first in PACKAGES:
        raise ValueError(
            f"--output must not lie in a folder named {first} of the working directory, where `python -m` would look "
            f"for the package of that name, got {str(output)!r}; choose another, as in --output results/{output.name}."
        )


def _sizes(arguments: argparse.Namespace) -> tuple[SplitSizes, int]:
    """Images in use, and images per step."""
    recipe, all_images = RECIPES[arguments.dataset], DATASETS[arguments.dataset]
    for option, given in (("--train-images", arguments.train_images), ("--batch-size", arguments.batch_size)):
        if given is not None and not all_images.train:
            raise ValueError(f"{option} is not for --dataset {arguments.dataset}, which has no images; leave it out.")
    sizes = all_images.subset(arguments.train_images or recipe.num_train_images)
    batch_size = arguments.batch_size or recipe.batch_size
    if sizes.train and batch_size > sizes.train:
        raise ValueError(
            f"--batch-size must be at most the {sizes.train} training images, got {batch_size}; "
            "lower it or raise --train-images."
        )
    return sizes, batch_size


def _optimizers(
    arguments: argparse.Namespace, files: dict[str, str], values: dict[str, dict[str, list[float]]]
) -> tuple[str, ...]:
    """Names in the order given: of --optimizers, else of --values, else the defaults; files come last."""
    if arguments.optimizers is not None:
        names = arguments.optimizers.split(",")
    else:
        names = list(values) or list(optimizers.DEFAULTS)
    known = [*optimizer_names(), *files]
    for name in names:
        if name not in known:
            raise ValueError(
                f"--optimizers must name some of {', '.join(known)}, got {name[:60]!r}; "
                "to add your own, write a file and give it with --optimizer-file."
            )
        if names.count(name) > 1:
            raise ValueError(f"--optimizers must name each optimizer once, got {name!r} {names.count(name)} times.")
    return (*names, *(name for name in files if name not in names))


def _check_grid(arguments: argparse.Namespace, names: Sequence[str], values: dict[str, dict[str, list[float]]]) -> None:
    if arguments.trials is not None:
        raise ValueError("--trials is not for --search grid, which trains every combination of --values; leave it out.")
    if arguments.repeats > 1:
        raise ValueError("--repeats is not for --search grid, which asks the same points every time; leave it out.")
    if missing := [name for name in names if name not in values]:
        raise ValueError(f"--search grid needs --values for each optimizer, got none for {', '.join(missing)}.")
    if unknown := [name for name in values if name not in names]:
        raise ValueError(
            f"--values must be for an optimizer of the study ({', '.join(names)}), got {', '.join(unknown)}."
        )


def _read_claims(path: pathlib.Path, files: Collection[str]) -> str:
    from analysis.claims.file import read_claims  # here, because its tables take time to load and few runs need it
    from analysis.verdicts.vocabulary import VOCABULARY

    claims = read_claims(path, VOCABULARY)
    claims.check_names([*optimizer_names(), *files])
    return claims.text


def _read_files(paths: Sequence[pathlib.Path]) -> dict[str, str]:
    files: dict[str, str] = {}
    for path in paths:
        if path.suffix != ".py":
            raise ValueError(f"--optimizer-file must name a Python file (*.py), got {str(path)!r}.")
        check_user_name(path.stem)
        if path.stem in files:
            raise ValueError(f"--optimizer-file must give each name once, got {path.stem!r} twice; rename one file.")
        try:
            files[path.stem] = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"--optimizer-file must name a readable text file, got {str(path)!r}: {error}.") from None
    return files
