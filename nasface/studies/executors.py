"""Executors of the runs of a comparison: local processes, Ray, Slurm, or a registered one.

Each engine queues the runs, places them, and watches them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Event
from typing import Any, Protocol

from nasface.errors import ConfigError
from nasface.optional import need
from nasface.registry import Registry
from nasface.studies.estimate import memory_mb
from nasface.studies.folder import made_folder
from nasface.studies.processes import RunTask, run_phases
from nasface.studies.ray_cluster import ray_cluster
from nasface.studies.spec import StudySpec
from nasface.studies.study_run import runs_of


class StudyJob(Protocol):
    """A run in the hands of an engine: a future of ``concurrent.futures``, a job of submitit."""

    def done(self) -> bool:
        """Return whether it has ended."""

    def result(self) -> str | None:
        """Return what :func:`~nasface.studies.processes.run_phases` did; any exception means that
        the run was lost, and is submitted again."""


Submit = Callable[[Sequence[RunTask]], Sequence[StudyJob]]
"""Gives runs to an engine, in the order in which they should begin."""

OpenExecutor = Callable[
    [StudySpec, Path, int | None, Mapping[str, Any]], AbstractContextManager[Submit]
]
"""Opens an engine for a plan, given the folder of the comparison, how many runs go side by side
(None: what the engine likes), and the settings of ``--job``. What still runs when it is closed
stops with a checkpoint."""

EXECUTORS: Registry[OpenExecutor] = Registry("executor")

_PATIENCE_SECONDS = 120.0
"""Time in which a lost node has given up its locks, also those on a network file system."""
_MINUTES = 240
_TIMEOUTS = 1000


def register_executor(name: str, open_executor: OpenExecutor) -> None:
    """Add a place to compute runs at, for ``nasface compare --on NAME``.

    Raises:
        ConfigError: if the name is taken, or for what cannot be called.
    """
    EXECUTORS.check_callable(name, open_executor)
    EXECUTORS.add(name, open_executor)


@contextmanager
def local_executor(
    plan: StudySpec, out: Path, workers: int | None, job: Mapping[str, Any]
) -> Iterator[Submit]:
    """Open processes on this machine, one at a time unless ``workers`` says more.

    Raises:
        ConfigError: for settings, of which there are none.
    """
    if job:
        raise ConfigError(f"job: {', '.join(job)}: --on local has no settings")
    stopped = Event()
    with ThreadPoolExecutor(workers or 1) as pool:
        try:
            yield lambda tasks: [pool.submit(run_phases, task, stopped) for task in tasks]
        finally:
            stopped.set()


@contextmanager
def ray_executor(
    plan: StudySpec, out: Path, workers: int | None, job: Mapping[str, Any]
) -> Iterator[Submit]:
    """Open tasks of the Ray cluster at ``address`` or ``RAY_ADDRESS``, else of one here.

    ``job`` holds the resources of a task, as Ray has them: ``num_cpus`` (the plan's ``threads``),
    ``num_gpus`` (1, where there are any; a fraction shares one), ``memory`` in bytes (what the
    largest step of the plan takes). Ray begins a run anew whose node is lost.

    Raises:
        ConfigError: for other settings, or a cluster that cannot be reached. MissingPackageError:
            without the extra ``ray``.
    """
    if workers:
        raise ConfigError("--workers: Ray places the runs; --job num_cpus 2 leaves room for fewer")
    settings = dict(job)
    with ray_cluster(settings.pop("address", None)) as ray:
        if "memory" not in settings:
            settings["memory"] = int(min(1e6 * memory_mb(plan), _most(ray, "memory")))
        settings = {"num_cpus": plan.threads, "num_gpus": _gpus(ray, plan), **settings}
        references: list[Any] = []
        try:
            compute = ray.remote(run_phases).options(max_retries=-1, **settings)
        except (TypeError, ValueError) as problem:
            raise _job_error(problem) from None

        def submit(tasks: Sequence[RunTask]) -> list[Future[str | None]]:
            new = [compute.remote(task, patience=_PATIENCE_SECONDS) for task in tasks]
            references.extend(new)
            return [each.future() for each in new]

        try:
            yield submit
        finally:
            for each in references:
                ray.cancel(each)
            if references:
                ray.wait(references, num_returns=len(references))  # until checkpoints are written


def _most(ray: Any, resource: str) -> float:
    """Return what the node has of a resource that has most of it."""
    return max(float(each["Resources"].get(resource, 0)) for each in ray.nodes() if each["Alive"])


def _gpus(ray: Any, plan: StudySpec) -> int:
    """Return 1 if the runs of a plan are for a GPU and there is one, else 0."""
    wanted = any(run.train.device != "cpu" for run in runs_of(plan))
    return int(wanted and _most(ray, "GPU") > 0)


@contextmanager
def slurm_executor(
    plan: StudySpec, out: Path, workers: int | None, job: Mapping[str, Any]
) -> Iterator[Submit]:
    """Open a job array of Slurm, by submitit, ``workers`` of its jobs at a time.

    ``job`` holds submitit's parameters, such as ``timeout_min``, ``slurm_partition`` and
    ``gpus_per_node``. A job that comes to its time limit writes a checkpoint and queues again.

    Raises:
        ConfigError: for other parameters, or where there is no Slurm. RunError: where nothing can
            be written. MissingPackageError: without the extra ``slurm``.
    """
    submitit = need("submitit", "nasface[slurm]")
    settings = {"timeout_min": _MINUTES, "cpus_per_task": plan.threads, **job}
    if workers:
        settings["slurm_array_parallelism"] = workers
    cluster = settings.pop("cluster", "slurm")
    jobs: list[Any] = []
    with made_folder(out / "jobs"):  # which submitit would make
        try:
            executor = submitit.AutoExecutor(
                out / "jobs" / "%j", cluster, **{f"{cluster}_max_num_timeout": _TIMEOUTS}
            )
            executor.update_parameters(**settings)
        except (RuntimeError, ValueError, NameError, TypeError) as problem:
            raise _job_error(problem) from None

    def submit(tasks: Sequence[RunTask]) -> list[Any]:
        with executor.batch():
            new = [executor.submit(PhasesJob(), task) for task in tasks]
        jobs.extend(new)
        return new

    try:
        yield submit
    finally:
        for each in jobs:
            each.cancel()


class PhasesJob:
    """What a job of Slurm does; submitit calls ``checkpoint`` when its time is almost up."""

    def __call__(self, task: RunTask) -> str | None:
        """See :func:`~nasface.studies.processes.run_phases`."""
        self.stopped = Event()
        with ThreadPoolExecutor(1) as pool:
            self.phases = pool.submit(run_phases, task, self.stopped, _PATIENCE_SECONDS)
            return self.phases.result()

    def checkpoint(self, task: RunTask) -> Any:
        """Stop the phase, which writes a checkpoint, and queue again."""
        self.stopped.set()
        wait([self.phases])
        return need("submitit", "nasface[slurm]").helpers.DelayedSubmission(PhasesJob(), task)


def _job_error(problem: Exception) -> ConfigError:
    """Return what an engine says of a setting, on one line."""
    return ConfigError(f"job: {' '.join(str(problem).split())}")


register_executor("local", local_executor)
register_executor("ray", ray_executor)
register_executor("slurm", slurm_executor)
