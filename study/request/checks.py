"""From options to a request: the checks that need neither torch nor Ray."""

import math
import pathlib
import re
from collections.abc import Collection, Sequence

from analysis.claims.default import default_claims
from analysis.command_line import refused_path
from analysis.ledger.study import MOST_PLANNED, NO_MODEL
from analysis.plugins import strays
from study.cluster.slots import CHOICES
from study.request.numbers import decimal
from study.request.optimizer_files import OURS, read_files
from study.request.options import FEWEST_CONFIRM_SEEDS, RECIPES
from study.request.records import Request, RunOptions, StudyOptions
from study.search import search_names
from study.spec import MODEL, Identity
from trainables import optimizers
from trainables.data.sizes import DATASETS, SplitSizes
from trainables.models.precision import DEFAULT_PRECISION, PRECISIONS
from trainables.optimizers import optimizer_names

URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|(file|s3|gs):", re.ASCII)
"""Beginning of a URI, also of one that is not allowed or lacks a slash: no such word names a folder."""


def check(study: StudyOptions, run: RunOptions) -> Request:
    """Check all that can be checked without torch and Ray.

    Raises:
        ValueError: Something is not allowed; the message is one line.
    """
    if study.search not in search_names():
        raise ValueError(f"--search must be one of {', '.join(search_names())}, got {study.search!r}.{strays()}")
    if 0 < study.confirm_seeds < FEWEST_CONFIRM_SEEDS:
        raise ValueError(
            f"--confirm-seeds must be 0 or at least {FEWEST_CONFIRM_SEEDS}, got {study.confirm_seeds}: "
            "with fewer pairs no exact test can reach significance at 0.05."
        )
    _check_sizes(study)
    _check_rounds(study)
    _check_sweep(study)
    files = read_files(study.optimizer_file)
    values = parse_values(study.values)
    if study.search != "grid" and values:
        raise ValueError(f"--values is for --search grid, got --search {study.search}; leave one of them out.")
    names = named_optimizers(study.optimizers, files, values)
    if study.search == "grid":
        _check_grid(study, names, values)
    _check_dataset(study.dataset, run)
    _check_arithmetic(study, run.resources.device)
    _check_output(run.output)
    claims = _read_claims(study.claims, files) if study.claims else None
    return Request(
        identity=_identity(study),
        has_validation_images=study.validation_images is not None,
        optimizers=names,
        files=files,
        values=values,
        num_trials=study.trials,
        num_confirm_seeds=study.confirm_seeds,
        until_decided=study.until_decided,
        most_confirm_seeds=study.max_confirm_seeds,
        sweep=study.sweep,
        num_sweep_seeds=study.sweep_seeds,
        num_repeats=study.repeats,
        claims=claims,
        run=run,
    )


def _check_sizes(study: StudyOptions) -> None:
    """Refuse plans that no ledger could hold."""
    for name in ("trials", "seeds", "confirm_seeds", "sweep_seeds", "epochs"):
        if (given := getattr(study, name)) is not None and given > MOST_PLANNED:
            raise ValueError(f"--{name.replace('_', '-')} must be at most {MOST_PLANNED:,}, got {given}; lower it.")


def _check_rounds(study: StudyOptions) -> None:
    """Refuse a largest number of confirmation seeds, and rounds up to it, where they have no meaning."""
    most = study.max_confirm_seeds
    if not study.until_decided and most is None:
        return
    option = "--until-decided" if study.until_decided else "--max-confirm-seeds"
    if study.repeats > 1:
        raise ValueError(
            f"{option} is for --repeats 1, got {study.repeats}: with several tunings verdicts are about optimizers, "
            "which more tunings decide and more seeds hardly do; add --repeats 1, or raise --repeats instead."
        )
    if study.confirm_seeds == 0:
        raise ValueError(f"{option} needs confirmation seeds to begin with, got --confirm-seeds 0; 12 are usual.")
    if most is not None and study.confirm_seeds > most - study.until_decided:
        below = "below" if study.until_decided else "at most"
        raise ValueError(
            f"--confirm-seeds must be {below} --max-confirm-seeds, got {study.confirm_seeds} and {most}; "
            "lower it or raise --max-confirm-seeds."
        )


