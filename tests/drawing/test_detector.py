"""Drawings of whole detectors."""

import re
from collections import Counter
from html import unescape
from pathlib import Path

import pytest
from tiny import tiny_genotype

from nasface.arch.genotype import Genotype
from nasface.arch.io import load_genotype
from nasface.detection.config import DetectorConfig
from nasface.detection.cost import detector_cost
from nasface.detection.zoo import MODELS
from nasface.drawing.detector import draw_detector
from nasface.drawing.overview import overview
from nasface.errors import ConfigError


def table(
    config: DetectorConfig, genotype: Genotype | None = None, size: tuple[int, int] = (480, 640)
) -> list[str]:
    """The texts of the table, cell by cell."""
    html = overview(config, genotype, detector_cost(config, genotype, *size), size)
    cells = re.findall(r"<td[^>]*>(.*?)</td>", html)
    return [unescape(re.sub(r"<br[^>]*>", "\n", each)) for each in map(plain, cells)]


def plain(cell: str) -> str:
    return re.sub(r"</?font[^>]*>", "", cell)


def test_levels_and_widths_from_left_to_right() -> None:
    cells = table(MODELS["retinaface-r50"].detector)
    assert {"C2", "C3", "C4", "C5"} <= {*cells}
    for stride, size in ((4, "160 x 120"), (8, "80 x 60"), (16, "40 x 30"), (32, "20 x 15")):
        assert f"stride {stride}\n{size}" in cells
    # ResNet-50's widths enter the laterals, 256 channels both parts of the neck and the heads.
    arrows = Counter(each for each in cells if "\N{RIGHTWARDS ARROW}" in each)
    assert arrows == {"512 →": 1, "1024 →": 1, "2048 →": 1, "256 →": 9}
    assert cells.count("1x1: 4 logits, 8 offsets") == 3
    assert "16 x 16\n32 x 32" in cells


def test_sizes_of_odd_images_are_rounded_up() -> None:
    cells = table(MODELS["retinaface-mobilenet0.25"].detector, size=(97, 131))
    assert "stride 8\n17 x 13" in cells


def test_heads_shared_by_levels_and_what_they_do_first() -> None:
    cells = table(MODELS["srn-r50"].detector)
    assert "one for all levels\n2 x rfe, 256 wide\n1x1: 4 logits, 8 offsets" in cells
    assert "filters background on strides 4, 8, 16 and moves the anchors on" in cells[-1]
    assert "strides 32, 64, 128" in cells[-1]


def test_logits_of_max_in_out_and_max_out() -> None:
    cells = table(MODELS["s3fd-vgg16"].detector)
    assert cells.count("3x3: 4 logits, 4 offsets") == 1, "three of background on the finest level"
    assert cells.count("3x3: 2 logits, 4 offsets") == 5
    assert table(MODELS["dsfd-r50"].detector).count(
        "3 x dense, 256 wide\n1x1: 4 logits, 4 offsets"
    ) == 6  # fmt: skip


def test_cells_of_one_level_stand_side_by_side() -> None:
    genotype = load_genotype("asfd-ref")
    config = MODELS["d0"].detector
    cells = table(config, genotype)
    names = [each.split("\n")[0] for each in cells]
    assert [name for name in names if name in genotype.cells] == [
        "fpn", "cpm_c7", "cpm_c6", "cpm_c5", "cpm_c4", "cpm_c3", "cpm_c2",
    ]  # fmt: skip
    # Six levels: backbone to laterals, to the pyramid, to the cells of one level, to the heads.
    assert sum("→" in each for each in cells) == 4 * 6


def test_the_whole_is_drawn_with_the_cells_below(tmp_path: Path) -> None:
    genotype = tiny_genotype()
    config = MODELS["d0"].detector
    drawing = draw_detector("mine", config, genotype, tmp_path / "found.svg")
    total = detector_cost(config, genotype, 480, 640)[0]
    svg = (tmp_path / "found.svg").read_text("utf-8")
    assert f"mine: {total.parameters / 1e6:.4g} M parameters" in svg
    assert all(f"{name} (stride" in svg for name in genotype.cells)
    some = draw_detector("mine", config, genotype, cells=["cpm_c3"])
    assert "cpm_c3 (stride 8)" in some.dot
    assert "cpm_c4 (stride" not in some.dot
    assert len(some.dot) < len(drawing.dot)


def test_a_hand_made_neck_has_no_cells() -> None:
    with pytest.raises(ConfigError, match="cells: x has no searched cells, its neck is extd-fpn"):
        draw_detector("x", MODELS["extd-32"].detector, None, cells=["fpn"])


@pytest.mark.parametrize("name", ["d6", "dsfd-vgg16", "extd-64", "pyramidbox-vgg16"])
def test_every_part_of_the_neck_is_named(name: str) -> None:
    config = MODELS[name].detector
    genotype = load_genotype("asfd-ref") if config.neck == "genotype" else None
    named = {each.split("\n")[0] for each in table(config, genotype)}
    parts = {each.part.removeprefix("neck ") for each in detector_cost(config, genotype, 480, 640)}
    around = {"total", "C6, C7", "laterals of the first step", "laterals"}
    assert parts - around - ({"laterals"} if genotype else set()) <= named
