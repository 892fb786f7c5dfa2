import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from nasface.engine.pipeline import ahead, in_order


def test_items_come_in_order_from_another_thread() -> None:
    threads = set()

    def items() -> Iterator[int]:
        for at in range(20):
            threads.add(threading.get_ident())
            yield at

    assert list(ahead(items())) == list(range(20))
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_no_more_than_asked_are_made_ahead() -> None:
    made: list[int] = []
    with closing(ahead(map(made.append, range(20)), 3)) as items:
        for used, _ in enumerate(items, 1):
            assert len(made) <= used + 3
            if used == 5:
                break
    assert len(made) <= 5 + 3
    assert "ahead_0" not in {each.name for each in threading.enumerate()}


def test_an_error_comes_in_its_place() -> None:
    items = ahead(1 / at for at in (2, 1, 0, 4))
    assert (next(items), next(items)) == (0.5, 1.0)
    with pytest.raises(ZeroDivisionError):
        next(items)
    assert list(items) == []


def test_results_come_in_order_though_work_is_done_side_by_side() -> None:
    """Each two wait for one another, so that one thread alone would never end."""
    both = threading.Barrier(2, timeout=60)

    def work(at: int) -> int:
        both.wait()
        return at

    assert list(in_order(work, range(10), 2)) == list(range(10))


def test_no_more_items_are_taken_than_twice_the_threads() -> None:
    taken = []

    def items() -> Iterator[int]:
        for at in range(20):
            taken.append(at)
            yield at

    with closing(in_order(str, items(), 2)) as results:
        for used, _ in enumerate(results, 1):
            assert len(taken) <= used + 3
            if used == 5:
                break
    assert len(taken) <= 5 + 3
    assert not [each for each in threading.enumerate() if each.name.startswith("work")]


def test_what_work_raises_comes_in_its_place() -> None:
    results = in_order(lambda at: 1 / at, (2, 1, 0, 4), 3)
    assert (next(results), next(results)) == (0.5, 1.0)
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert list(results) == []


def test_no_work_is_begun_after_a_stop() -> None:
    """The third item asks for it, while the other thread is still at the second."""
    stopped, second = threading.Event(), threading.Event()
    begun = []

    def work(at: int) -> int:
        begun.append(at)
        if at == 1:
            second.wait(60)
        if at == 2:
            stopped.set()
            second.set()
        return at

    results = list(in_order(work, range(20), 2, stopped.is_set))
    assert results == begun == sorted(begun)
    assert results in ([0, 1, 2], [0, 1, 2, 3])
