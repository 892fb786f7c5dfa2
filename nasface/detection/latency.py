"""Latency of a detector as the sum of the measured times of its parts.

Multiply-adds say little about time on a CPU: a depthwise 5x5 has few of them and passes over memory
as often as a dense convolution. So every part that detectors of a search space may have is measured
once on a machine, by itself, and the latency of a detector is predicted as the sum over its parts
(:mod:`nasface.deploy.latency` measures them; "LatencyTable" after Dai et al., ChamNet, CVPR 2019).
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from nasface.arch.genotype import CellGene, Genotype
from nasface.arch.graph import CellGraph, Transform
from nasface.arch.space import SearchSpace
from nasface.detection.config import DetectorConfig
from nasface.errors import ConfigError
from nasface.io.files import read_text, write_text
from nasface.io.yaml import parse_dataclass, parse_yaml, to_yaml
from nasface.nn.cell import inner_channels

PartKind = Literal["trunk", "entry", "operation", "transform", "combine", "projection"]
Size = tuple[int, int]


@dataclass(frozen=True)
class LatencyPart:
    """A part of a detector, measured by itself.

    Args:
        kind: what it is a part of; ``trunk`` is all that is not the neck.
        name: operation, transform, combine rule, form of the projection; empty for the trunk and
            for what brings the input of a cell to the width of its nodes.
        height, width: of the map that enters it, or leaves it if it is a transform; of the image
            for the trunk.
        channels: of that map.
        stride: of an operation.
        inputs: maps that a combine rule or a projection takes.
        outputs: channels that an entry or a projection gives; 0 for as many as each map has.
    """

    kind: PartKind
    name: str
    height: int
    width: int
    channels: int
    stride: int = 1
    inputs: int = 1
    outputs: Annotated[int, Field(exclude_if=lambda outputs: outputs == 0)] = 0


@dataclass(frozen=True)
class LatencyEntry:
    """A part and the median time, in milliseconds of processor time, of running it once."""

    part: LatencyPart
    milliseconds: float


@dataclass(frozen=True)
class LatencyTable:
    """Measured times of all parts that detectors of a space may have, on one machine.

    ``detector`` are the settings around the neck; ``factor`` is what the sum of the neck's parts is
    multiplied by, the ratio of measured to added-up times of a few whole detectors.
    """

    format: Literal[1]
    engine: str
    machine: str
    threads: int
    size: Size
    """Width and height of the image."""
    detector: DetectorConfig
    entries: tuple[LatencyEntry, ...]
    factor: float = 1.0

    @cached_property
    def times(self) -> Mapping[LatencyPart, float]:
        """Part -> milliseconds."""
        return {each.part: each.milliseconds for each in self.entries}

    def time_of(self, part: LatencyPart) -> float:
        """Return the milliseconds of a part in the table; 0 for an identity.

        Raises:
            ConfigError: for a part that was not measured.
        """
        if _is_free(part):
            return 0.0
        if part not in self.times:
            found = ", ".join(f"{key} {value}" for key, value in asdict(part).items())
            raise ConfigError(
                f"latency table of {self.engine}: has no {found}; expected a table of the same "
                "space, detector and image size"
            )
        return self.times[part]

    def predict(self, genotype: Genotype) -> float:
        """Return the milliseconds of the detector of a genotype.

        Raises:
            ConfigError: if it has parts that were not measured.
        """
        parts = genotype_parts(genotype, self.detector.channels, self.size)
        trunk = self.time_of(trunk_part(self.detector, self.size))
        return trunk + self.factor * sum(map(self.time_of, parts))

    def operation_time(self, channels: int, name: str, stride: int, size: Size) -> float:
        """Return the milliseconds that an operation of the neck takes, by channels, height and
        width of its input."""
        part = LatencyPart("operation", name, *size, channels, stride)
        return self.factor * self.time_of(part)

    def check_made_for(self, detector: DetectorConfig, size: Size) -> None:
        """Raise :class:`ConfigError` unless the table is of a detector at (width, height)."""
        if (self.detector, self.size) != (detector, size):
            raise ConfigError(
                f"latency table of {self.engine}: was measured for another detector or at "
                f"{self.size[0]}x{self.size[1]}; expected the detector of the settings at "
                f"{size[0]}x{size[1]}"
            )

    def of_cell(self, genotype: Genotype, cell: str) -> float:
        """Return the milliseconds that a cell of a genotype adds to its detector."""
        alone = replace(genotype, cells={cell: genotype.cells[cell]})
        parts = genotype_parts(alone, self.detector.channels, self.size)
        return self.factor * sum(map(self.time_of, parts))


def load_latency_table(path: Path) -> LatencyTable:
    """Read a table that ``nasface latency measure`` wrote.

    Raises:
        ConfigError: for a file that is not there or no table.
    """
    values = parse_yaml(read_text(path, ConfigError, "latency table"), str(path), ConfigError)
    return parse_dataclass(LatencyTable, values, str(path), ConfigError)


def save_latency_table(table: LatencyTable, path: Path) -> None:
    """Write a table as YAML."""
    write_text(path, to_yaml(table))


def trunk_part(detector: DetectorConfig, size: Size) -> LatencyPart:
    """Return all of a detector but its neck, at images of (width, height)."""
    return LatencyPart("trunk", "", size[1], size[0], detector.channels)


def genotype_parts(genotype: Genotype, whole: int, size: Size) -> Iterator[LatencyPart]:
    """Give the parts of the neck of a genotype between maps of ``whole`` channels, at images of
    (width, height)."""
    for cell in genotype.cells.values():
        level = _levels(cell)
        outer, channels = whole, inner_channels(whole, cell.width)
        yield from _entries(cell, outer, channels, size)
        for node in cell.nodes:
            for edge in node.edges:
                yield from edge_parts(
                    edge.operation, edge.transform, level[edge.source], node.level, channels, size
                )
            yield combine_part(node.combine, len(node.edges), node.level, channels, size)
        for output in cell.outputs:
            if cell.projection != "none":
                yield projection_part(
                    cell.projection, len(output.sources), output.level, channels, outer, size
                )


def space_parts(space: SearchSpace, channels: int, size: Size) -> list[LatencyPart]:
    """Return all parts that necks of a space may have, each once; identities are left out."""
    found: dict[LatencyPart, None] = {}
    for graph in space.cells.values():
        for width in filter(None, graph.widths):
            found.update(dict.fromkeys(_graph_parts(graph, channels, width, size)))
    return [part for part in found if not _is_free(part)]


def edge_parts(
    operation: str, transform: Transform, source: int, target: int, channels: int, size: Size
) -> Iterator[LatencyPart]:
    """Give what an edge from one level to another runs: its resampling, its operation."""
    strided = transform == "stride"
    here = level_size(target, size)
    if transform in ("up2", "down2"):
        yield LatencyPart("transform", transform, *here, channels)
    entering = level_size(source, size) if strided else here
    yield LatencyPart("operation", operation, *entering, channels, 2 if strided else 1)


def combine_part(rule: str, inputs: int, level: int, channels: int, size: Size) -> LatencyPart:
    """Return the combination of the inputs of a node at a level."""
    return LatencyPart("combine", rule, *level_size(level, size), channels, inputs=inputs)


def projection_part(
    form: str, inputs: int, level: int, channels: int, outer: int, size: Size
) -> LatencyPart:
    """Return the projection of maps at a level to the channels outside their cell."""
    outputs = outer if outer != channels else 0
    here = level_size(level, size)
    return LatencyPart("projection", form, *here, channels, inputs=inputs, outputs=outputs)


def level_size(level: int, size: Size) -> Size:
    """Return the height and width of a level for an image of (width, height)."""
    width, height = size
    return -(-height // 2**level), -(-width // 2**level)


def without_neck(detector: DetectorConfig) -> DetectorConfig:
    """Return the settings of the trunk."""
    return replace(detector, neck="none")


def _entries(
    cell: CellGraph | CellGene, outer: int, channels: int, size: Size
) -> Iterator[LatencyPart]:
    for each in cell.inputs if channels != outer else ():
        yield LatencyPart("entry", "", *level_size(each.level, size), outer, outputs=channels)


def _graph_parts(graph: CellGraph, outer: int, width: float, size: Size) -> Iterator[LatencyPart]:
    level = _levels(graph)
    channels = inner_channels(outer, width)
    yield from _entries(graph, outer, channels, size)
    for node in graph.nodes:
        for edge in node.edges:
            for name in edge.operations:
                if name != "none":
                    source = level[edge.source]
                    yield from edge_parts(name, edge.transform, source, node.level, channels, size)
        for rule in node.rules:
            yield combine_part(rule, node.kept, node.level, channels, size)
    if graph.output.projection == "none":
        return
    for output in graph.output_levels:
        most = sum(node.level == output for node in graph.nodes)
        for inputs in range(1, most + 1):
            yield projection_part(graph.output.projection, inputs, output, channels, outer, size)


def _levels(cell: CellGraph | CellGene) -> dict[str, int]:
    """Return the level of each input and node by name."""
    inputs = {each.name: each.level for each in cell.inputs}
    return inputs | {node.name: node.level for node in cell.nodes}


def _is_free(part: LatencyPart) -> bool:
    """Return whether nothing is computed."""
    if part.kind == "combine":
        return part.inputs == 1 and part.name in ("sum", "product")
    return part.kind == "operation" and part.name == "skip" and part.stride == 1
