"""The supernet: modules for every candidate of a search space, run as a mixture says.

It knows no optimiser and no loss.
"""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from nasface.arch.graph import width_name
from nasface.arch.space import SearchSpace
from nasface.errors import ConfigError
from nasface.nas.arch_parameters import ArchitectureParameters
from nasface.nas.edge import SearchEdge
from nasface.nas.mixture import Mixture
from nasface.nas.search_cell import SearchCell
from nasface.nas.widths import SearchedWidth
from nasface.nn.keys import module_key


class Supernet(nn.Module):
    """The cells of a space in their order, each taking and replacing the levels it names.

    ``channels`` must be divisible by the space's ``partial_channels``, with which ``partial``
    begins; :mod:`nasface.nas.widening` lets it fall. ``affine`` gives the normalisations of
    candidates learned scales; without them (as in DARTS) an operation cannot undo the effect of its
    architecture parameter.

    Raises:
        ConfigError: for a number of channels that cannot be divided so.
    """

    def __init__(
        self,
        space: SearchSpace,
        channels: int,
        *,
        affine: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if channels < 1 or channels % space.partial_channels:
            raise ConfigError(
                f"channels: {channels}, expected a multiple of {space.partial_channels}, the "
                f"partial_channels of space {space.name}"
            )
        self.space, self.partial = space, space.partial_channels
        self.arch_parameters = ArchitectureParameters(space, generator)
        self.cells = nn.ModuleDict(
            {
                module_key(name): _searched_cell(name, space, channels, affine)
                for name in space.cells
            }
        )

    def partial_edges(self) -> Iterator[SearchEdge]:
        """Give the edges whose candidates only a part of the channels passes through."""
        for module in self.cells.modules():
            if isinstance(module, SearchEdge) and module.is_open:
                yield module

    def weights(self) -> Iterator[nn.Parameter]:
        """Give the parameters other than architecture parameters."""
        return self.cells.parameters()

    def forward(self, features: Mapping[int, Tensor], mixture: Mixture) -> dict[int, Tensor]:
        """Map level -> feature map (B, C, H, W) to the same."""
        values = dict(features)
        for name, cell in zip(self.space.cells, self.cells.values(), strict=True):
            graph = self.space.cells[name]
            inputs = [values[each.level] for each in graph.inputs]
            values |= cell(inputs, mixture[name])
        return values


def _searched_cell(name: str, space: SearchSpace, channels: int, affine: bool) -> nn.Module:
    """Return a cell of a space, or its cells of all widths between which there is a choice."""
    graph = space.cells[name]
    columns = {operation: at for at, operation in enumerate(space.operations)}
    cells: dict[str, nn.Module] = {
        width_name(width): SearchCell(
            graph, columns, channels, partial=space.partial_channels, affine=affine, width=width
        )
        for width in graph.widths
        if width > 0
    }
    if len(graph.widths) > 1:
        return SearchedWidth(name, graph, cells)
    (cell,) = cells.values()
    return cell
