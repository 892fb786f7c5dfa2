"""Several processes on one machine, as torchrun would start them."""

import atexit
import multiprocessing
import os
import runpy
import signal
import socket
import sys
import threading
import time
import traceback
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
# Of an import of torch alone each process would take two seconds of the processor, and of the
# optimisers', torch._dynamo, two more.
_CONTEXT.set_forkserver_preload(
    ["torch._dynamo", "nasface.engine.search", "nasface.engine.train", "nasface.plots.curves"]
)


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def environments(size: int) -> list[dict[str, str]]:
    """The environment of each."""
    port = free_port()
    return [
        {
            **os.environ,
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "WORLD_SIZE": str(size),
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "OMP_NUM_THREADS": "1",
        }
        for rank in range(size)
    ]


class ForkedProcess:
    """A Python program in a process whose parent has imported torch: ``what`` is a module or the
    path of a script. What it says goes into files in ``folder``.

    It ends as an interpreter does, which waits for its threads.
    """

    def __init__(
        self, what: str, words: list[str], environment: dict[str, str], folder: Path, name: str
    ) -> None:
        folder.mkdir(exist_ok=True)
        self._output, self._error = (folder / f"{name}.{each}" for each in ("out", "err"))
        arguments = (what, words, environment, str(self._output), str(self._error))
        self._process = _CONTEXT.Process(target=_become, args=arguments, daemon=True)
        self._process.start()

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def kill(self) -> None:
        """Kill it, if it has not ended."""
        self._process.kill()
        self._process.join()

    def wait_for_line(self, line: str, timeout: float) -> None:
        """Wait until it has written a line on its standard output.

        Raises:
            TimeoutError: if it has not after so many seconds.
        """
        end = time.monotonic() + timeout
        while line not in self._output.read_text().splitlines():
            if time.monotonic() > end:
                raise TimeoutError(f"{line!r} was not written; {self._error.read_text()}")
            time.sleep(0.05)

    def finish(self, timeout: float) -> tuple[int, str, str]:
        """Wait for its end; returns its exit code, and what it wrote on output and error.

        Raises:
            TimeoutError: if it has not ended after so many seconds.
        """
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutError(f"goes on after {timeout} s; {self._error.read_text()}")
        return self._process.exitcode, self._output.read_text(), self._error.read_text()


def _become(
    what: str, words: list[str], environment: dict[str, str], output: str, error: str
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for number, file in ((1, output), (2, error)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    sys.argv = [what, *words]
    code: object = 0
    try:
        run = runpy.run_path if what.endswith(".py") else runpy.run_module
        run(what, run_name="__main__")
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    # As an interpreter ends, but that it does not take its modules apart: torch 2.13.0 complains of
    # its own then, in a forked process with Python 3.14.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)
