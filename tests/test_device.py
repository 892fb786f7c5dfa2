"""Devices by name, and what Apple's lacks."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import AUGMENT, DETECTOR, OPTIMIZER, tiny_genotype, write_lively_weights, write_tiny
from torch import nn
from torch.overrides import TorchFunctionMode

import nasface
from nasface.device import choose_device, denormals_as_zero, wait_for
from nasface.engine.setup import images_to_device
from nasface.errors import ConfigError
from nasface.nn.blocks import channels_last, memory_format


class NoFloat64(TorchFunctionMode):
    """A device without float64: only what was brought to the CPU by name may be of that type."""

    def __torch_function__(
        self, function: Any, types: Any, arguments: Any = (), named: dict[str, Any] | None = None
    ) -> Any:
        named = named or {}
        name = getattr(function, "__name__", "")
        if name == "double" and not getattr(arguments[0], "on_cpu", False):
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        to_device = name == "to" and any(isinstance(each, torch.device) for each in arguments[1:])
        if to_device and arguments[0].dtype == torch.float64:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        found = function(*arguments, **named)
        if name == "cpu":
            found.on_cpu = True
        return found


def test_names_of_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device(torch.device("meta")) == torch.device("meta")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("mps") == torch.device("mps")
    assert choose_device("auto") == torch.device("cpu"), "MPS is asked for by name"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == torch.device("cuda")
    assert choose_device("cuda:1") == torch.device("cuda", 1)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cuda", "'cuda' is not there: torch .* finds no GPU"),
        ("mps", "'mps' is not there; expected a Mac with Apple's GPU"),
        ("cpuu", "no device 'cpuu'; expected one of auto, cpu, cuda, mps; did you mean 'cpu'"),
        ("cpu:x", "no device 'cpu:x'"),
        (0, "no device '0'; expected one of auto, cpu, cuda, mps; cuda:0 is a GPU$"),
        (torch.device("cuda"), "'cuda' is not there"),
    ],
)
def test_devices_that_are_not_there(
    monkeypatch: pytest.MonkeyPatch, name: Any, message: str
) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=message):
        choose_device(name)


def test_memory_format(monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory_format(torch.device("mps")) == torch.contiguous_format
    assert memory_format(torch.device("cpu")) == torch.channels_last
    module = channels_last(nn.Conv2d(4, 4, 3))
    assert module.weight.is_contiguous(memory_format=torch.channels_last)
    images = images_to_device(torch.zeros(2, 3, 4, 4), torch.device("cpu"))
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_numbers_that_are_nearly_zero_are_zero_within_the_block_alone() -> None:
    if not torch.set_flush_denormal(False):
        pytest.skip("this processor has no such mode")
    small = torch.full((3,), 1e-30)
    with denormals_as_zero():
        assert not (small * 1e-10).any()
        with denormals_as_zero():
            pass
        assert not (small * 1e-10).any()
    assert (small * 1e-10 > 0).all()


def test_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    waited = []
    monkeypatch.setattr(torch.mps, "synchronize", lambda: waited.append("mps"))
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: waited.append(str(device)))
    for name in ("cpu", "mps", "cuda:1"):
        wait_for(torch.device(name))
    assert waited == ["mps", "cuda:1"]


@pytest.mark.slow
def test_no_job_needs_float64_on_the_device(tmp_path: Path) -> None:
    """Search, training, evaluation and detection where the device has no float64."""
    data = write_tiny(tmp_path / "data")
    weights = write_lively_weights(tmp_path / "w.safetensors")
    with NoFloat64():
        nasface.search(
            "autofem-fpn",
            data,
            epochs=1,
            batch_size=4,
            augment=AUGMENT,
            detector=DETECTOR,
            progress=False,
        )
        detector = nasface.create_detector(DETECTOR, tiny_genotype())
        nasface.train(
            detector,
            data,
            data,
            epochs=1,
            batch_size=4,
            augment=AUGMENT,
            optimizer=OPTIMIZER,
            progress=False,
        )
        nasface.evaluate(weights, data, progress=False)
        nasface.load_detector(weights).detect(data / "WIDER_val/images/0--Squares/0.jpg")


def test_the_mode_sees_float64() -> None:
    with NoFloat64(), pytest.raises(TypeError, match="float64"):
        torch.zeros(2).double()
    with NoFloat64():
        assert torch.zeros(2).cpu().double().dtype == torch.float64
