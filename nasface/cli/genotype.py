"""``nasface genotype``: import, export, show, validate and compare genotypes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

import tyro

import nasface
from nasface.arch.darts_format import write_darts_text
from nasface.arch.genotype import CellGene
from nasface.arch.genotype_text import read_genotype_text
from nasface.arch.graph import width_name
from nasface.arch.io import (
    check_membership,
    load_genotype,
    load_search_space,
    packaged_names,
    save_genotype,
)
from nasface.cli.console import print_json, print_table, say
from nasface.cli.help import actions_text
from nasface.cli.options import check_new, parse_line
from nasface.errors import SpecError, one_of
from nasface.io.files import read_text


@dataclass(kw_only=True)
class GenotypeImportCommand:
    """Read a genotype that another tool wrote and write it as YAML.

    The text may be a file such as DARTS' genotypes.py, the log of a search, nni's JSON, or hold
    a NAS-Bench-201 string; it is parsed as data, never run.
    """

    text: tyro.conf.Positional[Path]
    """File that holds Genotype(normal=[...], normal_concat=..., reduce=..., reduce_concat=...), or
    nni's map of operations and inputs."""
    out: Annotated[Path, tyro.conf.arg(metavar="FILE.yaml")]
    """New genotype file."""
    name: str = ""
    """Which of several genotypes in the file: the variable that it is assigned to, with the keys
    and numbers that lead to it, such as FOUND.best or FOUND.0."""
    space: str = ""
    """For a NAS-Bench-201 string: a search space that has such a cell, by name or file."""


@dataclass(kw_only=True)
class GenotypeExportCommand:
    """Print a genotype in the text form of DARTS."""

    genotype: tyro.conf.Positional[str]
    """Genotype: a packaged name or a YAML file."""


@dataclass(kw_only=True)
class GenotypeShowCommand:
    """Show the cells of a genotype as tables; without a genotype, list the packaged ones."""

    genotype: tyro.conf.Positional[str] = ""
    """Genotype: a packaged name or a YAML file."""
    json: bool = False
    """Print it as JSON."""


@dataclass(kw_only=True)
class GenotypeValidateCommand:
    """Check genotype files: their form, their graph, and that their space holds them.

    The exit code is 0 if all are valid and 2 otherwise.
    """

    genotypes: tyro.conf.Positional[list[str]]
    """Genotypes: packaged names or YAML files."""


@dataclass(kw_only=True)
class GenotypeDiffCommand:
    """Compare two genotypes; the exit code is 0 if their cells are the same and 1 otherwise.

    Below the differences, each changed cell has a line that says how many edits apart the two are,
    or that they are isomorphic: equal up to the names of nodes.
    """

    first: tyro.conf.Positional[str]
    """Genotype: a packaged name or a YAML file."""
    second: tyro.conf.Positional[str]
    """The other genotype."""
    json: bool = False
    """Print the differences as JSON."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    if not arguments or arguments[0] in ("-h", "--help", "--help-all"):
        say(actions_text("genotype", {name: kind for name, (kind, _) in _ACTIONS.items()}))
        return 0 if arguments else 2
    action, *rest = arguments
    if action not in _ACTIONS:
        raise SpecError(f"unknown action {action!r}; expected {one_of(action, _ACTIONS)}")
    kind, handle = _ACTIONS[action]
    return handle(parse_line(kind, rest, f"genotype {action}"))


def _import(command: GenotypeImportCommand) -> int:
    check_new(command.out, (".yaml",))
    text = read_text(command.text, SpecError, "genotype text")
    space = load_search_space(command.space) if command.space else None
    genotype, notes = read_genotype_text(text, str(command.text), space).choose(command.name)
    save_genotype(replace(genotype, name=command.out.stem), command.out)
    for note in notes:
        say(f"note       {note}")
    say(f"genotype   {command.out}")
    return 0


def _export(command: GenotypeExportCommand) -> int:
    say(write_darts_text(load_genotype(command.genotype)))
    return 0


def _show(command: GenotypeShowCommand) -> int:
    if not command.genotype:
        names = packaged_names("nasface.genotypes")
        if command.json:
            print_json(names)
        else:
            for name in names:
                say(name)
        return 0
    genotype = load_genotype(command.genotype)
    if command.json:
        print_json(asdict(genotype))
        return 0
    space = genotype.space
    settings = ", ".join(f"{key} {value}" for key, value in space.parameters.items())
    say(f"{genotype.name}, of space {space.name}{f' ({settings})' if settings else ''}")
    known = {key: value for key, value in asdict(genotype.provenance).items() if value}
    for key, value in known.items():
        say(f"{key}: {value}")
    for name, cell in genotype.cells.items():
        _show_cell(name, cell)
    return 0


def _show_cell(name: str, cell: CellGene) -> None:
    inputs = ", ".join(f"{each.name} (level {each.level})" for each in cell.inputs)
    rows = [
        [
            node.name,
            str(node.level),
            node.combine,
            "\n".join(
                f"{e.operation}({e.source})" + ("" if e.transform == "none" else f", {e.transform}")
                for e in node.edges
            ),
        ]
        for node in cell.nodes
    ]
    rows += [
        [f"output {output.level}", str(output.level), cell.projection, ", ".join(output.sources)]
        for output in cell.outputs
    ]
    width = f", width {width_name(cell.width)}" if cell.width != 1 else ""
    print_table(f"{name}: from {inputs}{width}", ("node", "level", "combine", "edges"), rows)


def _validate(command: GenotypeValidateCommand) -> int:
    failed = 0
    for name in command.genotypes:
        try:
            genotype = load_genotype(name)
            say(f"valid    {name}: {check_membership(genotype)}")
        except SpecError as error:
            failed += 1
            say(f"invalid  {error}")
    return 2 if failed else 0


def _diff(command: GenotypeDiffCommand) -> int:
    found = nasface.diff(command.first, command.second)
    if command.json:
        print_json(
            {
                "differences": [asdict(each) for each in found.differences],
                "cells": [asdict(each) for each in found.cells],
            }
        )
    else:
        say(str(found))
    return 1 if found else 0


Action = tuple[type[Any], Callable[[Any], int]]
_ACTIONS: Mapping[str, Action] = MappingProxyType(
    {
        "import": (GenotypeImportCommand, _import),
        "export": (GenotypeExportCommand, _export),
        "show": (GenotypeShowCommand, _show),
        "validate": (GenotypeValidateCommand, _validate),
        "diff": (GenotypeDiffCommand, _diff),
    }
)
