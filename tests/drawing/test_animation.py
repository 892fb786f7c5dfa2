from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

from nasface.arch.genotype import Genotype
from nasface.arch.io import load_search_space
from nasface.drawing.animation import draw_frames, frame_pictures
from nasface.nas.derive import derive

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
