"""Drawings of detectors: levels of the backbone, parts of the neck and heads, left to right.

The overview is a table in Graphviz' HTML. Each level is a row, the coarsest on top. A part that
joins levels spans their rows, and between two parts stands how many channels go from one to the
other.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

import torch

from nasface.arch.genotype import Genotype, repeat
from nasface.detection.config import DetectorConfig
from nasface.detection.detector import Detector, build_detector
from nasface.detection.heads import logit_kinds
from nasface.detection.necks.registry import neck_paths, widths_given
from nasface.nn.cost import Cost

_IMAGE, _BACKBONE, _EXTRA, _LATERALS = "#ffffff", "#56b4e9", "#b5dcf2", "#f5f5f5"
_HAND_MADE, _SEARCHED, _HEADS = "#a6dba0", "#fdc48a", "#f0e442"
"""Fill colours of the parts."""

_TABLE = '<<table border="0" cellborder="0" cellspacing="0" cellpadding="3">{rows}</table>>'
_BOX = 'border="1" style="rounded" bgcolor="{fill}" color="#333333"'
_RIGHT, _UP = "\N{RIGHTWARDS ARROW}", "\N{UPWARDS ARROW}"


def overview_title(name: str, total: Cost, size: tuple[int, int]) -> str:
    """Return the name of a detector and its cost at an image of ``size``, height and width."""
    return (
        f"{name}: {total.parameters / 1e6:.4g} M parameters, {total.macs / 1e9:.4g} G "
        f"multiply-adds at {size[1]} x {size[0]}"
    )


def overview(
    config: DetectorConfig,
    genotype: Genotype | None,
    costs_of_parts: Sequence[Cost],
    size: tuple[int, int],
) -> str:
    """Return the table of a detector whose parts have ``costs_of_parts`` at images of ``size``,
    height and width."""
    with torch.device("meta"):
        detector = build_detector(config, genotype)
    costs = {each.part: each for each in costs_of_parts}
    widths = _backbone_widths(detector)
    levels = sorted(widths)
    grid = _Grid()

    def row(level: int) -> int:
        # Below the headings; between two levels is a row for the arrow of the backbone.
        return 1 + 2 * (levels[-1] - level)

    grid.add(0, 1, ["backbone", config.backbone, *_figures(costs["backbone"])])
    for level in levels:
        map_size = " x ".join(str(math.ceil(side / 2**level)) for side in size[::-1])
        grid.add(row(level), 0, [f"stride {2**level}", map_size])
        fill = _BACKBONE if level in detector.trunk.backbone.channels else _EXTRA
        grid.add(row(level), 1, [f"C{level}"], fill)
        grid.add(row(level) + 1, 1, [_UP])
    grid.add(row(levels[0]) + 2, 0, [f"{size[1]} x {size[0]}"])
    grid.add(row(levels[0]) + 2, 1, ["image"], _IMAGE)

    last = dict.fromkeys(config.levels, 1)
    headings: set[str] = set()
    for part in _parts(detector, genotype, costs):
        column = max(last[level] for level in part.levels) + 2
        for level in part.levels:
            arrow = last[level] + 1
            grid.add(row(level), arrow, [f"{widths[level]} {_RIGHT}"], columns=column - arrow)
            last[level] = column
        widths = {**widths, **part.given}
        coarsest, finest = row(part.levels[-1]), row(part.levels[0])
        grid.add(coarsest, column, part.lines, part.fill, rows=finest - coarsest + 1)
        if part.heading and part.heading[0] not in headings:
            headings.add(part.heading[0])
            grid.add(0, column, part.heading)
    column = max(last.values()) + 1
    grid.add(0, column, ["anchors", "width x height"])
    for level in config.levels:
        grid.add(row(level), column, _anchors(config, level))
    return grid.html(_notes(detector, genotype, costs))


@dataclass(frozen=True)
class _Part:
    """A box over ``levels``, finest first. ``given``: the channels that leave it, by level;
    ``heading``: what stands over the first of its kind."""

    lines: Sequence[str]
    fill: str
    levels: Sequence[int]
    given: Mapping[int, int]
    heading: Sequence[str] = ()


def _parts(
    detector: Detector, genotype: Genotype | None, costs: Mapping[str, Cost]
) -> Iterator[_Part]:
    """Yield what stands behind the backbone, in the order of the data."""
    config = detector.trunk.config
    backbone = _backbone_widths(detector)
    widths: Mapping[int, int] = {level: backbone[level] for level in config.levels}
    if config.laterals == "projected":
        widths = dict.fromkeys(config.levels, config.channels)
        heading = ("laterals", *_figures(costs["laterals"]))
        for level in config.levels:
            yield _Part(("1x1",), _LATERALS, (level,), {level: config.channels}, heading)
    cells = repeat(genotype, config.repeats).cells if genotype else {}
    for name, path in neck_paths(detector.neck).items():
        figures = _figures(costs[name])
        if name in cells:
            used = {each.level for each in cells[name].inputs}
            used |= {each.level for each in cells[name].outputs}
            yield _Part((name, *figures), _SEARCHED, sorted(used), {}, ("neck",))
        else:
            widths = widths_given(detector.neck.get_submodule(path), widths)
            lines = [name.removeprefix("neck "), *figures]
            yield _Part(lines, _HAND_MADE, config.levels, widths, ("neck",))
    heading = ("heads", *_figures(costs["heads"]))
    if config.shared_head:
        lines = ["one for all levels", *_head(config, config.levels[0])]
        yield _Part(lines, _HEADS, config.levels, {}, heading)
    else:
        for level in config.levels:
            yield _Part(_head(config, level), _HEADS, (level,), {}, heading)


def _backbone_widths(detector: Detector) -> dict[int, int]:
    """Return the channels of all levels that the backbone, and the layers above it, compute."""
    config, widths = detector.trunk.config, dict(detector.trunk.backbone.channels)
    if max(config.levels) > max(widths):
        widths |= dict(zip((6, 7), config.extra_channels, strict=True))
    return widths


def _head(config: DetectorConfig, level: int) -> list[str]:
    """Return the layers of a head, and what it gives at each position."""
    anchors = config.anchors.at_position
    if config.head_branches == "joint":
        logits, side = 2, 3
    else:
        logits, side = sum(logit_kinds(config, level)), config.head_kernel
    layers = f"{config.head_layers} x {config.head}, {config.head_channels or config.channels} wide"
    last = "cosines" if config.classifier == "cosine" else f"{side}x{side}"
    return [
        *([layers] if config.head_layers else []),
        f"{last}: {anchors * logits} logits, {anchors * 4} offsets",
    ]


def _anchors(config: DetectorConfig, level: int) -> list[str]:
    """Return the width and height in pixels of the anchors of a level."""
    strides = [2**each for each in config.levels]
    sides = config.anchors.sides_of(strides)[config.levels.index(level)]
    stretch = math.sqrt(config.anchors.aspect)
    return [f"{side / stretch:.0f} x {side * stretch:.0f}" for side in sides]


def _notes(
    detector: Detector, genotype: Genotype | None, costs: Mapping[str, Cost]
) -> Iterator[str]:
    """Yield what the table cannot show, in sentences."""
    config = detector.trunk.config
    yield "Before each arrow: channels. MACs: multiply-adds of convolutions."
    if costs["C6, C7"].parameters:
        yield f"C6 and C7: {config.extra} layers, {', '.join(_figures(costs['C6, C7']))}."
    if genotype is not None:
        times = f", {config.repeats} times one behind the other" if config.repeats > 1 else ""
        yield f"Searched cells: {genotype.name}{times}."
    yield from _first_shot(config, costs)
    if config.negative_slope:
        yield f"Rectifiers have a slope of {config.negative_slope:g} below 0."


def _first_shot(config: DetectorConfig, costs: Mapping[str, Cost]) -> Iterator[str]:
    if config.first_shot == "two-step":
        fine = len(config.levels) // 2
        filtered, moved = (
            ", ".join(str(2**level) for level in part)
            for part in (config.levels[:fine], config.levels[fine:])
        )
        yield (
            "A first step by the same heads on the maps before the neck filters background on "
            f"strides {filtered or 'none'} and moves the anchors on strides {moved}."
        )
        if laterals := costs.get("laterals of the first step"):
            figures = ", ".join(_figures(laterals))
            yield f"It has 1x1 convolutions to {config.channels} channels of its own: {figures}."
    if config.first_shot == "shared":
        yield "In training the heads predict from the maps before the neck, too."
    if config.first_shot == "pyramid":
        yield "In training the heads predict what surrounds faces, too."


def _figures(cost: Cost) -> tuple[str, str]:
    return f"{_short(cost.parameters)}params", f"{_short(cost.macs)}MACs"


def _short(number: int) -> str:
    """Return a number in thousands, millions or 10^9, as it is large, with the space behind it."""
    for unit, name in ((1e9, "G "), (1e6, "M "), (1e3, "k ")):
        if number >= unit:
            return f"{number / unit:#.3g}".rstrip(".") + f" {name}"
    return f"{number} "


@dataclass
class _Grid:
    """A table in the making: what stands in a row and column, and over how many of each."""

    cells: dict[tuple[int, int], tuple[str, int, int]] = field(default_factory=dict)

    def add(
        self,
        row: int,
        column: int,
        lines: Iterable[str],
        fill: str = "",
        *,
        rows: int = 1,
        columns: int = 1,
    ) -> None:
        """Put lines of text there, in a box where it has a colour."""
        look = _BOX.format(fill=fill) if fill else ""
        text = _sized("<br/>".join(map(escape, lines)))
        cell = f'<td rowspan="{rows}" colspan="{columns}" {look}>{text}</td>'
        self.cells[row, column] = (cell, rows, columns)

    def html(self, below: Iterable[str]) -> str:
        """Return the table with sentences below it."""
        taken = {
            (row + down, column + right)
            for (row, column), (_, rows, columns) in self.cells.items()
            for down in range(rows)
            for right in range(columns)
        }
        height, width = (1 + max(each) for each in zip(*taken, strict=True))
        lines = []
        for row in range(height):
            places = [(row, column) for column in range(width)]
            cells = [
                self.cells[place][0] if place in self.cells else "<td></td>"
                for place in places
                if place in self.cells or place not in taken
            ]
            lines.append(f"<tr>{''.join(cells)}</tr>")
        text = "".join(f'{escape(each)}<br align="left"/>' for each in below)
        lines.append(f'<tr><td colspan="{width}" align="left">{_sized(text)}</td></tr>')
        return _TABLE.format(rows="".join(lines))


def _sized(text: str) -> str:
    return f'<font point-size="9">{text}</font>'
