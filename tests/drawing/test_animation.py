from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

from nasface.arch.genotype import Genotype
from nasface.arch.io import load_search_space
from nasface.drawing.animation import draw_frames, frame_pictures
from nasface.nas.derive import derive
from nasface.nas.sampling import random_genotype

SPACE = load_search_space("darts", {"nodes": 2, "keep": 1})
CELL = "normal"


def genotypes(seeds: tuple[int, ...]) -> list[Genotype]:
    found = []
    for epoch, seed in enumerate(seeds, 1):
        generator = np.random.default_rng(seed)
        alphas = {
            cell: generator.normal(size=(len(graph.edges), len(SPACE.operations))).astype(
                np.float32
            )
            for cell, graph in SPACE.cells.items()
        }
        found.append(derive(SPACE, alphas, name=f"epoch {epoch}"))
    return found


def test_frames_hold_their_own_arrows_on_places_that_stay() -> None:
    epochs = genotypes((1, 2, 3))
    frames = frame_pictures(epochs)
    for genotype, cells in zip(epochs, frames, strict=True):
        for cell, first in zip(cells, frames[0], strict=True):
            arrows = cell.arrows.values()
            drawn = {(a.source, a.target, a.operation) for a in arrows if a.operation}
            nodes = genotype.cells[cell.name].nodes
            assert drawn == {(e.source, n.name, e.operation) for n in nodes for e in n.edges}
            assert cell.layout is first.layout
            for key, arrow in cell.arrows.items():
                # What has no operation in one epoch may have one in the next.
                others = [frame.arrows for each in frames for frame in each if key in frame.arrows]
                assert arrow.label or not any(found[key].label for found in others)


def test_animation_has_a_frame_for_each_epoch(tmp_path: Path) -> None:
    path = draw_frames(genotypes((1, 2, 3)), tmp_path / "cells.gif", cells=[CELL])
    with Image.open(path) as image:
        frames = [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]
    assert len(frames) == 3
    # Vertices stay: what is of an input's colour is so in every frame.
    blue = [(frame == (0x56, 0xB4, 0xE9)).all(axis=-1) for frame in frames]
    assert blue[0].sum() > 100
    assert all((each == blue[0]).mean() > 0.999 for each in blue)
    assert any((frame != frames[0]).any() for frame in frames[1:])
    assert list(tmp_path.iterdir()) == [path]


def test_strip_leaves_out_what_did_not_change(tmp_path: Path) -> None:
    path = draw_frames(genotypes((1, 1, 2)), tmp_path / "s.svg", cells=[CELL])
    text = path.read_text()
    assert f"epoch 1: {CELL}" in text
    assert f"epoch 2: {CELL}" not in text
    assert f"epoch 3: {CELL}" in text
    assert text.count(">n1</text>") == 2


def test_a_cell_that_is_left_out_leaves_its_place_empty(tmp_path: Path) -> None:
    space = load_search_space("autofem2", levels="3-5", nodes=2, width="any")
    epochs = [random_genotype(space, seed, name=f"epoch {seed}") for seed in range(6)]
    frames = frame_pictures(epochs)
    titles = [[cell.title for cell in frame] for frame in frames]
    for genotype, frame in zip(epochs, frames, strict=True):
        for cell in frame:
            gene = genotype.cells.get(cell.name)
            assert bool(cell.vertices) == bool(cell.arrows) == (gene is not None)
            if gene is None:
                assert cell.title == f"{cell.name} (left out)"
            else:
                assert (f"width {gene.width:g})" in cell.title) == (gene.width != 1)
    assert any("left out" in each for of_epoch in titles for each in of_epoch)
    assert any("width 0.25" in each for of_epoch in titles for each in of_epoch)
    cells = {name: gene for name, gene in epochs[0].cells.items() if name != "cpm_c4"}
    assert "cpm_c4" in epochs[0].cells
    for shown in ([epochs[0], replace(epochs[0], cells=cells)], epochs):
        for suffix in (".gif", ".svg"):
            path = draw_frames(shown, tmp_path / f"cell{suffix}", cells=["cpm_c4"])
            assert path.stat().st_size > 0
