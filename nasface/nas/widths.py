"""Search of a cell's width: a cell of each width, run one at a time or as a weighted sum.

The width of a node is one of the choices that FBNetV2 (Wan et al., CVPR 2020, section 3.2) makes
differentiable, there by masks over the channels of one convolution. Deviation: widths share no
weights, since what an operation computes on its first channels depends on the others where it has
several convolutions in a row; so each width computes what the cell derived with it computes.
"""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from nasface.arch.graph import CellGraph
from nasface.nas.mixture import CellMixture
from nasface.nas.rules import OUT, GatedRule, width_of
from nasface.nn.combine import add_up


class SearchedWidth(nn.Module):
    """The cells of all widths above 0 that a cell may have, by the names of their widths."""

    def __init__(self, name: str, graph: CellGraph, cells: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.choice, self.graph = width_of(name), graph
        self.cells = nn.ModuleList(cells.values())
        self.widths = tuple(cells)

    def of_width(self, name: str) -> nn.Module:
        """Return the cell of a width above 0."""
        return self.cells[self.widths.index(name)]

    def forward(self, inputs: Sequence[Tensor], mixture: CellMixture) -> dict[int, Tensor]:
        """Map feature maps (B, C, H, W) in the order of the graph's inputs to one per output
        level."""
        found = [self._run(each, inputs, mixture) for each in mixture.rules[self.choice]]
        return {level: add_up(each[level] for each in found) for level in self.graph.output_levels}

    def _run(
        self, each: GatedRule, inputs: Sequence[Tensor], mixture: CellMixture
    ) -> dict[int, Tensor]:
        """Return the gated maps of a width."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not each.is_probe):
            if each.rule == OUT:
                maps = self._passed(inputs)
            else:
                maps = cast(dict[int, Tensor], self.of_width(each.rule)(inputs, mixture))
        if each.gate is None:
            return maps
        return {level: each.gate * value for level, value in maps.items()}

    def _passed(self, inputs: Sequence[Tensor]) -> dict[int, Tensor]:
        """Return the first input of each output level."""
        given = list(zip(self.graph.inputs, inputs, strict=True))
        return {
            level: next(x for each, x in given if each.level == level)
            for level in self.graph.output_levels
        }
