"""Genotypes in the text of other tools: read, and chosen by name.

:mod:`nasface.arch.genotype_finder` finds them; nothing of the text is evaluated.
"""

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from nasface.arch import nasbench201_format
from nasface.arch.darts_format import darts_genotype, read_darts_fields
from nasface.arch.genotype import Genotype
from nasface.arch.genotype_finder import (
    UNNAMED,
    FoundGenotype,
    Names,
    find_genotypes,
    genotype_fields,
)
from nasface.arch.nni_format import is_nni, read_nni_fields
from nasface.arch.space import SearchSpace
from nasface.errors import SpecError, did_you_mean

_MAX_ENTRIES = 2_000
_MAX_SHOWN = 20


@dataclass(frozen=True)
class GenotypeEntry:
    """A genotype of a text: read, or with the reason why it cannot be."""

    names: Names
    line: int
    genotype: Genotype | None
    problem: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class GenotypeText:
    """The genotypes of a text, in its order."""

    place: str
    entries: tuple[GenotypeEntry, ...]

    @property
    def genotypes(self) -> dict[str, Genotype]:
        """Those that can be read, by name; of several with one name the last."""
        return {
            name: replace(entry.genotype, name=name)
            for entry in self.entries
            if entry.genotype is not None
            for name in entry.names
        }

    def choose(self, name: str = "") -> tuple[Genotype, list[str]]:
        """Return the genotype of a name, and notes for a person; without a name, the only one.

        ``name`` may leave out what comes before a dot, if that leaves no doubt. Entries of one name
        are taken for the epochs of a search: the last counts, and a note says so.

        Raises:
            SpecError: if there is none, if several could be meant, or if it cannot be read.
        """
        entries = self._named(name) if name else self.entries
        readable = [entry for entry in entries if entry.genotype is not None]
        if not readable:
            first = entries[0]
            raise SpecError(f"{self.place}: line {first.line}: {first.problem}")
        distinct = {_cells_of(entry) for entry in readable}
        if len(distinct) > 1 and len({entry.names for entry in readable}) > 1:
            known = dict.fromkeys(each for entry in readable for each in entry.names)
            unread = [f"{each.names[0]} (line {each.line})" for each in self._unread]
            bad = f"; cannot be read: {_listed(unread)}" if unread else ""
            raise SpecError(f"{self.place}: holds {_listed(known)}; choose one with --name{bad}")
        chosen = readable[-1]
        notes = [*chosen.notes]
        if len(distinct) > 1:
            notes.append(
                f"{len(readable)} genotypes are named {chosen.names[0]}; took the last, of line "
                f"{chosen.line}"
            )
        notes += [
            f"left out {entry.names[0]}, line {entry.line}: {entry.problem}"
            for entry in self._unread[:_MAX_SHOWN]
        ]
        if len(self._unread) > _MAX_SHOWN:
            notes.append(f"left out {len(self._unread) - _MAX_SHOWN} more")
        assert chosen.genotype is not None
        return chosen.genotype, notes

    @property
    def _unread(self) -> Sequence[GenotypeEntry]:
        return [entry for entry in self.entries if entry.genotype is None]

    def _named(self, name: str) -> Sequence[GenotypeEntry]:
        exact = [entry for entry in self.entries if name in entry.names]
        if exact:
            return exact
        known = dict.fromkeys(each for entry in self.entries for each in entry.names)
        ending = [each for each in known if each.endswith(f".{name}")]
        if len(ending) > 1:
            raise SpecError(f"{self.place}: {name!r} may be {_listed(ending)}; give one in full")
        if not ending:
            near = did_you_mean(name, known)
            raise SpecError(
                f"{self.place}: holds no {name!r}; expected one of {_listed(known)}{near}"
            )
        return [entry for entry in self.entries if ending[0] in entry.names]


def read_genotype_text(text: str, place: str, space: SearchSpace | None = None) -> GenotypeText:
    """Return the genotypes in a text, such as DARTS' ``genotypes.py``, nni's JSON or the log of a
    search.

    A name is that of the variable assigned to, with the keys and numbers that lead to it in maps
    and lists (``FOUND.best``, ``FOUND.0``), or ``genotype`` without one. ``space`` is that of cells
    of NAS-Bench-201; other forms have their own.

    Raises:
        SpecError: naming ``place`` and what would be accepted, if there is none.
    """
    kept = find_genotypes(text, place)
    if len(kept) > _MAX_ENTRIES:
        raise SpecError(f"{place}: holds {len(kept)} genotypes, expected at most {_MAX_ENTRIES}")
    if not kept:
        raise SpecError(f"{place}: holds no genotype; expected Genotype(normal=[...], ...)")
    return GenotypeText(place, tuple(_read(each, space) for each in kept))


def _read(found: FoundGenotype, space: SearchSpace | None) -> GenotypeEntry:
    names = found.names or (UNNAMED,)
    try:
        genotype, notes = _genotype(names[0], found.tree, space)
    except SpecError as error:
        return GenotypeEntry(names, found.line, None, str(error))
    return GenotypeEntry(names, found.line, genotype, "", tuple(notes))


def _genotype(
    name: str, tree: ast.expr | str | None, space: SearchSpace | None
) -> tuple[Genotype, list[str]]:
    """Return the genotype of an entry, and notes."""
    if tree is None:
        raise SpecError("Genotype(...) is not complete or not readable")
    if isinstance(tree, str):
        return nasbench201_format.read_nasbench201(tree, name, space), []
    fields, notes = genotype_fields(tree)
    nni = is_nni(fields)
    cells, more = read_nni_fields(fields) if nni else read_darts_fields(fields)
    return darts_genotype(name, cells, "nni" if nni else "DARTS text"), notes + more


def _listed(names: Iterable[str]) -> str:
    known = [each if each.isprintable() else ascii(each) for each in names]
    more = f" and {len(known) - _MAX_SHOWN} more" if len(known) > _MAX_SHOWN else ""
    return ", ".join(known[:_MAX_SHOWN]) + more


def _cells_of(entry: GenotypeEntry) -> str:
    return "" if entry.genotype is None else str(sorted(entry.genotype.cells.items()))
