"""Guards of a running job: non-finite steps are skipped; memory and disk errors end it with a
message."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch

from nasface.errors import BrokenRunError, RunError
from nasface.progress import Progress
from nasface.runs.folder import RunFolder

MAX_SKIPPED = 10
"""Steps in a row that may be left out because loss or gradient were not finite."""


class Skips:
    """Counts the steps that were left out."""

    def __init__(self, total: int = 0, in_a_row: int = 0) -> None:
        self.total, self.in_a_row = total, in_a_row

    def state(self) -> dict[str, int]:
        """Return the counts, for a checkpoint."""
        return {"total": self.total, "in_a_row": self.in_a_row}

    def count(self, step: int, row: Mapping[str, float], progress: Progress) -> None:
        """Look at the figures of a step.

        Raises:
            BrokenRunError: if too many in a row were not finite.
        """
        bad = [name for name, value in row.items() if not math.isfinite(value)]
        if not bad:
            self.in_a_row = 0
            return
        self.total, self.in_a_row = self.total + 1, self.in_a_row + 1
        names = " and ".join(_in_words(name) for name in bad)
        if self.in_a_row > MAX_SKIPPED:
            raise BrokenRunError(
                f"{names} not finite in {self.in_a_row} steps in a row, up to step {step}; "
                "try a lower optimizer.lr"
            )
        progress.note(f"step {step} left out: {names} not finite ({self.total} so far)")


@contextmanager
def memory_explained(device: torch.device, what: str) -> Iterator[None]:
    """Turn a lack of memory into a :class:`BrokenRunError`; ``what`` names a batch."""
    try:
        yield
    except (RuntimeError, MemoryError) as problem:
        if not _is_out_of_memory(problem):
            raise
        raise BrokenRunError(
            f"out of memory on {device} with {what}; a run with a smaller batch and more "
            "accumulate, or a smaller augment.size, takes less"
        ) from None


@contextmanager
def faults_explained(folder: Path) -> Iterator[None]:
    """Say behind what breaks a run, or goes wrong with its files, what is kept in its folder.

    Raises:
        RunError: in the place of OSError and :class:`BrokenRunError`.
    """
    try:
        yield
    except BrokenRunError as problem:
        raise RunError(f"{problem}; {_kept_in(folder)}") from None
    except OSError as problem:
        where = problem.filename2 or problem.filename or folder
        raise RunError(f"{where}: {problem.strerror or problem}; {_kept_in(folder)}") from None


def _kept_in(folder: Path) -> str:
    if RunFolder(folder).checkpoint.exists():
        return "the last checkpoint is kept, and --resume goes on from it"
    if folder.exists():
        return "there is no checkpoint yet, and --resume begins anew"
    return "nothing was begun, and the same command can be given again"


def _is_out_of_memory(problem: Exception) -> bool:
    if isinstance(problem, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(problem)
    return "DefaultCPUAllocator" in text or "out of memory" in text


def _in_words(figure: str) -> str:
    """Return the name of a logged figure for a person, such as ``architecture loss`` of
    ``arch_loss``."""
    return figure.replace("arch_", "architecture_").replace("_", " ")
