"""The choice of combine rules: by hand, and through supernets, policies and genotypes."""

from typing import Any

import numpy as np
import pytest
import torch
from strategies import one_cell
from torch import Tensor

from nasface.arch.io import load_search_space
from nasface.arch.space import SearchSpace
from nasface.errors import ConfigError
from nasface.nas.candidates import CandidateTable
from nasface.nas.coverage import Coverage, decisions
from nasface.nas.derive import derive, genotype_of_paths
from nasface.nas.mixture import GatedOp, InputSlot, PathMixture
from nasface.nas.policy import ArgmaxPath, GumbelPath, Policy, Softmax, UniformPath
from nasface.nas.rules import GatedRule
from nasface.nas.sampling import random_genotype
from nasface.nas.supernet import Supernet
from nasface.nn.cell import build_module

RULES = ["sum", "weighted_sum", "product"]


def joined(**changes: Any) -> SearchSpace:
    """Node a joins x and y by a rule that is searched, node b doubles a fixed one."""
    edges = [{"source": name, "operations": ["skip"]} for name in ("x", "y")]
    nodes = [
        {"name": "a", "level": 2, "edges": edges, "combine": RULES, **changes},
        {"name": "b", "level": 2, "edges": [{"source": "a", "operations": ["skip"]}]},
    ]
    return one_cell(nodes, inputs=("x", "y"), output={"rule": "cat-all", "projection": "none"})


def run(space: SearchSpace, rules: tuple[GatedRule, ...], x: Tensor, y: Tensor) -> Tensor:
    skip = space.operations.index("skip")
    slots = tuple(
        tuple(InputSlot(GatedOp(edge, skip)) for edge in edges)
        for edges in space.cells["c"].edges_into
    )
    mixture = PathMixture(slots, rules={"a": rules})
    supernet = Supernet(space, 4)
    out: Tensor = supernet.cells["c"]([x, y], mixture)[2]
    return out[:, :4]


def test_each_rule_by_hand() -> None:
    x, y = torch.randn(2, 4, 3, 3), torch.randn(2, 4, 3, 3)
    space = joined()
    torch.testing.assert_close(run(space, (GatedRule("sum"),), x, y), x + y)
    torch.testing.assert_close(run(space, (GatedRule("product"),), x, y), x * y)
    half = run(space, (GatedRule("weighted_sum"),), x, y)
    torch.testing.assert_close(half, (x + y) / 2, atol=0.01, rtol=0)


def test_a_gate_has_the_gradient_of_a_swap() -> None:
    """With the gate of a probe at zero, its gradient is that of adding a little of the rival."""
    x, y = torch.randn(2, 4, 3, 3), torch.randn(2, 4, 3, 3)
    gates = torch.tensor([1.0, 0.0], requires_grad=True)
    chosen = (GatedRule("sum", gates[0]), GatedRule("product", gates[1], True))
    out = run(joined(), chosen, x, y)
    torch.testing.assert_close(out.detach(), x + y)
    direction = torch.randn_like(out)
    (out * direction).sum().backward()
    assert gates.grad is not None
    expected = [((x + y) * direction).sum(), (x * y * direction).sum()]
    torch.testing.assert_close(gates.grad, torch.stack(expected))


@pytest.mark.parametrize("policy", [ArgmaxPath(1.0, 1), GumbelPath(1.0, 2), Softmax()])
def test_every_policy_moves_the_choice(policy: Policy) -> None:
    space = load_search_space("autofem2-fpn", levels="3-5")
    supernet = Supernet(space, 4)
    features = {level: torch.randn(2, 4, 64 >> level, 64 >> level) for level in (3, 4, 5)}
    mixture = supernet.arch_parameters.mixture(policy, seed=0, step=0)
    out = supernet(features, mixture)
    sum((value * torch.randn_like(value)).sum() for value in out.values()).backward()
    (gamma,) = supernet.arch_parameters.gamma.values()
    open_nodes = list(supernet.arch_parameters.tables["fpn"].rules.open)
    assert gamma.grad is not None
    assert (gamma.grad[open_nodes].abs().sum(dim=1) > 0).all()


