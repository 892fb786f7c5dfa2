"""Copies definitions out of modules, with all that they use, as the source of one file.

Copied is what belongs to this toolkit, or to the package of what was asked for; everything else is
imported.
"""

import builtins
import inspect
import json
import keyword
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from functools import partial
from types import FunctionType
from typing import Any

from nasface.deploy.python_source.names import ModuleSource, names_used, read_module
from nasface.errors import ExportError
from nasface.registry import Lazy

Origin = tuple[str, str]
"""A module and a name in it, which is empty for the module itself."""

LAYERS = "Layers"
"""The section of what comes from the room ``nasface.nn``, which all others share."""


class Code(str):
    """An argument of a call that is code already."""

    __slots__ = ()


class SourceCopier:
    """Definitions by the section of the file that they belong to, and the imports they need.

    ``imports``: what the file imports in any case, by name; ``taken``: names that it defines.
    """

    def __init__(self, imports: dict[str, Origin], taken: Iterable[str] = ()) -> None:
        self.sections: dict[str, list[str]] = {LAYERS: []}
        self.section = LAYERS
        self._names = {origin: name for name, origin in imports.items()}
        self._imports = dict(imports)
        self.taken = {*imports, *taken, *vars(builtins)}
        self._packages = {"nasface"}

    def call(self, function: Callable[..., Any], *arguments: Any) -> str:
        """Copy a function or class and return the code of a call.

        Arguments at the end are left out where they are the function's defaults.

        Raises:
            ExportError: if there is no source to copy, or an argument cannot be written as code.
        """
        settings: dict[str, Any] = {}
        while isinstance(function, partial | Lazy):
            if isinstance(function, Lazy):
                function = function.load()
            else:
                arguments = (*function.args, *arguments)
                settings = {**function.keywords, **settings}
                function = function.func
        name, given = self.copy(function), list(arguments)
        parameters = list(inspect.signature(function).parameters.values())[: len(given)]
        while parameters and parameters.pop().default == given[-1]:
            given.pop()
        words = [self._value(each) for each in given]
        words += [f"{key}={self._value(value)}" for key, value in settings.items()]
        return f"{name}({', '.join(words)})"

    def copy(self, value: Any) -> str:
        """Copy a function or class with all that it uses; return its name in the file.

        Raises:
            ExportError: if it does not stand at the top level of a module that has a source.
        """
        name = getattr(value, "__qualname__", repr(value))
        if not isinstance(value, FunctionType | type) or not name.isidentifier():
            raise ExportError(
                f"{name} cannot be copied into a Python file; expected a function or class at the "
                "top level of a module, or a functools.partial of one"
            )
        package = value.__module__.partition(".")[0]
        if package == "torch" or package in sys.stdlib_module_names:
            return self._import(name, (value.__module__, name))
        self._packages.add(package)
        return self._find(value.__module__, name)

    def name(self, wanted: str) -> str:
        """Take a name for something else that the file defines: ``wanted``, or one like it."""
        found = unlike(wanted, self.taken)
        self.taken.add(found)
        return found

    def import_lines(self) -> str:
        """Return the import statements, sorted as ruff sorts them."""
        modules: dict[bool, list[str]] = {True: [], False: []}
        members: dict[tuple[bool, str], list[str]] = {}
        for name, (module, attribute) in self._imports.items():
            standard = module.partition(".")[0] in sys.stdlib_module_names
            if attribute:
                word = attribute if attribute == name else f"{attribute} as {name}"
                members.setdefault((standard, module), []).append(word)
            else:
                modules[standard].append(module if module == name else f"{module} as {name}")
        groups = []
        for standard in (True, False):
            lines = [f"import {each}" for each in sorted(modules[standard])]
            for (_, module), words in sorted(
                each for each in members.items() if each[0][0] is standard
            ):
                lines.append(f"from {module} import {', '.join(sorted(words, key=_import_order))}")
            groups.append("\n".join(lines))
        return "\n\n".join(filter(None, groups))

    def packages(self) -> list[str]:
        """Return what has to be installed for the imports, sorted."""
        found = {module.partition(".")[0] for module, _ in self._imports.values()}
        return sorted(found - sys.stdlib_module_names)

    def _value(self, value: Any) -> str:
        """Return the code of an argument."""
        if isinstance(value, Code):
            return value
        if isinstance(value, str):
            return json.dumps(value, ensure_ascii=False)
        if value is None or isinstance(value, bool | int | float):
            return repr(value)
        if isinstance(value, tuple):
            inner = ", ".join(map(self._value, value))
            return f"({inner},)" if len(value) == 1 else f"({inner})"
        if is_dataclass(value) and not isinstance(value, type):
            given = {each.name: getattr(value, each.name) for each in fields(value)}
            inner = ", ".join(f"{name}={self._value(each)}" for name, each in given.items())
            return f"{self.copy(type(value))}({inner})"
        return self.copy(value)

    def _find(self, module: str, name: str) -> str:
        """Return the name in the file of what a module knows under a name, after copying it."""
        if (module, name) in self._names:
            return self._names[module, name]
        source = read_module(module)
        if name in source.definitions:
            return self._define(source, module, name)
        if name not in source.imports:
            return name  # of the language
        origin = source.imports[name]
        if origin[0].partition(".")[0] not in self._packages:
            return self._import(name, origin)
        if not origin[1] or origin[1] not in _known(origin[0]):
            raise ExportError(
                f"{module} uses the module {'.'.join(filter(None, origin))}, which cannot be "
                "copied into a Python file; expected imports of the functions and classes used"
            )
        return self._find(*origin)

    def _import(self, name: str, origin: Origin) -> str:
        """Import something, if possible under ``name``; return its name in the file."""
        if origin not in self._names:
            self._names[origin] = self.name(name)
            self._imports[self._names[origin]] = origin
        return self._names[origin]

    def _define(self, source: ModuleSource, module: str, name: str) -> str:
        """Copy a definition behind those that it uses."""
        node = source.definitions[name]
        found = self._names[module, name] = self.name(name)
        section = LAYERS if module.startswith("nasface.nn.") else self.section
        renamed: list[tuple[int, int, str, str]] = []
        for used, line, column in sorted(names_used(node), key=lambda each: each[1:]):
            other = found if used == name else self._find(module, used)
            if other != used:
                renamed.append((line, column, used, other))
        decorators = getattr(node, "decorator_list", [])
        first = min([node.lineno, *(each.lineno for each in decorators)])
        lines = source.lines[first - 1 : node.end_lineno]
        for line, column, old, new in sorted(renamed, reverse=True):
            text = lines[line - first]
            lines[line - first] = text[:column] + new.encode() + text[column + len(old.encode()) :]
        text = b"\n".join(lines).decode()
        if found != name:
            text = re.sub(rf"(?m)^((?:class |def )?){name}\b", rf"\g<1>{found}", text, count=1)
        self.sections.setdefault(section, []).append(text)
        return found


def unlike(wanted: str, taken: Iterable[str]) -> str:
    """Return ``wanted``, with a number behind it if it is taken or a word of the language."""
    there, name, number = set(taken), wanted, 2
    while name in there or keyword.iskeyword(name):
        name, number = f"{wanted}_{number}", number + 1
    return name


def _known(module: str) -> set[str]:
    source = read_module(module)
    return {*source.definitions, *source.imports}


def _import_order(word: str) -> tuple[int, str]:
    """Return a key that sorts constants first, then classes, then functions."""
    kind = 0 if word.isupper() and len(word) > 1 else 1 if word[:1].isupper() else 2
    return kind, word
