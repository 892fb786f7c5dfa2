"""Differences of two genotypes: cell by cell, node by node, edge by edge."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nasface.arch.genotype import CellGene, Genotype, NodeGene
from nasface.arch.graph import width_name
from nasface.arch.io import as_genotype
from nasface.arch.isomorphism import ChangedCell, changed_cells
from nasface.errors import MissingPackageError

if TYPE_CHECKING:
    import nasface

Side = Literal["first", "second"]


@dataclass(frozen=True)
class Difference:
    """Something that only one of two genotypes has, such as the edge ``n1 <- skip(x)``."""

    side: Side
    place: str
    what: str

    def __str__(self) -> str:
        return f"{'-' if self.side == 'first' else '+'} {self.place}: {self.what}"


@dataclass(frozen=True, repr=False)
class GenotypeDiff:
    """What two genotypes do not share; false where their cells build the same modules.

    Names, provenance and the order of edges do not count. A notebook shows both drawn over each
    other.
    """

    first: Genotype
    second: Genotype

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """What only one of them has, cell by cell: an edge with another operation or source is
        there twice, once for each side."""
        return tuple(_differences(self.first, self.second))

    @cached_property
    def cells(self) -> tuple[ChangedCell, ...]:
        """Of each cell that both have and that is not the same: how many edits apart they are, and
        the nodes that stand for each other where the two are isomorphic.

        Raises:
            MissingPackageError: without SciPy, for cells whose nodes have other names.
        """
        return tuple(changed_cells(self.first, self.second))

    def draw(self, path: Path | str | None = None) -> "nasface.Drawing":
        """Draw one over the other as :func:`nasface.draw` does, into a file if a path is given.

        Raises:
            ConfigError: for a suffix other than svg, png, pdf and dot.
            MissingPackageError: naming the extra ``plots`` where it is missing.
        """
        import nasface  # its functions are public: this room knows no other way to a drawing

        return nasface.draw(self.first, path, against=self.second)

    def __bool__(self) -> bool:
        return bool(self.differences)

    def __str__(self) -> str:
        """Return a line for each difference and each changed cell."""
        lines = [*map(str, self.differences), *map(str, self.cells)]
        return "\n".join(lines or ["the cells are the same"])

    def __repr__(self) -> str:
        names = f"{self.first.name} and {self.second.name}"
        return f"<GenotypeDiff of {names}: {len(self.differences)} differences>"

    def _repr_svg_(self) -> str | None:
        """Return the picture in a notebook, where the packages of the extra ``plots`` are there."""
        try:
            return self.draw().svg
        except MissingPackageError:
            return None


def diff(first: Genotype | str | Path, second: Genotype | str | Path) -> GenotypeDiff:
    """Compare two genotypes: objects, packaged names or YAML files.

    Raises:
        SpecError: for a name or file that is no genotype.
    """
    return GenotypeDiff(as_genotype(first), as_genotype(second))


def _differences(first: Genotype, second: Genotype) -> Iterator[Difference]:
    for name in dict.fromkeys((*first.cells, *second.cells)):
        ours = _facts(first.cells.get(name))
        theirs = _facts(second.cells.get(name))
        for place in dict.fromkeys((*ours, *theirs)):
            left, right = ours.get(place, Counter()), theirs.get(place, Counter())
            where = f"{name}.{place}" if place else name
            yield from (Difference("first", where, what) for what in (left - right).elements())
            yield from (Difference("second", where, what) for what in (right - left).elements())


def _facts(cell: CellGene | None) -> dict[str, Counter[str]]:
    """Return place in a cell -> descriptions of what it holds, counted."""
    if cell is None:
        return {}
    facts = {
        "inputs": Counter(f"{each.name} at level {each.level}" for each in cell.inputs),
        **{node.name: _node_facts(node) for node in cell.nodes},
        "outputs": Counter(
            f"level {output.level}: {', '.join(sorted(output.sources))}" for output in cell.outputs
        ),
    }
    facts["outputs"][f"projection {cell.projection}"] += 1
    facts["outputs"][f"residual {'yes' if cell.residual else 'no'}"] += 1
    if cell.width != 1:
        facts["outputs"][f"width {width_name(cell.width)}"] += 1
    return facts


def _node_facts(node: NodeGene) -> Counter[str]:
    facts = Counter(
        f"{edge.operation}({edge.source})"
        + (f" {edge.transform}" if edge.transform != "none" else "")
        for edge in node.edges
    )
    facts[f"{node.combine} at level {node.level}"] += 1
    return facts
