"""A cell of a supernet: modules for every candidate, run as a mixture says. It knows no policy."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from nasface.arch.graph import CellGraph, width_name
from nasface.errors import ConfigError
from nasface.nas.edge import SearchEdge
from nasface.nas.mixture import CellMixture, InputSlot, PathMixture
from nasface.nas.rules import SearchedCombine
from nasface.nn.blocks import conv_1x1
from nasface.nn.cell import build_entries, inner_channels
from nasface.nn.combine import add_up, build_combine
from nasface.nn.keys import module_key, name_of


class SearchCell(nn.Module):
    """A cell with all candidates. All nodes have ``width`` times ``channels`` channels.

    Where the output is projected, the 1x1 convolution over the concatenation is kept as one
    convolution per node, since a 1x1 convolution of a concatenation is the sum of 1x1 convolutions
    of its parts. Only nodes that are concatenated are projected, so under cat-leaf the cell
    computes what the cell derived from the current path computes.
    """

    def __init__(
        self,
        graph: CellGraph,
        columns: Mapping[str, int],
        channels: int,
        *,
        partial: int = 1,
        affine: bool = False,
        width: float = 1.0,
    ) -> None:
        super().__init__()
        self.graph = graph
        outer, channels = channels, inner_channels(channels, width)
        if channels % partial:
            raise ConfigError(
                f"channels: {outer}, of which a cell with width {width_name(width)} has "
                f"{channels}; expected a multiple of {partial}, the partial_channels"
            )
        self.entries = build_entries(graph.inputs, outer, channels)
        self.edges = nn.ModuleList(
            SearchEdge(edge, columns, channels, partial, affine) for edge in graph.edges
        )
        self.combine = nn.ModuleDict()
        self.projections = nn.ModuleDict()
        for node, edges in zip(graph.nodes, graph.edges_into, strict=True):
            if isinstance(node.combine, str):
                combine = build_combine(node.combine, channels, len(edges), searched=True)
            else:
                combine = SearchedCombine(node.combine, channels, len(edges))
            self.combine[module_key(node.name)] = combine
            if graph.output.projection != "none":
                self.projections[module_key(node.name)] = conv_1x1(channels, outer)
        self.finish = nn.ModuleDict()
        if graph.output.projection == "conv_norm_relu":
            for level in graph.output_levels:
                self.finish[str(level)] = nn.Sequential(nn.BatchNorm2d(outer), nn.ReLU())

    def forward(self, inputs: Sequence[Tensor], mixture: CellMixture) -> dict[int, Tensor]:
        """Map feature maps (B, C, H, W) in the order of the graph's inputs to one per output
        level."""
        graph = self.graph
        given = {each.name: x for each, x in zip(graph.inputs, inputs, strict=True)}
        values = dict(given)
        for key, entry in self.entries.items():
            values[name_of(key)] = entry(given[name_of(key)])
        sizes = {each.level: _size(x) for each, x in zip(graph.inputs, inputs, strict=True)}
        for position, node in enumerate(graph.nodes):
            terms = self._terms(position, values, mixture, sizes.get(node.level))
            first = graph.edges_into[position].start
            numbers = [edge - first for edge in terms]
            chosen = (mixture.rules[node.name],) if node.name in mixture.rules else ()
            combine = self.combine[module_key(node.name)]
            values[node.name] = combine(list(terms.values()), numbers, *chosen)
        outputs = {}
        for level, sources in graph.sources_of_outputs(self._used_edges(mixture)).items():
            names = [graph.nodes[at].name for at in sources]
            outputs[level] = self._output(level, {name: values[name] for name in names})
            if graph.output.residual:
                outputs[level] = outputs[level] + next(
                    given[each.name] for each in graph.inputs if each.level == level
                )
        return outputs

    def _terms(
        self,
        position: int,
        values: Mapping[str, Tensor],
        mixture: CellMixture,
        size: tuple[int, int] | None,
    ) -> dict[int, Tensor]:
        """Return what enters a node: edge -> its (gated) value."""
        if isinstance(mixture, PathMixture):
            return {
                slot.chosen.edge: self._slot(slot, values, size) for slot in mixture.slots[position]
            }
        terms = {}
        for edge in self.graph.edges_into[position]:
            source = values[self.graph.edges[edge].source]
            value = self._edge(edge).mixed(source, mixture.weights_EO[edge], size)
            terms[edge] = value if mixture.gates_E is None else mixture.gates_E[edge] * value
        return terms

    def _slot(
        self, slot: InputSlot, values: Mapping[str, Tensor], size: tuple[int, int] | None
    ) -> Tensor:
        chosen = slot.chosen
        source = values[self.graph.edges[chosen.edge].source]
        value = self._edge(chosen.edge).path(source, chosen.column, size)
        rivals = []
        for probe in slot.probes:
            with torch.no_grad():
                source = values[self.graph.edges[probe.edge].source]
                rivals.append(self._edge(probe.edge).path(source, probe.column, size))
        gates = [cast(Tensor, probe.gate) for probe in slot.probes]
        if chosen.gate is not None and chosen.is_unit:
            gated = _UnitGates.apply(  # type: ignore[no-untyped-call]  # as torch has it
                1 + len(gates), chosen.gate, *gates, value, *rivals
            )
            return cast(Tensor, gated)
        if chosen.gate is not None:
            value = chosen.gate * value
        return add_up([value, *(gate * rival for gate, rival in zip(gates, rivals, strict=True))])

    def _output(self, level: int, values: Mapping[str, Tensor]) -> Tensor:
        if not self.projections:
            return torch.cat(list(values.values()), dim=1)
        total = add_up(self.projections[module_key(name)](value) for name, value in values.items())
        return cast(Tensor, self.finish[str(level)](total)) if self.finish else total

    def _edge(self, edge: int) -> SearchEdge:
        return cast(SearchEdge, self.edges[edge])

    def _used_edges(self, mixture: CellMixture) -> frozenset[int]:
        """Return the edges that decide which nodes are leaves.

        A mixture of all edges would leave one leaf; there every node counts as a leaf
        unless an edge that is kept in any case consumes it.
        """
        if isinstance(mixture, PathMixture) and not mixture.every_edge:
            return frozenset(edge for edge, _ in mixture.pairs)
        kept = (
            edges
            for node, edges in zip(self.graph.nodes, self.graph.edges_into, strict=True)
            if node.kept == len(edges)
        )
        return frozenset(edge for edges in kept for edge in edges)


class _UnitGates(torch.autograd.Function):
    """The first value times its gate plus the others times theirs, where the first gate is one and
    the others are zero: nothing has to be computed but the gradients."""

    @staticmethod
    def forward(ctx: Any, count: int, *gates_and_values: Tensor) -> Tensor:
        """Return the first value of ``count`` gates and then as many values (B, C, H, W)."""
        values = gates_and_values[count:]
        ctx.save_for_backward(gates_and_values[0], *values)
        return values[0].view_as(values[0])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients; that of a gate is the sum of gradient times value."""
        (gradient,) = gradients
        first, *values = ctx.saved_tensors
        # The gates are float32 where the values are bfloat16.
        gates = ((gradient * value.to(first.dtype)).sum() for value in values)
        # The factor of one counts only where this pass is differentiated in turn.
        passed = first * gradient if torch.is_grad_enabled() else gradient
        return (None, *gates, passed, *(None for _ in values[1:]))


def _size(x_BCHW: Tensor) -> tuple[int, int]:
    return (x_BCHW.shape[-2], x_BCHW.shape[-1])
