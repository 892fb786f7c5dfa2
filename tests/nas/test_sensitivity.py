"""Choices without a gradient."""

import torch

from nasface.arch.io import load_search_space
from nasface.nas.policy import ArgmaxPath
from nasface.nas.sensitivity import Sensitivity
from nasface.nas.supernet import Supernet


def test_a_cell_that_the_loss_does_not_see_is_blind() -> None:
    space = load_search_space("autofem2-cpm", levels="3-5", context="each", nodes=2)
    supernet = Supernet(space, 4)
    parameters = supernet.arch_parameters
    found = Sensitivity(parameters)
    assert found.blind() == {}
    for step in range(3):
        features = {level: torch.randn(2, 4, 64 >> level, 64 >> level) for level in (3, 4, 5)}
        out = supernet(features, parameters.mixture(ArgmaxPath(1.0, 3), seed=0, step=step))
        parameters.zero_grad()
        sum((out[level] * torch.randn_like(out[level])).sum() for level in (3, 4)).backward()
        found.add(parameters)
    assert found.steps == 3
    assert found.blind() == {"cpm_c5": ("n1", "n2")}


def test_small_gradients_are_compared_with_the_greatest() -> None:
    space = load_search_space("autofem2-cpm", levels="3-5", context="each", nodes=2)
    parameters = Supernet(space, 4).arch_parameters
    found = Sensitivity(parameters)
    for cell, size in (("cpm_c3", 1.0), ("cpm_c4", 1e-4), ("cpm_c5", 1e-8)):
        alpha = parameters.of(cell)[0]
        alpha.grad = torch.full_like(alpha, size)
    found.add(parameters)
    assert found.blind() == {"cpm_c5": ("n1", "n2")}