def parse_values(words: Sequence[str]) -> dict[str, dict[str, list[float]]]:
    """Values of a grid, by optimizer and hyperparameter.

    Raises:
        ValueError: A word is not of the form OPTIMIZER.HYPERPARAMETER=V1,V2 with finite, distinct numbers.
    """
    values: dict[str, dict[str, list[float]]] = {}
    for word in words:
        name, listed = (part.strip() for part in word.partition("=")[::2])
        optimizer, _, hyperparameter = name.partition(".")
        numbers = [decimal(number) for number in listed.split(",")]
        if not (optimizer and hyperparameter and all(map(math.isfinite, numbers))):
            raise ValueError(
                f"--values takes OPTIMIZER.HYPERPARAMETER=V1,V2,... with finite numbers, got {word[:80]!r}."
            )
        if len(set(numbers)) < len(numbers):
            raise ValueError(f"--values must list each value once, got {word[:80]!r}.")
        if hyperparameter in values.setdefault(optimizer, {}):
            raise ValueError(f"--values must give {name} once, got it twice; join the lists.")
        values[optimizer][hyperparameter] = numbers
    return values


def _check_sweep(study: StudyOptions) -> None:
    if study.sweep_seeds is None:
        return
    if not study.sweep:
        raise ValueError("--sweep-seeds is for a study with a sweep, got --no-sweep; leave one of them out.")
    if not FEWEST_CONFIRM_SEEDS <= study.sweep_seeds <= study.confirm_seeds:
        raise ValueError(
            f"--sweep-seeds must be from {FEWEST_CONFIRM_SEEDS} to the {study.confirm_seeds} of --confirm-seeds, got "
            f"{study.sweep_seeds}: its runs are compared with those of the confirmed winner, seed by seed."
        )


def _check_dataset(name: str, run: RunOptions) -> None:
    from trainables.data.dataset import check_dataset  # here, because `--help` needs none of what it imports

    check_dataset(name, data_dir=run.data_dir, download=run.download)


def _check_arithmetic(study: StudyOptions, device: str) -> None:
    precision, trains = study.precision, bool(DATASETS[study.dataset].train)
    if precision not in PRECISIONS:
        raise ValueError(f"--precision must be one of {', '.join(PRECISIONS)}, got {precision!r}.")
    if not trains and (precision != DEFAULT_PRECISION or study.shared_order):
        option = "--shared-order" if study.shared_order else "--precision"
        raise ValueError(f"{option} is not for --dataset {study.dataset}, which trains nothing; leave it out.")
    if device not in CHOICES:
        raise ValueError(f"--device must be one of {', '.join(CHOICES)}, got {device!r}.")
    if precision == "tf32" and device in ("cpu", "mixed"):
        raise ValueError(f"--precision tf32 is for GPUs, got --device {device}; use float32 or bf16.")


def is_uri(output: str) -> bool:
    """Whether `--output` is a URI, or meant to be one, and not a folder."""
    return URI.match(output) is not None


def _check_output(word: str | None) -> None:
    if word is not None and not word.strip():
        raise ValueError(f"--output must name a folder or a URI, got {word!r}; name one or leave the option out.")
    here = pathlib.Path.cwd()
    if word is None or is_uri(word):
        return
    if fault := refused_path(word):
        raise ValueError(f"--output {fault}.")
    output = pathlib.Path(word)
    if not output.resolve().is_relative_to(here):
        return
    first = next(iter(output.resolve().relative_to(here).parts), "")
    if first in OURS:
        raise ValueError(
            f"--output must not lie in a folder named {first} of the working directory, where `python -m` would look "
            f"for the package of that name, got {str(output)!r}; choose another, as in --output results/{output.name}."
        )


