"""Estimate of a comparison of models: one pass of each model is timed."""

import time
from dataclasses import dataclass

import torch

from nasface.device import torch_threads
from nasface.machine import free_memory_mb
from nasface.progress import Progress
from nasface.studies.side_by_side.building import load_model
from nasface.studies.side_by_side.engines import MODEL_ENGINES
from nasface.studies.side_by_side.plan import ModelsPlan
from nasface.studies.side_by_side.running import check_engines, count_models


@dataclass(frozen=True)
class ModelEstimate:
    """Memory that a model takes in the engine that takes most, and seconds in all of them; None
    where the free memory does not suffice to tell."""

    name: str
    needed_mb: float
    seconds: float | None


def estimate_models(plan: ModelsPlan, progress: Progress) -> list[ModelEstimate]:
    """Build each timed model and run it twice by torch on the CPU, which stands for all engines.

    What counts is the processor time of the thread that runs it: the time that it takes on cores
    that nothing else uses.

    Raises:
        NasfaceError: for a plan that could not start.
    """
    check_engines(plan)
    sizes = count_models(plan, progress)
    engines = [MODEL_ENGINES.find(name) for name in plan.used_engines]
    timed = [each for each in plan.models if each.timed]
    image = torch.zeros(1, 3, *plan.shape)
    progress.start("estimate", len(timed))
    found = []
    with torch_threads(plan.threads):
        for each in timed:
            needed = max(sizes[each.name].needed_mb(engine) for engine in engines)
            seconds = None
            if needed < free_memory_mb():
                begun = time.thread_time()
                step = MODEL_ENGINES["torch"].prepare(load_model(each), image)
                step()
                ready = time.thread_time()
                step()
                a_pass = time.thread_time() - ready
                # A first pass is part of the preparation, another round warms up.
                seconds = len(engines) * (ready - begun + (plan.rounds + 1) * a_pass)
            found.append(ModelEstimate(each.name, needed, seconds))
            progress.advance()
    return found
