"""Heads with several anchors, companions and layers of other kinds."""

import pytest
import torch
from registries import restored
from torch import nn

from nasface.detection.anchors import AnchorConfig
from nasface.detection.config import DetectorConfig
from nasface.detection.head_layers import dense_layers, register_head, rfe_layers
from nasface.detection.heads import Head, build_head
from nasface.errors import ConfigError


def separate(config: DetectorConfig, level: int) -> Head:
    """The head of a level whose branches are separate."""
    head = build_head(config, level)
    assert isinstance(head, Head)
    return head


def numbered(head: Head) -> Head:
    """Outputs that tell their channel."""
    for branch in (head.classify, head.regress):
        last = branch[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.zeros_(last.weight)
        last.bias.data.copy_(torch.arange(float(len(last.bias))))
    return head


def test_anchors_of_a_position_follow_one_another() -> None:
    head = numbered(Head(4, 0, dense_layers, anchors=2))
    logits, deltas = head(torch.zeros(1, 4, 2, 3))
    assert logits.shape == (1, 12, 2)
    assert logits[0, 2:4].tolist() == [[0, 1], [2, 3]]
    assert deltas[0, 2:4].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_companions_have_outputs_behind_those_of_faces() -> None:
    """PyramidBox: 3 + 1 and 3 + 1 class outputs on the finest level, 1 + 3 and 1 + 1 on others."""
    config = DetectorConfig(
        channels=4, head_layers=0, head_kernel=3, max_in_out=True, first_shot="pyramid"
    )
    for level, outputs, faces, around in ((2, 8, [2, 3], [6, 7]), (3, 6, [0, 3], [4, 5])):
        head = numbered(separate(config, level))
        assert head.classify[-1].bias.shape == (outputs,)
        (logits, deltas), (others, offsets) = head.predict_sets(torch.zeros(1, 4, 1, 1))
        assert (logits[0, 0].tolist(), others[0, 0].tolist()) == (faces, around)
        assert (deltas[0, 0].tolist(), offsets[0, 0].tolist()) == ([0, 1, 2, 3], [4, 5, 6, 7])
        torch.testing.assert_close(head(torch.zeros(1, 4, 1, 1))[0], logits)


@pytest.mark.parametrize("first_shot", ["none", "pyramid"])
@pytest.mark.parametrize("anchors", [1, 2])
def test_every_anchor_starts_as_background(first_shot: str, anchors: int) -> None:
    config = DetectorConfig(
        levels=(3, 4),
        channels=8,
        first_shot="pyramid" if first_shot == "pyramid" else "none",
        anchors=AnchorConfig(sides=(tuple(range(8, 8 + anchors)),) * 2),
    )
    head = separate(config, 3).eval()
    for logits, _ in head.predict_sets(torch.zeros(1, 8, 4, 4)):
        probability = logits.softmax(2)[..., 1]
        torch.testing.assert_close(probability, torch.full_like(probability, 0.01))


def test_max_out_background_on_the_finest_level_alone() -> None:
    config = DetectorConfig(channels=8, max_out_background=True)
    assert [separate(config, level).kinds for level in (2, 3, 7)] == [(3, 1), (1, 1), (1, 1)]


def test_the_finest_level_is_that_of_the_detector() -> None:
    """In the papers that is level 2: the first prediction layer has most of the anchors."""
    levels = (3, 4, 5)
    several = DetectorConfig(channels=8, levels=levels, max_in_out=True)
    assert [separate(several, level).kinds for level in levels] == [(3, 1), (1, 3), (1, 3)]
    background = DetectorConfig(channels=8, levels=levels, max_out_background=True)
    assert [separate(background, level).kinds for level in levels] == [(3, 1), (1, 1), (1, 1)]


def test_without_layers_the_receptive_field_module_stays() -> None:
    (only,) = rfe_layers(8, 8, 0)
    assert type(only).__name__ == "RFE"
    logits, deltas = Head(8, 0, rfe_layers)(torch.randn(1, 8, 5, 7))
    assert (logits.shape, deltas.shape) == ((1, 35, 2), (1, 35, 4))


def test_rfe_layers_have_the_module_in_their_middle_and_no_normalisation() -> None:
    layers = rfe_layers(8, 16, 2)
    assert [type(each).__name__ for each in layers] == ["Sequential", "RFE", "Sequential"]
    assert nn.Sequential(*layers)(torch.randn(1, 8, 5, 7)).shape == (1, 16, 5, 7)
    norms = [each for layer in layers for each in layer.modules() if "Norm" in type(each).__name__]
    assert norms == []


@pytest.mark.parametrize("layers", [0, 2])
def test_cosines_behind_rectified_features_are_refused(layers: int) -> None:
    with pytest.raises(ConfigError, match="classifier cosine: expected layers"):
        Head(8, layers, rfe_layers, cosine_scale=10.0)


def test_layers_can_be_added_by_name() -> None:
    with restored():
        register_head("none", lambda channels, width, layers: [])
        assert len(separate(DetectorConfig(channels=8, head="none"), 2).classify) == 1
        with pytest.raises(ConfigError, match="head 'none': is there already"):
            register_head("none", dense_layers)


def test_widths_that_layers_cannot_have_are_refused() -> None:
    with pytest.raises(ConfigError, match="head rfe: 30 channels are not divisible by 4"):
        DetectorConfig(head="rfe", channels=30)
    assert DetectorConfig(head="rfe", channels=30, head_channels=32).head_channels == 32
