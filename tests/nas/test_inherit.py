"""Derived modules with the weights of a supernet compute what it computes on their path."""

from typing import Any

import pytest
import torch
from strategies import one_cell
from supernets import LEVELS, check_inherited, moved

from nasface.arch.io import load_search_space
from nasface.errors import ConfigError, SpecError
from nasface.nas.inherit import inherit_weights
from nasface.nas.sampling import mixture_of, random_genotype
from nasface.nas.supernet import Supernet
from nasface.nn.cell import build_module


@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("name", "options"), [("autofem2", {"context": "each"}), ("pyramid", {})])
def test_the_module_computes_what_the_supernet_does(
    name: str, options: dict[str, Any], affine: bool, training: bool
) -> None:
    space = load_search_space(name, levels="3-5", **options)
    supernet = moved(Supernet(space, 8, affine=affine))
    for seed in range(3):
        genotype = random_genotype(space, seed)
        check_inherited(supernet, genotype, seed, training=training)


def test_concatenations_of_some_edges_are_inherited() -> None:
    edges = [{"source": name} for name in ("x", "y", "z")]
    node = {"name": "a", "level": 2, "keep": 2, "edges": edges, "combine": ["sum", "concat"]}
    output = {"rule": "cat-all", "projection": "conv"}
    space = one_cell([node], inputs=("x", "y", "z"), output=output)
    supernet = moved(Supernet(space, 4))
    rules = set()
    for seed in range(6):
        genotype = random_genotype(space, seed)
        rules.add(genotype.cells["c"].nodes[0].combine)
        module = build_module(genotype, 4, (2,))
        inherit_weights(supernet, genotype, module)
        inputs = [torch.randn(2, 4, 5, 6) for _ in "xyz"]
        cell, fixed = supernet.eval().cells["c"], module.eval().cells["c"]
        with torch.no_grad():
            expected = cell(inputs, mixture_of(space, genotype)["c"])[2]
            torch.testing.assert_close(fixed(inputs)[2], expected, rtol=1e-4, atol=1e-5)
    assert rules == {"sum", "concat"}


@pytest.mark.parametrize("name", ["autofem-cpm"])
def test_partial_channels_are_refused(name: str) -> None:
    space = load_search_space(name, nodes=4)
    genotype = random_genotype(space, 0)
    with pytest.raises(ConfigError, match="partial_channels: 4"):
        inherit_weights(Supernet(space, 8), genotype, build_module(genotype, 8, range(2, 8)))


def test_another_width_and_another_space_are_refused() -> None:
    space = load_search_space("autofem2-cpm", levels="3-5")
    genotype = random_genotype(space, 0)
    with pytest.raises(ConfigError, match="another width"):
        inherit_weights(Supernet(space, 8), genotype, build_module(genotype, 4, LEVELS))
    other = random_genotype(load_search_space("autofem2-fpn", levels="3-5"), 0)
    with pytest.raises(SpecError, match="is missing"):
        inherit_weights(Supernet(space, 8), other, build_module(other, 8, LEVELS))
