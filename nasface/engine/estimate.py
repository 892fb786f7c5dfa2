"""Estimates of time and memory of a search or training, before it starts.

On the CPU a step's time is the processor time of the thread that takes it. The other threads of its
operators work beside it, so this is how long the step takes on cores that nothing else uses,
however busy the machine is now. Waiting for a slow disk is not in it. On other devices the clock on
the wall is read.
"""

import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from nasface.data.dataset import make_loader
from nasface.device import choose_device
from nasface.engine.distributed.world import World
from nasface.engine.evaluate import evaluate_detector
from nasface.engine.job import RunContext
from nasface.engine.memory_estimate import Footprint, available_mb, state_mb
from nasface.engine.search import (
    SearchConfig,
    SearchInputs,
    load_search_inputs,
    make_search_job,
)
from nasface.engine.search_job import SearchJob
from nasface.engine.train import TrainConfig, TrainInputs, make_train_job
from nasface.io.settings import checked_settings
from nasface.nas.mixture import CellMixture
from nasface.nas.policies import POLICIES
from nasface.nn.cost import count_saved_bytes, light_layers, meta_copy
from nasface.progress import Silent

_DRAWS = 4
_TIMED_STEPS = 3


@dataclass(frozen=True)
class SearchEstimate:
    """What the steps of a search take; MB are millions of bytes.

    ``activations_mb`` is the most that a step keeps for its backward pass, counted on the network
    without running it; ``state_mb`` weights, gradients and optimiser. Temporary buffers, which
    depend on the device's kernels, come on top (10 to 50 % of the activations). ``seconds`` is
    ``None`` where the memory would not suffice to measure a step; they hold for cores that nothing
    else uses.
    """

    steps: int
    warmup_steps: int
    activations_mb: float
    state_mb: float
    available_mb: float
    seconds: float | None = None
    seconds_per_warmup_step: float | None = None
    seconds_per_step: float | None = None

    @property
    def fits(self) -> bool:
        """Whether the memory that is free now is likely to suffice."""
        return Footprint(self.activations_mb, self.state_mb, self.available_mb).fits


def estimate_search(config: SearchConfig, inputs: SearchInputs | None = None) -> SearchEstimate:
    """Count the memory of a search's steps and time a few of them; write nothing.

    Objects in ``inputs`` stand for those that ``config`` names.

    Raises:
        NasfaceError: for settings or data with which the search could not start.
    """
    config = checked_settings(SearchConfig, config, "search")
    context = RunContext(World(), choose_device(config.device))
    search = make_search_job(config, inputs or load_search_inputs(config), context)
    schedule = search.searcher.schedule
    found = SearchEstimate(
        schedule.total,
        schedule.warmup,
        round(_activations_mb(search), 1),
        round(state_mb(search.model), 1),
        round(available_mb(context.device), 1),
    )
    if not found.fits:
        return found
    warm = _seconds(search, context.device, with_arch_step=False) if schedule.warmup else 0.0
    full = (
        _seconds(search, context.device, with_arch_step=True)
        if schedule.warmup < schedule.total
        else 0.0
    )
    seconds = warm * schedule.warmup + full * (schedule.total - schedule.warmup)
    return replace(
        found,
        seconds=round(seconds, 1),
        seconds_per_warmup_step=round(warm, 3),
        seconds_per_step=round(full, 3),
    )


def estimate_training(config: TrainConfig, inputs: TrainInputs) -> float:
    """Return the seconds that a training and its evaluations will take, by timing a few steps and
    images.

    The detector in ``inputs`` is changed by it.

    Raises:
        NasfaceError: for settings or data with which the training could not start.
    """
    device = choose_device(config.device)
    job = make_train_job(config, inputs, RunContext(World(), device))
    batches = iter(make_loader(job.loader.data, job.loader.batch, 0, _TIMED_STEPS + 1, 0))
    step = _median_seconds(lambda: job.take_step(next(batches)), device)
    seconds = step * job.total
    if inputs.val:
        images = iter(inputs.val[: _TIMED_STEPS + 1])
        job.model.eval()
        image = _median_seconds(
            lambda: evaluate_detector(job.model, [next(images)], config.inference, Silent()),
            device,
            min(_TIMED_STEPS, len(inputs.val) - 1),
        )
        seconds += image * len(inputs.val) * math.ceil(config.epochs / config.evaluate_every)
    return seconds


def _activations_mb(search: SearchJob) -> float:
    """Return the most megabytes that a weight or architecture step keeps, over a few draws of
    paths."""
    searcher, first_shot = search.searcher, search.loss.loss.uses_first_shot
    warmup = searcher.schedule.warmup
    steps = sorted({*range(_DRAWS), *range(warmup, warmup + _DRAWS)})
    if not POLICIES[searcher.config.policy].runs_paths:
        steps = steps[:1]  # all candidates run in each step

    def mixture(step: int) -> dict[str, CellMixture]:
        policy = searcher.policy(step)
        return searcher.arch_parameters.mixture(policy, seed=searcher.seed, step=step)

    arch_mixtures = [mixture(step) for step in steps]
    with torch.no_grad():
        weight_mixtures = [mixture(step) for step in steps]
    model = meta_copy(search.model)
    images = torch.empty(search.input_shape, device="meta")
    known = (*model.parameters(), *model.buffers(), images)

    def kept(mixture: dict[str, CellMixture], first_shot: bool) -> float:
        with count_saved_bytes(*known) as saved:
            model.forward_train(images, mixture, first_shot=first_shot)
        return saved.total / 1e6

    with light_layers(model):
        found = [kept(each, first_shot) for each in weight_mixtures]
        for weight in model.weights():
            weight.requires_grad_(False)
        found += [kept(each, False) for each in arch_mixtures]
    return max(found)


def _seconds(search: SearchJob, device: torch.device, *, with_arch_step: bool) -> float:
    """Return the time of a step with its data."""
    loaders = [
        iter(make_loader(loader.data, loader.batch, 0, _TIMED_STEPS + 1, 0))
        for loader in search.loaders
    ]

    def step() -> None:
        batch = next(loaders[1]) if with_arch_step else None
        search.take_step(next(loaders[0]), batch)

    return _median_seconds(step, device)


def _median_seconds(
    act: Callable[[], object], device: torch.device, count: int = _TIMED_STEPS
) -> float:
    """Return the median time of an act; the first one, which warms up, does not count unless it is
    alone."""
    clock = time.thread_time if device.type == "cpu" else time.monotonic
    times = []
    for _ in range(count + 1):
        started = clock()
        act()
        times.append(clock() - started)
    return statistics.median(times[1:] or times)
