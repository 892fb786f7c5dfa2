"""Where the runs of a comparison are computed: here, as jobs of Slurm, or as others register."""

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from multiprocessing import active_children
from pathlib import Path
from typing import Any

from filelock import FileLock

from nasface.errors import ConfigError
from nasface.optional import need
from nasface.registry import Registry
from nasface.studies.processes import RESTARTS, run_phases
from nasface.studies.worker import LOCK

StudyExecutor = Callable[[Path, Mapping[str, str], Callable[[], bool]], str | None]
"""Computes a run: its folder, its phases (name -> file that it leaves), and whether to stop.

Called in a thread for each of ``--workers`` runs at a time. Returns what
:func:`~nasface.studies.processes.run_phases` does, which it calls where the run is computed.
"""

MakeExecutor = Callable[[Path, int, Mapping[str, Any]], StudyExecutor]
"""Makes one for a comparison: its folder, the threads of a run, and the settings of ``--job``."""

EXECUTORS: Registry[MakeExecutor] = Registry("executor")

_STOP = "stop"
"""File in the folder of a run by which its job, wherever it is, is asked to stop."""
_POLL_SECONDS = 0.5
_MINUTES = 240


def register_executor(name: str, make: MakeExecutor) -> None:
    """Add a place to compute runs at, for ``nasface compare --on NAME``.

    Raises:
        ConfigError: if the name is taken.
    """
    EXECUTORS.add(name, make)


def local_executor(_out: Path, _threads: int, job: Mapping[str, Any]) -> StudyExecutor:
    """Runs are processes on this machine.

    Raises:
        ConfigError: for settings, of which there are none.
    """
    if job:
        raise ConfigError(f"job: {', '.join(job)}: --on local has no settings")
    return run_phases


def slurm_executor(out: Path, threads: int, job: Mapping[str, Any]) -> StudyExecutor:
    """Runs are jobs of Slurm, by submitit.

    ``job`` holds submitit's parameters, such as ``timeout_min``, ``slurm_partition`` and
    ``gpus_per_node``. A job that comes to its time limit writes a checkpoint and queues again; one
    whose node is lost is submitted again and goes on from its last checkpoint.

    Raises:
        ConfigError: for other parameters, or where there is no Slurm. MissingPackageError: without
            the extra ``slurm``.
    """
    submitit = need("submitit", "nasface[slurm]")
    settings = {"timeout_min": _MINUTES, "cpus_per_task": threads, **job}
    try:
        executor = submitit.AutoExecutor(
            folder=out / "jobs" / "%j", cluster=settings.pop("cluster", "slurm")
        )
        executor.update_parameters(**settings)
    except (RuntimeError, ValueError, NameError, TypeError) as problem:
        raise ConfigError(f"job: {' '.join(str(problem).split())}") from None
    return _JobQueue(executor)


class _JobQueue:
    """Submits runs as jobs of submitit, and waits for them."""

    def __init__(self, executor: Any) -> None:
        self.executor = executor
        self._submitting = threading.Lock()

    def __call__(
        self, folder: Path, phases: Mapping[str, str], stopped: Callable[[], bool]
    ) -> str | None:
        errors = need("submitit.core.utils", "nasface[slurm]")
        (folder / _STOP).unlink(missing_ok=True)
        for _ in range(RESTARTS + 1):
            with self._submitting:
                job = self.executor.submit(PhasesJob(), str(folder.resolve()), dict(phases))
            while not job.done():
                if stopped():
                    (folder / _STOP).touch()
                time.sleep(_POLL_SECONDS)
            try:
                reason: str | None = job.result()
                return reason
            except (errors.UncompletedJobError, errors.FailedJobError):
                if stopped():
                    return ""
        return f"its job was lost {RESTARTS + 1} times; see {job.paths.stderr}"


class PhasesJob:
    """What a job does: the phases of a run, up to the file that asks it to stop."""

    def __call__(self, folder: str, phases: Mapping[str, str]) -> str | None:
        """See :data:`StudyExecutor`."""
        return run_phases(Path(folder), phases, (Path(folder) / _STOP).exists)

    def checkpoint(self, folder: str, phases: Mapping[str, str]) -> Any:
        """Called shortly before the time is up: stop the phase, and queue again."""
        for child in active_children():
            if child.pid is not None:
                os.kill(child.pid, signal.SIGINT)
        with FileLock(Path(folder) / LOCK):
            pass  # the phase holds it until its checkpoint is written
        submitit = need("submitit", "nasface[slurm]")
        return submitit.helpers.DelayedSubmission(self, folder, phases)


register_executor("local", local_executor)
register_executor("slurm", slurm_executor)
