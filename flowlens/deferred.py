"""Packages whose names are imported when they are first used."""

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = ["defer"]


class _Package(ModuleType):
    """A package: a public name is what it stands for, though a module may have that name too.

    Importing a submodule sets it as an attribute of its package; for a name that stands for
    something of the same name in it, that goes there instead. The module stays reachable by
    ``from flowlens.edges import …``.
    """

    #: Public name -> the module where it lives, and its name there.
    _homes: Mapping[str, tuple[str, str]]

    def __getattr__(self, name: str) -> Any:
        """Import a public name when it is first used."""
        if name not in self._homes:
            msg = f"module {self.__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        home, attribute = self._homes[name]
        found = getattr(import_module(home), attribute)
        super().__setattr__(name, found)
        return found

    def __setattr__(self, name: str, value: object) -> None:
        if isinstance(value, ModuleType) and self._homes.get(name) == (value.__name__, name):
            value = getattr(value, name)
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return [*self._homes]


def defer(
    package: str,
    modules: Mapping[str, Sequence[str]],
    renamed: Mapping[str, tuple[str, str]] | None = None,
) -> None:
    """Let a package import its public names when they are first used.

    Args:
        package: its name.
        modules: the names that live in each module below it.
        renamed: the module, and the name there, of those that are called otherwise.
    """
    plain = {name: (home, name) for home, names in modules.items() for name in names}
    homes = plain | dict(renamed or {})
    module = sys.modules[package]
    module.__dict__["_homes"] = {
        name: (f"{package}.{home}", there) for name, (home, there) in homes.items()
    }
    module.__class__ = _Package
