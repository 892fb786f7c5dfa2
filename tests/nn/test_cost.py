"""Costs by hand."""

import pytest
import torch
from torch import Tensor, nn

from nasface.nn.blocks import upsample
from nasface.nn.cost import (
    Cost,
    count_parameters,
    count_saved_bytes,
    light_layers,
    measure_cost,
    meta_copy,
)


class Small(nn.Module):
    """Two convolutions in a list, which has no forward of its own, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.ModuleList(
            [nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, 2, 1, groups=8, bias=False)]
        )
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        for part in self.body:
            x = part(x)
        y: Tensor = self.head(self.norm(x).mean((2, 3)))
        return y


# output positions * outputs * inputs per group * kernel, 8x6 maps and then 4x3; biases are free
DENSE = 8 * 6 * 8 * 3 * 9
DEPTHWISE = 4 * 3 * 8 * 1 * 9
LINEAR = 8 * 5


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_parameters_and_multiply_adds_by_hand(device: str) -> None:
    with torch.device(device):
        module, x = Small(), torch.zeros(1, 3, 8, 6)
    assert count_parameters(module) == (3 * 8 * 9 + 8) + 8 * 9 + (8 + 8) + (8 * 5 + 5)
    parts = {"convolutions": "body", "second": "body.1", "head": "head", "norm": "norm"}
    assert measure_cost(module, (x,), parts) == [
        Cost("total", count_parameters(module), DENSE + DEPTHWISE + LINEAR),
        Cost("convolutions", 3 * 8 * 9 + 8 + 8 * 9, DENSE + DEPTHWISE),
        Cost("second", 8 * 9, DEPTHWISE),
        Cost("head", 8 * 5 + 5, LINEAR),
        Cost("norm", 16, 0),
    ]


@pytest.mark.parametrize("training", [True, False])
def test_measuring_leaves_the_module_as_it_was(training: bool) -> None:
    module = Small().train(training)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    measure_cost(module, (torch.randn(2, 3, 8, 6),))
    assert module.training is training
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
    with pytest.raises(RuntimeError):
        measure_cost(module, (torch.randn(2, 5, 8, 6),))
    assert module.training is training


def test_saved_bytes_of_convolution_and_relu_by_hand() -> None:
    """A convolution keeps its input and weight, ReLU its output; float32."""
    first, second = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.Conv2d(8, 8, 1, bias=False)
    x = torch.randn(2, 3, 6, 4)
    positions = 2 * 6 * 4
    with count_saved_bytes(x, first.weight, second.weight) as saved:
        y = first(x).relu()
    assert saved.total == 4 * 8 * positions
    with count_saved_bytes() as saved:
        y = first(x).relu()
    assert saved.total == 4 * (8 * positions + 3 * positions + first.weight.numel())
    # what ReLU keeps is what the next convolution keeps, and counts once
    with count_saved_bytes(x, first.weight, second.weight) as saved:
        y = second(first(x).relu())
    assert saved.total == 4 * 8 * positions
    assert saved.tensors == 2 + 1 + 2
    y.sum().backward()  # what was saved is still usable
    assert first.weight.grad is not None


def test_nothing_is_saved_without_a_graph() -> None:
    conv, x = nn.Conv2d(3, 8, 1), torch.randn(1, 3, 4, 4)
    with count_saved_bytes() as saved, torch.no_grad():
        conv(x).relu()
    conv.requires_grad_(False)
    with count_saved_bytes() as frozen:
        conv(x).relu()
    assert (saved.total, saved.tensors, frozen.total, frozen.tensors) == (0, 0, 0, 0)


def test_storages_that_are_freed_are_not_taken_for_one() -> None:
    """Each squaring keeps its input; the inputs are dropped at once and could share an address."""
    with count_saved_bytes() as saved:
        for _ in range(10):
            (torch.ones(1000, requires_grad=True) ** 2).sum()
    assert saved.total == 10 * 4000


class Twice(nn.Module):
    """Twice the height and width."""

    def forward(self, x: Tensor) -> Tensor:
        return upsample(x)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("learns", [True, False])
def test_light_layers_keep_what_real_ones_keep(affine: bool, training: bool, learns: bool) -> None:
    saved = {}
    for device in ("cpu", "meta"):
        with torch.device(device):
            module = nn.Sequential(
                nn.Conv2d(3, 8, 1),
                nn.BatchNorm2d(8, affine=affine),
                nn.ReLU(),
                Twice(),
                nn.ReLU(inplace=True),
                nn.Conv2d(8, 4, 1),
            )
            x = torch.zeros(2, 3, 6, 4)
        module.train(training).requires_grad_(learns)
        known = (*module.parameters(), *module.buffers(), x)
        with light_layers(module), count_saved_bytes(*known) as saved[device]:
            y = module(x)
        assert y.shape == (2, 4, 12, 8)
    assert saved["meta"].total == saved["cpu"].total
    assert (saved["cpu"].total > 0) == learns


def test_light_layers_are_on_the_meta_device_and_in_the_block_only() -> None:
    for device in ("cpu", "meta"):
        norm = nn.BatchNorm2d(4, device=device)
        with light_layers(norm):
            assert ("forward" in vars(norm)) == (device == "meta")
        assert "forward" not in vars(norm)
    x = torch.tensor([[[[-1.0, 2.0]]]])
    with light_layers(norm):
        assert torch.relu(x).tolist() == nn.ReLU()(x).tolist() == [[[[0.0, 2.0]]]]
        assert upsample(x, (1, 3)).tolist() == [[[[-1.0, 0.5, 2.0]]]]


def test_a_copy_on_the_meta_device_has_shapes_and_shares_what_is_shared() -> None:
    module = Small()
    weight = nn.Parameter(torch.zeros(5, 8), requires_grad=False)
    module.twin, module.tied = module.norm, nn.Linear(8, 5)
    for layer in (module.head, module.tied):
        layer.register_parameter("weight", weight)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    copied = meta_copy(module)
    assert all(value.is_meta for value in copied.state_dict().values())
    assert copied.twin is copied.norm
    assert copied.get_parameter("tied.weight") is copied.head.weight
    for (name, ours), (other, theirs) in zip(
        module.named_parameters(), copied.named_parameters(), strict=True
    ):
        assert (name, ours.shape, ours.requires_grad) == (other, theirs.shape, theirs.requires_grad)
    assert copied(torch.empty(2, 3, 8, 6, device="meta")).shape == (2, 5)
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())
