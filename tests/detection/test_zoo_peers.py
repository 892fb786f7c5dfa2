"""Published detectors: their size, and that each is whole."""

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from peers import narrow, narrow_backbones
from tiny import write_tiny
from torch import nn

import nasface
from nasface.detection.anchors import AnchorConfig
from nasface.detection.backbones.registry import BACKBONES
from nasface.detection.config import DetectorConfig
from nasface.detection.cost import detector_cost
from nasface.detection.detector import build_detector
from nasface.detection.heads import Head
from nasface.detection.zoo import TABLE_SIZE
from nasface.detection.zoo_peers import PEERS
from nasface.nn.cost import Cost, count_parameters

COUNTED = [name for name, row in PEERS.items() if row.macs is not None]


@cache
def total(name: str) -> Cost:
    return detector_cost(PEERS[name].detector, None, *TABLE_SIZE)[0]


@pytest.mark.parametrize("name", [each for each in COUNTED if not each.startswith("retinaface")])
def test_sizes_are_those_of_the_published_networks(name: str) -> None:
    found = total(name)
    assert found.parameters / 1e6 == pytest.approx(PEERS[name].parameters, rel=0.005)
    assert found.macs / 1e9 == pytest.approx(PEERS[name].macs, rel=0.005)


@pytest.mark.parametrize(
    ("name", "channels", "published"),
    [("retinaface-mobilenet0.25", 64, 426_608), ("retinaface-r50", 256, 27_293_600)],
)
def test_retinaface_lacks_its_landmarks_and_nothing_else(
    name: str, channels: int, published: int
) -> None:
    """A 1x1 convolution with a bias for five points of two anchors on each of three levels."""
    found, row = total(name), PEERS[name]
    positions = 60 * 80 + 30 * 40 + 15 * 20
    assert found.parameters + 3 * (channels * 20 + 20) == published
    assert row.macs is not None
    assert (found.macs + positions * channels * 20) / 1e9 == pytest.approx(row.macs, abs=5e-4)


def test_s3fd_by_closed_form() -> None:
    vgg = sum(
        9 * a * b + b
        for a, b in (
            (3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 256),
            (256, 512), (512, 512), (512, 512), (512, 512), (512, 512), (512, 512), (512, 1024),
            (256, 512), (128, 256),
        )
    ) + sum(a * b + b for a, b in ((1024, 1024), (1024, 256), (512, 128)))  # fmt: skip
    widths = (256, 512, 512, 1024, 512, 256)
    heads = sum(9 * width * 6 + 6 for width in widths) + 9 * 256 * 2 + 2
    assert total("s3fd-vgg16").parameters == vgg + 256 + 512 + 512 + heads


def test_refineface_is_srn_on_a_deeper_backbone() -> None:
    deeper = [count_parameters(BACKBONES[f"resnet{depth}"]()) for depth in (50, 152)]
    grown = total("refineface-r152").parameters - total("srn-r50").parameters
    assert grown == deeper[1] - deeper[0]


@pytest.mark.parametrize("name", PEERS)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    with torch.device("meta"):  # initial values would take longer than all the rest
        detector = build_detector(PEERS[name].detector, None).train()
    detector.to_empty(device="cpu")
    shots = detector.forward_train(torch.zeros(2, 3, 65, 65))
    both = [each for each in (shots.first, shots.second) if each is not None]
    outputs = [x.sum() for each in both for x in (each.logits_BA2, each.deltas_BA4)]
    torch.stack(outputs).sum().backward()
    assert (shots.first is None) == (PEERS[name].detector.first_shot == "none")
    assert [key for key, value in detector.named_parameters() if value.grad is None] == []


@pytest.fixture(name="narrow_backbones")
def _narrow_backbones() -> Iterator[None]:
    with narrow_backbones():
        yield


