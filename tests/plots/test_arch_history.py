import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from nasface.arch.genotype import Genotype
from nasface.arch.io import load_search_space
from nasface.drawing.animation import draw_frames, frame_pictures
from nasface.plots.arch_history import node_histories, plot_choice_history
from nasface.search.candidates import CandidateTable
from nasface.search.derive import derive

SPACE = load_search_space("darts", {"nodes": 2, "keep": 1})
CELL = "normal"


def scores_of(*epochs: dict[tuple[int, int], float]) -> np.ndarray:
    """Scores of one everywhere that is offered, but for the given pairs."""
    offered = CandidateTable.of(SPACE, CELL).offered_EO
    scores = np.where(offered, 1.0, np.nan)[None].repeat(len(epochs), axis=0)
    for at, changes in enumerate(epochs):
        for pair, value in changes.items():
            scores[at][pair] = value
    return scores.astype(np.float32)


def pair_of(edge: int, operation: str) -> tuple[int, int]:
    return edge, SPACE.operations.index(operation)


def test_shares_entropy_and_changes_of_a_node() -> None:
    best = pair_of(0, "sep_3x3_twice")
    other = pair_of(1, "skip")
    first, *_ = node_histories(SPACE, CELL, scores_of({best: 3.0}, {best: 3.0}, {other: 3.0}))
    count = len(first.pairs)
    assert first.shares_TP.sum(axis=1) == pytest.approx(1)
    assert first.shares_TP[0, first.pairs.index(best)] == pytest.approx(3 / (count + 2))
    share = np.array([3.0] + [1.0] * (count - 1)) / (count + 2)
    assert first.entropy_T[0] == pytest.approx(-(share * np.log(share)).sum() / np.log(count))
    assert first.changed_T.tolist() == [False, False, True]
    assert first.final == f"skip({SPACE.cells[CELL].edges[1].source})"


def test_history_is_drawn_with_each_nodes_choice(tmp_path: Path) -> None:
    scores = scores_of({}, {pair_of(0, "dil_3x3_r2"): 2.0})
    path = plot_choice_history(SPACE, [1, 2], {CELL: scores}, tmp_path / "h.svg")
    text = path.read_text()
    assert "<!-- n1: dil_3x3_r2(c0) -->" in text
    assert "<!-- epoch -->" in text


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
            drawn = {
                (r.arrow.source, r.arrow.target, r.arrow.operation)
                for r in cell.routes
                if r.arrow.operation
            }
            nodes = genotype.cells[cell.name].nodes
            assert drawn == {(e.source, n.name, e.operation) for n in nodes for e in n.edges}
            assert cell.places == first.places
            assert (cell.width, cell.height) == (first.width, first.height)


def test_animation_has_a_frame_for_each_epoch(tmp_path: Path) -> None:
    path = draw_frames(genotypes((1, 2, 3)), tmp_path / "cells.gif", cells=[CELL])
    with Image.open(path) as image:
        assert len(list(ImageSequence.Iterator(image))) == 3
    assert list(tmp_path.iterdir()) == [path]


def test_strip_leaves_out_what_did_not_change(tmp_path: Path) -> None:
    path = draw_frames(genotypes((1, 1, 2)), tmp_path / "s.svg", cells=[CELL], use_graphviz=False)
    text = path.read_text()
    assert f"epoch 1: {CELL}" in text
    assert f"epoch 2: {CELL}" not in text
    assert f"epoch 3: {CELL}" in text


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz's program is not installed")
def test_strip_by_graphviz_has_all_vertices_of_each_epoch(tmp_path: Path) -> None:
    path = draw_frames(genotypes((1, 2, 3)), tmp_path / "s.svg", cells=[CELL], use_graphviz=True)
    assert path.read_text().count(">n1</text>") == 3
