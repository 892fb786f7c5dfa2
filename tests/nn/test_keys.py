"""Cells and nodes may have any name, also those of torch's own attributes."""

import torch
from strategies import space_of
from torch import nn

from nasface.arch.genotype import (
    CellGene,
    EdgeGene,
    Genotype,
    NodeGene,
    OutputGene,
    SpaceReference,
)
from nasface.arch.graph import Input
from nasface.arch.space import SearchSpace
from nasface.nas.policy import ArgmaxPath, Softmax
from nasface.nas.supernet import Supernet
from nasface.nn.cell import build_module
from nasface.nn.keys import module_key, name_of

TAKEN = sorted(
    name for name in {*dir(nn.ModuleDict()), *dir(nn.ParameterDict())} if not name.startswith("_")
)


def test_keys_are_free_and_give_their_names_back() -> None:
    for name in (*TAKEN, "n1", "cpm_c2"):
        nn.ModuleDict()[module_key(name)] = nn.Identity()
        nn.ParameterDict()[module_key(name)] = nn.Parameter(torch.zeros(1))
        assert name_of(module_key(name)) == name
    assert module_key("n1") == "n1"


def space() -> SearchSpace:
    nodes = [
        {"name": "type", "level": 2, "combine": "concat", "edges": [{"source": "keys"}] * 2},
        {"name": "half", "level": 2, "combine": "weighted_sum", "edges": [{"source": "type"}]},
    ]
    return space_of(
        {
            "format": 1,
            "name": "taken",
            "operations": ["sep_3x3", "conv_1x1"],
            "edge_normalisation": True,
            "cells": {
                "forward": {
                    "inputs": [{"name": "keys", "level": 2}],
                    "nodes": nodes,
                    "output": {"rule": "cat-all", "projection": "conv"},
                }
            },
        }
    )


def test_a_supernet_whose_names_are_taken() -> None:
    supernet, x = Supernet(space(), 4), {2: torch.randn(2, 4, 8, 8)}
    for policy in (Softmax(), ArgmaxPath(probes=1)):
        mixture = supernet.arch_parameters.mixture(policy, seed=0, step=0)
        assert supernet(x, mixture)[2].shape == (2, 4, 8, 8)
    alpha, beta = supernet.arch_parameters.of("forward")
    assert alpha.shape == (3, 2)
    assert beta is not None
    Supernet(space(), 4).load_state_dict(supernet.state_dict())


def test_a_fixed_cell_whose_names_are_taken() -> None:
    gene = CellGene(
        (Input("keys", 2),),
        (
            NodeGene("type", 2, "concat", (EdgeGene("keys", "sep_3x3"),) * 2),
            NodeGene("half", 2, "weighted_sum", (EdgeGene("type", "conv_1x1"),)),
        ),
        (OutputGene(2, ("half",)),),
        "conv",
        False,
    )
    genotype = Genotype(1, "taken", SpaceReference("taken", "0" * 12), {"forward": gene})
    for dense in (False, True):
        module = build_module(genotype, 8, (2,), dense=dense)
        assert module({2: torch.randn(2, 8, 8, 8)})[2].shape == (2, 8, 8, 8)
        build_module(genotype, 8, (2,), dense=dense).load_state_dict(module.state_dict())
