"""What was asked for, typed: the options as they are given, and the request that the checks make of them."""

import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from study.cluster.slots import Resources
from study.spec import Identity


@dataclass(frozen=True, kw_only=True)
class StudyOptions:
    """What is studied, as given: each field is the option of its name; None stands for a default of the data set."""

    search: str
    optimizers: Sequence[str] | None
    optimizer_file: Sequence[pathlib.Path]
    claims: pathlib.Path | None
    values: Sequence[str]
    trials: int | None
    seeds: int
    confirm_seeds: int
    until_decided: bool
    max_confirm_seeds: int | None
    sweep_seeds: int | None
    repeats: int
    sweep: bool
    dataset: str
    train_images: int | None
    validation_images: int | None
    epochs: int | None
    batch_size: int | None
    precision: str
    shared_order: bool
    seed: int
    lag: int


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How a study is run: nothing here changes what its rows say.

    Args:
        resources: What trials may take of the machines.
        address: Ray cluster to join, as given; None for that of the environment, or one of this machine.
        data_dir: Where CIFAR-10 is; None for a data set that needs no directory.
        download: Whether it may be downloaded there.
        output: Folder or URI in which the study is kept; None for the one of its hash.
        fresh: Whether to take another one if that is in use.
        storage: Folder or URI of the checkpoints; None for a run without.
        max_failures: Times that a trial whose worker dies or raises is started again.
        time_budget: Minutes in which all has to be confirmed; None for as long as it takes.
        timing: Whether steps are timed at the end.
        accept_changes: Whether rows may be added to those of other code or other libraries.
        dry_run: Whether the plan is all that is wanted.
    """

    resources: Resources
    address: str | None
    data_dir: pathlib.Path | None
    download: bool
    output: str | None
    fresh: bool
    storage: str | None
    max_failures: int
    time_budget: float | None
    timing: bool
    accept_changes: bool
    dry_run: bool


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user has asked for, checked as far as that goes without torch and Ray.

    Args:
        identity: What is studied.
        has_validation_images: Whether their number was given; else a study that goes on keeps its own.
        optimizers: Names, in the order given.
        files: Text of each user's own file by optimizer name.
        values: For a grid, the values of each hyperparameter by optimizer.
        num_trials: Tuning trials of each optimizer, if they were given.
        num_confirm_seeds: Fresh seeds on which the published setting and the winner are retrained.
        until_decided: Whether winners get more of them until the claims are decided.
        most_confirm_seeds: Fresh seeds that there may ever be; None if that is not fixed, or was by an earlier run.
        sweep: Whether the hyperparameters are swept through the winner.
        num_sweep_seeds: Fresh seeds of the sweep, if they were given.
        num_repeats: Times that everything is tuned.
        claims: Text of the user's own file of claims, if one is given.
        run: How it is run.
    """

    identity: Identity
    has_validation_images: bool
    optimizers: tuple[str, ...]
    files: Mapping[str, str]
    values: Mapping[str, Mapping[str, Sequence[float]]]
    num_trials: int | None
    num_confirm_seeds: int
    until_decided: bool
    most_confirm_seeds: int | None
    sweep: bool
    num_sweep_seeds: int | None
    num_repeats: int
    claims: str | None
    run: RunOptions
