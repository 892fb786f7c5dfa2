"""How the choices of a search moved: a heat map of each cell over the epochs, entropy, changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from nasface.arch.space import SearchSpace
from nasface.plots.save import save_figure
from nasface.search.candidates import CandidateTable, Pair, select

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class NodeHistory:
    """The choice at one node: its pairs, their shares after each epoch, which were kept."""

    name: str
    pairs: tuple[Pair, ...]
    shares_TP: Floats
    """Share of each open pair in the node's scores; a row sums to one."""
    kept_TP: NDArray[np.bool_]
    final: str
    """What is kept at the end, such as ``sep_3x3(n1)``."""

    @property
    def entropy_T(self) -> Floats:
        """Entropy of the shares, as a part of the greatest possible."""
        shares = self.shares_TP
        terms = shares * np.log(np.maximum(shares, 1e-12))
        entropy: Floats = -terms.sum(axis=1) / np.log(shares.shape[1])
        return entropy

    @property
    def changed_T(self) -> NDArray[np.bool_]:
        """Whether the kept pairs differ from those of the epoch before; false after the first."""
        changed = (self.kept_TP[1:] != self.kept_TP[:-1]).any(axis=1)
        return np.concatenate([[False], changed])


def node_histories(space: SearchSpace, cell: str, scores_TEO: Floats) -> list[NodeHistory]:
    """The histories of the nodes of a cell that the space leaves a choice."""
    table = CandidateTable.of(space, cell)
    chosen = [select(table, scores) for scores in scores_TEO]
    found = []
    for at, (node, edges) in enumerate(zip(table.graph.nodes, table.graph.edges_into, strict=True)):
        pairs = tuple(
            (edge, int(column)) for edge in edges for column in np.flatnonzero(table.open_EO[edge])
        )
        if len(pairs) < 2:
            continue
        rows, columns = zip(*pairs, strict=True)
        scores_TP = scores_TEO[:, list(rows), list(columns)]
        kept = np.array([[pair in path[at] for pair in pairs] for path in chosen])
        final = ", ".join(
            f"{space.operations[column]}({table.graph.edges[edge].source})"
            for edge, column in chosen[-1][at]
            if (edge, column) in pairs
        )
        shares = scores_TP / scores_TP.sum(axis=1, keepdims=True)
        found.append(NodeHistory(node.name, pairs, shares, kept, final))
    return found


def plot_choice_history(
    space: SearchSpace, epochs: Sequence[int], scores: Mapping[str, Floats], path: Path
) -> Path:
    """Draw how the choices of each cell moved.

    ``scores`` maps a cell to the scores of its pairs (epochs, edges, operations). Left: a row for
    each pair, node by node, its colour the pair's share relative to an even one, a dot where it is
    what would be derived. Right: the entropy of each node and their mean, and how many nodes
    changed what they keep.

    Raises:
        ConfigError: for another suffix than png, svg or pdf.
    """
    cells = {cell: node_histories(space, cell, each) for cell, each in scores.items()}
    cells = {cell: nodes for cell, nodes in cells.items() if nodes}
    sizes = [_height(nodes) for nodes in cells.values()]
    figure = Figure(figsize=(13, sum(sizes)), layout="constrained")
    grid = figure.subplots(
        len(cells), 3, squeeze=False, width_ratios=(6, 2.4, 2), height_ratios=sizes
    )
    for (left, middle, right), (cell, nodes) in zip(grid, cells.items(), strict=True):
        _draw_heat(figure, left, nodes, epochs)
        left.set_title(f"{cell}: share of each candidate; dots are what is kept", fontsize=10)
        for node in nodes:
            middle.plot(epochs, node.entropy_T, color="#9a9a9a", linewidth=0.8)
        mean = np.mean([node.entropy_T for node in nodes], axis=0)
        middle.plot(epochs, mean, color="#0072b2", linewidth=2, marker="o", markersize=3)
        middle.set_title(f"entropy: nodes, mean ({mean[-1]:.3f})", fontsize=10)
        middle.set_ylim(0, 1.03)
        right.bar(epochs, np.sum([node.changed_T for node in nodes], axis=0), color="#d55e00")
        right.set_title(f"changed nodes, of {len(nodes)}", fontsize=10)
        right.set_ylim(0, len(nodes))
        right.yaxis.set_major_locator(MaxNLocator(integer=True))
        for axes in (middle, right):
            axes.grid(alpha=0.3)
        for axes in (left, middle, right):
            axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in grid[-1]:
        axes.set_xlabel("epoch")
    return save_figure(figure, path)


def _height(nodes: Sequence[NodeHistory]) -> float:
    """Inches: enough for a line of text beside each node, and for its rows to be seen."""
    rows = sum(len(node.pairs) for node in nodes)
    return 0.9 + max(1.2, 0.2 * len(nodes), min(5.0, 0.035 * rows))


def _draw_heat(
    figure: Figure, axes: Axes, nodes: Sequence[NodeHistory], epochs: Sequence[int]
) -> None:
    relative = np.concatenate([node.shares_TP.T * len(node.pairs) for node in nodes])
    kept = np.concatenate([node.kept_TP.T for node in nodes])
    spread = max(0.05, float(np.abs(relative - 1).max()))
    norm = TwoSlopeNorm(1.0, vmin=max(0.0, 1 - spread), vmax=1 + spread)
    edges = [*(epoch - 0.5 for epoch in epochs), epochs[-1] + 0.5]
    lines = np.arange(len(relative) + 1) - 0.5
    mesh = axes.pcolormesh(edges, lines, relative, cmap="PuOr_r", norm=norm, rasterized=True)
    rows, columns = np.nonzero(kept)
    axes.scatter(
        np.array(epochs)[columns], rows, s=9, facecolor="white", edgecolor="black", linewidth=0.6
    )
    bounds = np.cumsum([0] + [len(node.pairs) for node in nodes])
    for bound in bounds[1:-1]:
        axes.axhline(bound - 0.5, color="black", linewidth=0.5)
    axes.set_yticks(
        (bounds[:-1] + bounds[1:] - 1) / 2,
        [f"{node.name}: {node.final}" for node in nodes],
        fontsize=7.5,
    )
    axes.invert_yaxis()
    bar = figure.colorbar(mesh, ax=axes, pad=0.01, ticks=[max(0.0, 1 - spread), 1, 1 + spread])
    bar.ax.tick_params(labelsize=7)
    bar.ax.yaxis.set_major_formatter("{x:.2f}")
    bar.set_label("times an even share", fontsize=8)
