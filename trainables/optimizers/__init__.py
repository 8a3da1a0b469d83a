"""The optimizers under study, one file each; the file's name is the optimizer's name.

Listing the names imports nothing, so the command line can check them before torch is loaded.
"""

import sys
import types
from collections.abc import Mapping

from analysis.plugins import NAME, NAMED, Plugins, take
from trainables.spec import OptimizerSpec

DEFAULTS = ("sgd", "momentum", "adam", "langevin", "constant_noise")
"""Those of a study that names none."""

OPTIMIZERS = Plugins(noun="optimizer", package=__name__, otherwise=", or give a file of your own with --optimizer-file")


def optimizer_names() -> list[str]:
    """Names of all optimizers, those of installed packages among them, in alphabetical order."""
    return OPTIMIZERS.names()


def is_foreign(name: str) -> bool:
    """Whether an optimizer is a user's own file or part of an installed package: code that may change torch for all."""
    return name not in OPTIMIZERS.names_in_folder()


def worker_owner(name: str) -> str | None:
    """Whose trials alone a worker gets that has trained an optimizer: those of a foreign one; None for all of ours."""
    return name if is_foreign(name) else None


def load_optimizer(name: str) -> OptimizerSpec:
    """The optimizer of the given name.

    Raises:
        ValueError: There is none, or it is not of the right form.
    """
    return OPTIMIZERS.load(name, "SPEC", OptimizerSpec)


def load_optimizer_source(name: str, source: str) -> OptimizerSpec:
    """The optimizer that a user's own file defines. Runs the file's code.

    Args:
        name: Name of the optimizer, the file's name without ".py".
        source: Text of the file, of the same form as the files of this package.

    Raises:
        ValueError: The name is not allowed, the code does not run, or it defines no `SPEC`.
    """
    check_user_name(name)
    module = types.ModuleType(f"user_optimizer_{name}")
    sys.modules[module.__name__] = module  # dataclasses look their module up there
    try:
        exec(compile(source, f"{name}.py", "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"{name}.py must be a Python file that defines SPEC, but it raises {error!r:.300}; mend it."
        ) from error
    return take(module, "SPEC", OptimizerSpec, f"{name}.py")


def check_user_name(name: str) -> None:
    """Refuse names that are taken or could not name a column, a file and a word in a sentence alike.

    Raises:
        ValueError: The name is not allowed.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"An optimizer file is named by {NAMED}, got {name[:60]!r}; rename it.")
    if name in optimizer_names():
        raise ValueError(f"Optimizer {name!r} is already part of the study program; rename your file.")


def resolve_optimizer(name: str, sources: Mapping[str, str]) -> OptimizerSpec:
    """The optimizer of a user's file if `sources` holds one of that name, else that of this package.

    Args:
        name: Name of the optimizer.
        sources: Text of each user's own file by optimizer name.

    Raises:
        ValueError: There is no such optimizer, or its file is not of the right form.
    """
    return load_optimizer_source(name, sources[name]) if name in sources else load_optimizer(name)
