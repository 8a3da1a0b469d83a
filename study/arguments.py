"""The command line of `python -m study.run`: options, and their checks that need neither torch nor Ray."""

import argparse
import math
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from study import __version__
from study.search import search_names
from trainables import optimizers
from trainables.data import DATASETS, SplitSizes, check_dataset
from trainables.optimizers import check_user_name, optimizer_names

LAG = 8

FEWEST_CONFIRM_SEEDS = 6
"""An exact sign-flip test on n pairs has no two-sided p-value below 2^(1 - n): from 6 pairs on that is under 0.05."""


@dataclass(frozen=True)
class Recipe:
    """Default training of a data set: None stands for all training images."""

    num_train_images: int | None
    batch_size: int
    num_epochs: int


RECIPES = {
    "cifar10-mini": Recipe(num_train_images=1000, batch_size=16, num_epochs=12),
    "cifar10": Recipe(num_train_images=None, batch_size=100, num_epochs=10),
}


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Print the message without the usage and exit with 2."""
        self.exit(2, f"{self.prog}: error: {message}\n")


def parser() -> argparse.ArgumentParser:
    """All options of `python -m study.run`."""
    result = Parser(
        prog="python -m study.run",
        description="Spread an equal tuning budget over several optimizers, keep every epoch, report what holds.",
        allow_abbrev=False,
    )
    what = result.add_argument_group("what is compared")
    searches = ", ".join(search_names())
    what.add_argument("--search", required=True, metavar="NAME", help=f"search algorithm: {searches}")
    what.add_argument(
        "--optimizers",
        metavar="A,B",
        help=f"of {', '.join(optimizer_names())} (default: {','.join(optimizers.DEFAULTS)})",
    )
    what.add_argument(
        "--optimizer-file",
        action="append",
        default=[],
        type=pathlib.Path,
        metavar="FILE",
        help="a Python file of your own that defines SPEC; adds the optimizer named like the file; may be repeated",
    )
    what.add_argument(
        "--values",
        nargs="+",
        default=[],
        metavar="OPT.HYPER=V1,V2",
        help="for --search grid: the values of every hyperparameter, as in momentum.momentum=0.8,0.9",
    )
    budget = result.add_argument_group("how much is spent on it")
    budget.add_argument("--trials", type=_at_least(1), help="tuning trials of each optimizer (default: 24)")
    budget.add_argument("--seeds", type=_at_least(1), default=3, help="replicates of each trial (default: %(default)s)")
    budget.add_argument(
        "--confirm-seeds",
        type=_at_least(0),
        default=12,
        help=f"fresh seeds for the published and the best setting, 0 or from {FEWEST_CONFIRM_SEEDS} on "
        "(default: %(default)s)",
    )
    budget.add_argument("--no-sweep", action="store_true", help="leave out the learning-rate sweep through the winner")
    budget.add_argument(
        "--time-budget", type=_positive, metavar="MINUTES", help="stop tuning in time to confirm within so many minutes"
    )
    training = result.add_argument_group("how it is trained")
    training.add_argument(
        "--dataset", default="cifar10-mini", metavar="NAME", help=f"{', '.join(DATASETS)} (default: %(default)s)"
    )
    training.add_argument("--data-dir", type=pathlib.Path, metavar="DIR", help="where CIFAR-10 is")
    training.add_argument("--download", action="store_true", help="let torchvision download it there")
    training.add_argument(
        "--train-images",
        type=_at_least(1),
        metavar="N",
        help=f"use a fixed random subset ({_defaults('num_train_images')})",
    )
    training.add_argument("--epochs", type=_at_least(1), help=f"passes over it ({_defaults('num_epochs')})")
    training.add_argument("--batch-size", type=_at_least(1), help=f"images per step ({_defaults('batch_size')})")
    training.add_argument(
        "--seed", type=_at_least(0), default=0, help="root of every random stream (default: %(default)s)"
    )
    training.add_argument(
        "--lag",
        type=_at_least(1),
        default=LAG,
        help="points of an optimizer asked without waiting for one another (default: %(default)s)",
    )
    running = result.add_argument_group("where it runs")
    running.add_argument(
        "--address", help="Ray cluster to join, as HOST:PORT or auto (default: RAY_ADDRESS, else this machine)"
    )
    running.add_argument("--cpus-per-trial", type=_positive, default=1.0, help="CPU cores of a trial (default: 1)")
    running.add_argument(
        "--gpus-per-trial", type=_not_negative, default=0.0, help="GPUs of a trial, may be a fraction (default: 0)"
    )
    running.add_argument("--max-concurrent", type=_at_least(1), help="trials at once (default: as many as fit)")
    running.add_argument(
        "--output", type=pathlib.Path, metavar="DIR", help="where the study is kept (default: results/<study hash>)"
    )
    running.add_argument("--dry-run", action="store_true", help="print the plan and stop")
    running.add_argument("--version", action="version", version=f"optimizer-study {__version__}")
    return result


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
    """

    optimizers: tuple[str, ...]
    files: dict[str, str]
    values: dict[str, dict[str, list[float]]]
    sizes: SplitSizes
    batch_size: int
    num_epochs: int


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
    recipe = RECIPES[arguments.dataset]
    sizes = DATASETS[arguments.dataset].subset(arguments.train_images or recipe.num_train_images)
    batch_size = arguments.batch_size or recipe.batch_size
    if batch_size > sizes.train:
        raise ValueError(
            f"--batch-size must be at most the {sizes.train} training images, got {batch_size}; "
            "lower it or raise --train-images."
        )
    return Selection(names, files, values, sizes, batch_size, arguments.epochs or recipe.num_epochs)


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
    if missing := [name for name in names if name not in values]:
        raise ValueError(f"--search grid needs --values for each optimizer, got none for {', '.join(missing)}.")
    if unknown := [name for name in values if name not in names]:
        raise ValueError(
            f"--values must be for an optimizer of the study ({', '.join(names)}), got {', '.join(unknown)}."
        )


def _read_files(paths: Sequence[pathlib.Path]) -> dict[str, str]:
    files: dict[str, str] = {}
    for path in paths:
        if path.suffix != ".py":
            raise ValueError(f"--optimizer-file must name a Python file (*.py), got {str(path)[:80]!r}.")
        check_user_name(path.stem)
        if path.stem in files:
            raise ValueError(f"--optimizer-file must give each name once, got {path.stem!r} twice; rename one file.")
        try:
            files[path.stem] = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(
                f"--optimizer-file must name a readable text file, got {str(path)[:80]!r}: {error}."
            ) from None
    return files


def _defaults(field: str) -> str:
    parts = [f"{getattr(recipe, field) or 'all'} for {name}" for name, recipe in RECIPES.items()]
    return f"default: {', '.join(parts)}"


def _at_least(smallest: int) -> "_Count":
    return _Count(smallest)


@dataclass(frozen=True)
class _Count:
    smallest: int

    def __call__(self, text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = self.smallest - 1
        if number < self.smallest or number >= 2**31:
            raise argparse.ArgumentTypeError(f"must be a whole number from {self.smallest}, got {text[:40]!r}")
        return number


def _positive(text: str) -> float:
    return _number(text, positive=True)


def _not_negative(text: str) -> float:
    return _number(text, positive=False)


def _number(text: str, *, positive: bool) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < 0 or (positive and number == 0):
        raise argparse.ArgumentTypeError(
            f"must be a {'positive' if positive else 'non-negative'} number, got {text[:40]!r}"
        )
    return number
