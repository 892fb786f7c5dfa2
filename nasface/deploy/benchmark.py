"""Latency and memory of exported detectors, side by side.

Each file runs in a process of its own. The files take turns, image by image, so that what else the
machine does meets all of them alike.
"""

import os
import pickle
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from nasface.deploy.parity import random_images
from nasface.deploy.runtimes.registry import TARGETS, Opener
from nasface.detection.checkpoint import read_checkpoint
from nasface.errors import ConfigError, ExportError, did_you_mean
from nasface.io.sizes import parse_size
from nasface.kinds import Settings
from nasface.machine import peak_process_mb
from nasface.models import released_models
from nasface.nn.blocks import channels_last
from nasface.nn.fuse import fuse_conv_bn
from nasface.progress import Progress

_WEIGHTS = ".safetensors"
_WARM = 2


@dataclass(frozen=True, kw_only=True)
class BenchmarkConfig(Settings):
    """Settings of a benchmark."""

    size: str = "640x480"
    """Width x height of the images in pixels."""
    batch: int = 1
    """Images seen together."""
    repeats: int = 20
    """Times that each file runs, after two that do not count."""
    threads: tuple[int, ...] = ()
    """Numbers of threads; by default one, and all."""

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_size(self.size)
        if min(self.batch, self.repeats, *self.threads, 1) < 1:
            raise ConfigError(
                f"batch {self.batch}, repeats {self.repeats}, threads {self.threads}: "
                "expected 1 or more"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and batch."""
        return (*parse_size(self.size), self.batch)


@dataclass(frozen=True)
class LatencyRow:
    """What one file took with some threads; ``file`` is as it was given.

    ``median``, ``fastest`` and ``slowest`` are milliseconds of a batch, ``relative`` the median
    over that of the first file. ``memory`` is by how many MiB the process grew at most since the
    file was opened, ``megabytes`` the size on disk.
    """

    file: str
    runtime: str
    threads: int
    median: float
    fastest: float
    slowest: float
    relative: float
    memory: float
    megabytes: float


def benchmark(
    files: Sequence[Path | str], config: BenchmarkConfig, progress: Progress
) -> list[LatencyRow]:
    """Measure files, all with the same threads at a time; a released detector is named alone.

    Raises:
        ConfigError: for a file of a kind that nothing opens. ExportError: naming a file that does
            not run with images of this size.
    """
    named = [(str(each), _path(each)) for each in files]
    for _, path in named:
        _opener(path)
    numbers = config.threads or tuple(dict.fromkeys((1, os.cpu_count() or 1)))
    progress.start("benchmark", len(numbers) * config.repeats)
    return [row for threads in numbers for row in _measure(named, threads, config, progress)]


def _measure(
    files: Sequence[tuple[str, Path]], threads: int, config: BenchmarkConfig, progress: Progress
) -> list[LatencyRow]:
    times: list[list[float]] = [[] for _ in files]
    with ExitStack() as stack:
        workers = [stack.enter_context(_Worker(path, threads, config)) for _, path in files]
        for turn in range(_WARM + config.repeats):
            for at in range(len(workers)):
                # A different file begins each turn.
                at = (at + turn) % len(workers)
                seconds = workers[at].ask("run")
                if turn >= _WARM:
                    times[at].append(seconds)
            if turn >= _WARM:
                progress.advance()
        memory = [each.ask("memory") for each in workers]
    first = statistics.median(times[0])
    return [
        LatencyRow(
            file=name,
            runtime=_opener(path)[0],
            threads=threads,
            median=round(1000 * statistics.median(taken), 3),
            fastest=round(1000 * min(taken), 3),
            slowest=round(1000 * max(taken), 3),
            relative=round(statistics.median(taken) / first, 3),
            memory=round(grown, 1),
            megabytes=round(_bytes(path) / 1e6, 3),
        )
        for (name, path), taken, grown in zip(files, times, memory, strict=True)
    ]


class _Worker:
    """A process with one file open, that runs it when asked.

    A bare interpreter: those of multiprocessing run the main program again, unless it is guarded.
    """

    def __init__(self, path: Path, threads: int, config: BenchmarkConfig) -> None:
        self.path = path
        opener = _opener(path)[1]
        try:
            self.job = pickle.dumps((path, opener, threads, config.shape))
            is_of_module = getattr(opener, "__module__", "") != "__main__"
        except (pickle.PicklingError, AttributeError):
            is_of_module = False
        if not is_of_module:
            raise ExportError(
                f"{path}: what opens it must be a function at the top level of a module, which "
                "another program can import"
            )

    def __enter__(self) -> "_Worker":
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", f"import {__name__} as this; this._work()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            start_new_session=True,  # Ctrl-C is for this process, which ends that one
        )
        _pipe(self.process.stdin).write(self.job)
        return self

    def ask(self, what: str) -> Any:
        """Have something done; what comes back.

        Raises:
            ExportError: with what went wrong there.
        """
        try:
            _send(what, _pipe(self.process.stdin))
            found = _receive(_pipe(self.process.stdout))
        except (EOFError, OSError):
            found = f"its process ended with exit code {self.process.wait()}"
        if isinstance(found, str):
            raise ExportError(f"{self.path}: {found}")
        return found

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


def _pipe(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream


def _send(what: object, stream: IO[bytes]) -> None:
    pickle.dump(what, stream)
    stream.flush()


def _receive(stream: IO[bytes]) -> Any:
    return pickle.load(stream)  # noqa: S301 - from the process that began this one, or that it began


def _work() -> None:
    """Serve as a worker until it is ended."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # Some runtimes print on the standard output, which belongs to the answers.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    path, opener, threads, shape = _receive(sys.stdin.buffer)
    torch.set_num_threads(threads)
    height, width, batch = shape
    images = random_images(batch, height, width)
    run: Callable[[Tensor], object] | None = None
    before = peak_process_mb()
    while True:
        what = _receive(sys.stdin.buffer)
        try:
            if what == "memory":
                _send((peak_process_mb() - before) * 1e6 / 2**20, answers)
                continue
            if run is None:
                run = opener(path, threads)
            start = time.perf_counter()
            run(images)
            _send(time.perf_counter() - start, answers)
        except Exception as problem:  # runtimes share no base of their errors
            text = " ".join(str(problem).split())[:200]
            _send(f"does not run with {batch} images of {width}x{height}: {text}", answers)


def _opener(path: Path) -> tuple[str, Opener]:
    """Return the name of the runtime that opens a file, and a function that does."""
    known = {each.suffix: each for each in TARGETS.values() if each.open is not None}
    entry = known.get(path.suffix.lower())
    if path.suffix.lower() != _WEIGHTS and (entry is None or entry.open is None):
        accepted = ", ".join([*known, _WEIGHTS])
        raise ConfigError(
            f"{path}: expected a file with suffix {accepted}, or a released detector"
            f"{did_you_mean(str(path), released_models())}"
        )
    if not path.is_file():
        raise ConfigError(f"{path}: does not exist")
    if entry is None or entry.open is None:
        return "nasface", _open_weights
    return entry.name, entry.open


def _open_weights(path: Path, threads: int) -> Callable[[Tensor], tuple[Tensor, ...]]:
    torch.set_num_threads(threads)
    network = channels_last(fuse_conv_bn(read_checkpoint(path).detector))

    def run(images: Tensor) -> tuple[Tensor, ...]:
        with torch.inference_mode():
            found = network(images.contiguous(memory_format=torch.channels_last))
            return found.logits_BA2, found.deltas_BA4

    return run


def _path(name: Path | str) -> Path:
    """Return the file of a released detector, that in a folder of an export, or the path itself."""
    released = released_models()
    if str(name) in released:
        return released[str(name)].weights
    suffixes = [each.suffix for each in TARGETS.values() if each.open is not None]
    within = [Path(name) / f"detector{suffix}" for suffix in suffixes]
    within.append(Path(name) / "detector.ncnn.param")
    return next((each for each in within if each.is_file()), Path(name))


def _bytes(path: Path) -> int:
    """Return the size in bytes of a file and of what holds its weights beside it."""
    beside = path.with_suffix(".bin") if path.suffix.lower() in (".xml", ".param") else path
    return sum(each.stat().st_size for each in {path, beside} if each.is_file())
