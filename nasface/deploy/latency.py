"""Measures how long the parts of detectors take: a latency table of this machine.

Every part is run in several copies beside each other in one graph, so that the call of the engine
weighs little, and what that call takes by itself is subtracted. Parts take turns, round by round,
and the median over rounds of the processor time of the process counts: other work on the machine
makes neither longer than it has to.
"""

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from nasface.arch.genotype import Genotype
from nasface.arch.graph import Transform
from nasface.arch.space import SearchSpace
from nasface.deploy.alternating import Run, alternate
from nasface.deploy.config import OPSETS
from nasface.deploy.onnx import quiet_export
from nasface.deploy.onnx_graph.builder import GraphBuilder
from nasface.deploy.onnx_graph.operators import add_recording
from nasface.deploy.onnx_graph.recording import NotRecordableError, record
from nasface.deploy.traceable import Graph
from nasface.detection.config import DetectorConfig
from nasface.detection.detector import build_detector
from nasface.detection.latency import (
    LatencyEntry,
    LatencyPart,
    LatencyTable,
    Size,
    space_parts,
    trunk_part,
    without_neck,
)
from nasface.device import denormals_as_zero
from nasface.inference.onnx_runtime import open_session
from nasface.machine import processor
from nasface.nn.blocks import conv_norm_relu, resample
from nasface.nn.cell import build_entry
from nasface.nn.combine import build_combine
from nasface.nn.fuse import fuse_conv_bn
from nasface.nn.operations import build_operation
from nasface.progress import Progress, Silent
from nasface.registry import Registry

COPIES = 4
"""Copies of a part in its graph."""

Prepare = Callable[[nn.Module, Sequence[Tensor]], Run]
"""(module without normalisations, its inputs) -> a function that runs it once."""

PART_ENGINES: Registry[Prepare] = Registry("engine of parts")
"""Name -> how it runs a module."""


def register_part_engine(name: str, prepare: Prepare) -> None:
    """Add an engine of parts, for which ``nasface latency measure`` then makes tables.

    Raises:
        ConfigError: if the name is taken, or for what cannot be called.
    """
    PART_ENGINES.check_callable(name, prepare)
    PART_ENGINES.add(name, prepare)


@dataclass(frozen=True)
class LatencyCheck:
    """Measured and predicted milliseconds of detectors, in the same order."""

    measured: tuple[float, ...]
    predicted: tuple[float, ...]

    @property
    def mean_error(self) -> float:
        """Mean of the absolute differences, as a share of what was measured."""
        pairs = zip(self.predicted, self.measured, strict=True)
        return statistics.mean(abs(guess / true - 1) for guess, true in pairs)

    @property
    def rank_correlation(self) -> float:
        """Spearman's rho of the two; nan for fewer than two detectors."""
        if len(self.measured) < 2:
            return math.nan
        ranks = np.argsort(np.argsort([self.measured, self.predicted], axis=1), axis=1)
        return float(np.asarray(np.corrcoef(ranks))[0, 1])


