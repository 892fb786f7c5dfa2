"""Guards of a running job: non-finite steps are skipped; memory and disk errors end it with a
message."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch

from nasface.errors import RunError
from nasface.progress import Progress
from nasface.runs.folder import RunFolder

MOST_SKIPPED = 10
"""Steps in a row that may be left out because loss or gradient were not finite."""


class Skips:
    """Counts the steps that were left out."""

    def __init__(self, total: int = 0, in_a_row: int = 0) -> None:
        self.total, self.in_a_row = total, in_a_row

    def state(self) -> dict[str, int]:
        """For a checkpoint."""
        return {"total": self.total, "in_a_row": self.in_a_row}

    def count(self, step: int, row: Mapping[str, float], progress: Progress) -> None:
        """Look at the figures of a step.

        Raises:
            RunError: if too many in a row were not finite.
        """
        bad = [name for name, value in row.items() if not math.isfinite(value)]
        if not bad:
            self.in_a_row = 0
            return
        self.total, self.in_a_row = self.total + 1, self.in_a_row + 1
        names = " and ".join(_in_words(name) for name in bad)
        if self.in_a_row > MOST_SKIPPED:
            raise RunError(
                f"{names} not finite in {self.in_a_row} steps in a row, up to step {step}; "
                "the last checkpoint is kept, try a lower optimizer.lr"
            )
        progress.note(f"step {step} left out: {names} not finite ({self.total} so far)")


@contextmanager
def memory_explained(device: torch.device, what: str) -> Iterator[None]:
    """Turn a lack of memory into a :class:`RunError`; ``what`` names a batch."""
    try:
        yield
    except (RuntimeError, MemoryError) as problem:
        if not _is_out_of_memory(problem):
            raise
        raise RunError(
            f"out of memory on {device} with {what}; the last checkpoint is kept; a run with a "
            "smaller batch and more accumulate, or a smaller augment.size, takes less"
        ) from None


@contextmanager
def disk_explained(folder: Path) -> Iterator[None]:
    """Turn what goes wrong with the files of a run folder into a :class:`RunError`."""
    try:
        yield
    except OSError as problem:
        where = problem.filename2 or problem.filename or folder
        if RunFolder(folder).checkpoint.exists():
            kept = "the last checkpoint is kept, and --resume goes on from it"
        elif folder.exists():
            kept = "there is no checkpoint yet, and --resume begins anew"
        else:
            kept = "nothing was begun, and the same command can be given again"
        raise RunError(f"{where}: {problem.strerror or problem}; {kept}") from None


def _is_out_of_memory(problem: Exception) -> bool:
    if isinstance(problem, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(problem)
    return "DefaultCPUAllocator" in text or "out of memory" in text


def _in_words(figure: str) -> str:
    """The name of a logged figure for a person, such as ``architecture loss`` of ``arch_loss``."""
    return figure.replace("arch_", "architecture_").replace("_", " ")
