"""Gates of a path: factors of value one or zero whose gradients are those of probabilities.

The executed pair is multiplied by a gate of value one whose gradient is that of its probability p
(straight-through), where p is a categorical over the pairs that compete for the slot, ``none`` left
out. That gradient alone says little: behind a normalisation the loss does not change with the scale
of an operation's output, so <dL/dy, y> is close to zero. ``probes`` therefore runs, in architecture
steps only, that many competitors per slot without a graph and with a gate of value zero. The gate's
gradient is then the first-order change of the loss if the competitor replaced the chosen pair, and
p is normalised over the pairs that were run (as ProxylessNAS does with two candidates). Zero probes
is the paper's form.

Shape letters: E edge of a cell, O operation (column of the space's operation order).
"""

from dataclasses import replace

import numpy as np
from torch import Tensor

from nasface.nas.candidates import CandidateTable, Pair
from nasface.nas.mixture import GatedOp, InputSlot, PathMixture
from nasface.nas.rules import unit_gates


def gated_path(
    table: CandidateTable,
    path: tuple[tuple[Pair, ...], ...],
    logits_EO: Tensor,
    probes: int,
    generator: np.random.Generator,
) -> PathMixture:
    """Return a path as a mixture, with gates and ``probes`` where the logits want a gradient.

    Args:
        table: the candidates of the cell.
        path: per node its (edge, column) pairs.
        logits_EO: the gates have the probabilities that a softmax over competing pairs gives.
        probes: competitors to run for each slot.
        generator: draws the probes.
    """
    if not logits_EO.requires_grad:
        return PathMixture(
            tuple(tuple(InputSlot(GatedOp(*pair)) for pair in node) for node in path)
        )
    slots = []
    for position, pairs in enumerate(path):
        node_slots = []
        for pair in pairs:
            rivals = _rivals(table, position, pair, pairs)
            node_slots.append(_gated_slot(logits_EO, pair, rivals, probes, generator))
        slots.append(tuple(node_slots))
    return PathMixture(tuple(slots))


def weight_edges(
    table: CandidateTable, slots: tuple[tuple[InputSlot, ...], ...], beta_E: Tensor
) -> tuple[tuple[InputSlot, ...], ...]:
    """Return slots for every edge, with softmax(beta) over the edges into a node in their gates."""
    result = []
    for edges, node in zip(table.graph.edges_into, slots, strict=True):
        share = beta_E[list(edges)].softmax(0)
        result.append(
            tuple(
                InputSlot(
                    _scaled(slot.chosen, share[at]),
                    tuple(_scaled(probe, share[at]) for probe in slot.probes),
                )
                for at, slot in enumerate(node)
            )
        )
    return tuple(result)


def _scaled(op: GatedOp, factor: Tensor) -> GatedOp:
    gate = factor if op.gate is None else factor * op.gate
    return replace(op, gate=gate, is_unit=False)


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
    own, *others = unit_gates(logits_EO[edges, columns])
    return InputSlot(
        GatedOp(*pair, own, is_unit=True),
        tuple(GatedOp(*each, others[at], is_unit=True) for at, each in enumerate(drawn)),
    )
