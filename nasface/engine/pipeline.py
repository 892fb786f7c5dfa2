"""Work in threads whose results come in order: what need not wait for a network does not."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

MAX_WAITING = 2
"""Items that are ready before they are needed; each may be a large picture."""

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


def in_order(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    threads: int,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Generator[Result, None, None]:
    """Yield what ``work`` makes of each item, in their order, by so many threads at once.

    At most twice as many items are taken before their results are used. Once ``is_stopped`` says
    so, no more are begun, and the results of those that were are the last. What work raises is
    raised in its place, and ends it. Close the iterator if it is not used up: then no work is being
    done any more.
    """
    skipped: Any = object()
    waiting: deque[Future[Result]] = deque()

    def attempt(item: Item) -> Result:
        return skipped if is_stopped() else work(item)

    def finished(most_waiting: int) -> Iterator[Result]:
        while len(waiting) > most_waiting:
            if (result := waiting.popleft().result()) is not skipped:
                yield result

    with ThreadPoolExecutor(threads, "work") as pool:
        try:
            for item in items:
                if is_stopped():
                    break
                waiting.append(pool.submit(attempt, item))
                yield from finished(2 * threads - 1)
            yield from finished(0)
        finally:
            for each in waiting:
                each.cancel()
