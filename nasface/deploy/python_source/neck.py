"""The source of a neck: cells written out, hand-made parts copied."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from torch import nn

from nasface.deploy.python_source.cell import CellSource
from nasface.deploy.python_source.extract import Code, SourceCopier, unlike
from nasface.deploy.python_source.layout import fit_call
from nasface.detection.config import DetectorConfig
from nasface.detection.necks.registry import NECK_PARTS, SequentialNeck, neck_keys, widths_given
from nasface.nn.cell import FixedCell, FixedModule
from nasface.nn.keys import name_of

_ATTRIBUTES = {*dir(nn.Module), "backbone", "extra", "laterals", "heads"}


@dataclass
class NeckSource:
    """The neck of a detector, whose source is copied by ``copier``; ``widths`` are the channels of
    the maps that it takes, by level.

    ``init`` and ``forward`` are lines of the constructor and the forward pass, which take and give
    the ``maps``, such as ``p2`` to ``p7``; ``cells`` are the texts of the cells' classes;
    ``weights``: where the weights go, names (a prefix each) old -> new.
    """

    neck: nn.Module
    widths: Mapping[int, int]
    config: DetectorConfig
    copier: SourceCopier
    init: list[str] = field(default_factory=list)
    forward: list[str] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)
    weights: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._attributes = set(_ATTRIBUTES)
        self._written: list[CellSource] = []
        self._as_dict = False
        names = [f"p{level}" for level in self.config.levels]
        self.maps = ", ".join(names) if len(names) > 1 else f"{names[0]},"
        if isinstance(self.neck, SequentialNeck):
            kinds = neck_keys(self.config.neck, self.config.repeats)
            for key, part in self.neck.parts.items():
                if isinstance(part, FixedModule):
                    self._searched(part, f"neck.parts.{key}")
                else:
                    self._hand_made(key, kinds[key])
                self.widths = widths_given(part, self.widths)
        else:
            self._searched(cast(FixedModule, self.neck), "neck")
        self._use_maps()

    def _searched(self, module: FixedModule, path: str) -> None:
        self._use_maps()
        for key, cell in module.cells.items():
            source, at = self._cell(key, cast(FixedCell, cell)), self._attribute(name_of(key))
            self.init.append(f"self.{at} = {source.name}()")
            taken = ", ".join(f"p{each.level}" for each in source.gene.inputs)
            given = ", ".join(f"p{each.level}" for each in source.gene.outputs)
            self.forward.append(f"{given} = self.{at}({taken})")
            for old, new in source.weights.items():
                self.weights[f"{path}.cells.{key}.{old}"] = f"{at}.{new}"

    def _cell(self, key: str, cell: FixedCell) -> CellSource:
        """Return the class of a cell; cells of the same graph and width share one."""
        for each in self._written:
            if (each.gene, each.inner) == (cell.gene, cell.channels):
                return each
        title = "".join(part[:1].upper() + part[1:] for part in name_of(key).split("_"))
        found = CellSource(self.copier.name(title), cell, self.copier)
        self._written.append(found)
        self.cells.append(found.source())
        return found

    def _hand_made(self, key: str, name: str) -> None:
        if not self._as_dict:
            self.forward.append(f"levels = dict(zip(LEVELS, ({self.maps}), strict=True))")
            self._as_dict = True
        at = self._attribute(name_of(key).replace("-", "_"))
        part, channels = NECK_PARTS[name], self.config.channels
        widths = f"dict.fromkeys(LEVELS, {channels})"
        if {*self.widths.values()} != {channels}:
            widths = f"{dict(self.widths)}"
        arguments = (Code(widths), channels) if part.any_widths else (channels, Code("LEVELS"))
        made = self.copier.call(part.build, *arguments)
        self.init += fit_call(f"self.{at} = ", made)
        self.forward.append(f"levels = self.{at}(levels)")
        self.weights[f"neck.parts.{key}"] = at

    def _use_maps(self) -> None:
        if self._as_dict:
            self.forward.append(f"{self.maps} = (levels[level] for level in LEVELS)")
            self._as_dict = False

    def _attribute(self, wanted: str) -> str:
        name = unlike(wanted, self._attributes)
        self._attributes.add(name)
        return name
