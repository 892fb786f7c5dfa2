"""Damaged files of every kind that nasface reads: each is accepted and valid, or refused in a line.

    python scripts/checks/fuzz_files.py --count 10000 --seed 0

Inputs are whole files in which bytes, numbers, words, lines or parts of the container were changed,
removed, repeated or exchanged. An input is a fault if reading it raises anything but a NasfaceError
of one printable line that names the file, takes a second of processor time, or yields a value that
its own checks refuse. A kind is at fault as well if the process grows over the second half of its
inputs by more than 10 MB; decoders of videos fill their pools over some thousand files before it
stops growing. Faulty inputs are kept in --keep.
"""

import argparse
import faulthandler
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import cv2

sys.path.insert(0, str(Path(__file__).parent))
from fuzz_kinds import KINDS, Kind

from nasface.errors import NasfaceError

SLOW = 1.0
"""Seconds of processor time that reading may take."""
STUCK = 20
"""Seconds of processor time after which reading is given up."""
GROWTH_MB = 10
"""What the process may grow by over the second half of the inputs of a kind."""


class Stuck(BaseException):
    """Raised into a read that does not end."""


@dataclass
class Tally:
    """What became of the inputs of a kind."""

    accepted: int = 0
    refused: int = 0
    slowest: float = 0.0
    growth_mb: float = 0.0
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)


def fuzz(
    name: str, kind: Kind, count: int, seed: int, folder: Path, keep: Path | None = None
) -> Tally:
    """Read ``count`` damaged files of a kind; the same seed gives the same files."""
    signal.signal(signal.SIGPROF, _give_up)
    tally = Tally()
    samples = kind.samples()
    path = folder / kind.file
    path.parent.mkdir(parents=True, exist_ok=True)
    for whole in samples:  # what is imported or made at a first read is no cost of an input
        path.write_bytes(whole)
        with suppress(NasfaceError):
            kind.read(path)
    started = time.process_time()
    before = 0.0
    for at in range(count):
        data = kind.damage(samples, random.Random(f"{seed} {name} {at}"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        fault = _read(kind.read, path, tally)
        if fault is not None:
            tally.faults[fault] += 1
            if keep is not None and tally.faults[fault] <= 3:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{name.replace(' ', '-')}-{at}").write_bytes(data)
        if at == count // 2:
            before = _resident_mb()
    tally.growth_mb = _resident_mb() - before
    tally.seconds = time.process_time() - started
    return tally


def _read(read: Callable[[Path], object], path: Path, tally: Tally) -> str | None:
    """Read one file; what is wrong with how that went."""
    signal.setitimer(signal.ITIMER_PROF, STUCK)
    started = time.process_time()
    fault: str | None = None
    try:
        read(path)
        tally.accepted += 1
    except NasfaceError as error:
        tally.refused += 1
        message = str(error)
        if not message.isprintable():
            fault = f"not one printable line: {message!r:.200}"
        elif path.name not in message and path.parent.name not in message:
            fault = f"does not name the file: {message:.200}"
    except (Exception, Stuck) as error:
        fault = f"{type(error).__name__}: {str(error)!r:.200}"
    signal.setitimer(signal.ITIMER_PROF, 0)
    taken = time.process_time() - started
    tally.slowest = max(tally.slowest, taken)
    if fault is None and taken > SLOW:
        fault = f"took {taken:.1f} s"
    return fault


def _resident_mb() -> float:
    """Return the memory of the process in MB; of systems without /proc, its peak."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    return pages * resource.getpagesize() / 1e6


def _give_up(_signal: int, _frame: FrameType | None) -> None:
    raise Stuck("did not end")


def main() -> int:
    """Run all kinds, or those named, and print the table; 1 if anything is at fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", default=list(KINDS), help="all by default")
    parser.add_argument("--count", type=int, default=10_000, help="inputs of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for inputs that are at fault")
    arguments = parser.parse_args()
    faulthandler.enable()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    print("kind,inputs,accepted,refused,faults,slowest_s,growth_mb,processor_s", flush=True)
    faulty = False
    for name in arguments.kinds:
        with tempfile.TemporaryDirectory() as folder:
            tally = fuzz(
                name, KINDS[name], arguments.count, arguments.seed, Path(folder), arguments.keep
            )
        print(
            f"{name},{arguments.count},{tally.accepted},{tally.refused},{tally.faults.total()},"
            f"{tally.slowest:.2f},{tally.growth_mb:.1f},{tally.seconds:.0f}",
            flush=True,
        )
        for fault, times in tally.faults.most_common(10):
            print(f"  {times} x {fault}", file=sys.stderr, flush=True)
        grew = tally.growth_mb > GROWTH_MB
        if grew:
            print(f"  grew by {tally.growth_mb:.0f} MB", file=sys.stderr, flush=True)
        faulty |= bool(tally.faults) or grew
    return 1 if faulty else 0


if __name__ == "__main__":
    sys.exit(main())
