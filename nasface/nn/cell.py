"""Builds the fixed modules of a genotype. Knows nothing of the engine that found it."""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from nasface.arch.genotype import CellGene, Genotype
from nasface.arch.graph import Input, width_name
from nasface.errors import ConfigError, SpecError
from nasface.nn.blocks import DropPath, conv_1x1, resample
from nasface.nn.combine import build_combine
from nasface.nn.keys import module_key, name_of
from nasface.nn.operations import build_operation


class FixedCell(nn.Module):
    """A derived cell; all nodes have ``channels`` channels.

    Forward: feature maps (B, channels, H, W) in the order of the gene's inputs -> level -> map, of
    ``channels`` channels where the output is projected, otherwise of as many as are concatenated.
    Where the gene says so, nodes are narrower. A ``bottleneck``, for cells whose output is
    projected, has dense convolutions at a quarter of the nodes' channels.

    Raises:
        ConfigError: where that leaves no whole number of channels, or none.
    """

    def __init__(self, gene: CellGene, channels: int, *, bottleneck: bool = False) -> None:
        super().__init__()
        self.gene, self.bottleneck = gene, bottleneck
        inner = inner_channels(channels, gene.width)
        if bottleneck and inner < 4:
            raise ConfigError(
                f"context dense: a cell with width {width_name(gene.width)} has {inner} of "
                f"{channels} channels, expected 4 or more"
            )
        self.outer, self.channels = channels, inner // 4 if bottleneck else inner
        """Width of the maps outside, and of the nodes."""
        outer, channels = self.outer, self.channels
        self.entries = build_entries(gene.inputs, outer, channels, always=bottleneck)
        self.drop_path = DropPath()
        """On every connection but plain identities; its rate is 0 unless a network sets it."""
        self.edges = nn.ModuleList(
            build_operation(
                edge.operation,
                channels,
                2 if edge.transform == "stride" else 1,
                dense=bottleneck,
            )
            for node in gene.nodes
            for edge in node.edges
        )
        self.combine = nn.ModuleDict(
            {
                module_key(node.name): build_combine(node.combine, channels, len(node.edges))
                for node in gene.nodes
            }
        )
        self.projections = nn.ModuleDict()
        if gene.projection != "none":
            for output in gene.outputs:
                projection: list[nn.Module] = [conv_1x1(channels * len(output.sources), outer)]
                if gene.projection == "conv_norm_relu":
                    projection += [nn.BatchNorm2d(outer), nn.ReLU()]
                self.projections[str(output.level)] = nn.Sequential(*projection)

    def forward(self, inputs: Sequence[Tensor]) -> dict[int, Tensor]:
        """See the class."""
        given = {each.name: x for each, x in zip(self.gene.inputs, inputs, strict=True)}
        values = dict(given)
        for key, entry in self.entries.items():
            values[name_of(key)] = entry(given[name_of(key)])
        sizes = {
            each.level: (x.shape[-2], x.shape[-1])
            for each, x in zip(self.gene.inputs, inputs, strict=True)
        }
        operations = iter(self.edges)
        for node in self.gene.nodes:
            size = sizes.get(node.level)
            terms = [
                self._carry(next(operations), resample(values[e.source], e.transform, size))
                for e in node.edges
            ]
            values[node.name] = self.combine[module_key(node.name)](terms)
        return {
            output.level: self._output(
                output.level, [values[name] for name in output.sources], given
            )
            for output in self.gene.outputs
        }

    def _carry(self, operation: nn.Module, x_BCHW: Tensor) -> Tensor:
        value = cast(Tensor, operation(x_BCHW))
        return value if isinstance(operation, nn.Identity) else cast(Tensor, self.drop_path(value))

    def _output(self, level: int, parts: list[Tensor], given: Mapping[str, Tensor]) -> Tensor:
        result = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        if self.projections:
            result = self.projections[str(level)](result)
        if self.gene.residual:
            result = result + next(given[i.name] for i in self.gene.inputs if i.level == level)
        return result


class FixedModule(nn.Module):
    """The cells of a genotype in their order, each taking and replacing the levels it names."""

    def __init__(self, genotype: Genotype, channels: int, *, dense: bool = False) -> None:
        super().__init__()
        self.cells = nn.ModuleDict()
        for name, gene in genotype.cells.items():
            bottleneck = dense and len(gene.inputs) == 1 and gene.projection != "none"
            self.cells[module_key(name)] = FixedCell(gene, channels, bottleneck=bottleneck)

    def forward(self, features: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """Map level -> feature map (B, C, H, W) to the same."""
        values = dict(features)
        for module in self.cells.values():
            cell = cast(FixedCell, module)
            values |= cell([values[each.level] for each in cell.gene.inputs])
        return values


def build_module(
    genotype: Genotype, channels: int, levels: Sequence[int], *, dense: bool = False
) -> FixedModule:
    """Return the module of a genotype for a pyramid with the given levels, all ``channels`` wide.

    ``dense`` realises each cell with one input as a bottleneck: 1x1 to a quarter of the channels,
    dense convolutions instead of separable ones, and the projection back.

    Raises:
        SpecError: if a cell takes or gives a level that the pyramid does not have, or gives
            features that are not ``channels`` wide.
        ConfigError: if the width of a cell leaves no whole number of ``channels``.
    """
    for name, gene in genotype.cells.items():
        for what, used in (("takes", gene.inputs), ("gives", gene.outputs)):
            foreign = sorted({each.level for each in used} - set(levels))
            if foreign:
                raise SpecError(
                    f"genotype {genotype.name!r} (space {genotype.space.name}): cell {name!r} "
                    f"{what} level {foreign[0]}; the pyramid has levels "
                    f"{', '.join(map(str, levels))}; expected cells of those alone"
                )
        if gene.projection == "none" and any(len(o.sources) > 1 for o in gene.outputs):
            raise SpecError(
                f"genotype {genotype.name!r}: cell {name!r} concatenates its nodes without a "
                "projection; a pyramid needs projection conv or conv_norm_relu"
            )
    return FixedModule(genotype, channels, dense=dense)


def inner_channels(channels: int, width: float) -> int:
    """Return the channels of nodes whose width is a share of those around them.

    Raises:
        ConfigError: if that is no whole number.
    """
    found = round(channels * width)
    if abs(found - channels * width) > 1e-6 or found < 1:
        raise ConfigError(
            f"channels: {channels}, of which a cell with width {width_name(width)} would have "
            f"{channels * width:g}; expected a number that gives whole ones"
        )
    return found


def build_entries(
    inputs: Sequence[Input], outer: int, inner: int, *, always: bool = False
) -> nn.ModuleDict:
    """Build what brings each input of a cell from the channels around it to those of its nodes;
    nothing where they are equal, unless ``always``."""
    layers = nn.ModuleDict()
    for each in inputs if always or inner != outer else ():
        layers[module_key(each.name)] = build_entry(outer, inner)
    return layers


def build_entry(outer: int, inner: int) -> nn.Sequential:
    """Build ReLU, 1x1 convolution and normalisation: (B, outer, H, W) -> (B, inner, H, W)."""
    return nn.Sequential(nn.ReLU(), conv_1x1(outer, inner), nn.BatchNorm2d(inner))