def measure_latency(
    detector: DetectorConfig,
    space: SearchSpace,
    *,
    size: Size = (640, 480),
    engine: str = "onnxruntime",
    rounds: int = 30,
    examples: Sequence[Genotype] = (),
    progress: Progress | None = None,
) -> LatencyTable:
    """Measure all parts of the detectors of a space in as many threads as torch has.

    ``examples`` are genotypes of the space whose whole detectors are measured besides; they give
    the factor between a part by itself and within a network. Without them it is 1.

    Raises:
        ConfigError: for an unknown engine. MissingPackageError: if its package is missing.
    """
    prepare = PART_ENGINES.find(engine, "engine")
    shown = progress or Silent()
    parts = space_parts(space, detector.channels, size)
    shown.start("latency", len(parts) + len(examples) + 2)
    empty = _prepared([nn.Identity()] * COPIES, [(1, 1, 1, 1)], prepare)
    shown.advance()
    runs = []
    for part in parts:
        copies = [build_part(part) for _ in range(COPIES)]
        runs.append(_prepared([module for module, _ in copies], copies[0][1], prepare))
        shown.advance()
    whole = [_whole(without_neck(detector), None, size, prepare)]
    shown.advance()
    for genotype in examples:
        whole.append(_whole(detector, genotype, size, prepare))
        shown.advance()
    call, *times = measure_interleaved([empty, *runs, *whole], rounds)
    own = [max(0.0, each - call) / COPIES for each in times[: len(parts)]]
    trunk, *measured = times[len(parts) :]
    entries = [LatencyEntry(trunk_part(detector, size), trunk)]
    entries += [LatencyEntry(part, each) for part, each in zip(parts, own, strict=True)]
    table = LatencyTable(
        format=1,
        engine=engine,
        machine=processor(),
        threads=torch.get_num_threads(),
        size=size,
        detector=detector,
        entries=tuple(entries),
    )
    if not measured:
        return table
    necks = [table.predict(genotype) - trunk for genotype in examples]
    return replace(table, factor=(sum(measured) - trunk * len(measured)) / sum(necks))


def check_latency(
    table: LatencyTable,
    genotypes: Sequence[Genotype],
    *,
    rounds: int = 15,
    progress: Progress | None = None,
) -> LatencyCheck:
    """Measure whole detectors and predict them by a table of the same machine."""
    shown = progress or Silent()
    shown.start("check", len(genotypes))
    prepare = PART_ENGINES.find(table.engine, "engine")
    runs = []
    for genotype in genotypes:
        runs.append(_whole(table.detector, genotype, table.size, prepare))
        shown.advance()
    measured = measure_interleaved(runs, rounds)
    return LatencyCheck(tuple(measured), tuple(map(table.predict, genotypes)))


def detector_latency(
    detector: DetectorConfig,
    genotype: Genotype | None,
    *,
    size: Size = (640, 480),
    engine: str = "onnxruntime",
    rounds: int = 15,
) -> float:
    """Return the median milliseconds of processor time of a whole detector at (width, height).

    Raises:
        ConfigError: for an unknown engine. MissingPackageError: if its package is missing.
    """
    return measure_interleaved([whole_detector(detector, genotype, size, engine)], rounds)[0]


def whole_detector(
    detector: DetectorConfig, genotype: Genotype | None, size: Size, engine: str
) -> Run:
    """Return what runs a whole detector, with random weights, once on a (width, height) image.

    Raises:
        ConfigError: for an unknown engine. MissingPackageError: if its package is missing.
    """
    return _whole(detector, genotype, size, PART_ENGINES.find(engine, "engine"))


def measure_interleaved(runs: Sequence[Run], rounds: int) -> list[float]:
    """Return the median milliseconds of processor time of each function, which take turns.

    They compute as with trained weights: what nearly is zero is zero.
    """
    with denormals_as_zero():
        times = alternate(dict(enumerate(runs)), rounds, time.process_time)
    return [1e3 * statistics.median(own) for own in times.values()]


