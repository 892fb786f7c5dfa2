import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from nasface.engine.pipeline import Behind, ahead


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


def test_results_come_in_order_to_the_own_thread() -> None:
    done: list[tuple[int, bool]] = []
    here = threading.get_ident()

    def note(result: tuple[int, int]) -> None:
        assert threading.get_ident() == here
        done.append((result[0], result[1] == here))

    with Behind(note, 2) as thread:
        for at in range(10):
            thread.do(lambda at=at: (at, threading.get_ident()))  # type: ignore[misc]
            assert len(done) >= at - 1
    assert done == [(at, False) for at in range(10)]


def test_work_is_finished_when_its_user_fails() -> None:
    done: list[int] = []

    def use() -> None:
        with Behind(done.append) as thread:
            thread.do(lambda: 1)
            thread.do(lambda: 2)
            raise KeyError

    with pytest.raises(KeyError):
        use()
    assert done == [1, 2]


def test_an_error_of_the_work_is_raised() -> None:
    with pytest.raises(ZeroDivisionError), Behind(print) as thread:
        thread.do(lambda: 1 / 0)
