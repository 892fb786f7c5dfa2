"""The gumbel policy with an operation on every edge, as GDAS runs it."""

from typing import cast

import numpy as np
import torch
from supernets import run_pair, three_edges

from nasface.nas.candidates import CandidateTable
from nasface.nas.mixture import PathMixture
from nasface.nas.policy import GumbelPath, StepRandom
from nasface.nas.search_cell import SearchCell
from nasface.nas.supernet import Supernet


def test_gumbel_on_every_edge_as_gdas() -> None:
    """One operation per edge, edges weighted by softmax(beta); gradients by the closed form.

    dL/dlogit_j = p_j (delta_j - p) d / T per edge, where d is the derivative of the loss by the
    gate, here of a loss that is linear in the node.
    """
    space = three_edges(2)
    supernet = Supernet(space, 4).double()
    policy = GumbelPath(temperature=0.7, every_edge=True)
    mixture = supernet.arch_parameters.mixture(policy, seed=0, step=3)["c"]
    assert isinstance(mixture, PathMixture)
    assert mixture.every_edge
    assert [edge for edge, _ in mixture.pairs] == [0, 1, 2]
    torch.manual_seed(1)
    inputs = [torch.randn(2, 4, 5, 5, dtype=torch.float64) for _ in range(3)]
    weights = torch.randn(2, 4, 5, 5, dtype=torch.float64)
    output = cast(SearchCell, supernet.cells["c"])(inputs, mixture)[2]
    (output * weights).sum().backward()
    alpha, beta = supernet.arch_parameters.alpha["c"], supernet.arch_parameters.beta["c"]
    share = beta.detach().softmax(0)
    table = CandidateTable.of(space, "c")
    noise = StepRandom(0, 0, 3).generator(3).gumbel(size=table.offered_EO.shape)
    expected = torch.zeros_like(output)
    d_alpha = torch.zeros_like(alpha)
    for edge, column in mixture.pairs:
        value = run_pair(supernet, (edge, column), inputs).detach()
        expected += share[edge] * value
        columns = [int(c) for c in np.flatnonzero(table.eligible_EO[edge])]
        offered = [int(c) for c in np.flatnonzero(table.offered_EO[edge])]
        logp = alpha.detach()[edge, offered].log_softmax(0)
        logits = torch.stack(
            [(logp[offered.index(c)] + np.float32(noise[edge, c]).item()) / 0.7 for c in columns]
        )
        p = logits.softmax(0)
        assert columns[int(logits.argmax())] == column
        inner = share[edge] * (weights * value).sum()
        at = columns.index(column)
        d_logits = p[at] * ((torch.arange(len(p)) == at).double() - p) * inner / 0.7
        soft = logp.exp()
        for c, d in zip(columns, d_logits, strict=True):
            # through log softmax over all offered operations, none included
            d_alpha[edge, c] += d
            for other, q in zip(offered, soft, strict=True):
                d_alpha[edge, other] -= q * d
    torch.testing.assert_close(output.detach(), expected.detach(), rtol=1e-6, atol=1e-9)
    assert alpha.grad is not None
    torch.testing.assert_close(alpha.grad, d_alpha, rtol=1e-5, atol=1e-8)
    assert beta.grad is not None
    assert beta.grad.abs().max() > 0


def test_a_weight_step_of_gdas_weights_its_edges_too() -> None:
    space = three_edges(2)
    supernet = Supernet(space, 4).double()
    inputs = [torch.randn(2, 4, 5, 5, dtype=torch.float64) for _ in range(3)]
    cell = cast(SearchCell, supernet.cells["c"])
    policy = GumbelPath(every_edge=True)
    gated = cell(inputs, supernet.arch_parameters.mixture(policy, seed=0, step=0)["c"])[2]
    with torch.no_grad():
        plain = cell(inputs, supernet.arch_parameters.mixture(policy, seed=0, step=0)["c"])[2]
    torch.testing.assert_close(gated, plain)
