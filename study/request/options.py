"""The options of `python -m study.run` and their default values."""

import argparse
import pathlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from analysis.command_line import Parser, path
from analysis.ledger.plan import CONFIRM_ROUND, MOST_REPEATS
from study import __version__
from study.cluster.slots import CHOICES, Resources
from study.request.numbers import LARGEST, Count, Range, at_least
from study.request.records import RunOptions, StudyOptions
from study.search import search_names
from trainables import optimizers
from trainables.data.sizes import DATASETS, SYNTHETIC
from trainables.models.precision import DEFAULT_PRECISION, PRECISIONS
from trainables.optimizers import optimizer_names

SCRIPT = "optimizer-study"
LAG = 8

LEAST_SHARE = 0.01
"""Of a core or GPU: a hundred trials on one are more than it can hold in memory."""

LEAST_MINUTES = 0.001

DEFAULT_REPEATS = 4
"""Tunings. Two are the fewest that speak of optimizers; the intervals of four are less than half as wide."""

MOST_CONFIRM_SEEDS = 1000
"""Of a plan: the signs of all pairs at all looks are held in memory at once."""

DEFAULT_MOST_SEEDS = 48
"""With --until-decided: four times the confirmation seeds of a study that says nothing of them."""

FEWEST_CONFIRM_SEEDS = 6
"""An exact sign-flip test on n pairs has no two-sided p-value below 2^(1 - n): from 6 pairs on that is under 0.05."""


MOST_SWEEP_SEEDS = 12
"""Unless more are asked for: intervals of an excess error then reach some 3 points to either side."""


@dataclass(frozen=True)
class Recipe:
    """Default training of a data set: None stands for all training images."""

    num_train_images: int | None
    batch_size: int
    num_epochs: int


RECIPES = {
    "cifar10-mini": Recipe(num_train_images=800, batch_size=10, num_epochs=8),
    "cifar10": Recipe(num_train_images=None, batch_size=100, num_epochs=10),
    SYNTHETIC: Recipe(num_train_images=None, batch_size=1, num_epochs=10),
}


def parse(words: Sequence[str]) -> tuple[StudyOptions, RunOptions]:
    """What is studied and how it is run; exits as `argparse` does for help, version and words that are no options."""
    given = vars(parser().parse_args(words))
    resources = Resources(**_fields(Resources, given))
    return StudyOptions(**_fields(StudyOptions, given)), RunOptions(resources=resources, **_fields(RunOptions, given))


def program() -> str:
    """What the command is called: the script of the installed package, or the module."""
    return SCRIPT if pathlib.Path(sys.argv[0]).stem == SCRIPT else "python -m study.run"


def _fields(record: type[StudyOptions | RunOptions | Resources], given: Mapping[str, Any]) -> dict[str, Any]:
    """Those options that are fields of a record."""
    return {field.name: given[field.name] for field in fields(record) if field.name in given}


def parser() -> argparse.ArgumentParser:
    """All options of `python -m study.run`."""
    result = Parser(
        prog=program(),
        description="Spread an equal tuning budget over several optimizers, keep every epoch, report what holds.",
        allow_abbrev=False,
    )
    result.add_argument("--version", action="version", version=f"optimizer-study {__version__}")
    _add_comparison(result)
    _add_budget(result)
    _add_training(result)
    _add_execution(result)
    return result


