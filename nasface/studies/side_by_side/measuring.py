"""Times of models that take turns, and where the time of a pass goes."""

import gc
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch.profiler import ProfilerActivity, profile

from nasface.deploy.alternating import Run, alternate
from nasface.device import denormals_as_zero
from nasface.engine.memory_estimate import available_mb
from nasface.random_streams import Purpose, torch_seed
from nasface.studies.side_by_side.building import ModelSize, load_model
from nasface.studies.side_by_side.engines import MODEL_ENGINES
from nasface.studies.side_by_side.plan import ComparedModel, ModelsPlan

SHARES: Mapping[str, str] = MappingProxyType(
    {
        "dense": "3x3 and more",
        "pointwise": "1x1",
        "depthwise": "depthwise",
        "other": "all else",
    }
)
"""Kinds of work of which the profile tells the share, and what a table calls them."""

_PROFILED_PASSES = 3
_SILENT = "99"
"""Level of messages of torch's profiler, which would tell of its own stages."""


@dataclass(frozen=True)
class Measured:
    """What a group of models took in one engine.

    ``seconds`` are those of each round, by name; ``shares`` the parts of a pass that kinds of work
    take (:data:`SHARES`), of engines that can tell; ``skipped`` says why a model was left out.
    """

    seconds: dict[str, list[float]]
    shares: dict[str, dict[str, float]]
    skipped: dict[str, str]


def measure_group(
    group: Sequence[ComparedModel],
    sizes: Mapping[str, ModelSize],
    engine: str,
    plan: ModelsPlan,
    passed: Callable[[], None],
) -> Measured:
    """Measure models in rounds of all, in as many threads as torch has.

    ``passed`` is called after each is prepared, and after each pass: what it raises ends the
    measurement. A model that the free memory does not suffice for is left out.

    Raises:
        NasfaceError: for a model that the engine cannot run.
    """
    entry = MODEL_ENGINES.find(engine)
    generator = torch.Generator().manual_seed(torch_seed(0, Purpose.PARITY, *plan.shape))
    image = torch.rand(1, 3, *plan.shape, generator=generator)
    steps: dict[str, Run] = {}
    skipped = {}
    for each in group:
        needed = sizes[each.name].needed_mb(entry)
        free = available_mb(torch.device(entry.device))
        if needed > free:
            skipped[each.name] = f"needs about {needed:.0f} MB, free are {free:.0f}"
            continue
        try:
            steps[each.name] = entry.prepare(load_model(each), image)
            steps[each.name]()  # takes the memory that the next one must not count on
        except (MemoryError, torch.OutOfMemoryError):
            steps.pop(each.name, None)
            skipped[each.name] = f"needs more than the {free:.0f} MB that were free"
        passed()
    clock = time.process_time if _is_one_thread(entry.device) else time.perf_counter
    with denormals_as_zero():  # which random weights give
        seconds = alternate(steps, plan.rounds, clock, passed)
    shares = {}
    if engine == "torch":
        shares = {name: shares_of(step) for name, step in steps.items()}
    steps.clear()
    gc.collect()  # before the next ones are built
    return Measured(seconds, shares, skipped)


def shares_of(step: Run) -> dict[str, float]:
    """Return the share of torch's time on the CPU that each kind of convolution takes, and all else
    (:data:`SHARES`)."""
    os.environ.setdefault("KINETO_LOG_LEVEL", _SILENT)  # it is read when the first one starts
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as seen:
        for _ in range(_PROFILED_PASSES):
            step()
    times = dict.fromkeys(SHARES, 0.0)
    for event in seen.key_averages(group_by_input_shape=True):
        times["other"] += event.self_cpu_time_total
        if event.key == "aten::conv2d":
            _, per_group, height, width = event.input_shapes[1]
            kind = "depthwise" if per_group == 1 else "dense" if height * width > 1 else "pointwise"
            times[kind] += event.cpu_time_total
            times["other"] -= event.cpu_time_total
    total = sum(times.values())
    return {kind: each / total for kind, each in times.items()}


def _is_one_thread(device: str) -> bool:
    return device == "cpu" and torch.get_num_threads() == 1
