"""The processes in which a run is computed, one for each of its phases.

So each phase has the memory peak to itself, and one that is killed takes no other along. Its input
is a pipe, upon the end of which it stops with a checkpoint: also if this process is killed.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from nasface.io.files import write_text

RUN, LOCK, LOG = "run.yaml", ".lock", "log.txt"
FAILED, STOPPED = 1, 130
"""Exit codes of a phase: of a mistake, which the last line of the log names; of a stop with a
checkpoint, or where another process works on the run."""

_POLL_SECONDS = 0.2


@dataclass(frozen=True, eq=False)
class RunTask:
    """A run to compute, on any machine that sees its folder.

    ``settings`` is the text of its ``run.yaml``, ``phases`` are name -> file that the phase leaves,
    each computed in so many ``threads``.
    """

    folder: str
    settings: str
    phases: Mapping[str, str]
    threads: int
    start_in: str = field(default_factory=os.getcwd)


def run_phases(task: RunTask, stopped: Event | None = None, patience: float = 0.0) -> str | None:
    """Go through the phases that a run still needs, up to a stop or KeyboardInterrupt.

    Where another process holds the run, it is waited for ``patience`` seconds. Return None when
    all are done, else why the run failed: empty if another process works on it, or after a stop.

    Raises:
        ChildProcessError: if the process of a phase was killed; a next call goes on from its last
            checkpoint.
    """
    stopped, folder = stopped or Event(), Path(task.folder)
    for phase, result in task.phases.items():
        if (folder / result).is_file():
            continue
        if stopped.is_set():
            return ""
        code = _run_phase(task, phase, stopped, patience)
        if code == STOPPED:
            return ""
        if code == FAILED:
            lines = (folder / LOG).read_text("utf-8").splitlines()
            return lines[-1] if lines else f"{phase} failed"
        if code:
            raise ChildProcessError(f"the process of its {phase} ended with {code}")
    return None


def _run_phase(task: RunTask, phase: str, stopped: Event, patience: float) -> int:
    folder = Path(task.folder)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / RUN, task.settings)
    with (folder / LOG).open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "nasface.studies", task.folder, phase, str(patience)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=task.start_in,
            env=_environment(task),
            # Ctrl-C on the terminal is for the comparison alone; on Windows by the second of these.
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
    try:
        while process.poll() is None and not stopped.wait(_POLL_SECONDS):
            pass
    finally:
        process.communicate()  # closes its input, and waits
    return process.returncode


def _environment(task: RunTask) -> dict[str, str]:
    """Return the environment of a process: so many threads and, as a rank of torchrun starts it,
    the GPU of that rank, but nothing else of torchrun, since it is a process by itself."""
    kept = {name: each for name, each in os.environ.items() if not name.startswith("TORCHELASTIC_")}
    if "LOCAL_RANK" in kept:
        kept.setdefault("CUDA_VISIBLE_DEVICES", kept["LOCAL_RANK"])
    return {**kept, "WORLD_SIZE": "1", "OMP_NUM_THREADS": str(task.threads)}
