"""A folder of plug-ins: a file is one plug-in and names it; an installed package adds its own by an entry point.

Standard library only, so that every package may import it and listing names loads neither torch nor Ray.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, distributions, entry_points
from pkgutil import iter_modules
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
"""Names of plug-ins and hyperparameters: they become columns, files and words in a sentence."""

NAMED = "up to 40 lower-case letters, digits and underscores, a letter first"
"""`NAME` in words."""

MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
"""Names of modules, as Python imports them."""

PROGRAM = "optimizer_study"
"""First part of each group of entry points."""

KINDS = ("optimizers", "search", "metrics", "study_metrics", "sections", "sources", "benchmarks")
"""Last part of each group of entry points."""


class PluginError(ValueError):
    """A plug-in is not what it should be; the message is one line that says whose code it is."""


@contextmanager
def blamed(duty: str, where: str, *, passes: tuple[type[Exception], ...] = ()) -> Iterator[None]:
    """Run code of a plug-in: whatever it raises becomes one line that names it.

    Args:
        duty: What the plug-in must do, a sentence without its end.
        where: File or package that it comes from.
        passes: Errors that it may raise, since whoever runs it answers them.

    Raises:
        PluginError: It has raised something else, or ended the program.
    """
    kept: tuple[type[Exception], ...] = (PluginError, *passes)
    try:
        yield
    except kept:
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(f"{duty}, {where} raises {error!r:.300}; mend or remove it.") from error


@dataclass(frozen=True)
class _Plugin:
    """Where a plug-in is: the module to import, and in words for a message.

    One whose package does not name a module is known all the same, so that only those who use it are refused: `fault`
    says what is wrong.
    """

    module: str
    where: str
    fault: str | None = None


@dataclass(frozen=True, kw_only=True)
class Plugins:
    """The plug-ins of one kind.

    Files whose name begins with an underscore are none. A package that is installed adds plug-ins in the group
    `optimizer_study.FOLDER`: the name of an entry point is the plug-in's, its value a module of the form of a file.

    Args:
        noun: What one is called in a sentence.
        package: The folder as a package; its last part names the group of entry points.
        otherwise: End of the refusal of an unknown name: what else can be done.
    """

    noun: str
    package: str
    otherwise: str = ""

    @property
    def group(self) -> str:
        """Entry points of this group are plug-ins."""
        return f"{PROGRAM}.{self.package.rpartition('.')[2]}"

    def names(self) -> list[str]:
        """All names, in alphabetical order. Imports no plug-in.

        Raises:
            ValueError: Two plug-ins share a name, or one has a name that is not allowed.
        """
        return sorted(self._all())

    def names_in_folder(self) -> list[str]:
        """Names of the folder's own plug-ins, in alphabetical order."""
        return sorted(self._own())

    def module(self, name: str) -> ModuleType:
        """The module of a plug-in.

        Raises:
            ValueError: There is none of this name, or it cannot be imported.
        """
        plugin = self._get(name)
        if plugin.fault is not None:
            raise PluginError(plugin.fault)
        with blamed(f"The {self.noun} {name!r} must be importable", plugin.where):
            return import_module(plugin.module)

    def load(self, name: str, attribute: str, kind: type[T]) -> T:
        """What the module of a plug-in declares itself to be.

        Args:
            name: Name of the plug-in.
            attribute: Name that every module of this kind defines.
            kind: Type of what it stands for.

        Raises:
            ValueError: There is none of this name, it cannot be imported, or it does not define the attribute.
        """
        return take(self.module(name), attribute, kind, self.where(name))

    def where(self, name: str) -> str:
        """File or package that a plug-in comes from, for messages.

        Raises:
            ValueError: There is none of this name.
        """
        return self._get(name).where

    def module_name(self, name: str) -> str:
        """The name by which Python imports a plug-in.

        Raises:
            ValueError: There is none of this name.
        """
        return self._get(name).module

    def _get(self, name: str) -> _Plugin:
        plugins = self._all()
        if name not in plugins:
            known = ", ".join(sorted(plugins))
            raise ValueError(f"Unknown {self.noun} {name!r}; choose one of {known}{self.otherwise}.{strays()}")
        return plugins[name]

    def _own(self) -> dict[str, _Plugin]:
        found = [entry.name for entry in iter_modules(import_module(self.package).__path__)]
        folder = self.package.replace(".", "/")
        return {
            name: _Plugin(f"{self.package}.{name}", f"{folder}/{name}.py") for name in found if not name.startswith("_")
        }

    def _all(self) -> Mapping[str, _Plugin]:
        plugins = self._own()
        for entry in (entry for entry in _entry_points() if entry.group == self.group):
            plugin = self._installed(entry)
            if entry.name in plugins:
                raise PluginError(
                    f"Each {self.noun} needs a name of its own, {entry.name!r} is {plugins[entry.name].where} and "
                    f"{plugin.where}; rename or uninstall one."
                )
            plugins[entry.name] = plugin
        if wrong := [name for name in plugins if not NAME.fullmatch(name)]:
            raise PluginError(
                f"A plug-in is named by {NAMED}, got {wrong[0][:60]!r} ({plugins[wrong[0]].where}); rename it."
            )
        return plugins

    def _installed(self, entry: EntryPoint) -> _Plugin:
        where = f"{entry.value or 'nothing'} of the package {entry.dist.name if entry.dist else 'without a name'}"
        if MODULE.fullmatch(entry.value):
            return _Plugin(entry.value, where)
        cure = "leave out the colon" if ":" in entry.value else "give the name that Python imports it by"
        return _Plugin("", where, fault=f"An entry point of {self.group} names a module, got {where}; {cure}.")


def take(module: ModuleType, attribute: str, kind: type[T], where: str) -> T:
    """An attribute that a module must define.

    Args:
        module: The module.
        attribute: Its attribute.
        kind: Type that it must have.
        where: Where the module comes from, for the message.

    Raises:
        ValueError: The module has no such attribute, or of another type.
    """
    found = getattr(module, attribute, None)
    if not isinstance(found, kind):
        name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
        raise PluginError(f"{where} must define {attribute}, {article(name)} {name}, got {type(found).__name__}.")
    return found


def article(word: str) -> str:
    """The indefinite article of a word."""
    return "an" if word[0] in "aeiou" else "a"


def strays() -> str:
    """A sentence on the entry points whose group is none of ours, which nobody would find; empty without any."""
    groups = [f"{PROGRAM}.{kind}" for kind in KINDS]
    lost = [entry for entry in _entry_points() if entry.group not in groups]
    if not lost:
        return ""
    package = lost[0].dist.name if lost[0].dist else "without a name"
    return (
        f" The package {package} has an entry point of {lost[0].group}; its group must be one of {', '.join(groups)}."
    )


def package_versions() -> dict[str, str]:
    """Version of each installed package that adds a plug-in of any kind."""
    return {entry.dist.name: entry.dist.version for entry in _entry_points() if entry.dist}


@cache
def _entry_points() -> tuple[EntryPoint, ...]:
    """Those of plug-ins, of all that is installed; to read them takes tens of milliseconds."""
    try:
        found = entry_points()
    except (TypeError, ValueError):
        for package in distributions():
            duty = f"The entry points of the package {package.name} must be lines of the form NAME = MODULE"
            with blamed(duty, "entry_points.txt"):
                package.entry_points  # noqa: B018  # reading them is what raises
        raise
    groups = sorted(group for group in found.groups if group.startswith(f"{PROGRAM}."))
    return tuple(entry for group in groups for entry in found.select(group=group))