def test_without_noise_the_highest_is_executed_and_derived() -> None:
    space = joined()
    supernet = Supernet(space, 4)
    with torch.no_grad():
        supernet.arch_parameters.gamma["c"][0] = torch.tensor([0.0, 1.0, 2.0])
    mixture = supernet.arch_parameters.mixture(ArgmaxPath(), seed=0, step=0)["c"]
    assert mixture.rules["a"][0].rule == "product"
    gamma = supernet.arch_parameters.gamma["c"].detach().numpy()
    alpha = supernet.arch_parameters.alpha["c"].detach().numpy()
    genotype = derive(space, {"c": alpha}, None, {"c": gamma})
    assert [node.combine for node in genotype.cells["c"].nodes] == ["product", "sum"]


def test_uniform_paths_visit_each_rule_equally_often() -> None:
    parameters = Supernet(joined(), 4).arch_parameters
    counted = Coverage(parameters.tables)
    with torch.no_grad():
        for step in range(12):
            counted.add(parameters.mixture(UniformPath(), seed=3, step=step))
    assert counted.rule_counts["c"].tolist() == [[4, 4, 4], [0, 0, 0]]
    again = Coverage(parameters.tables)
    again.load(counted.state())
    assert again.rule_counts["c"].tolist() == counted.rule_counts["c"].tolist()
    alpha = np.zeros((3, 4), np.float32)
    gamma = np.log(np.array([[8, 4, 4], [1, 1, 1]], np.float32))
    (row,) = (
        each
        for each in decisions(counted, {"c": alpha}, {}, {"c": gamma})
        if each.what == "combine"
    )
    assert (row.node, row.candidates, row.least, row.most) == ("a", 3, 4, 4)
    assert row.margin == pytest.approx(0.25)
    assert row.entropy == pytest.approx(1.5 * np.log(2) / np.log(3), abs=1e-6)


def test_a_node_that_keeps_one_edge_has_no_rule_to_choose() -> None:
    space = joined(keep=1)
    assert [node.combine for node in space.cells["c"].nodes] == ["sum", "sum"]


def test_spaces_that_differ_in_their_rules_alone_have_the_same_random_pairs() -> None:
    edges = [
        [node.edges for node in random_genotype(space, 5).cells["cpm_c3"].nodes]
        for space in (
            load_search_space("autofem2-cpm", levels="3-5", combine=rule) for rule in ("any", "sum")
        )
    ]
    assert edges[0] == edges[1]


def test_tied_cells_are_drawn_and_built_alike() -> None:
    space = load_search_space("autofem2-cpm", levels="3-5")
    genotype = random_genotype(space, 1)
    cells = list(genotype.cells.values())
    assert len(cells) == 3
    assert {cell.nodes[1].edges for cell in cells} == {cells[0].nodes[1].edges}
    module = build_module(genotype, 8, (3, 4, 5))
    features = {level: torch.randn(1, 8, 64 >> level, 64 >> level) for level in (3, 4, 5)}
    assert {level: x.shape for level, x in module(features).items()} == {
        level: x.shape for level, x in features.items()
    }


def test_a_policy_without_rules_is_refused_where_they_are_searched() -> None:
    class Fixed:
        def mix(self, table: CandidateTable, *rest: Any) -> PathMixture:
            return PathMixture(())

    parameters = Supernet(joined(), 4).arch_parameters
    with pytest.raises(ConfigError, match="mix_rules"):
        parameters.mixture(Fixed(), seed=0, step=0)


def test_a_genotype_of_paths_takes_the_first_rule_by_default() -> None:
    space = joined()
    path = {"c": (((0, 1), (1, 1)), ((2, 1),))}
    assert genotype_of_paths(space, path).cells["c"].nodes[0].combine == "sum"
    named = genotype_of_paths(space, path, {"c": ("product", "sum")})
    assert named.cells["c"].nodes[0].combine == "product"
