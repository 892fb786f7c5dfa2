"""Plot of the choices of a search: a heat map of each cell over the epochs, entropy, changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from nasface.arch.space import SearchSpace
from nasface.arrays import Floats
from nasface.nas.candidates import CandidateTable, Pair, select
from nasface.plots.figure import Plot

LEADERS = 4
"""Candidates of a node that are shown in any case, those of the greatest share at the end."""
ROW = 0.115
"""Height of a candidate's row in inches."""
_COLOURS = "PuOr_r"


@dataclass(frozen=True)
class NodeHistory:
    """The choice at one node: its pairs, their shares after each epoch, which were kept."""

    name: str
    pairs: tuple[Pair, ...]
    names: tuple[str, ...]
    """Of the pairs, such as ``sep_3x3(n1)``."""
    shares_TP: Floats
    """Share of each open pair in the node's scores; a row sums to one."""
    kept_TP: NDArray[np.bool_]

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

    @property
    def shown(self) -> list[int]:
        """The pairs to show: what was kept in any epoch, and the leaders at the end."""
        leaders = np.argsort(-self.shares_TP[-1], kind="stable")[:LEADERS]
        shown = sorted({*leaders.tolist(), *np.flatnonzero(self.kept_TP.any(axis=0)).tolist()})
        # One pair alone needs no row of others.
        return shown if len(shown) < len(self.pairs) - 1 else list(range(len(self.pairs)))


def node_histories(space: SearchSpace, cell: str, scores_TEO: Floats) -> list[NodeHistory]:
    """Return the histories of the nodes of a cell that the space leaves a choice."""
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
        names = tuple(
            f"{space.operations[column]}({table.graph.edges[edge].source})"
            for edge, column in pairs
        )
        shares = scores_TP / scores_TP.sum(axis=1, keepdims=True)
        found.append(NodeHistory(node.name, pairs, names, shares, kept))
    return found


def plot_choice_history(
    space: SearchSpace, epochs: Sequence[int], scores: Mapping[str, Floats]
) -> Plot:
    """Draw how the choices of each cell moved.

    ``scores`` maps a cell to the scores of its pairs (epochs, edges, operations). Left: a row for
    each candidate that was ever kept or leads at the end, and one for the others of its node; its
    colour is the candidate's share relative to an even one, on one scale for all cells; a dot where
    it is what would be derived; bold what is kept at the end. Right: the entropy of each node and
    their mean, and how many nodes changed what they keep.
    """
    cells = {cell: node_histories(space, cell, each) for cell, each in scores.items()}
    cells = {cell: nodes for cell, nodes in cells.items() if nodes}
    figure, ((top, *others), *grid) = _grid([_height(nodes) for nodes in cells.values()])
    for axes in others:
        axes.set_axis_off()
    norm = _draw_scale(figure, top, [node for nodes in cells.values() for node in nodes])
    for (left, middle, right), (cell, nodes) in zip(grid, cells.items(), strict=True):
        _draw_heat(left, nodes, epochs, norm)
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
    return figure


def _height(nodes: Sequence[NodeHistory]) -> float:
    """Return the height of the axes of a cell in inches."""
    rows = sum(len(node.shown) + (len(node.shown) < len(node.pairs)) for node in nodes)
    return max(1.2, ROW * rows)


def _grid(heights: Sequence[float]) -> tuple[Plot, NDArray[np.object_]]:
    """Return a figure and its axes: the row of the scale, then three for each cell.

    All sizes are known, so that no layout engine has to measure every label, which would take
    longer than the drawing.
    """
    sizes, gap = [0.15, *heights], 0.6
    height = sum(sizes) + gap * (len(sizes) + 0.5)
    left, right, between = 2.2, 0.15, 0.55
    widths = (6.0, 2.3, 1.45)
    figure = Plot(figsize=(left + sum(widths) + 2 * between + right, height))
    axes = figure.subplots(
        len(sizes),
        3,
        squeeze=False,
        width_ratios=widths,
        height_ratios=sizes,
        gridspec_kw={
            "left": left / figure.get_figwidth(),
            "right": 1 - right / figure.get_figwidth(),
            "bottom": gap / height,
            "top": 1 - gap / 2 / height,
            "wspace": between / float(np.mean(widths)),
            "hspace": gap / float(np.mean(sizes)),
        },
    )
    return figure, axes


def _draw_scale(figure: Figure, axes: Axes, nodes: Sequence[NodeHistory]) -> Normalize:
    """Draw the colours of shares: white for an even one, as far to both sides as any share goes."""
    relative = [node.shares_TP * len(node.pairs) for node in nodes]
    spread = max(0.05, *(float(np.abs(each - 1).max()) for each in relative))
    least, greatest = max(0.0, 1 - spread), 1 + spread
    norm = TwoSlopeNorm(1.0, vmin=least, vmax=greatest)
    colours = ScalarMappable(norm, _COLOURS)
    bar = figure.colorbar(
        colours, cax=axes, orientation="horizontal", ticks=[least, 1, greatest], format="{x:.2f}"
    )
    bar.ax.tick_params(labelsize=7)
    bar.ax.set_title("times an even share", fontsize=8)
    return norm


def _draw_heat(
    axes: Axes, nodes: Sequence[NodeHistory], epochs: Sequence[int], norm: Normalize
) -> None:
    relative: list[Floats] = []
    kept: list[NDArray[np.bool_]] = []
    labels: list[str] = []
    bounds = []
    for node in nodes:
        shown, shares_PT = node.shown, node.shares_TP.T * len(node.pairs)
        relative += list(shares_PT[shown])
        kept += list(node.kept_TP.T[shown])
        labels += [f"{node.name}: {node.names[at]}" for at in shown]
        hidden = len(node.pairs) - len(shown)
        if hidden:
            relative.append(np.delete(shares_PT, shown, axis=0).mean(axis=0))
            kept.append(np.zeros(len(epochs), dtype=bool))
            labels.append(f"{node.name}: mean of {hidden} others")
        bounds.append(len(labels) - 0.5)
    edges = [*(epoch - 0.5 for epoch in epochs), epochs[-1] + 0.5]
    lines = np.arange(len(labels) + 1) - 0.5
    axes.pcolormesh(edges, lines, np.stack(relative), cmap=_COLOURS, norm=norm, rasterized=True)
    rows, columns = np.nonzero(np.stack(kept))
    axes.scatter(
        np.array(epochs)[columns], rows, s=9, facecolor="white", edgecolor="black", linewidth=0.6
    )
    for bound in bounds[:-1]:
        axes.axhline(bound, color="black", linewidth=0.5)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    # Texts beside the axes: ticks of so many rows would take longer to draw than all the rest.
    axes.set_yticks([])
    beside = axes.get_yaxis_transform()
    for row, (label, was_kept) in enumerate(zip(labels, kept, strict=True)):
        weight = "bold" if was_kept[-1] else "normal"
        axes.text(
            -0.005, row, label, fontsize=6, fontweight=weight, transform=beside, ha="right",
            va="center",
        )  # fmt: skip
