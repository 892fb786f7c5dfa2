"""Reading ahead and writing behind: what need not wait for a network is done in threads."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

MAX_WAITING = 2
"""Items that are ready before they are needed, or not yet written; each may be a large picture."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def ahead(items: Iterable[Item], most: int = MAX_WAITING) -> Generator[Item, None, None]:
    """Yield items in their order, made in a thread while earlier ones are used, at most ``most``
    ahead.

    What making one raises is raised in its place, and ends it. Close the iterator if it is not
    used up: then no item is being made any more.
    """
    end: Any = object()
    made = iter(items)
    with ThreadPoolExecutor(1, "ahead") as thread:
        waiting = deque(thread.submit(next, made, end) for _ in range(most))
        try:
            while (item := waiting.popleft().result()) is not end:
                waiting.append(thread.submit(next, made, end))
                yield item
        finally:
            for each in waiting:
                each.cancel()


class Behind(Generic[Result]):
    """A thread that does one piece of work after another, at most ``most`` behind its user.

    ``done`` is called with each result, in their order, in the user's thread. Leaving the ``with``
    block waits for all. What a piece of work raises is raised by a later ``do``, or on leaving.
    """

    def __init__(self, done: Callable[[Result], object], most: int = MAX_WAITING) -> None:
        self._done, self._most = done, most
        self._thread = ThreadPoolExecutor(1, "behind")
        self._waiting: deque[Future[Result]] = deque()

    def do(self, work: Callable[[], Result]) -> None:
        """Have a piece of work done; waits while too many others are before it."""
        while len(self._waiting) >= self._most:
            self._done(self._waiting.popleft().result())
        self._waiting.append(self._thread.submit(work))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._thread:
            while self._waiting:
                self._done(self._waiting.popleft().result())
