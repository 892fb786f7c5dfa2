"""Forward policies: from architecture parameters to what a supernet executes in one step.

A policy is stateless. It is asked once per step and cell, and its answer holds for every copy of
that cell in the network. Random numbers come from the stream of seed, cell and step, one for weight
steps and one for architecture steps, so that a step can be repeated, a search resumed, and all
processes of a distributed search agree.

* ``softmax``: the weighted mixture of all candidates (DARTS; with partial channels and edge
  normalisation PC-DARTS).
* ``argmax``: the highest-weight (edge, operation) into each node is the only thing executed (ASFD,
  section 4.1 and Table 2).
* ``gumbel``: sampled from the choice probabilities: one operation on every edge (GDAS), or one path
  into each node.
* ``uniform``: paths that visit every candidate of a node equally often (SPOS, FairNAS).

Gradient of a path. The executed pair is multiplied by a gate of value one whose gradient is that of
its probability p (straight-through), where p is a categorical over the pairs that compete for the
slot, ``none`` left out. That gradient alone says little: behind a normalisation the loss does not
change with the scale of an operation's output, so <dL/dy, y> is close to zero. ``probes`` therefore
runs, in architecture steps only, that many competitors per slot without a graph and with a gate of
value zero. The gate's gradient is then the first-order change of the loss if the competitor were
put instead of the chosen pair, and p is normalised over the pairs that were run (as
ProxylessNAS does with two candidates). Zero probes is the paper's form.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from nasface.arrays import Float32
from nasface.nas.candidates import CandidateTable, Pair, pair_scores, select
from nasface.nas.rules import (
    RuleMixture,
    RuleTable,
    given_rules,
    sampled_rules,
    weighted_rules,
)
from nasface.random_streams import Purpose, stream


@dataclass(frozen=True)
class GatedOp:
    """A pair that is executed; ``gate`` multiplies its output and is ``None`` for a plain one.

    ``is_unit``: the gate's value is one, or zero for a probe, and only its gradient matters.
    """

    edge: int
    column: int
    gate: Tensor | None = None
    is_unit: bool = False


@dataclass(frozen=True)
class InputSlot:
    """A place among the inputs of a node: the pair on the path and the probes that challenge it."""

    chosen: GatedOp
    probes: tuple[GatedOp, ...] = ()


@dataclass(frozen=True)
class PathMixture:
    """Per node its slots; nothing else is executed.

    ``every_edge``: there is a slot for each edge, also for those that derivation would drop.
    ``rules``: how nodes combine their edges that have a choice of it.
    """

    slots: tuple[tuple[InputSlot, ...], ...]
    every_edge: bool = False
    rules: RuleMixture = field(default_factory=dict)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """All pairs on the path, without probes."""
        return tuple((s.chosen.edge, s.chosen.column) for node in self.slots for s in node)


@dataclass(frozen=True)
class SoftMixture:
    """Every candidate is executed: ``weights_EO`` per edge sum to one, ``gates_E`` per node."""

    weights_EO: Tensor
    gates_E: Tensor | None
    rules: RuleMixture = field(default_factory=dict)


CellMixture: TypeAlias = PathMixture | SoftMixture
Mixture: TypeAlias = Mapping[str, CellMixture]


@dataclass(frozen=True)
class StepRandom:
    """The source of random numbers of a step, made again from these four."""

    seed: int
    cell: int
    step: int
    purpose: Purpose = Purpose.WEIGHT_PATHS

    def generator(self, *key: int) -> np.random.Generator:
        """Return a generator that depends on seed, purpose, cell and ``key`` only."""
        return stream(self.seed, self.purpose, self.cell, *key)


class Policy(Protocol):
    """Decides what a cell executes in a step."""

    def mix(
        self, table: CandidateTable, alpha_EO: Tensor, beta_E: Tensor | None, draw: StepRandom
    ) -> CellMixture:
        """Return the mixture; differentiable in alpha and beta where these require a gradient."""
        ...


@runtime_checkable
class RulePolicy(Protocol):
    """What a policy does besides in spaces whose nodes choose their combine rule."""

    def mix_rules(self, table: RuleTable, gamma_NR: Tensor, draw: StepRandom) -> RuleMixture:
        """Return how the nodes with a choice combine their edges; differentiable in gamma where it
        requires a gradient."""
        ...


RULE_DRAWS = 1 << 20
"""At the end of the place of random numbers for combine rules: no slot, step or round of pairs."""


@dataclass(frozen=True)
class Softmax:
    """All candidates, weighted by softmax(alpha); edges by softmax(beta) per node."""

    def mix(
        self, table: CandidateTable, alpha_EO: Tensor, beta_E: Tensor | None, draw: StepRandom
    ) -> CellMixture:
        """See :class:`Policy`."""
        offered = torch.from_numpy(table.offered_EO).to(alpha_EO.device)
        weights = alpha_EO.masked_fill(~offered, -torch.inf).softmax(dim=1)
        gates = None
        if beta_E is not None:
            gates = torch.cat([beta_E[list(edges)].softmax(0) for edges in table.graph.edges_into])
        return SoftMixture(weights, gates)

    def mix_rules(self, table: RuleTable, gamma_NR: Tensor, draw: StepRandom) -> RuleMixture:
        """See :class:`RulePolicy`."""
        return weighted_rules(table, gamma_NR)


@dataclass(frozen=True)
class ArgmaxPath:
    """The paper's path. ``noise`` scales Gumbel noise on the log-probabilities (0: none)."""

    noise: float = 0.0
    probes: int = 0

    def mix(
        self, table: CandidateTable, alpha_EO: Tensor, beta_E: Tensor | None, draw: StepRandom
    ) -> CellMixture:
        """See :class:`Policy`."""
        generator = draw.generator(draw.step)
        # Without noise on the probabilities themselves, as derivation does: their logarithms have
        # fewer distinct values, which would make ties of what is none.
        scores = _scores(table, alpha_EO, beta_E)
        if self.noise > 0:
            scores = _log(scores) + self.noise * _gumbel(generator, scores.shape)
        path = select(table, scores)
        return _gated(table, path, alpha_EO, beta_E, self.probes, generator)

    def mix_rules(self, table: RuleTable, gamma_NR: Tensor, draw: StepRandom) -> RuleMixture:
        """See :class:`RulePolicy`."""
        generator = draw.generator(draw.step, RULE_DRAWS)
        return sampled_rules(table, gamma_NR, generator, noise=self.noise, probes=self.probes)


