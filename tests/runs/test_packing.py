import io

import pytest
import torch
from torch import Tensor

from nasface.runs.packing import pack, unpack

TENSORS = {
    "scalar": torch.tensor(2.5),
    "empty": torch.zeros(0, 3),
    "whole numbers": torch.arange(6).reshape(2, 3),
    "truths": torch.tensor([True, False]),
    "half": torch.randn(5, dtype=torch.bfloat16),
    "double": torch.randn(4, dtype=torch.float64),
    "part": torch.randn(6, 7)[1:4, ::2],
    "image": torch.randn(2, 3, 4, 5),
    "channels last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
    "not a number": torch.tensor([float("nan"), float("-inf"), -0.0]),
}


def stored(value: object) -> object:
    """As it comes from a file of plain values and tensors."""
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def same_bits(one: Tensor, other: Tensor) -> bool:
    return bool(
        one.dtype == other.dtype
        and one.shape == other.shape
        and torch.equal(*(each.contiguous().view(-1).view(torch.uint8) for each in (one, other)))
    )


def test_tensors_come_back_bit_by_bit() -> None:
    state = {"step": 3, "nested": {"rows": [(1, None, TENSORS)]}, "text": "x", 7: {}}
    found = unpack(stored(pack(state)))  # type: ignore[arg-type]
    ((one, nothing, tensors),) = found["nested"]["rows"]
    assert (found["step"], found["text"], found[7], one, nothing) == (3, "x", {}, 1, None)  # type: ignore[index]
    assert list(tensors) == list(TENSORS)
    for name, tensor in TENSORS.items():
        assert same_bits(tensors[name], tensor), name
    assert tensors["channels last"].stride() == TENSORS["channels last"].stride()
    assert tensors["image"].stride() == TENSORS["image"].stride()


def test_tensors_share_no_memory_and_have_no_gradient() -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    found = unpack(pack({"a": weight, "b": weight}))
    found["a"] += 1
    assert found["b"].tolist() == weight.tolist() == [1, 1, 1]
    assert not found["a"].requires_grad


def test_a_module_and_its_optimiser_are_restored() -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    optimizer = torch.optim.AdamW(module.parameters())
    module(torch.randn(2, 3, 8, 8)).square().sum().backward()
    optimizer.step()
    found = unpack(pack({"model": module.state_dict(), "optimizer": optimizer.state_dict()}))
    again = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    again.load_state_dict(found["model"])
    other = torch.optim.AdamW(again.parameters())
    other.load_state_dict(found["optimizer"])
    for one, two in zip(module.parameters(), again.parameters(), strict=True):
        two.grad = one.grad
    for each in (optimizer, other):
        each.step()
    for one, two in zip(module.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two)


def test_what_is_not_packed_stays_as_it_is() -> None:
    """Checkpoints of earlier versions."""
    assert unpack({"kind": "search", "step": 4}) == {"kind": "search", "step": 4}


@pytest.mark.parametrize(
    "change",
    [
        {"values": {}},
        {"forms": [("torch.float32", False, (4,))]},
        {"forms": [("torch.float32", True, (3,))]},
        {"forms": []},
        {"packed": [1]},
    ],
)
def test_damage_is_an_error(change: dict[str, object]) -> None:
    with pytest.raises((LookupError, TypeError, ValueError, RuntimeError)):
        unpack({**pack({"a": torch.ones(3)}), **change})
