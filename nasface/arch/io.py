"""Search spaces and genotypes from YAML files and by the names of packaged ones."""

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeGuard

from nasface.arch.genotype import Genotype, check_derivable
from nasface.arch.space import ParameterValue, SearchSpace, SpaceDocument, check_may_omit, expand
from nasface.errors import SpecError, check_kind, did_you_mean, one_of
from nasface.io.files import read_text, write_text
from nasface.io.yaml import parse_dataclass, parse_yaml, to_yaml

_LONGEST_VALUE = 100


def load_search_space(
    name: str | Path,
    parameters: Mapping[str, ParameterValue] | None = None,
    *,
    operations: Sequence[str] | None = None,
    **given: ParameterValue,
) -> SearchSpace:
    """Load the search space of a packaged name or a YAML file, with its parameters filled in.

    Parameters are those that the file declares, by keyword (``nodes=4``) or in a map.
    ``operations`` are candidates in the place of the file's, for the edges that list none of their
    own; registered ones may be among them.

    Raises:
        SpecError: naming the file, the place in it and what would be accepted.
    """
    check_kind("parameters", parameters, Mapping | None, "a map", SpecError)
    text, place = _read("nasface.search_spaces", "search space", name)
    raw = parse_yaml(text, place, SpecError)
    if operations is not None and isinstance(raw, dict):
        if isinstance(operations, str):
            raise SpecError(f"operations: {operations!r} is text; expected a list of names")
        check_kind("operations", operations, Iterable, "a list of names", SpecError)
        raw["operations"] = list(operations)
    chosen = _choose_parameters(raw, {**(parameters or {}), **given}, place)
    document = parse_dataclass(SpaceDocument, _fill(raw, chosen, place), place, SpecError)
    try:
        return expand(document, chosen)
    except SpecError as problem:
        raise SpecError(f"{place}: {problem}") from None


def names_genotype(source: object) -> TypeGuard[Genotype | str | Path]:
    """Return whether it is a genotype, the name of a packaged one, or the path of a YAML file."""
    if not isinstance(source, str | Path):
        return isinstance(source, Genotype)
    is_file = Path(source).suffix.lower() in (".yaml", ".yml")
    return is_file or str(source) in packaged_names("nasface.genotypes")


def load_genotype(name: str | Path) -> Genotype:
    """Return the genotype of a packaged name or a YAML file.

    Raises:
        SpecError: naming the file, the place in it and what would be accepted.
    """
    text, place = _read("nasface.genotypes", "genotype", name)
    return parse_genotype(text, place)


def as_genotype(source: Genotype | str | Path) -> Genotype:
    """Return a genotype as it is; of a packaged name or a YAML file, that of
    :func:`load_genotype`."""
    return source if isinstance(source, Genotype) else load_genotype(source)


def parse_genotype(text: str, place: str) -> Genotype:
    """Return the genotype in a YAML text; ``place`` names it in messages."""
    return parse_dataclass(Genotype, parse_yaml(text, place, SpecError), place, SpecError)


def save_genotype(genotype: Genotype, path: str | Path) -> None:
    """Write the canonical text, through a temporary file."""
    write_text(Path(path), to_yaml(genotype))


def check_membership(genotype: Genotype) -> str:
    """Return what is known of the genotype's place in its space, for a person to read.

    Raises:
        SpecError: if the space is a packaged one and does not hold the genotype's cells.
    """
    reference = genotype.space
    if reference.name not in packaged_names("nasface.search_spaces"):
        return f"cells are well formed; space {reference.name!r} is not at hand"
    space = load_search_space(reference.name, reference.parameters)
    if space.digest != reference.digest:
        raise SpecError(
            f"genotype {genotype.name!r}: space {space.name} has digest {space.digest}, expected "
            f"the genotype's {reference.digest}; it was derived from another version"
        )
    for name, graph in space.cells.items():
        if name not in genotype.cells:
            check_may_omit(space, genotype, name)
            continue
        try:
            check_derivable(graph, genotype.cells[name])
        except SpecError as error:
            raise SpecError(f"genotype {genotype.name!r}: cells.{name}: {error}") from None
    _check_tied(space, genotype)
    return f"holds cells of space {space.name} ({space.digest})"


