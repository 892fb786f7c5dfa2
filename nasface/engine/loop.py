"""The loop that search and training share: steps, epochs, checkpoints, Ctrl-C, faults."""

import time
from collections.abc import Mapping
from typing import Protocol

import torch

from nasface.engine.config import JobConfig
from nasface.engine.distributed.world import World
from nasface.engine.guards import Skips, memory_explained
from nasface.engine.memory_estimate import Footprint
from nasface.progress import Progress, Silent, stop_on_interrupt
from nasface.runs.metrics_log import MetricsLog


class Job(Protocol):
    """Something that is done in steps and can go on from its checkpoint."""

    world: World
    device: torch.device
    total: int
    epoch_steps: int
    seconds: float
    skips: Skips

    @property
    def config(self) -> JobConfig:
        """Its settings."""
        ...

    @property
    def step(self) -> int:
        """Steps taken."""
        ...

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to do."""
        ...

    def start(self, progress: Progress) -> None:
        """Get ready to take the steps that are left."""
        ...

    def next_step(self) -> dict[str, float]:
        """Take a step; returns its figures, not finite where it was left out."""
        ...

    def end_epoch(self, progress: Progress, log: MetricsLog) -> None:
        """Called after the last step of each epoch, before the checkpoint."""
        ...

    def footprint(self) -> Footprint:
        """The memory that its steps take."""
        ...

    def digest(self) -> str:
        """A word for the state of the network."""
        ...

    def save(self) -> None:
        """Write the checkpoint."""
        ...


class _Ticking:
    """Progress of the first process, nothing of the others; each sign is one of life."""

    def __init__(self, progress: Progress, world: World) -> None:
        self.progress = progress if world.is_first else Silent()
        self.tick = world.tick

    def start(self, title: str, total: int, done: int = 0) -> None:
        self.tick()
        self.progress.start(title, total, done)

    def advance(self, values: Mapping[str, float] | None = None) -> None:
        self.tick()
        self.progress.advance(values)

    def note(self, text: str) -> None:
        self.tick()
        self.progress.note(text)


def run_loop(job: Job, title: str, progress: Progress, log: MetricsLog) -> bool:
    """Take the steps that are left; whether the job ended (false: it was asked to stop).

    Raises:
        RunError: for a fault that the job cannot bear; its last checkpoint is kept.
    """
    config = job.config
    what = f"batches of {config.batch_size} images of {config.augment.size} pixels"
    shown = _Ticking(progress, job.world)
    with stop_on_interrupt() as stop, memory_explained(job.device, what):
        shown.start(title, job.total, job.step)
        expected = job.footprint()
        if not expected.fits:
            shown.note(expected.warning)
        job.start(progress)
        job.world.agree("weights", job.digest)
        started = saved = time.monotonic()
        is_saved, stopped = True, False
        while not job.ended and not stopped:
            row = job.next_step()
            job.skips.count(job.step, row, shown)
            now = time.monotonic()
            job.seconds, started = job.seconds + now - started, now
            log.write(job.step, row)
            shown.advance(row)
            stopped = job.world.any(stop.asked)
            epoch_ends = job.step % job.epoch_steps == 0
            if epoch_ends:
                job.world.agree("weights", job.digest)
                job.end_epoch(shown, log)
            is_saved = epoch_ends or now - saved > 60 * config.checkpoint_minutes
            if is_saved:
                job.save()
                saved = time.monotonic()
        if not is_saved:
            job.save()
    return job.ended
