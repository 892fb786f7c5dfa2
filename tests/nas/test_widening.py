"""Partial channels that grow in the course of a search."""

import copy

import pytest
import torch
from strategies import one_cell
from supernets import LEVELS, features_of, moved
from torch import nn

from nasface.arch.io import load_search_space
from nasface.arch.operations import OPERATIONS
from nasface.arch.space import SearchSpace
from nasface.errors import ConfigError
from nasface.nas.inherit import inherit_weights
from nasface.nas.policy import Softmax
from nasface.nas.sampling import mixture_of, random_genotype
from nasface.nas.supernet import Supernet
from nasface.nas.widening import Widening, check_stages, widen
from nasface.nn.cell import build_module
from nasface.nn.fast_gradients import with_fast_gradients


def space_of(partial: int) -> SearchSpace:
    return load_search_space("autofem2", levels="3-5", partial=partial)


def shapes(supernet: Supernet) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {key: (each.shape, each.dtype) for key, each in supernet.state_dict().items()}


@pytest.mark.parametrize("affine", [False, True])
def test_equal_inputs_give_what_they_gave_before(affine: bool) -> None:
    supernet = moved(Supernet(space_of(4), 16, affine=affine)).eval()
    before = copy.deepcopy(supernet)
    widen(supernet, 2)
    x = torch.randn(2, 4, 12, 10)
    compared = set()
    for old, new in zip(before.partial_edges(), supernet.partial_edges(), strict=True):
        for key, operation in old.operations.items():
            expected = operation(x.clone()).repeat(1, 2, 1, 1)
            found = new.operations[key](x.repeat(1, 2, 1, 1))
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
            compared.add(key)
    assert len(compared) == len(space_of(4).operations)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("stride", [1, 2])
def test_every_operation_can_grow(name: str, stride: int) -> None:
    transform, level = ("none", 2) if stride == 1 else ("stride", 3)
    operations = list(dict.fromkeys((name, "conv_1x1", "sep_3x3")))
    edge = {"source": "x", "transform": transform, "operations": operations}
    space = one_cell([{"name": "a", "level": level, "edges": [edge]}], partial_channels=4)
    supernet = with_fast_gradients(Supernet(space, 16))  # as jobs have them
    widen(supernet, 1)
    mixture = supernet.arch_parameters.mixture(Softmax(), seed=0, step=0)
    (found,) = supernet.cells["c"]([torch.randn(2, 16, 8, 8)], mixture["c"]).values()
    found.sum().backward()
    assert found.shape == (2, 16, 8 // stride, 8 // stride)


def test_a_grown_supernet_is_one_of_its_width_with_the_same_parameters() -> None:
    supernet = moved(Supernet(space_of(4), 16))
    optimizer = torch.optim.AdamW(supernet.weights(), lr=0.01)
    parameters = list(map(id, supernet.parameters()))
    told: list[int] = []
    widening = Widening(supernet, optimizer, (4, 2, 1), 6, lambda: told.append(supernet.partial))
    widths = []
    for step in range(6):
        widening.prepare(step)
        widths.append(supernet.partial)
        take_step(supernet, optimizer, step)
    assert widths == [4, 4, 2, 2, 1, 1]
    assert told == [2, 1]
    assert list(map(id, supernet.parameters())) == parameters
    assert shapes(supernet) == shapes(Supernet(space_of(1), 16))
    for parameter, state in optimizer.state.items():
        assert state["exp_avg"].shape == parameter.shape
        assert state["exp_avg"].stride() == parameter.stride()


def take_step(supernet: Supernet, optimizer: torch.optim.Optimizer, step: int) -> None:
    mixture = supernet.arch_parameters.mixture(Softmax(), seed=0, step=step)
    optimizer.zero_grad()
    sum(x.square().mean() for x in supernet(features_of(16, step), mixture).values()).backward()
    optimizer.step()


def test_weights_are_inherited_from_one_that_ends_with_all_channels() -> None:
    supernet = moved(Supernet(space_of(4), 16)).eval()
    genotype = random_genotype(supernet.space, 0)
    module = build_module(genotype, 16, LEVELS).eval()
    with pytest.raises(ConfigError, match="partial_channels: 4"):
        inherit_weights(supernet, genotype, module)
    widen(supernet, 1)
    inherit_weights(supernet, genotype, module)
    features = features_of(16, 0)
    with torch.no_grad():
        expected = supernet(features, mixture_of(supernet.space, genotype))
        found = module(features)
    for level in LEVELS:
        torch.testing.assert_close(found[level], expected[level], rtol=1e-4, atol=1e-5)


def test_rectifiers_and_modes_stay() -> None:
    supernet = Supernet(space_of(2), 8)
    for module in list(supernet.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.ReLU):
                setattr(module, name, nn.LeakyReLU(0.1))
    kinds = [type(each) for each in supernet.eval().modules()]
    widen(supernet, 1)
    assert [type(each) for each in supernet.modules()] == kinds
    assert not any(each.training for each in supernet.modules())


@pytest.mark.parametrize("stages", [(0,), (2, 4), (4, 4), (6, 4), (4, 2, 0), (-2,)])
def test_stages_that_do_not_fall_by_divisors_are_refused(stages: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=r"partial_stages: .*such as 4 2 1"):
        check_stages(stages)
    check_stages(())
    check_stages((8, 4, 1))


@pytest.mark.parametrize("partial", [0, 3, 4])
def test_a_width_that_does_not_divide_is_refused(partial: int) -> None:
    supernet = Supernet(space_of(2), 8)
    with pytest.raises(ConfigError, match=f"partial_channels: {partial}, expected a divisor"):
        widen(supernet, partial)