def _add_comparison(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is compared")
    searches = ", ".join(search_names())
    group.add_argument("--search", required=True, metavar="NAME", help=f"search algorithm: {searches}")
    group.add_argument(
        "--optimizers",
        action="append",
        metavar="A,B",
        help=f"of {', '.join(optimizer_names())} (default: {','.join(optimizers.DEFAULTS)})",
    )
    group.add_argument(
        "--optimizer-file",
        action="append",
        default=[],
        type=path,
        metavar="FILE",
        help="a Python file of your own that defines SPEC; adds the optimizer named like the file; may be repeated",
    )
    group.add_argument(
        "--claims",
        type=path,
        metavar="FILE.toml",
        help="claims to judge, fixed with the first run (default: the article's questions, on your own optimizers if "
        "there are any; `python -m study.claims new` prints them to be edited)",
    )
    group.add_argument(
        "--values",
        action="extend",
        nargs="+",
        default=[],
        metavar="OPT.HYPER=V1,V2",
        help="for --search grid: the values of every hyperparameter, as in momentum.momentum=0.8,0.9",
    )


def _add_budget(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how much is spent on it")
    group.add_argument("--trials", type=at_least(1), help="tuning trials of each optimizer (default: 24)")
    group.add_argument("--seeds", type=at_least(1), default=2, help="replicates of each trial (default: %(default)s)")
    group.add_argument(
        "--confirm-seeds",
        type=at_least(0),
        default=12,
        help=f"fresh seeds for the published and the best setting, 0 or from {FEWEST_CONFIRM_SEEDS} on "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--until-decided",
        action="store_true",
        help=f"then add {CONFIRM_ROUND} at a time for the winners of claims that are open, as long as more seeds can "
        "decide them; for --repeats 1, where verdicts are about settings",
    )
    group.add_argument(
        "--max-confirm-seeds",
        type=Count(FEWEST_CONFIRM_SEEDS, MOST_CONFIRM_SEEDS),
        metavar="N",
        help="fresh seeds that there may ever be, fixed with the first run: looks at fewer spend less of the error "
        f"(default: none, {DEFAULT_MOST_SEEDS} with --until-decided)",
    )
    group.add_argument(
        "--repeats",
        type=Count(1, MOST_REPEATS),
        default=DEFAULT_REPEATS,
        help="tune so many times, each with sampler, training and confirmation seeds of its own: one tuning gives "
        "verdicts on the settings that it found, several on the optimizers (default: %(default)s)",
    )
    group.add_argument(
        "--no-sweep", dest="sweep", action="store_false", help="leave out the sweep of every hyperparameter"
    )
    group.add_argument(
        "--sweep-seeds",
        type=at_least(FEWEST_CONFIRM_SEEDS),
        metavar="N",
        help="confirmation seeds on which the winner is trained with one hyperparameter off by factors of 1.8, 3.2 and "
        f"10: how much does it matter to get it right? (default: --confirm-seeds, at most {MOST_SWEEP_SEEDS})",
    )
    group.add_argument(
        "--no-timing",
        dest="timing",
        action="store_false",
        help="leave out the timing of steps at the end, which takes up to 30 seconds",
    )
    group.add_argument(
        "--time-budget",
        type=Range(LEAST_MINUTES, LARGEST),
        metavar="MINUTES",
        help="stop tuning in time to confirm within so many minutes, which repeats share",
    )


def _add_training(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how it is trained")
    group.add_argument(
        "--dataset",
        default="cifar10-mini",
        metavar="NAME",
        help=f"{', '.join(DATASETS)} (default: %(default)s); {SYNTHETIC} trains nothing: a formula with a known "
        "optimum draws the curves, to try search algorithms on",
    )
    group.add_argument("--data-dir", type=path, metavar="DIR", help="where CIFAR-10 is")
    group.add_argument("--download", action="store_true", help="let torchvision download it there")
    group.add_argument(
        "--train-images",
        type=at_least(1),
        metavar="N",
        help=f"use a fixed random subset ({_defaults('num_train_images')})",
    )
    group.add_argument(
        "--validation-images",
        type=at_least(1),
        metavar="N",
        help="images that each epoch is evaluated on, beside as many of training (default: half as many as those of "
        "training, at most all; a study that goes on by --output keeps its own)",
    )
    group.add_argument("--epochs", type=at_least(1), help=f"passes over it ({_defaults('num_epochs')})")
    group.add_argument("--batch-size", type=at_least(1), help=f"images per step ({_defaults('batch_size')})")
    group.add_argument(
        "--precision",
        default=DEFAULT_PRECISION,
        metavar="NAME",
        help=f"{', '.join(PRECISIONS)}: of the layers' arithmetic (default: %(default)s)",
    )
    group.add_argument(
        "--shared-order",
        action="store_true",
        help="let the replicates of a tuning trial see the images in one order: they say less, some devices run faster",
    )
    group.add_argument("--seed", type=at_least(0), default=0, help="root of every random stream (default: %(default)s)")
    group.add_argument(
        "--lag",
        type=at_least(1),
        default=LAG,
        help="points of an optimizer asked without waiting for one another (default: %(default)s)",
    )


def _add_execution(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("where it runs")
    group.add_argument(
        "--address", help="Ray cluster to join, as HOST:PORT or auto (default: RAY_ADDRESS, else this machine)"
    )
    group.add_argument(
        "--device",
        default="auto",
        metavar="KIND",
        help=f"{', '.join(CHOICES)}: what trials run on; auto takes GPUs if there are or may come any, mixed "
        "takes both (default: %(default)s)",
    )
    group.add_argument(
        "--cpus-per-trial", type=Range(LEAST_SHARE, LARGEST), default=1.0, help="CPU cores of a trial (default: 1)"
    )
    group.add_argument(
        "--gpus-per-trial",
        type=Range(LEAST_SHARE, 1),
        default=1.0,
        help="of a GPU, for a trial that runs on one; 0.25 lets four share it (default: 1)",
    )
    group.add_argument(
        "--max-concurrent",
        type=at_least(1),
        help="trials at once (default: as many as fit on the nodes that are there, or that the autoscaler of `ray up` "
        "may add)",
    )
    group.add_argument(
        "--autoscaling",
        action="store_true",
        help="have trials wait for nodes that the cluster may add; without need on the head of `ray up`",
    )
    group.add_argument(
        "--output",
        metavar="DIR|URI",
        help="where the study is kept (default: results/<study hash>); a URI (file://, s3:// or gs://) gets "
        "all that is committed, so that any machine can go on with it; log and lock stay in a folder below results",
    )
    group.add_argument("--fresh", action="store_true", help="start anew, in another directory if that one is in use")
    group.add_argument(
        "--storage",
        metavar="URI",
        help="folder or URI that all workers reach: keep checkpoints there, so that trials cut off go on from them",
    )
    group.add_argument(
        "--max-failures",
        type=at_least(0),
        default=2,
        help="times that a trial whose worker dies or raises is started again (default: %(default)s)",
    )
    group.add_argument(
        "--accept-changes",
        action="store_true",
        help="go on with a study whose rows were made by other code or other versions; the report says so at its top",
    )
    group.add_argument("--dry-run", action="store_true", help="print the plan and stop")


def _defaults(field: str) -> str:
    recipes = {name: recipe for name, recipe in RECIPES.items() if DATASETS[name].train or field == "num_epochs"}
    parts = [f"{getattr(recipe, field) or 'all'} for {name}" for name, recipe in recipes.items()]
    return f"default: {', '.join(parts)}"
