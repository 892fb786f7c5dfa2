"""The loop that search and training share: steps, epochs, checkpoints, Ctrl-C, faults."""

import time
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TypeVar

import torch

from nasface.device import choose_device
from nasface.engine.distributed.world import join_world, launch_id
from nasface.engine.guards import faults_explained, memory_explained
from nasface.engine.job import Job, JobConfig, RunContext
from nasface.engine.log import log_results, logged_run
from nasface.errors import ConfigError
from nasface.progress import Progress, Silent, stop_on_interrupt
from nasface.random_streams import Purpose, torch_seed
from nasface.runs.folder import RunFolder
from nasface.runs.logger import make_loggers
from nasface.runs.metrics_log import MetricsLog


def run_loop(job: Job, config: JobConfig, progress: Progress, log: MetricsLog) -> None:
    """Take the steps that are left, until the job ends or Ctrl-C stops it.

    Layers that draw random numbers, as dropout does, draw them anew from each step's own stream of
    torch, so that a job that goes on at a step draws what it would have drawn.

    Raises:
        RunError: for a fault that the job cannot bear.
    """
    world = job.context.world
    images, _, _, pixels = job.input_shape
    what = f"batches of {images} images of {pixels} pixels"
    shown = progress if world.is_first else Silent()
    with (
        torch.enable_grad(),  # also where the caller has turned gradients off
        stop_on_interrupt() as stop,
        memory_explained(job.context.device, what),
    ):
        shown.start(job.title, job.total, job.step)
        expected = job.footprint()
        if not expected.fits:
            shown.note(expected.warning)
        job.start(progress)
        world.agree("weights", job.digest)
        started = saved = time.monotonic()
        is_saved, stopped = True, False
        while not job.ended and not stopped:
            torch.manual_seed(torch_seed(config.seed, Purpose.LAYERS, job.step, world.rank))
            row = job.next_step()
            job.skips.count(job.step, row, shown)
            now = time.monotonic()
            job.seconds, started = job.seconds + now - started, now
            log.write(job.step, row)
            shown.advance({name: row[name] for name in job.shown if name in row})
            stopped = world.any(stop.asked)
            epoch_ends = job.step % job.epoch_steps == 0
            if epoch_ends:
                world.agree("weights", job.digest)
                job.end_epoch(shown, log)
            is_saved = epoch_ends or now - saved > 60 * config.checkpoint_minutes
            if is_saved:
                job.save()
                saved = time.monotonic()
        if not is_saved:
            job.save()


AnyJob = TypeVar("AnyJob", bound=Job)


def run_job(
    make: Callable[[RunContext, Progress], AnyJob],
    config: JobConfig,
    out: Path | None,
    progress: Progress,
    *,
    resume: bool = False,
) -> tuple[AnyJob, MetricsLog]:
    """Make a job and take the steps that are left of it; Ctrl-C stops it with a checkpoint.

    A run that ``torchrun`` has begun and starts again, after a process was lost say, goes on from
    its checkpoint. Without ``out`` nothing is written. Return the job and what was logged.

    Raises:
        NasfaceError: for settings, data or a run folder that cannot be used.
    """
    if resume and out is None:
        raise ConfigError("resume: needs the folder of the stopped run, out")
    folder = None if out is None else RunFolder(out)
    loggers = make_loggers(config.log)
    with join_world(config.device, config.rank_timeout) as world:
        world.check_parts(config.accumulate)
        shown = progress if world.is_first else Silent()
        launch = launch_id()
        is_restart = False
        if folder is not None and launch is not None and not resume:
            # The first process says so: it may have made the folder since the others looked.
            is_restart = world.collect(folder.launch() == launch)[0]
            resume = is_restart
        if resume and folder is not None:
            folder.check_same(config)
        elif folder is not None and world.is_first:
            folder.check_free()  # before minutes are spent on images
        device = world.device(choose_device(config.device))
        context = RunContext(world, device, folder, resume)
        job = make(context, shown)
        output = job.context.output
        with nullcontext() if out is None else faults_explained(out), ExitStack() as begun:
            if output is not None and not resume:
                output.create(config, job.kind, launch)
                begun.enter_context(output.discarded_on_failure(output.has_figures))
            if output is not None and job.data:
                output.keep_data(job.data)
            if resume:
                job.load()
            if is_restart:
                shown.note(f"torchrun has started this run again; it goes on from step {job.step}")
            job.begin()
            with MetricsLog(output, loggers if world.is_first else None, shown.note) as log:
                log.start(logged_run(job, config, output))
                run_loop(job, config, progress, log)
                if output is not None:
                    job.write_results(output)
                log_results(job, log, shown)
                log.end("finished" if job.ended else "stopped")
    return job, log