def _identity(study: StudyOptions) -> Identity:
    sizes, batch_size = _sizes(study)
    return Identity(
        dataset=study.dataset,
        num_train_images=sizes.train,
        num_validation_images=DATASETS[study.dataset].validation,
        num_evaluation_images=sizes.validation,
        num_test_images=sizes.test,
        batch_size=batch_size,
        num_epochs=study.epochs or RECIPES[study.dataset].num_epochs,
        seed=study.seed,
        num_seeds=study.seeds,
        search=study.search,
        lag=study.lag,
        model=MODEL if sizes.train else NO_MODEL,
        precision=study.precision,
        shared_order=study.shared_order,
    )


def _sizes(study: StudyOptions) -> tuple[SplitSizes, int]:
    """Images in use, and images per step."""
    recipe, all_images = RECIPES[study.dataset], DATASETS[study.dataset]
    for option, given in (
        ("--train-images", study.train_images),
        ("--validation-images", study.validation_images),
        ("--batch-size", study.batch_size),
    ):
        if given is not None and not all_images.train:
            raise ValueError(f"{option} is not for --dataset {study.dataset}, which has no images; leave it out.")
    sizes = all_images.subset(study.train_images or recipe.num_train_images, study.validation_images)
    batch_size = study.batch_size or recipe.batch_size
    if sizes.train and batch_size > sizes.train:
        raise ValueError(
            f"--batch-size must be at most the {sizes.train} training images, got {batch_size}; "
            "lower it or raise --train-images."
        )
    return sizes, batch_size


def named_optimizers(given: Sequence[str] | None, files: Collection[str], values: Collection[str]) -> tuple[str, ...]:
    """Names in the order given: of --optimizers, else of --values, else the defaults; files come last.

    Raises:
        ValueError: A name is not known, or stands twice.
    """
    names = list(values) or list(optimizers.DEFAULTS)
    if given is not None:
        names = [name.strip() for name in ",".join(given).split(",")]
    known = [*optimizer_names(), *files]
    if "" in names:
        raise ValueError(
            f"--optimizers must have a name before and after each comma, got {','.join(given or [])[:60]!r}; "
            f"name some of {', '.join(known)}."
        )
    for name in names:
        if name not in known:
            raise ValueError(
                f"--optimizers must name some of {', '.join(known)}, got {name[:60]!r}; "
                f"to add your own, write a file and give it with --optimizer-file.{strays()}"
            )
        if names.count(name) > 1:
            raise ValueError(f"--optimizers must name each optimizer once, got {name!r} {names.count(name)} times.")
    return (*names, *(name for name in files if name not in names))


def claims_by_default(names: Sequence[str]) -> str:
    """Text of the claims of a study for which none are given.

    Args:
        names: Its optimizers; the user's own are those of files and of installed packages.
    """
    own = [name for name in names if optimizers.is_foreign(name)]
    return default_claims(own, [name for name in names if name not in own])


def _check_grid(study: StudyOptions, names: Sequence[str], values: Collection[str]) -> None:
    if study.trials is not None:
        raise ValueError("--trials is not for --search grid, which trains every combination of --values; leave it out.")
    if missing := [name for name in names if name not in values]:
        raise ValueError(f"--search grid needs --values for each optimizer, got none for {', '.join(missing)}.")
    if unknown := [name for name in values if name not in names]:
        raise ValueError(
            f"--values must be for an optimizer of the study ({', '.join(names)}), got {', '.join(unknown)}."
        )


def _read_claims(path: pathlib.Path, files: Collection[str]) -> str:
    from analysis.claims.file import read_claims  # here, because its tables take time to load and few runs need it
    from analysis.verdicts.default_vocabulary import VOCABULARY

    claims = read_claims(path, VOCABULARY)
    claims.check_names([*optimizer_names(), *files])
    return claims.text
