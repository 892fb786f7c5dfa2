"""The process of a phase, ``python -m nasface.studies FOLDER PHASE SECONDS``, which goes on while
its input is open; :mod:`nasface.studies.processes` starts it."""

import _thread
import gc
import os
import signal
import sys
import threading
from pathlib import Path

from filelock import FileLock, Timeout

from nasface.engine.malloc import keep_freed_memory
from nasface.errors import NasfaceError
from nasface.io.settings import load_config
from nasface.progress import Silent
from nasface.registry import import_extensions
from nasface.studies.processes import LOCK, RUN, STOPPED


class _Lines(Silent):
    """Progress as lines in the run's log."""

    def start(self, title: str, total: int, done: int = 0) -> None:
        print(f"{title} {done}/{total}", flush=True)

    def note(self, text: str) -> None:
        print(text, flush=True)


def compute_phase(folder: Path, phase: str, patience: float) -> int | str:
    """Run a phase, unless another process holds the lock of the run; return what the process is to
    exit with: a code, or what is wrong."""
    try:
        with FileLock(folder / LOCK, timeout=patience):
            gc.disable()  # the imports take a sixth less of the time
            from nasface.studies.phases import PHASES
            from nasface.studies.study_run import StudyRun

            gc.enable()
            import_extensions()
            run = load_config(StudyRun, folder / RUN)
            return 0 if PHASES[phase](run, folder, _Lines()) else STOPPED
    except (Timeout, KeyboardInterrupt):
        return STOPPED
    except NasfaceError as error:
        return str(error)


def _stop_with_input() -> None:
    """Stop as Ctrl-C does when the input ends: on request, or as nobody waits any more."""
    os.read(sys.stdin.fileno(), 1)
    _thread.interrupt_main()


if __name__ == "__main__":
    # Slurm sends both to all processes of a job: SIGTERM when it is cancelled, SIGUSR2 when its
    # time is almost up, which the job sees to.
    signal.signal(signal.SIGTERM, lambda *_: _thread.interrupt_main())
    if hasattr(signal, "SIGUSR2"):
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    threading.Thread(target=_stop_with_input, daemon=True).start()
    keep_freed_memory()
    sys.exit(compute_phase(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
