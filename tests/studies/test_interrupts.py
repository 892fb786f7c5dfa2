"""Ctrl-C for the process of a phase, also on systems that have no signals for it."""

import ctypes
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import pytest

from nasface.progress import stop_on_interrupt
from nasface.studies.interrupts import ignore_terminal, interrupt_when


def work(begun: str) -> str:
    """What a job does: it notes a first Ctrl-C, and goes on to the end of its step."""
    with stop_on_interrupt() as request:
        Path(begun).touch()
        for _ in range(3000):
            if request.asked:
                return "stopped"
            time.sleep(0.01)
    return "done"


def test_a_phase_is_asked_to_stop_without_a_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "kill")
    context, begun = get_context("spawn"), tmp_path / "begun"
    asked = context.Event()
    with ProcessPoolExecutor(1, context, interrupt_when, (asked,)) as pool:
        end = pool.submit(work, str(begun))
        while not begun.exists():
            time.sleep(0.01)
        asked.set()
        assert end.result() == "stopped"


def test_the_terminal_of_windows_is_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[object, bool]] = []
    kernel32 = SimpleNamespace(SetConsoleCtrlHandler=lambda *given: calls.append(given))
    monkeypatch.delattr(os, "setsid", raising=False)
    ignore_terminal()
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel32), raising=False)
    ignore_terminal()
    assert calls == [(None, True)]
