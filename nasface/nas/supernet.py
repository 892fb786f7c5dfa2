"""The supernet: modules for every candidate of a search space, run as a mixture says.

A cell knows no policy, a supernet no optimiser and no loss. Architecture parameters are ordinary
parameters and so part of every state dict.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from nasface.arch.graph import CellGraph, width_name
from nasface.arch.space import SearchSpace
from nasface.errors import ConfigError
from nasface.nas.candidates import CandidateTable
from nasface.nas.edge import SearchEdge
from nasface.nas.policy import (
    CellMixture,
    InputSlot,
    Mixture,
    PathMixture,
    Policy,
    RulePolicy,
    StepRandom,
)
from nasface.nas.rules import SearchedCombine, width_of
from nasface.nas.widths import SearchedWidth
from nasface.nn.blocks import conv_1x1
from nasface.nn.cell import build_entries, inner_channels
from nasface.nn.combine import add_up, build_combine
from nasface.nn.keys import module_key, name_of
from nasface.random_streams import Purpose


class ArchitectureParameters(nn.Module):
    """The architecture parameters of a space: per cell ``alpha_EO``, with edge normalisation
    ``beta_E``, and ``gamma_NR`` where nodes choose their combine rule or cells their width.

    All start as 1e-3 times a normal draw (as DARTS and PC-DARTS do). Cells that share their choices
    have the parameters of the first of them.
    """

    def __init__(self, space: SearchSpace, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.space = space
        self.tables = {cell: CandidateTable.of(space, cell) for cell in space.leaders}
        self.alpha = nn.ParameterDict()
        self.beta = nn.ParameterDict()
        self.gamma = nn.ParameterDict()
        for cell, table in self.tables.items():
            shape = table.offered_EO.shape
            key = module_key(cell)
            self.alpha[key] = nn.Parameter(1e-3 * torch.randn(shape, generator=generator))
            if space.edge_normalisation:
                self.beta[key] = nn.Parameter(1e-3 * torch.randn(shape[0], generator=generator))
            if table.rules.open:
                rules = table.rules.offered_NR.shape
                self.gamma[key] = nn.Parameter(1e-3 * torch.randn(rules, generator=generator))

    def of(self, cell: str) -> tuple[nn.Parameter, nn.Parameter | None]:
        """Return ``alpha_EO`` and, with edge normalisation, ``beta_E`` of a cell."""
        key = module_key(cell)
        return self.alpha[key], self.beta.get(key, None)

    def width_shares(self, cell: str) -> Tensor:
        """Return the probabilities of the widths of a cell that has a choice of them, in the order
        of the space; differentiable."""
        leader = self.space.leader(cell)
        table = self.tables[leader].rules
        row = table.nodes.index(width_of(cell))
        columns = [table.names.index(name) for name in table.rules[row]]
        gamma_NR = cast(Tensor, self.gamma[module_key(leader)])
        return gamma_NR[row, columns].softmax(0)

    def mixture(
        self,
        policy: Policy,
        *,
        seed: int,
        step: int,
        purpose: Purpose = Purpose.WEIGHT_PATHS,
    ) -> dict[str, CellMixture]:
        """Return what each cell executes in a step; differentiable unless gradients are switched
        off."""
        found: dict[str, CellMixture] = {}
        for at, (cell, table) in enumerate(self.tables.items()):
            draw = StepRandom(seed, at, step, purpose)
            found[cell] = policy.mix(table, *self.of(cell), draw)
            gamma = self.gamma.get(module_key(cell), None)
            if gamma is not None:
                if not isinstance(policy, RulePolicy):
                    raise ConfigError(
                        f"space {self.space.name}: nodes choose their combine rule, or cells "
                        "their width; expected a policy with mix_rules, which "
                        f"{type(policy).__name__} lacks"
                    )
                rules = policy.mix_rules(table.rules, gamma, draw)
                found[cell] = replace(found[cell], rules=rules)
        return {cell: found[self.space.leader(cell)] for cell in self.space.cells}


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
