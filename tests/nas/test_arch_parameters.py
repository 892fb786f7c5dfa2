"""Architecture parameters: their names in a state, and where their values come from."""

import torch
from hypothesis import given, settings
from strategies import CHANNELS, spaces

from nasface.arch.io import load_search_space
from nasface.arch.space import SearchSpace
from nasface.nas.supernet import Supernet


@settings(max_examples=20, deadline=None)
@given(spaces())
def test_architecture_parameters_are_part_of_the_state(space: SearchSpace) -> None:
    supernet, other = Supernet(space, CHANNELS), Supernet(space, CHANNELS)
    wanted = {f"arch_parameters.alpha.{cell}" for cell in space.cells}
    if space.edge_normalisation:
        wanted |= {f"arch_parameters.beta.{cell}" for cell in space.cells}
    state = supernet.state_dict()
    assert {key for key in state if key.startswith("arch_parameters.")} == wanted
    other.load_state_dict(state)
    for mine, theirs in zip(
        supernet.arch_parameters.parameters(), other.arch_parameters.parameters(), strict=True
    ):
        assert torch.equal(mine, theirs)
        assert mine.abs().max() < 0.01
    everything = {id(p) for p in supernet.parameters()}
    weights = {id(p) for p in supernet.weights()}
    assert weights | {id(p) for p in supernet.arch_parameters.parameters()} == everything
    assert not weights & {id(p) for p in supernet.arch_parameters.parameters()}


def test_architecture_parameters_come_from_the_generator() -> None:
    space = load_search_space("autofem-cpm", {"nodes": 4})
    first, second = (
        Supernet(space, CHANNELS, generator=torch.Generator().manual_seed(7)) for _ in range(2)
    )
    for one, other in zip(
        first.arch_parameters.parameters(), second.arch_parameters.parameters(), strict=True
    ):
        assert torch.equal(one, other)
