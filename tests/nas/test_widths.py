"""The choice of a cell's width: by hand, and through supernets, policies and genotypes."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from strategies import POLICIES, space_of
from supernets import LEVELS, check_inherited, features_of, moved
from torch import Tensor

from nasface.arch.io import check_membership, load_search_space, parse_genotype
from nasface.arch.space import SearchSpace
from nasface.detection.config import DetectorConfig
from nasface.detection.cost import detector_cost, detector_cost_penalty
from nasface.errors import ConfigError, SpecError
from nasface.io.yaml import to_yaml
from nasface.nas.arch_parameters import ArchitectureParameters
from nasface.nas.candidates import CandidateTable
from nasface.nas.choices import choices_of, holds
from nasface.nas.coverage import Coverage, decisions
from nasface.nas.derive import derive
from nasface.nas.fairness import FairPath, paths_per_step
from nasface.nas.inherit import inherit_weights
from nasface.nas.mixture import GatedOp, InputSlot, PathMixture
from nasface.nas.policy import ArgmaxPath, Softmax, UniformPath
from nasface.nas.rules import GatedRule, width_of
from nasface.nas.sampling import mixture_of, random_genotype
from nasface.nas.selection import SELECTIONS, CellScorer
from nasface.nas.supernet import Supernet
from nasface.nas.widening import widen
from nasface.nas.widths import SearchedWidth
from nasface.nn.cell import build_module

CONTEXT = ("cpm_c3", "cpm_c4", "cpm_c5")


def searched(**parameters: Any) -> SearchSpace:
    return load_search_space("autofem2", levels="3-5", nodes=2, width="any", **parameters)


def plain_cell(
    widths: Any, projection: str = "conv_norm_relu", residual: bool = False
) -> SearchSpace:
    """Cell c at level 2: x + x, beside another that always stays."""
    edges = [{"source": "x", "operations": ["skip"]}] * 2
    cell = {
        "inputs": [{"name": "x", "level": 2}],
        "nodes": [{"name": "a", "level": 2, "edges": edges}],
        "output": {"rule": "cat-all", "projection": projection, "residual": residual},
    }
    cells = {"c": {**cell, "width": widths}, "d": cell}
    return space_of({"format": 1, "name": "plain", "operations": ["skip"], "cells": cells})


PATH = ((InputSlot(GatedOp(0, 0)), InputSlot(GatedOp(1, 0))),)


def run(supernet: Supernet, x: Tensor, *widths: GatedRule) -> Tensor:
    mixture = PathMixture(PATH, rules={width_of("c"): widths})
    found: Tensor = supernet.cells["c"]([x], mixture)[2]
    return found


def by_hand(supernet: Supernet, width: str, x: Tensor) -> Tensor:
    """The cell of a width in evaluation mode, by the functions of torch and its weights alone."""
    cell = supernet.cells["c"]
    assert isinstance(cell, SearchedWidth)
    own = cell.of_width(width).state_dict()

    def norm(values: Tensor, key: str) -> Tensor:
        names = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(values, *(own[f"{key}.{each}"] for each in names))

    inner = x
    if width != "1":
        assert own["entries.x.1.weight"].shape[0] == x.shape[1] * float(width)
        inner = norm(F.conv2d(F.relu(x), own["entries.x.1.weight"]), "entries.x.2")
    return F.relu(norm(F.conv2d(2 * inner, own["projections.a.weight"]), "finish.2.0"))


def test_each_width_by_hand() -> None:
    supernet = moved(Supernet(plain_cell([1, 0.5, 0.25, 0]), 8)).eval()
    x = torch.randn(2, 8, 3, 3)
    for width in ("1", "0.5", "0.25"):
        torch.testing.assert_close(run(supernet, x, GatedRule(width)), by_hand(supernet, width, x))
    assert torch.equal(run(supernet, x, GatedRule("0")), x)


def test_a_mixture_is_the_weighted_sum() -> None:
    supernet = moved(Supernet(plain_cell([0.5, 0, 1]), 8)).eval()
    shares = torch.tensor([0.2, 0.3, 0.5])
    with torch.no_grad():
        supernet.arch_parameters.gamma["c"][1] = 0
        columns = [
            supernet.arch_parameters.tables["c"].rules.names.index(each)
            for each in ("0.5", "0", "1")
        ]
        supernet.arch_parameters.gamma["c"][1, columns] = shares.log()
    torch.testing.assert_close(supernet.arch_parameters.width_shares("c"), shares)
    x = torch.randn(2, 8, 3, 3)
    mixture = supernet.arch_parameters.mixture(Softmax(), seed=0, step=0)
    found = supernet.cells["c"]([x], mixture["c"])[2]
    expected = 0.2 * by_hand(supernet, "0.5", x) + 0.3 * x + 0.5 * by_hand(supernet, "1", x)
    torch.testing.assert_close(found, expected)


def test_a_gate_has_the_gradient_of_a_swap() -> None:
    """With the gate of a probe at zero, its gradient is that of adding a little of the rival."""
    supernet = moved(Supernet(plain_cell([1, 0.5]), 8)).eval()
    x = torch.randn(2, 8, 3, 3)
    gates = torch.tensor([1.0, 0.0], requires_grad=True)
    found = run(supernet, x, GatedRule("1", gates[0]), GatedRule("0.5", gates[1], True))
    torch.testing.assert_close(found, by_hand(supernet, "1", x))
    direction = torch.randn_like(found)
    (found * direction).sum().backward()
    expected = [(by_hand(supernet, each, x) * direction).sum() for each in ("1", "0.5")]
    torch.testing.assert_close(gates.grad, torch.stack(expected))
    cell = supernet.cells["c"]
    assert isinstance(cell, SearchedWidth)
    assert all(each.grad is None for each in cell.of_width("0.5").parameters())


@pytest.mark.parametrize("residual", [False, True])
def test_a_cell_of_one_narrow_width_needs_no_choice(residual: bool) -> None:
    """The residual is the input as it comes, not as the nodes take it."""
    space = plain_cell(0.5, "conv", residual)
    supernet = moved(Supernet(space, 8)).eval()
    genotype = random_genotype(space, 0)
    assert genotype.cells["c"].width == 0.5
    module = build_module(genotype, 8, [2])
    inherit_weights(supernet, genotype, module)
    features = {2: torch.randn(2, 8, 3, 3)}
    with torch.no_grad():
        expected = supernet(features, mixture_of(space, genotype))[2]
        torch.testing.assert_close(module.eval()(features)[2], expected)
        own = supernet.cells["c"].state_dict()
        names = ("running_mean", "running_var", "weight", "bias")
        norm = [own[f"entries.x.2.{each}"] for each in names]
        inner = F.batch_norm(F.conv2d(F.relu(features[2]), own["entries.x.1.weight"]), *norm)
        cell = F.conv2d(2 * inner, own["projections.a.weight"]) + residual * features[2]
    found = supernet.cells["c"]([features[2]], PathMixture(PATH))[2]
    torch.testing.assert_close(found, cell)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("context", ["one", "each"])
def test_the_module_computes_what_the_supernet_does(context: str, training: bool) -> None:
    space = searched(context=context)
    supernet = moved(Supernet(space, 8))
    widths = set()
    for seed in range(8):
        genotype = random_genotype(space, seed)
        widths |= {genotype.cells[name].width for name in CONTEXT if name in genotype.cells}
        check_inherited(supernet, genotype, seed, training=training)
    assert widths == {1.0, 0.5, 0.25}


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_executes_what_the_space_offers(policy: str) -> None:
    space = searched()
    supernet = Supernet(space, 8)
    mixture = supernet.arch_parameters.mixture(POLICIES[policy], seed=0, step=0)
    for name in CONTEXT:
        run = {each.rule for each in mixture[name].rules[width_of(name)]}
        assert run <= {"1", "0.5", "0.25", "0"}
    found = supernet(features_of(8, 0), mixture)
    assert {level: value.shape[1] for level, value in found.items()} == dict.fromkeys(LEVELS, 8)
    sum(value.sum() for value in found.values()).backward()
    gradient = supernet.arch_parameters.gamma["cpm_c3"].grad
    # A uniform path that is the first of a cell's has gates, too.
    assert gradient is not None
    assert (gradient[-3:].abs().sum(dim=1) > 0).all()


def test_levels_that_share_their_choices_have_widths_of_their_own() -> None:
    space = searched(context="one")
    assert space.leaders == ("fpn", "cpm_c3")
    parameters = ArchitectureParameters(space)
    table = parameters.tables["cpm_c3"].rules
    assert table.nodes == ("n1", "n2", *map(width_of, CONTEXT))
    wanted = {"cpm_c3": "0.25", "cpm_c4": "0", "cpm_c5": "1"}
    gamma = parameters.gamma["cpm_c3"]
    for name, width in wanted.items():
        gamma.data[table.nodes.index(width_of(name)), table.names.index(width)] = 1
    arrays = (
        {key: value.detach().numpy() for key, value in kind.items()}
        for kind in (parameters.alpha, parameters.beta, parameters.gamma)
    )
    genotype = derive(space, *arrays)
    assert {name: genotype.cells[name].width for name in ("cpm_c3", "cpm_c5")} == {
        "cpm_c3": 0.25,
        "cpm_c5": 1,
    }
    assert "cpm_c4" not in genotype.cells
    executed = parameters.mixture(ArgmaxPath(), seed=0, step=0)
    for name, width in wanted.items():
        assert executed[name].rules[width_of(name)][0].rule == width
    assert parse_genotype(to_yaml(genotype), "here") == genotype
    check_membership(genotype)


def test_uniform_paths_visit_each_width_equally_often() -> None:
    space = plain_cell([1, 0.5, 0])
    parameters = ArchitectureParameters(space)
    for policy in (UniformPath(), FairPath()):
        counted = Coverage(parameters.tables)
        with torch.no_grad():
            for step in range(12):
                counted.add(parameters.mixture(policy, seed=3, step=step))
        assert counted.rule_counts["c"][1].tolist() == [0, 4, 4, 4]
        # The operations of a cell that is left out are not executed.
        assert counted.counts["c"].tolist() == [[8], [8]]
        assert counted.counts["d"].tolist() == [[12], [12]]
    assert counted.unvisited() == 0
    assert counted.candidates() == 3
    assert paths_per_step(parameters.tables.values()) == 3
    alpha, gamma = (
        {key: value.detach().numpy() for key, value in kind.items()}
        for kind in (parameters.alpha, parameters.gamma)
    )
    (row,) = decisions(counted, alpha, {}, gamma)
    assert (row.cell, row.node, row.what, row.candidates) == ("c", "width", "width", 3)
    assert (row.least, row.most) == (4, 4)


def test_what_a_genotype_chooses_makes_it_again() -> None:
    for context in ("one", "each"):
        space = searched(context=context)
        scorer = CellScorer(space, len, 1)  # type: ignore[arg-type]
        missing = 0
        for seed in range(20):
            genotype = random_genotype(space, seed)
            missing += sum(name not in genotype.cells for name in CONTEXT)
            assert scorer.genotype(choices_of(space, genotype)).cells == genotype.cells
            assert holds(space, genotype)
            if not {*CONTEXT} <= genotype.cells.keys():
                assert not holds(load_search_space("autofem2", levels="3-5", nodes=2), genotype)
        assert missing > 0


@pytest.mark.parametrize("name", SELECTIONS)
def test_selections_climb_by_widths_and_score_no_cell_twice(name: str) -> None:
    """Best is a cell of half the width at level 4 and none at the others."""
    asked = []

    def score(genotype: Any) -> float:
        asked.append(str(genotype.cells))
        half = genotype.cells.get("cpm_c4")
        return float(half is not None and half.width == 0.5) - sum(
            each in genotype.cells for each in ("cpm_c3", "cpm_c5")
        )

    found = SELECTIONS[name](CellScorer(searched(), score, 120, seed=1))
    assert len(asked) == len(set(asked)) == 120
    if name != "random-search":
        assert set(found.cells) == {"fpn", "cpm_c4"}
        assert found.cells["cpm_c4"].width == 0.5


@pytest.mark.parametrize("measure", ["macs", "parameters"])
def test_the_penalty_of_a_decided_search_is_the_size_of_its_detector(measure: Any) -> None:
    """But for the projections, whose leaves are those of another path."""
    config = DetectorConfig(channels=16, levels=LEVELS, head_layers=1)
    space = searched(combine="sum", context="one")
    penalty = detector_cost_penalty(config, space, (64, 64), measure)
    parameters = ArchitectureParameters(space)
    rules = parameters.tables["cpm_c3"].rules
    for name, alpha in parameters.alpha.items():
        alpha.data[:] = 0
        parameters.beta[name].data[:] = 0
        alpha.data[:, space.operations.index("conv_1x1")] = 100
    sizes = {}
    for width in ("1", "0.5", "0.25", "0"):
        gamma = parameters.gamma["cpm_c3"]
        gamma.data[:] = 0
        gamma.data[:, rules.names.index(width)] = 100
        arrays = (
            {key: value.detach().numpy() for key, value in kind.items()}
            for kind in (parameters.alpha, parameters.beta, parameters.gamma)
        )
        total = detector_cost(config, derive(space, *arrays), 64, 64)[0]
        sizes[width] = total.macs if measure == "macs" else total.parameters
        found = float(penalty.expected(parameters).detach())
        assert found == pytest.approx(sizes[width], rel=1e-5)
    assert sizes["1"] > sizes["0.5"] > sizes["0.25"] > sizes["0"]
    gamma.data[:] = 0  # each of four widths as likely
    expected = float(penalty.expected(parameters).detach())
    assert expected == pytest.approx(sum(sizes.values()) / 4, rel=1e-5)


def test_partial_channels_grow_within_each_width() -> None:
    space = searched(partial=2)
    supernet = Supernet(space, 16)
    widen(supernet, 1)
    genotype = random_genotype(space, 0)
    inherit_weights(supernet, genotype, build_module(genotype, 16, LEVELS))
    with pytest.raises(ConfigError, match=r"width 0\.25 has 2; expected a multiple of 4"):
        Supernet(searched(partial=4), 8)


def test_channels_that_cannot_be_divided_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"width 0\.25 would have 2\.5; expected"):
        Supernet(searched(), 10)
    genotype = random_genotype(plain_cell(0.25), 0)
    with pytest.raises(ConfigError, match=r"width 0\.25 would have 1\.5"):
        build_module(genotype, 6, [2])
    with pytest.raises(ConfigError, match=r"context dense: .* width 0\.25 has 2 of 8 channels"):
        build_module(genotype, 8, [2], dense=True)


def test_widths_and_cells_of_another_space_are_refused() -> None:
    space = plain_cell([1, 0.5])
    half = random_genotype(plain_cell(0.25), 0)
    for use in (
        lambda: mixture_of(space, half),
        lambda: inherit_weights(Supernet(space, 8), half, build_module(half, 8, [2])),
    ):
        with pytest.raises(SpecError, match=r"width: 0\.25 is no candidate; expected 1 or 0\.5"):
            use()
    without = random_genotype(
        plain_cell([0, 1]),
        next(
            seed for seed in range(9) if "c" not in random_genotype(plain_cell([0, 1]), seed).cells
        ),
    )
    with pytest.raises(SpecError, match="cell 'c' of plain is missing"):
        mixture_of(space, without)
    assert not holds(space, without)
    assert CandidateTable.of(space, "d").widths == {}
