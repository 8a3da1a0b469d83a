"""A folder of plug-ins: a file is one plug-in and names it; an installed package adds its own by an entry point.

Standard library only, so that every package may import it and listing names loads neither torch nor Ray.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pkgutil import iter_modules
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
"""Names of plug-ins and hyperparameters: they become columns, files and words in a sentence."""

MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
"""The path of a module: no colon, no hyphen."""

PROGRAM = "optimizer_study"
"""First part of each group of entry points."""


@dataclass(frozen=True)
class _Plugin:
    """Where a plug-in is: the module to import, and in words for a message; what is wrong with a broken entry point."""

    module: str
    where: str
    fault: str = ""


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
        if plugin.fault:
            raise ValueError(plugin.fault)
        try:
            return import_module(plugin.module)
        except (Exception, SystemExit) as error:
            raise ValueError(
                f"The {self.noun} {name!r} must be importable, {plugin.where} raises {error!r:.300}; mend or remove it."
            ) from error

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

    def _get(self, name: str) -> _Plugin:
        plugins = self._all()
        if name not in plugins:
            known = ", ".join(sorted(plugins))
            raise ValueError(f"Unknown {self.noun} {name!r}; choose one of {known}{self.otherwise}.")
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
            where = f"{entry.value} of the package {entry.dist.name if entry.dist else 'without a name'}"
            if entry.name in plugins:
                raise ValueError(
                    f"Each {self.noun} needs a name of its own, {entry.name!r} is {plugins[entry.name].where} and "
                    f"{where}; rename or uninstall one."
                )
            fault = "" if MODULE.fullmatch(entry.value) else self._fault(where)
            plugins[entry.name] = _Plugin(entry.value, where, fault)
        if wrong := [name for name in plugins if not NAME.fullmatch(name)]:
            raise ValueError(
                f"A plug-in is named by a lower-case letter and up to 39 more, digits or underscores, got "
                f"{wrong[0][:60]!r} ({plugins[wrong[0]].where}); rename it."
            )
        return plugins

    def _fault(self, where: str) -> str:
        """What to say of an entry point that names no module; only who asks for its plug-in has to hear it."""
        return (
            f"An entry point of {self.group} must name a module, as in my_package.lion, got {where}; "
            "mend or uninstall it."
        )


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
        article = "an" if name[0] in "aeiou" else "a"
        raise ValueError(f"{where} must define {attribute}, {article} {name}, got {type(found).__name__}.")
    return found


def package_versions() -> dict[str, str]:
    """Version of each installed package that adds a plug-in of any kind."""
    return {entry.dist.name: entry.dist.version for entry in _entry_points() if entry.dist}


@cache
def _entry_points() -> tuple[EntryPoint, ...]:
    """Those of plug-ins, of all that is installed; to read them takes tens of milliseconds."""
    found = entry_points()
    groups = sorted(group for group in found.groups if group.startswith(f"{PROGRAM}."))
    return tuple(entry for group in groups for entry in found.select(group=group))
