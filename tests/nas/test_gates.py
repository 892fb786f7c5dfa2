"""The gradients of the gates of a path, against closed forms."""

from typing import cast

import pytest
import torch
from strategies import one_cell, per_node
from supernets import run_pair, set_choices, three_edges
from torch import Tensor

from nasface.arch.space import SearchSpace
from nasface.nas.candidates import Pair
from nasface.nas.edge import SearchEdge
from nasface.nas.mixture import GatedOp, InputSlot, PathMixture
from nasface.nas.policy import ArgmaxPath, GumbelPath
from nasface.nas.search_cell import SearchCell
from nasface.nas.supernet import Supernet

INPUTS = ("x", "y", "z")


Case = tuple[SearchSpace, Supernet, list[Tensor], Tensor]


def case(keep: int | str, normalised: bool = True) -> Case:
    space = three_edges(keep, edge_normalisation=normalised)
    torch.manual_seed(0)
    supernet = Supernet(space, 4).double()
    set_choices(supernet.arch_parameters, space, 1, ties=False)
    inputs = [torch.randn(2, 4, 5, 5, dtype=torch.float64) for _ in INPUTS]
    return space, supernet, inputs, torch.randn(2, 4, 5, 5, dtype=torch.float64)


def closed_form(
    supernet: Supernet, compared: list[Pair], gradient_of_gate: dict[Pair, float]
) -> tuple[Tensor, Tensor]:
    """dL/dalpha and dL/dbeta of one slot: p_j (d_j - sum_k p_k d_k) on each log-score j.

    p is the categorical over ``compared``; d_k = <dL/dy, o_k> for the pairs that were run.
    """
    table = supernet.arch_parameters.tables["c"]
    alpha = supernet.arch_parameters.alpha["c"].detach()
    beta = (
        supernet.arch_parameters.beta["c"].detach()
        if "c" in supernet.arch_parameters.beta
        else None
    )
    offered = torch.from_numpy(table.offered_EO)
    share = (alpha.exp() * offered) / (alpha.exp() * offered).sum(1, keepdim=True)
    edge_share = torch.ones(3) if beta is None else beta.exp() / beta.exp().sum()
    weight = torch.stack([share[e, o] * edge_share[e] for e, o in compared])
    p = weight / weight.sum()
    mean = sum(p[k] * gradient_of_gate.get(pair, 0.0) for k, pair in enumerate(compared))
    d_alpha, d_beta = torch.zeros_like(alpha), torch.zeros(3, dtype=alpha.dtype)
    for j, (edge, column) in enumerate(compared):
        push = p[j] * (gradient_of_gate.get((edge, column), 0.0) - mean)
        d_alpha[edge, column] += push
        d_alpha[edge] -= push * share[edge]
        if beta is not None:
            d_beta[edge] += push
            d_beta -= push * edge_share
    return d_alpha, d_beta


def competitors(
    space: SearchSpace, keep: int | str, pair: Pair, path: tuple[Pair, ...]
) -> list[Pair]:
    """The pairs that could stand in the slot of ``pair``, itself first."""
    columns = {0: (1, 2, 3), 1: (2, 3), 2: (1, 2, 3)}
    taken = {edge for edge, _ in path} - {pair[0]}
    edges = [pair[0]] if keep == "all" else [edge for edge in columns if edge not in taken]
    return [pair, *((e, o) for e in edges for o in columns[e] if (e, o) != pair)]


@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("probes", [0, 1, 2])
@pytest.mark.parametrize("keep", [1, 2, "all"])
def test_gate_gradient_is_the_closed_form(keep: int | str, probes: int, normalised: bool) -> None:
    space, supernet, inputs, weights = case(keep, normalised)
    mixture = supernet.arch_parameters.mixture(ArgmaxPath(probes=probes), seed=0, step=0)["c"]
    assert isinstance(mixture, PathMixture)
    outputs = cast(SearchCell, supernet.cells["c"])(inputs, mixture)
    (outputs[2] * weights).sum().backward()

    d_alpha = torch.zeros(3, 4, dtype=torch.float64)
    d_beta = torch.zeros(3, dtype=torch.float64)
    (path,) = per_node(mixture)
    for slot, pair in zip(mixture.slots[0], path, strict=True):
        rivals = competitors(space, keep, pair, path)
        probed = [(trial.edge, trial.column) for trial in slot.probes]
        assert len(probed) == min(probes, len(rivals) - 1)
        assert set(probed) <= set(rivals[1:])
        executed = [pair, *probed]
        inner = {p: float((weights * run_pair(supernet, p, inputs)).sum()) for p in executed}
        slot_alpha, slot_beta = closed_form(supernet, executed if probes else rivals, inner)
        d_alpha += slot_alpha
        d_beta += slot_beta
    grad = supernet.arch_parameters.alpha["c"].grad
    assert grad is not None
    assert grad.abs().max() > 1e-3
    torch.testing.assert_close(grad, d_alpha, atol=1e-9, rtol=1e-6)
    if normalised:
        torch.testing.assert_close(
            supernet.arch_parameters.beta["c"].grad, d_beta, atol=1e-9, rtol=1e-6
        )