@dataclass(frozen=True)
class GumbelPath:
    """A path sampled from the probabilities; ``temperature`` shapes the gradient only.

    With ``every_edge`` one operation is sampled on each edge into a node (GDAS), and the edges are
    weighted by softmax(beta) where there is one; otherwise the node's kept edges are sampled too.
    """

    temperature: float = 1.0
    probes: int = 0
    every_edge: bool = False

    def mix(
        self, table: CandidateTable, alpha_EO: Tensor, beta_E: Tensor | None, draw: StepRandom
    ) -> CellMixture:
        """See :class:`Policy`."""
        generator = draw.generator(draw.step)
        scores = _log(_scores(table, alpha_EO, beta_E))
        noise = _gumbel(generator, scores.shape)
        logits = _Logits(noise, self.temperature)
        if not self.every_edge:
            path = select(table, scores + noise)
            return _gated(table, path, alpha_EO, beta_E, self.probes, generator, logits)
        best_E = np.where(table.eligible_EO, scores + noise, -np.inf).argmax(axis=1)
        path = tuple(
            tuple((edge, int(best_E[edge])) for edge in edges) for edges in table.graph.edges_into
        )
        mixture = _gated(table, path, alpha_EO, beta_E, self.probes, generator, logits)
        return PathMixture(_weighted(table, mixture.slots, beta_E), every_edge=True)

    def mix_rules(self, table: RuleTable, gamma_NR: Tensor, draw: StepRandom) -> RuleMixture:
        """See :class:`RulePolicy`."""
        return sampled_rules(
            table,
            gamma_NR,
            draw.generator(draw.step, RULE_DRAWS),
            probes=self.probes,
            temperature=self.temperature,
        )


@dataclass(frozen=True)
class UniformPath:
    """Each node goes through its candidates in random order, all of them before any comes again.

    So a node with n candidates has visited each exactly once after n steps. Of a node that keeps
    several of its edges one slot is drawn in this way, the others at random.
    """

    def mix(
        self, table: CandidateTable, alpha_EO: Tensor, beta_E: Tensor | None, draw: StepRandom
    ) -> CellMixture:
        """See :class:`Policy`."""
        path = tuple(_uniform_pairs(table, node, draw) for node in range(len(table.graph.nodes)))
        return _gated(table, path, alpha_EO, beta_E, 0, draw.generator(draw.step))

    def mix_rules(self, table: RuleTable, gamma_NR: Tensor, draw: StepRandom) -> RuleMixture:
        """See :class:`RulePolicy`."""
        columns = {}
        for node in table.open:
            candidates = np.flatnonzero(table.offered_NR[node])
            round_, turn = divmod(draw.step, len(candidates))
            generator = draw.generator(node, round_, RULE_DRAWS, RULE_DRAWS)
            order = generator.permutation(len(candidates))
            columns[node] = int(candidates[order[turn]])
        return given_rules(table, columns, gamma_NR, draw.generator(draw.step, RULE_DRAWS))


def _uniform_pairs(table: CandidateTable, node: int, draw: StepRandom) -> tuple[Pair, ...]:
    edges = table.slots[node]
    kept = table.graph.nodes[node].kept
    if kept == len(edges):
        return tuple(_turn(pairs, draw, node, at) for at, pairs in enumerate(edges))
    first = _turn(tuple(pair for pairs in edges for pair in pairs), draw, node, 0)
    generator = draw.generator(node, draw.step)
    others = [pairs for pairs in edges if pairs[0][0] != first[0]]
    rest = [others[at] for at in generator.permutation(len(others))[: kept - 1]]
    return (first, *(pairs[generator.integers(len(pairs))] for pairs in rest))


