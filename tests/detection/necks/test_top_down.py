"""Pyramids of published detectors: what they compute, and maps of several widths."""

import pytest
import torch
from torch import nn

from nasface.detection.necks.registry import build_neck, build_neck_part, widths_given
from nasface.detection.necks.scales import L2NormLevels
from nasface.detection.necks.top_down import LFPN, ExtdFPN, RetinaFaceFPN, SrnFPN
from nasface.errors import ConfigError

WIDTHS = {2: 4, 3: 8, 4: 12, 5: 16, 6: 8, 7: 4}


def constant(values: dict[int, float], width: int = 2) -> dict[int, torch.Tensor]:
    return {
        level: torch.full((1, width, 256 >> level, 256 >> level), float(value))
        for level, value in values.items()
    }


def without_layers(module: nn.Module) -> nn.Module:
    """The same with identities for its convolutions."""
    for layers in module.children():
        assert isinstance(layers, nn.ModuleDict)
        for key in layers:
            layers[key] = nn.Identity()
    return module


def test_retinaface_adds_what_lies_above() -> None:
    found = without_layers(RetinaFaceFPN(2, (3, 4, 5)))(constant({3: 1, 4: 10, 5: 100}))
    assert [float(found[level].mean()) for level in (3, 4, 5)] == [111, 110, 100]


def test_retinaface_smooths_before_it_goes_on() -> None:
    module = RetinaFaceFPN(2, (3, 4, 5))
    module.merge = nn.ModuleDict({"3": nn.Identity(), "4": nn.Threshold(1e9, 7.0)})
    found = module(constant({3: 1, 4: 10, 5: 100}))
    assert [float(found[level].mean()) for level in (3, 4, 5)] == [8, 7, 100]


def test_extd_adds_what_lies_above() -> None:
    found = without_layers(ExtdFPN(2, (2, 3, 4)))(constant({2: 1, 3: 10, 4: 100}))
    assert [float(found[level].mean()) for level in (2, 3, 4)] == [111, 110, 100]


def test_lfpn_multiplies_from_level_5_downwards() -> None:
    module = without_layers(LFPN(dict.fromkeys(range(2, 8), 2), 2))
    found = module(constant({2: 2, 3: 3, 4: 5, 5: 7, 6: 11, 7: 13}))
    assert [float(found[level].mean()) for level in range(2, 8)] == [210, 105, 35, 7, 11, 13]


def test_srn_makes_its_highest_levels_from_the_lateral_of_level_5() -> None:
    module = SrnFPN(WIDTHS, 4).eval()
    features = {
        level: torch.randn(1, width, 256 >> level, 256 >> level) for level, width in WIDTHS.items()
    }
    found = module(features)
    other = module({**features, 6: features[6] + 1, 7: features[7] + 1})
    for level in WIDTHS:
        torch.testing.assert_close(found[level], other[level])
        assert found[level].shape == (1, 4, 256 >> level, 256 >> level)


def test_l2norm_gives_low_levels_one_length() -> None:
    features = {level: 3 * torch.randn(2, width, 5, 7) for level, width in WIDTHS.items()}
    found = L2NormLevels(WIDTHS, 8)(features)
    for level, length in ((2, 10.0), (3, 8.0), (4, 5.0)):
        torch.testing.assert_close(found[level].norm(dim=1), torch.full((2, 5, 7), length))
    assert all(found[level] is features[level] for level in (5, 6, 7))


@pytest.mark.parametrize(
    ("neck", "given"),
    [
        ("lfpn+l2norm", WIDTHS),
        ("lfpn+l2norm+pyramidbox-cpm", dict.fromkeys(WIDTHS, 12)),
        ("srn-fpn+rfe", dict.fromkeys(WIDTHS, 12)),
        ("fem-cpm+fpn", dict.fromkeys(WIDTHS, 12)),
    ],
)
def test_maps_keep_their_widths_until_a_part_gives_them_one(
    neck: str, given: dict[int, int]
) -> None:
    built = build_neck(neck, None, 12, WIDTHS, 1, dense=False)
    assert dict(widths_given(built, WIDTHS)) == given
    features = {
        level: torch.randn(2, width, 128 >> level, 192 >> level) for level, width in WIDTHS.items()
    }
    found = built(features)
    assert {level: x.shape[1] for level, x in found.items()} == given


def test_parts_of_one_width_refuse_several() -> None:
    with pytest.raises(ConfigError, match=r"neck fpn: maps of 4, 8, .* or one of lfpn, "):
        build_neck_part("fpn", 12, WIDTHS)
