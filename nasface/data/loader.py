"""Batches of a job's steps that keep coming when a process that loads them dies."""

import signal
import threading
from collections.abc import Callable, Iterator

from nasface.data.dataset import Batch, FaceDataset, Shard, make_loader
from nasface.errors import BrokenRunError

MAX_DEATHS = 3
"""Times that the workers are started again before the job gives up."""


class Batches:
    """The batches of the steps ``first`` to ``last`` (excluded), as of ``make_loader``.

    A batch depends on its step alone, so when a worker is killed, loading starts again with the
    batch that is due, and says so through ``note``.

    Raises:
        BrokenRunError: from ``next``, if workers die again and again.
    """

    def __init__(
        self,
        data: FaceDataset,
        batch: int,
        first: int,
        last: int,
        workers: int,
        shard: Shard,
        note: Callable[[str], None],
    ) -> None:
        self.data, self.batch, self.last, self.workers = data, batch, last, workers
        self.shard, self.note = shard, note
        self.step, self.deaths = first, 0
        self.iterator = self._start()

    def __iter__(self) -> "Batches":
        return self

    def __next__(self) -> Batch:
        while True:
            try:
                batch = next(self.iterator)
            except RuntimeError as problem:
                if "DataLoader worker" not in str(problem):
                    raise
                self._survive(str(problem).splitlines()[0])
            else:
                self.step += 1
                return batch

    def _survive(self, problem: str) -> None:
        self.deaths += 1
        if self.deaths > MAX_DEATHS:
            raise BrokenRunError(
                f"workers: {self.deaths} of the processes that load images were killed "
                f"({problem}); fewer workers take less memory"
            ) from None
        self.note(f"a process that loads images was killed ({problem}); it is started again")
        self.iterator = self._start()

    def _start(self) -> Iterator[Batch]:
        loader = make_loader(self.data, self.batch, self.step, self.last, self.workers, self.shard)
        in_main_thread = threading.current_thread() is threading.main_thread()
        if not self.workers or not in_main_thread or not hasattr(signal, "SIGCHLD"):  # Windows
            return iter(loader)
        # torch has a worker's death raise wherever the main process happens to be; without its
        # handler the death shows when the next batch is fetched, and no step is torn.
        before = signal.getsignal(signal.SIGCHLD)
        try:
            return iter(loader)
        finally:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL if _is_torchs(before) else before)


def _is_torchs(handler: object) -> bool:
    """Return whether an earlier loader of this process, not one of ours, has left torch's
    handler."""
    return str(getattr(handler, "__module__", "")).startswith("torch.")