def _turn(pairs: tuple[Pair, ...], draw: StepRandom, node: int, slot: int) -> Pair:
    """Return the pair whose turn it is in a freshly shuffled round-robin."""
    if len(pairs) == 1:
        return pairs[0]
    round_, turn = divmod(draw.step, len(pairs))
    order = draw.generator(node, slot, round_).permutation(len(pairs))
    return pairs[int(order[turn])]


def _host(values: Tensor) -> Float32:
    array: Float32 = values.detach().float().cpu().numpy()
    return array


def _scores(table: CandidateTable, alpha_EO: Tensor, beta_E: Tensor | None) -> Float32:
    return pair_scores(table, _host(alpha_EO), None if beta_E is None else _host(beta_E))


@dataclass(frozen=True)
class _Logits:
    """How the probabilities of gates differ from those of the choices: (log p + noise) / T."""

    noise: Float32
    temperature: float


def _weighted(
    table: CandidateTable, slots: tuple[tuple[InputSlot, ...], ...], beta_E: Tensor | None
) -> tuple[tuple[InputSlot, ...], ...]:
    """Return slots for every edge, with softmax(beta) over the edges into a node in their gates."""
    if beta_E is None:
        return slots
    result = []
    for edges, node in zip(table.graph.edges_into, slots, strict=True):
        share = beta_E[list(edges)].softmax(0)
        result.append(
            tuple(
                InputSlot(
                    _scaled(slot.chosen, share[at]),
                    tuple(_scaled(p, share[at]) for p in slot.probes),
                )
                for at, slot in enumerate(node)
            )
        )
    return tuple(result)


def _scaled(op: GatedOp, factor: Tensor) -> GatedOp:
    gate = factor if op.gate is None else factor * op.gate
    return replace(op, gate=gate, is_unit=False)


def _log(scores: Float32) -> Float32:
    """Return the logarithm, finite even where a probability is too small for float32."""
    result: Float32 = np.log(np.maximum(scores, np.finfo(np.float32).tiny))
    return result


def _gumbel(generator: np.random.Generator, shape: tuple[int, ...]) -> Float32:
    return generator.gumbel(size=shape).astype(np.float32)


def log_probabilities(table: CandidateTable, alpha_EO: Tensor, beta_E: Tensor | None) -> Tensor:
    """Return log(softmax(alpha) * softmax(beta)) as a differentiable tensor (E, O)."""
    offered = torch.from_numpy(table.offered_EO).to(alpha_EO.device)
    logits = alpha_EO.masked_fill(~offered, -torch.inf).log_softmax(dim=1)
    if beta_E is None:
        return logits
    edges = [beta_E[list(edges)].log_softmax(0) for edges in table.graph.edges_into]
    return logits + torch.cat(edges)[:, None]


def _gated(
    table: CandidateTable,
    path: tuple[tuple[Pair, ...], ...],
    alpha_EO: Tensor,
    beta_E: Tensor | None,
    probes: int,
    generator: np.random.Generator,
    sampling: "_Logits | None" = None,
) -> PathMixture:
    """Return the path as a mixture; with gates and probes where the architecture parameters want a
    gradient."""
    if not (torch.is_grad_enabled() and alpha_EO.requires_grad):
        return PathMixture(
            tuple(tuple(InputSlot(GatedOp(*pair)) for pair in node) for node in path)
        )
    logits = log_probabilities(table, alpha_EO, beta_E)
    if sampling is not None:
        noise = torch.from_numpy(sampling.noise).to(logits.device)
        logits = (logits + noise) / sampling.temperature
    slots = []
    for position, pairs in enumerate(path):
        node_slots = []
        for pair in pairs:
            rivals = _rivals(table, position, pair, pairs)
            node_slots.append(_gated_slot(logits, pair, rivals, probes, generator))
        slots.append(tuple(node_slots))
    return PathMixture(tuple(slots))


def _rivals(
    table: CandidateTable, position: int, pair: Pair, path: tuple[Pair, ...]
) -> tuple[Pair, ...]:
    """Return the other pairs that could take the place of ``pair``, given the other edges on the
    path."""
    edges = table.slots[position]
    if len(path) == len(edges):
        return tuple(p for pairs in edges for p in pairs if p[0] == pair[0] and p != pair)
    taken = {edge for edge, _ in path} - {pair[0]}
    return tuple(p for pairs in edges for p in pairs if p[0] not in taken and p != pair)


def _gated_slot(
    logits_EO: Tensor,
    pair: Pair,
    rivals: tuple[Pair, ...],
    probes: int,
    generator: np.random.Generator,
) -> InputSlot:
    if not rivals:
        return InputSlot(GatedOp(*pair))
    drawn: tuple[Pair, ...] = ()
    if probes:
        drawn = tuple(rivals[at] for at in generator.permutation(len(rivals))[:probes])
    compared = (pair, *(drawn or rivals))
    edges, columns = map(list, zip(*compared, strict=True))
    probability = logits_EO[edges, columns].softmax(0)
    gates = probability - probability.detach()
    return InputSlot(
        GatedOp(*pair, gates[0] + 1.0, is_unit=True),
        tuple(GatedOp(*p, gates[1 + at], is_unit=True) for at, p in enumerate(drawn)),
    )
