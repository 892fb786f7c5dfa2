"""The processes in which the phases of a run are computed, each in one of its own.

So each phase has the memory peak to itself, and one that is killed takes no other along.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

from nasface.studies.interrupts import interrupt_when
from nasface.studies.worker import STOPPED, TAKEN, begin_phase, run_phase

LOG = "log.txt"
RESTARTS = 2
"""How often a phase whose process was killed goes on from its checkpoint before the run fails."""

_POLL_SECONDS = 0.5
_OF_TORCHRUN = (
    "RANK",
    "LOCAL_RANK",
    "WORLD_SIZE",
    "LOCAL_WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
)


def run_phases(folder: Path, phases: Mapping[str, str], stopped: Callable[[], bool]) -> str | None:
    """Go through the phases (name -> file that it leaves) that a run still needs.

    Returns None when all are done, else why the run failed: empty if another process works on it,
    or after a stop.
    """
    for phase, result in phases.items():
        restarts = 0
        while not (folder / result).is_file():
            try:
                code = _in_own_process(folder, phase, stopped)
            except BrokenProcessPool:
                restarts += 1
                if stopped() or restarts > RESTARTS:
                    return "" if stopped() else f"its process was killed {restarts} times"
                continue
            if code in (STOPPED, TAKEN) or (code and stopped()):
                return ""
            if code:
                lines = (folder / LOG).read_text("utf-8").splitlines()
                return lines[-1] if lines else f"ended with {code}"
    return None


def _in_own_process(folder: Path, phase: str, stopped: Callable[[], bool]) -> int:
    """Compute a phase; a stop reaches it as Ctrl-C, upon which it writes a checkpoint.

    Raises:
        BrokenProcessPool: if the process was killed.
    """
    context = get_context("spawn")
    asked = context.Event()
    with ProcessPoolExecutor(1, context, interrupt_when, (asked,)) as pool:
        pool.submit(begin_phase, str(folder / LOG)).result()
        phase_end: Future[int] = pool.submit(run_phase, str(folder.resolve()), phase)
        while not wait([phase_end], _POLL_SECONDS).done:
            if stopped():
                asked.set()
        return phase_end.result()


@contextmanager
def run_environment(threads: int) -> Iterator[None]:
    """What the processes of runs find in the environment: so many threads, the GPU of this rank,
    and nothing of torchrun, since each is a process by itself."""
    before = dict(os.environ)
    local = os.environ.get("LOCAL_RANK")
    if local is not None:
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", local)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    for name in _OF_TORCHRUN:
        os.environ.pop(name, None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