def _check_tied(space: SearchSpace, genotype: Genotype) -> None:
    """Raise :class:`SpecError` unless cells that share their choices in the space are alike."""
    for group in space.tied:
        cells = {
            name: [(node.name, node.combine, node.edges) for node in genotype.cells[name].nodes]
            for name in group
            if name in genotype.cells
        }
        for name, nodes in cells.items():
            first = next(iter(cells))
            if nodes != cells[first]:
                raise SpecError(
                    f"genotype {genotype.name!r}: cells.{name}: differs from {first}, with "
                    f"which it shares its choices in space {space.name}"
                )


def packaged_names(package: str) -> list[str]:
    """Return the names of the YAML files of ``nasface.search_spaces`` or ``nasface.genotypes``,
    sorted."""
    return sorted(e.name[:-5] for e in _folder(package).iterdir() if e.name.endswith(".yaml"))


def _folder(package: str) -> Traversable:
    """Return the folder that holds the files of a package."""
    try:
        return files(package)
    except ModuleNotFoundError:
        # Python runs in a checkout beside an installed copy: there the folder lies outside.
        return Path(__file__).parents[2] / package.rpartition(".")[2]


def _read(package: str, what: str, name: str | Path) -> tuple[str, str]:
    """Return the text of a packaged or given file, and the words that name it in messages."""
    check_kind(what, name, str | Path, "a packaged name or a YAML file", SpecError)
    known = packaged_names(package)
    if str(name) in known:
        return (_folder(package) / f"{name}.yaml").read_text("utf-8"), f"{name}.yaml"
    path = Path(name)
    if path.suffix.lower() not in (".yaml", ".yml"):
        raise SpecError(
            f"unknown {what} {str(name)!r}; expected a YAML file or {one_of(str(name), known)}"
        )
    return read_text(path, SpecError, what), str(path)


def _choose_parameters(
    raw: Any, given: Mapping[str, ParameterValue], place: str
) -> dict[str, ParameterValue]:
    declared = raw.get("parameters") if isinstance(raw, dict) else None
    declared = declared if isinstance(declared, dict) else {}
    for name in given:
        if name not in declared:
            known = ", ".join(map(str, declared)) or "no parameters"
            near = did_you_mean(name, map(str, declared))
            raise SpecError(f"{place}: unknown parameter {name!r}; the space has {known}{near}")
    chosen: dict[str, ParameterValue] = {}
    for name, entry in declared.items():
        default, choices = (
            entry.get(k) if isinstance(entry, dict) else None for k in ("default", "choices")
        )
        value: Any = given.get(name, default)
        if hasattr(value, "tolist"):  # a number of NumPy
            value = value.tolist()
        if not isinstance(value, bool | int | str) or len(str(value)) > _LONGEST_VALUE:
            raise SpecError(
                f"{place}: parameters.{name}: {value!r:.60} is no value of a parameter; expected a "
                "whole number, true, false, or a name"
            )
        if isinstance(choices, list) and value not in choices:
            raise SpecError(f"{place}: parameters.{name}: {value!r} is not one of {choices}")
        if isinstance(choices, list):
            # 0 and 1, as a command line gives them, stand for no and yes.
            value = choices[choices.index(value)]
        chosen[name] = value
    return chosen


_PARAMETER = re.compile(r"\$(\w+)\Z")


def _fill(value: Any, parameters: Mapping[str, ParameterValue], place: str) -> Any:
    """Return ``value`` with every ``$name`` replaced by the parameter of that name."""
    if isinstance(value, dict):
        return {key: _fill(each, parameters, place) for key, each in value.items()}
    if isinstance(value, list):
        return [_fill(each, parameters, place) for each in value]
    match = _PARAMETER.match(value) if isinstance(value, str) else None
    if match is None:
        return value
    if match[1] not in parameters:
        raise SpecError(
            f"{place}: {value!r} names no parameter; the file declares {list(parameters)}"
            f"{did_you_mean(match[1], parameters)}"
        )
    return parameters[match[1]]
