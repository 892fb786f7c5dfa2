"""What stands between pyramid and heads, as source: cells written out, hand-made classes copied."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from typing import cast

from torch import nn

from nasface.arch.genotype import CellGene
from nasface.detection.necks import handmade as baselines
from nasface.detection.necks.handmade import OnEachLevel
from nasface.detection.necks.registry import GENOTYPE, SequentialNeck
from nasface.detection.pyramid import LEVELS
from nasface.export.python_source.cell import CellSource, unlike
from nasface.export.python_source.extract import gather
from nasface.nn.cell import FixedCell, FixedModule

MAPS = ", ".join(f"p{level}" for level in LEVELS)

_CLASSES = {name for name, value in vars(baselines).items() if isinstance(value, type)} | {
    "Backbone",
    "Block",
    "Cosine",
    "Detector",
    "FactorizedReduce",
    "Head",
    "Path",
    "Tensor",
}
"""Names that a cell's class must not take."""

_PRIVATE = {"_by_level": "by_level", "_conv_relu": "conv_relu", "_downwards": "downwards"}


@dataclass
class NeckSource:
    """The neck of a detector: lines of the constructor and the forward pass, which take and
    give the maps ``p2`` to ``p7``; where the weights go, names (a prefix each) old -> new."""

    neck: nn.Module
    channels: int
    init: list[str] = field(default_factory=list)
    forward: list[str] = field(default_factory=list)
    weights: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._cells: dict[tuple[CellGene, int | None], CellSource] = {}
        self._made_by_hand: set[str] = set()
        self._classes = set(_CLASSES)
        self._attributes = {"backbone", "c6", "c7", "laterals", "heads"}
        parts = [(GENOTYPE, self.neck)]
        if isinstance(self.neck, SequentialNeck):
            parts = list(self.neck.parts.items())
        for searched, group in groupby(parts, lambda part: isinstance(part[1], FixedModule)):
            if searched:
                self._searched(cast(FixedModule, module) for _, module in group)
            else:
                self._hand_made(group)

    def cells(self) -> list[str]:
        """The classes of the cells; those of one graph share one."""
        return [each.source() for each in self._cells.values()]

    def hand_made(self) -> list[str]:
        """The classes of the hand-made necks, with all that they use."""
        if not self._made_by_hand:
            return []
        names = sorted(self._made_by_hand)
        return [f"LEVELS = {LEVELS}", *gather(baselines, names, _PRIVATE)]

    def _searched(self, modules: Iterable[FixedModule]) -> None:
        within = f"parts.{GENOTYPE}.cells" if isinstance(self.neck, SequentialNeck) else "cells"
        for name, module in (each for found in modules for each in found.cells.items()):
            source = self._cell(name, cast(FixedCell, module))
            at = self._attribute(name)
            self.init.append(f"self.{at} = {source.name}()")
            taken = ", ".join(f"p{each.level}" for each in source.gene.inputs)
            given = ", ".join(f"p{each.level}" for each in source.gene.outputs)
            self.forward.append(f"{given} = self.{at}({taken})")
            for old, new in source.weights.items():
                self.weights[f"neck.{within}.{name}.{old}"] = f"{at}.{new}"

    def _cell(self, name: str, cell: FixedCell) -> CellSource:
        key = (cell.gene, self.channels // 4 if cell.entries else None)
        if key not in self._cells:
            title = "".join(part[:1].upper() + part[1:] for part in name.split("_"))
            title = unlike(f"{title}Cell" if title in self._classes else title, self._classes)
            self._classes.add(title)
            self._cells[key] = CellSource(title, cell.gene, self.channels, key[1])
        return self._cells[key]

    def _hand_made(self, parts: Iterable[tuple[str, nn.Module]]) -> None:
        self.forward.append(f"levels = dict(zip(LEVELS, ({MAPS}), strict=True))")
        for name, module in parts:
            at = self._attribute(name.replace("-", "_"))
            made = type(module).__name__
            self._made_by_hand.add(made)
            arguments = f"{self.channels}, LEVELS"
            if isinstance(module, OnEachLevel):
                inner = type(module.levels[str(LEVELS[0])]).__name__
                self._made_by_hand.add(inner)
                arguments = f"{inner}, {arguments}"
            self.init.append(f"self.{at} = {made}({arguments})")
            self.forward.append(f"levels = self.{at}(levels)")
            self.weights[f"neck.parts.{name}"] = at
        self.forward.append(f"{MAPS} = (levels[level] for level in LEVELS)")

    def _attribute(self, wanted: str) -> str:
        name = unlike(wanted, self._attributes)
        self._attributes.add(name)
        return name
