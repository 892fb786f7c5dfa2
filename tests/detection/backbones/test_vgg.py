"""Backbones of published detectors: their form, and weights of others that fit."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from nasface.detection.backbones.pretrained import load_backbone_weights
from nasface.detection.backbones.recurrent import RecurrentMobileFace
from nasface.detection.backbones.vgg import VGG16
from nasface.errors import RunError

TORCHVISION = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
"""Index of each convolution in torchvision's vgg16().features."""


def test_vgg_has_torchvisions_names_and_takes_its_weights(tmp_path: Path) -> None:
    source, target = VGG16(1 / 16), VGG16(1 / 16)
    state = {key: value for key, value in source.state_dict().items() if "features" in key}
    assert {*state} == {
        f"features.{at}.{kind}" for at in TORCHVISION for kind in ("weight", "bias")
    }
    save_file({**state, "classifier.0.weight": torch.zeros(2, 2)}, tmp_path / "vgg.safetensors")
    before = target.state_dict()["fc6.0.weight"].clone()
    load_backbone_weights(target, tmp_path / "vgg.safetensors")
    assert all(torch.equal(target.state_dict()[key], value) for key, value in state.items())
    assert torch.equal(target.state_dict()["fc6.0.weight"], before)
    del state["features.0.weight"]
    save_file(state, tmp_path / "less.safetensors")
    with pytest.raises(RunError, match=r"missing 13: features\.0\.weight"):
        load_backbone_weights(target, tmp_path / "less.safetensors")


def test_vgg_sees_as_far_as_its_layers_reach() -> None:
    """conv3_3: 1 + 2 * 2, 1 for the pooling, 2 * 4, 2, 3 * 8; conv4_3: 4 and 3 * 16 more."""
    backbone = VGG16(1 / 32)
    for at, layer in enumerate(backbone.features):
        if isinstance(layer, nn.MaxPool2d):
            backbone.features[at] = nn.AvgPool2d(2)  # which looks at all it covers
    for level, pixels in ((2, 40), (3, 92)):
        image = torch.zeros(1, 3, 256, 256, requires_grad=True)
        for parameter in backbone.parameters():
            parameter.data.abs_()
        middle = backbone(image + 1)[level]
        at = middle.shape[-1] // 2
        middle[0, :, at, at].sum().backward()
        assert image.grad is not None
        rows = image.grad.abs().sum((0, 1, 3)).nonzero()
        assert int(rows.max() - rows.min()) + 1 == pixels


def test_recurrent_levels_come_from_the_same_layers() -> None:
    backbone = RecurrentMobileFace(8, (2, 4)).eval()
    with torch.no_grad():
        found = backbone(torch.randn(1, 3, 97, 131))
        for level in range(2, 7):
            torch.testing.assert_close(found[level + 1], backbone.step(found[level]))
    assert {level: x.shape[1:] for level, x in found.items()} == {
        level: (8, -(-97 // 2**level), -(-131 // 2**level)) for level in range(2, 8)
    }