class Copies(nn.Module):
    """Copies of a part, each with weights of its own, on inputs of their own."""

    def __init__(self, copies: Sequence[nn.Module]) -> None:
        super().__init__()
        self.copies = nn.ModuleList(copies)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Map the inputs, those of the first copy first, to one map for each copy."""
        each = len(inputs) // len(self.copies)
        return tuple(
            cast(Tensor, copy(*inputs[at * each : (at + 1) * each]))
            for at, copy in enumerate(self.copies)
        )


class _Combined(nn.Module):
    def __init__(self, rule: str, channels: int, inputs: int) -> None:
        super().__init__()
        self.rule = build_combine(rule, channels, inputs)

    def forward(self, *values: Tensor) -> Tensor:
        return cast(Tensor, self.rule(list(values)))


class _Projected(nn.Module):
    def __init__(self, form: str, channels: int, outputs: int) -> None:
        super().__init__()
        layers: nn.Module = nn.Conv2d(channels, outputs, 1, bias=False)
        self.layers = conv_norm_relu(channels, outputs) if "relu" in form else layers

    def forward(self, *values: Tensor) -> Tensor:
        return cast(Tensor, self.layers(torch.cat(values, dim=1)))


class _Resampled(nn.Module):
    def __init__(self, transform: Transform, size: tuple[int, int]) -> None:
        super().__init__()
        self.transform, self.size = transform, size

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return resample(x_BCHW, self.transform, self.size)


def build_part(part: LatencyPart) -> tuple[nn.Module, list[tuple[int, ...]]]:
    """Return the module of a part of a neck, and the shapes of its inputs."""
    height, width, channels = part.height, part.width, part.channels
    if part.kind == "operation":
        module = build_operation(part.name, channels, part.stride)
        return module, [(1, channels, height, width)]
    if part.kind == "transform":
        transform = cast(Transform, part.name)
        scale = {"up2": (-(-height // 2), -(-width // 2)), "down2": (2 * height, 2 * width)}
        return _Resampled(transform, (height, width)), [(1, channels, *scale[part.name])]
    shapes: list[tuple[int, ...]] = [(1, channels, height, width)] * part.inputs
    if part.kind == "entry":
        return build_entry(channels, part.outputs), shapes
    if part.kind == "combine":
        return _Combined(part.name, channels, part.inputs), shapes
    return _Projected(part.name, channels * part.inputs, part.outputs or channels), shapes


def _prepared(
    copies: Sequence[nn.Module], shapes: Sequence[tuple[int, ...]], prepare: Prepare
) -> Run:
    inputs = [torch.randn(shape) for _ in copies for shape in shapes]
    return prepare(fuse_conv_bn(Copies(copies)), inputs)


def _whole(
    detector: DetectorConfig, genotype: Genotype | None, size: Size, prepare: Prepare
) -> Run:
    image = torch.rand(1, 3, size[1], size[0])
    return prepare(Graph(fuse_conv_bn(build_detector(detector, genotype)), "heads"), [image])


def _torch(module: nn.Module, inputs: Sequence[Tensor]) -> Run:
    @torch.inference_mode()
    def run() -> Any:
        return module(*inputs)

    return run


def _onnxruntime(module: nn.Module, inputs: Sequence[Tensor]) -> Run:
    """Return the graph as ONNX Runtime runs it; of one input, as whole detectors have, it is the
    one that detection runs."""
    names = [f"x{at}" for at in range(len(inputs))]
    network = module.eval().requires_grad_(False)
    try:
        if len(inputs) > 1:
            raise NotRecordableError("several inputs")
        model = _recorded(network, inputs[0], names[0])
    except NotRecordableError:
        model = _traced(network, inputs, names)
    session = open_session(model)
    given = MappingProxyType({name: each.numpy() for name, each in zip(names, inputs, strict=True)})
    return lambda: session.run(None, dict(given))


def _recorded(network: nn.Module, x: Tensor, name: str) -> bytes:
    shape = tuple(x.shape)

    def run(given: Tensor) -> tuple[Tensor, ...]:
        found = network(given)
        return found if isinstance(found, tuple) else (found,)

    recording = record(run, (shape, shape))
    graph = GraphBuilder()
    results = add_recording(recording, graph, name)
    outputs = {
        result: list(value.shapes[0])
        for result, value in zip(results, recording.outputs, strict=True)
    }
    model = graph.model("part", {name: list(shape)}, outputs, OPSETS[-1])
    return bytes(model.SerializeToString())


def _traced(network: nn.Module, inputs: Sequence[Tensor], names: Sequence[str]) -> bytes:
    with quiet_export():
        exported = torch.onnx.export(network, tuple(inputs), input_names=list(names), verbose=False)
    assert exported is not None
    return bytes(exported.model_proto.SerializeToString())


register_part_engine("onnxruntime", _onnxruntime)
register_part_engine("torch", _torch)
