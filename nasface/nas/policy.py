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

:mod:`nasface.nas.gates` says how a path gets a gradient, and what ``probes`` are for.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from nasface.arrays import Float32
from nasface.nas.candidates import (
    CandidateTable,
    Pair,
    log_probabilities,
    pair_scores,
    select,
)
from nasface.nas.gates import gated_path, weight_edges
from nasface.nas.mixture import CellMixture, PathMixture, SoftMixture
from nasface.nas.rules import (
    RuleMixture,
    RuleTable,
    given_rules,
    sampled_rules,
    weighted_rules,
)
from nasface.nas.sampling import with_random_others
from nasface.random_streams import Purpose, stream


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
        logits = log_probabilities(table, alpha_EO, beta_E)
        return gated_path(table, path, logits, self.probes, generator)

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
        logits = log_probabilities(table, alpha_EO, beta_E)
        logits = (logits + torch.from_numpy(noise).to(logits.device)) / self.temperature
        if not self.every_edge:
            path = select(table, scores + noise)
            return gated_path(table, path, logits, self.probes, generator)
        best_E = np.where(table.eligible_EO, scores + noise, -np.inf).argmax(axis=1)
        path = tuple(
            tuple((edge, int(best_E[edge])) for edge in edges) for edges in table.graph.edges_into
        )
        slots = gated_path(table, path, logits, self.probes, generator).slots
        if beta_E is not None:
            slots = weight_edges(table, slots, beta_E)
        return PathMixture(slots, every_edge=True)

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
        logits = log_probabilities(table, alpha_EO, beta_E)
        return gated_path(table, path, logits, 0, draw.generator(draw.step))

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
    return with_random_others(first, edges, kept, draw.generator(node, draw.step))


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


def _log(scores: Float32) -> Float32:
    """Return the logarithm, finite even where a probability is too small for float32."""
    result: Float32 = np.log(np.maximum(scores, np.finfo(np.float32).tiny))
    return result


def _gumbel(generator: np.random.Generator, shape: tuple[int, ...]) -> Float32:
    return generator.gumbel(size=shape).astype(np.float32)