@pytest.mark.usefixtures("narrow_backbones")
@pytest.mark.parametrize("name", PEERS)
def test_trains_evaluates_and_detects(name: str, tmp_path: Path) -> None:
    """Every row, on narrow backbones: what differs between them is all there."""
    row = PEERS[name]
    data = write_tiny(tmp_path / "data", train=4, val=2)
    detector = nasface.create_detector(narrow(row.detector), device="cpu")
    result = nasface.train(
        detector,
        data,
        data,
        out=tmp_path / "run",
        epochs=1,
        progress=False,
        batch_size=2,
        match=row.match,
        loss=row.loss,
        augment={"size": 64},
        optimizer={"lr": 1e-3, "warmup_steps": 1},
    )
    assert result.finished
    detector = nasface.load_detector(tmp_path / "run" / "last.safetensors", device="cpu")
    assert detector.config == narrow(row.detector)
    image = torch.randint(0, 256, (97, 131, 3), dtype=torch.uint8).numpy()
    (found,) = detector.detect(image, score_threshold=0.0)
    assert len(found) > 0


@pytest.mark.usefixtures("narrow_backbones")
@pytest.mark.parametrize(
    "name",
    [
        "retinaface-mobilenet0.25",
        "dsfd-r50",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("srn-r50", "s3fd-vgg16", "extd-32", "pyramidbox-vgg16")
        ),
    ],
)
def test_exports(name: str, tmp_path: Path) -> None:
    detector = nasface.create_detector(narrow(PEERS[name].detector), device="cpu", seed=0)
    detector.export(tmp_path / "found.onnx")
    again = nasface.load_detector(tmp_path / "found.onnx", device="cpu")
    assert again.config == detector.config


def test_two_steps_by_a_head_for_each_level() -> None:
    """Each step of a level is its head's; no head is another level's."""
    config = replace(narrow(PEERS["srn-r50"].detector), shared_head=False, head_layers=0)
    detector = build_detector(config, None).train()
    assert len(detector.trunk.heads) == len(config.levels)
    with torch.no_grad():
        for head, score in zip(detector.trunk.heads, range(6), strict=True):
            assert isinstance(head, Head)
            last = head.classify[-1]
            assert isinstance(last, nn.Conv2d)
            assert last.bias is not None
            last.weight.zero_()
            last.bias.copy_(torch.tensor([0.0, score, 0.0, score]))
    first, second = detector.forward_train(torch.randn(2, 3, 64, 64))
    assert first is not None
    levels = [2 * grid.rows * grid.columns for grid in second.grid]
    expected = torch.repeat_interleave(torch.arange(6.0), torch.tensor(levels))
    assert torch.equal(first.logits_BA2[0, :, 1], expected)
    assert torch.equal(second.logits_BA2[0, :, 1], expected)


@pytest.mark.usefixtures("narrow_backbones")
@pytest.mark.parametrize("name", ["pyramidbox-vgg16", "dsfd-r50"])
def test_on_strides_8_to_32(name: str) -> None:
    """The first of the levels is the finest: three logits of background, and no heads around."""
    config = replace(narrow(PEERS[name].detector), levels=(3, 4, 5))
    detector = build_detector(config, None).train()
    assert [head.kinds for head in detector.trunk.heads] == [(3, 1), (1, 3), (1, 3)]
    first, second = detector.forward_train(torch.randn(2, 3, 64, 64))
    assert first is not None
    assert second.logits_BA2.shape == (2, 8 * 8 + 4 * 4 + 2 * 2, 2)
    without_finest = name == "pyramidbox-vgg16"
    assert first.logits_BA2.shape == (2, (0 if without_finest else 64) + 16 + 4, 2)


def test_parts_combine_with_others() -> None:
    """Heads, necks, anchors and shots of one paper on the backbone of another."""
    config = DetectorConfig(
        levels=(3, 4, 5),
        channels=16,
        laterals="none",
        neck="lfpn+pyramidbox-cpm+bifpn",
        head="rfe",
        head_layers=1,
        shared_head=True,
        first_shot="two-step",
        anchors=AnchorConfig(aspect=1.0, sides=((16, 32), (64, 128), (256, 512))),
    )
    detector = build_detector(config, None).train()
    first, second = detector.forward_train(torch.randn(2, 3, 96, 64))
    assert first is not None
    assert first.anchors_A4.shape == second.anchors_A4.shape == (2 * (96 + 24 + 6), 4)
    assert second.deltas_BA4.shape == (2, 252, 4)
