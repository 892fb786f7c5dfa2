"""Times of functions that take turns, so that other work on the machine meets all alike."""

import time
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

Run = Callable[[], object]
"""Runs a network once, and returns when that is done."""

Name = TypeVar("Name", bound=Hashable)


def alternate(
    runs: Mapping[Name, Run],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
    passed: Callable[[], None] = lambda: None,
) -> dict[Name, list[float]]:
    """Return the seconds of each function in rounds of all, their order reversed every time.

    A first round, which warms up, does not count. Of a single thread, a ``clock`` of processor
    time leaves out what other programs on the machine take.
    """
    times: dict[Name, list[float]] = {name: [] for name in runs}
    for round_ in range(rounds + 1):
        for name in list(runs) if round_ % 2 else list(runs)[::-1]:
            started = clock()
            runs[name]()
            if round_:
                times[name].append(clock() - started)
            passed()
    return times
