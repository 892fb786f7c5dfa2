"""Tables of what can be chosen by name, open to code outside the package."""

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from typing import Any, Generic, TypeVar

from nasface.errors import ConfigError, NasfaceError, check_kind, one_of

Entry = TypeVar("Entry")

EXTENSIONS = "NASFACE_IMPORT"
"""Variable of the environment that lists modules, by commas, for :func:`import_extensions`."""


class Registry(Mapping[str, Entry], Generic[Entry]):
    """Entries by name, in the order in which they were added; none can be replaced.

    ``kind`` is what the entries are, such as ``operation``, for messages.
    """

    def __init__(self, kind: str, error: type[NasfaceError] = ConfigError) -> None:
        self.kind, self.error = kind, error
        self._entries: dict[str, Entry] = {}

    def __getitem__(self, name: str) -> Entry:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, name: str, entry: Entry) -> None:
        """Add an entry.

        Raises:
            NasfaceError: of the table's kind, if the name is taken.
        """
        if name in self._entries:
            raise self.error(f"{self.kind} {name!r}: is there already; expected another name")
        self._entries[name] = entry

    def check_entry(self, entry: object, kind: type) -> None:
        """Raise the table's error for an entry that is not of this class."""
        check_kind(self.kind, entry, kind, f"{kind.__name__}(...)", self.error)

    def check_callable(self, name: object, given: object) -> None:
        """Raise the table's error for a name that is no text, or something that cannot be called
        in the place of a function or class."""
        check_kind(f"name of {self.kind}", name, str, "text", self.error)
        check_kind(f"{self.kind} {name!r}", given, Callable, "a function or class", self.error)

    def remove(self, name: str) -> None:
        """Take an entry out again, for tests above all."""
        del self._entries[name]

    def find(self, name: str, place: str = "") -> Entry:
        """Return the entry of a name; ``place`` says where the name stands.

        Raises:
            NasfaceError: of the table's kind, if there is none.
        """
        if not isinstance(name, str) or name not in self._entries:
            expected = one_of(str(name), self)
            raise self.error(
                f"{place or self.kind}: unknown {self.kind} {name!r}; expected {expected}"
            )
        return self._entries[name]


class Lazy:
    """A function or class that is imported when it is first called.

    So a table can be read without the packages that its entries need. ``place`` is
    ``module:name``; keyword arguments are added to every call.
    """

    def __init__(self, place: str, **settings: Any) -> None:
        self.place, self.settings = place, settings

    def __call__(self, *arguments: Any, **settings: Any) -> Any:
        """Import and call it."""
        return self.load()(*arguments, **settings)

    def load(self) -> Callable[..., Any]:
        """Import it."""
        module, name = self.place.split(":")
        found: Callable[..., Any] = getattr(import_module(module), name)
        return partial(found, **self.settings) if self.settings else found


def import_extensions() -> None:
    """Import the modules that the environment lists; they register what they add to the package.

    The commands and their worker processes do so at their start.

    Raises:
        ConfigError: naming the module that cannot be imported.
    """
    for name in filter(None, os.environ.get(EXTENSIONS, "").split(",")):
        try:
            import_module(name)
        except ImportError as problem:
            raise ConfigError(
                f"{EXTENSIONS}: cannot import {name!r}: {problem}; expected the name of a module"
            ) from None