def test_gates_do_not_change_the_output() -> None:
    _, supernet, inputs, _ = case(2)
    cell = cast(SearchCell, supernet.cells["c"])
    gated = supernet.arch_parameters.mixture(ArgmaxPath(probes=1), seed=0, step=0)["c"]
    with torch.no_grad():
        plain = supernet.arch_parameters.mixture(ArgmaxPath(probes=1), seed=0, step=0)["c"]
    assert isinstance(plain, PathMixture)
    assert all(slot.chosen.gate is None and not slot.probes for slot in plain.slots[0])
    torch.testing.assert_close(cell(inputs, gated)[2], cell(inputs, plain)[2], rtol=0, atol=1e-12)


def test_temperature_divides_the_gradient_of_a_sample() -> None:
    """At a very high temperature p is uniform: dL/dlogit_j = (delta_j - 1/n) d / (n T)."""
    _, supernet, inputs, weights = case("all", normalised=False)
    temperature = 1e6
    mixture = supernet.arch_parameters.mixture(GumbelPath(temperature=temperature), seed=0, step=0)[
        "c"
    ]
    assert isinstance(mixture, PathMixture)
    (cast(SearchCell, supernet.cells["c"])(inputs, mixture)[2] * weights).sum().backward()
    chosen = per_node(mixture)[0][1]
    inner = (weights * run_pair(supernet, chosen, inputs)).sum() / (2 * temperature)
    expected = torch.zeros(4, dtype=torch.float64)
    for column in (2, 3):  # the middle edge offers two operations and no none
        expected[column] = inner * ((column == chosen[1]) - 0.5)
    grad = supernet.arch_parameters.alpha["c"].grad
    assert grad is not None
    torch.testing.assert_close(grad[1], expected, rtol=1e-4, atol=1e-12)


def test_a_probe_reads_the_derivative_of_mixing_its_rival_in() -> None:
    """Finite differences of a nonlinear loss behind a second node, the rival added by a hook."""
    space = one_cell(
        [
            {"name": "a", "level": 2, "keep": 1, "edges": [{"source": "x"}]},
            {
                "name": "b",
                "level": 2,
                "combine": "product",
                "edges": [{"source": "a"}, {"source": "x"}],
            },
        ]
    )
    torch.manual_seed(0)
    supernet = Supernet(space, 4, affine=True).double()
    cell = cast(SearchCell, supernet.cells["c"])
    edge = cast(SearchEdge, cell.edges[0])
    x = torch.randn(2, 4, 5, 5, dtype=torch.float64)
    # No ReLU behind the node, since finite differences stumble over its kink.
    rest = ((InputSlot(GatedOp(1, 1)), InputSlot(GatedOp(2, 3))),)

    def loss(first: InputSlot) -> Tensor:
        return cast(Tensor, cell([x], PathMixture(((first,), *rest)))[2].sin().sum())

    for chosen, rival in ((2, 3), (3, 2), (1, 3), (2, 1)):
        gate = torch.zeros((), dtype=torch.float64, requires_grad=True)
        torch.autograd.backward(loss(InputSlot(GatedOp(0, chosen), (GatedOp(0, rival, gate),))))

        def mixed(weight: float, chosen: int = chosen, rival: int = rival) -> float:
            other = edge.operations[edge.column_names[rival]]
            handle = edge.operations[edge.column_names[chosen]].register_forward_hook(
                lambda _module, arguments, output: output + weight * other(*arguments)
            )
            with torch.no_grad():
                value = float(loss(InputSlot(GatedOp(0, chosen))))
            handle.remove()
            return value

        step = 1e-5
        slope = (mixed(step) - mixed(-step)) / (2 * step)
        assert abs(slope) > 1e-3
        assert gate.grad is not None
        assert float(gate.grad) == pytest.approx(slope, rel=1e-5)
