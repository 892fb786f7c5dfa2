"""Hand-made necks: closed forms of their size, shapes, gradients, and what they compute."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import pytest
import torch
from strategies import space_of
from tiny import DETECTOR, tiny_genotype
from torch import nn

from nasface.arch.io import load_search_space
from nasface.detection.checkpoint import read_checkpoint, save_detector
from nasface.detection.config import DetectorConfig
from nasface.detection.cost import detector_cost
from nasface.detection.detector import build_detector
from nasface.detection.necks import handmade
from nasface.detection.necks.handmade import (
    FPN,
    PAN,
    BiFPN,
    FemFPN,
    WeightedFusion,
)
from nasface.detection.necks.registry import (
    NECK_PARTS,
    SequentialNeck,
    build_neck,
    build_neck_part,
    neck_parts,
)
from nasface.detection.pyramid import LEVELS
from nasface.detection.searchable import build_searchable
from nasface.errors import ConfigError
from nasface.nas.choices import holds
from nasface.nas.sampling import random_genotype
from nasface.nn.cell import build_module
from nasface.nn.cost import count_parameters, measure_cost

NAMES = tuple(NECK_PARTS)
CONTEXTS = ("fem-cpm", "ssh", "rfe")

CONVOLUTIONS: dict[str, Callable[[int], float]] = {
    "fpn": lambda c: 6 * 9 * c**2,
    "pan": lambda c: (6 + 2 * 5) * 9 * c**2,
    "bifpn": lambda c: (4 + 6) * (9 * c + c**2),
    "fem-fpn": lambda c: (1 + 2 * 5) * c**2,
    "fem-cpm": lambda c: 6 * 9 * (2 * c**2 / 2 + 2 * c**2 / 8 + c**2 / 16),
    "ssh": lambda c: 6 * 9 * (c**2 / 2 + c**2 / 4 + 3 * c**2 / 16),
    "rfe": lambda c: 6 * (4 * c**2 / 4 + (2 * 3 + 2 * 5 + 4) * c**2 / 16 + c**2),
    "retinaface-fpn": lambda c: 5 * 9 * c**2,
    "extd-fpn": lambda c: 5 * (9 * c + c**2),
    "lfpn": lambda c: 3 * 2 * c**2,
    "srn-fpn": lambda c: 4 * (1 + 9) * c**2 + 2 * 9 * c**2,
    "pyramidbox-cpm": lambda c: (
        6 * (c**2 / 2 + 9 * c**2 / 4 + c**2 + 2 * c**2)
        + 6 * 9 * (2 * c * c / 2 + 2 * c * c / 4 + 3 * c**2 / 16)
    ),
    "l2norm": lambda c: 0,
}
"""Weights of the convolutions for a width of c, six levels."""
REST: dict[str, Callable[[int], float]] = {
    "fpn": lambda c: 6 * 2 * c,
    "pan": lambda c: 16 * 2 * c,
    "bifpn": lambda c: 10 * 2 * c + 4 * 2 + 2 * 2 + 4 * 3,
    "fem-fpn": lambda c: 11 * 2 * c,
    "fem-cpm": lambda c: 6 * 2 * (2 * c / 2 + 3 * c / 4),
    "ssh": lambda c: 6 * 2 * (c / 2 + 4 * c / 4),
    "rfe": lambda c: 6 * 2 * (4 * 3 * c / 4 + c),
    "retinaface-fpn": lambda c: 5 * 2 * c,
    "extd-fpn": lambda c: 5 * 2 * c,
    "lfpn": lambda c: 6 * 2 * c,
    "srn-fpn": lambda c: 10 * 2 * c,
    "pyramidbox-cpm": lambda c: 6 * 2 * (c / 2 + c / 2 + 4 * c + c / 2 + 4 * c / 4),
    "l2norm": lambda c: 3 * c,
}
"""Scales and shifts of the normalisations, and learned weights."""


def uniform(channels: int) -> dict[int, int]:
    """The same width on each level."""
    return dict.fromkeys(LEVELS, channels)


def pyramid(channels: int, height: int, width: int) -> dict[int, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        level: torch.randn(
            2, channels, -(-height // 2**level), -(-width // 2**level), generator=generator
        )
        for level in LEVELS
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [8, 24])
def test_parameters_by_closed_form(name: str, channels: int) -> None:
    expected = CONVOLUTIONS[name](channels) + REST[name](channels)
    assert count_parameters(build_neck_part(name, channels, uniform(channels))) == expected


@pytest.mark.parametrize("name", [*CONTEXTS, "fpn"])
def test_macs_by_closed_form(name: str) -> None:
    """Where each level has the same convolutions, at its own resolution."""
    channels, sizes = 8, pyramid(8, 256, 384)
    module = build_neck_part(name, channels, uniform(channels))
    positions = sum(x.shape[-1] * x.shape[-2] for x in sizes.values())
    images = {level: x[:1] for level, x in sizes.items()}
    assert measure_cost(module, (images,))[0].macs == CONVOLUTIONS[name](channels) / 6 * positions


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(256, 256), (129, 391)])
def test_shapes_stay(name: str, size: tuple[int, int]) -> None:
    features = pyramid(8, *size)
    found = build_neck_part(name, 8, uniform(8))(features)
    assert list(sorted(found)) == list(LEVELS)
    assert all(found[level].shape == features[level].shape for level in LEVELS)


@pytest.mark.parametrize("name", NAMES)
def test_levels_may_be_few(name: str) -> None:
    """Any that follow one another, down to one alone."""
    for first in LEVELS:
        for last in range(first, LEVELS[-1] + 1):
            widths = dict.fromkeys(range(first, last + 1), 8)
            features = {level: x for level, x in pyramid(8, 256, 256).items() if level in widths}
            with torch.no_grad():
                found = build_neck_part(name, 8, widths).eval()(features)
            assert {level: x.shape for level, x in found.items()} == {
                level: x.shape for level, x in features.items()
            }


@pytest.mark.parametrize("name", [*NAMES, "fem-fpn+fem-cpm", "none"])
def test_every_parameter_gets_a_gradient(name: str) -> None:
    detector = build_detector(DetectorConfig(channels=8, head_layers=1, neck=name), None)
    first, second = detector.forward_train(torch.randn(2, 3, 256, 256))
    assert first is not None
    outputs = (*first[:2], *second[:2])
    torch.stack([output.square().sum() for output in outputs]).sum().backward()
    assert [n for n, p in detector.named_parameters() if p.grad is None] == []


def reach(module: nn.Module, level: int) -> dict[int, int]:
    """Width in positions, at each level, of what the middle of an output level depends on."""
    features = {at: x[:1].requires_grad_() for at, x in pyramid(32, 512, 512).items()}
    found = module.eval()(features)[level]
    middle = found.shape[-1] // 2
    found[0, :, middle, middle].sum().backward()
    widths = dict.fromkeys(features, 0)
    for at, x in features.items():
        rows = torch.empty(0) if x.grad is None else x.grad.abs().sum((0, 1, 2)).nonzero()
        if len(rows):
            widths[at] = int(rows.max() - rows.min()) + 1
    return widths


def test_who_sees_whom() -> None:
    """FPN and FEM-FPN lead downwards only, PAN and BiFPN both ways."""
    for kind in (FPN, FemFPN):
        seen = reach(kind(32, LEVELS), 4)
        assert [level for level in LEVELS if seen[level]] == [4, 5, 6, 7]
    for both in (PAN, BiFPN):
        seen = reach(both(32, LEVELS), 4)
        assert all(seen[level] for level in LEVELS)


@pytest.mark.parametrize(("name", "width"), [("fem-cpm", 11), ("ssh", 7), ("rfe", 5)])
def test_field_of_view_of_contexts(name: str, width: int) -> None:
    """FEM: 3x3 dilated by 2, again, 3x3: 1 + 4 + 4 + 2. SSH: three 3x3. RFE: lines of 5."""
    torch.manual_seed(0)
    seen = reach(build_neck_part(name, 32, uniform(32)), 2)
    assert seen == {level: width if level == 2 else 0 for level in LEVELS}


def test_fpn_adds_what_lies_above() -> None:
    """With identities for its 3x3s, an FPN gives the sum of all levels above, enlarged."""
    module = FPN(4, LEVELS)
    for each in module.smooth:
        module.smooth[each] = nn.Identity()
    features = {
        level: torch.full((1, 4, 256 >> level, 256 >> level), 10.0**level) for level in LEVELS
    }
    found = module(features)
    for level in LEVELS:
        total = sum(10.0**above for above in LEVELS if above >= level)
        torch.testing.assert_close(found[level], torch.full_like(features[level], total))


def test_fusion_of_bifpn_is_normalised() -> None:
    """Weights 1, 3 and -2 (cut at zero) of maps 1, 5 and 100: (1 + 15) / (4 + 1e-4), then SiLU."""
    fusion = cast(WeightedFusion, BiFPN(4, LEVELS).out["3"])
    fusion.conv = nn.Sequential()
    with torch.no_grad():
        fusion.weight.copy_(torch.tensor([1.0, 3.0, -2.0]))
    found = fusion([torch.full((1, 4, 2, 2), value) for value in (1.0, 5.0, 100.0)])
    x = torch.tensor(16 / 4.0001)
    torch.testing.assert_close(found, torch.full_like(found, float(x * x.sigmoid())))


@pytest.mark.parametrize("module", ["", "fpn+fpn", "fpm", "none+fpn", "fpn+"])
def test_unknown_modules_are_refused(module: str) -> None:
    with pytest.raises(ConfigError, match="neck: "):
        DetectorConfig(neck=module)


def test_widths_that_cannot_be_quartered_are_refused() -> None:
    with pytest.raises(ConfigError, match="channels 10 is not divisible by 4"):
        build_neck_part("rfe", 10, uniform(10))


def test_genotype_and_module_have_to_agree() -> None:
    with pytest.raises(ConfigError, match="has no place in neck fpn"):
        build_detector(DetectorConfig(channels=8, neck="fpn"), tiny_genotype())
    with pytest.raises(ConfigError, match=r"is missing; neck fpn\+genotype"):
        build_detector(DetectorConfig(channels=8, neck="fpn+genotype"), None)
    with pytest.raises(ConfigError, match="a search has 1, separable and genotype"):
        build_searchable(DetectorConfig(neck="fpn"), load_search_space("autofem-cpm"))


def test_parts_stand_in_their_order_and_repeat() -> None:
    assert neck_parts("none") == ()
    built = build_neck("fem-fpn+genotype", tiny_genotype(), 8, uniform(8), 2, dense=False)
    assert isinstance(built, SequentialNeck)
    assert list(built.parts) == ["fem-fpn", "fem-fpn_2", "genotype"]


def test_none_leaves_the_pyramid() -> None:
    detector = build_detector(DetectorConfig(channels=8, neck="none"), None)
    features = pyramid(8, 64, 64)
    found = detector.neck(features)
    assert all(found[level] is features[level] for level in LEVELS)


def test_cost_names_every_part() -> None:
    config = DetectorConfig(channels=8, neck="fem-fpn+genotype+ssh")
    rows = detector_cost(config, tiny_genotype(), 256, 256)
    parts = {row.part: row for row in rows}
    assert {"neck fem-fpn", "neck ssh", "backbone", "heads"} < set(parts)
    assert sum(row.parameters for row in rows[1:]) == rows[0].parameters
    assert sum(row.macs for row in rows[1:]) == rows[0].macs


@pytest.mark.parametrize("module", ["none", "pan", "bifpn+rfe", "fem-fpn+genotype"])
def test_weights_know_their_module(module: str, tmp_path: Path) -> None:
    genotype = tiny_genotype() if "genotype" in module else None
    config = DetectorConfig(channels=8, head_layers=DETECTOR.head_layers, neck=module)
    detector = build_detector(config, genotype).eval()
    save_detector(tmp_path / "w.safetensors", detector, genotype, {})
    loaded = read_checkpoint(tmp_path / "w.safetensors")
    assert loaded.config.neck == module
    assert loaded.name == ("tiny" if genotype else module)
    images = torch.randn(1, 3, 97, 131)
    with torch.no_grad():
        torch.testing.assert_close(loaded.detector(images)[:2], detector(images)[:2])


def test_fpn_is_a_member_of_the_space_pyramid(monkeypatch: pytest.MonkeyPatch) -> None:
    space = load_search_space("pyramid")
    drawn = random_genotype(space, 0)
    gene = drawn.cells["fpn"]
    smoothed = tuple(
        replace(node, edges=tuple(replace(edge, operation="dense_3x3") for edge in node.edges))
        if node.name.startswith("out")
        else node
        for node in gene.nodes
    )
    genotype = replace(drawn, cells={"fpn": replace(gene, nodes=smoothed)})
    assert holds(space, genotype)
    fpn, member = FPN(8, LEVELS), build_module(genotype, 8, LEVELS)
    convolutions = [each for each in member.modules() if isinstance(each, nn.Conv2d)]
    places = [node.level for node in smoothed if node.name.startswith("out")]
    for level, convolution in zip(places, convolutions, strict=True):
        convolution.load_state_dict(cast(nn.Sequential, fpn.smooth[str(level)])[0].state_dict())
    # Two things differ: operations begin with a ReLU, which changes nothing where no feature is
    # negative, and cells enlarge maps by bilinear interpolation.
    monkeypatch.setattr(handmade, "enlarge", partial(handmade.enlarge, mode="bilinear"))
    features = {level: torch.rand(2, 8, 192 >> level, 128 >> level) for level in LEVELS}
    expected, found = fpn(features), member(features)
    for level in LEVELS:
        torch.testing.assert_close(found[level], expected[level])


def test_a_cell_that_concatenates_without_a_projection_is_refused() -> None:
    cell = {
        "inputs": [{"name": "x", "level": 7}],
        "dense": {"nodes": 2},
        "output": {"rule": "cat-all", "projection": "none"},
    }
    space = space_of({"format": 1, "name": "wide", "operations": ["skip"], "cells": {"c": cell}})
    with pytest.raises(ConfigError, match="'c' puts out 2 concatenated nodes"):
        build_searchable(DETECTOR, space)
