"""Which progress is shown where."""

import sys
import time
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from nasface.api import progress as module
from nasface.api.progress import ConsoleProgress, NotebookProgress, in_notebook, shown_progress
from nasface.progress import Silent


@pytest.mark.parametrize(
    ("asked", "terminal", "notebook", "kind"),
    [
        (None, False, False, Silent),
        (None, True, False, ConsoleProgress),
        (None, False, True, NotebookProgress),
        (True, False, False, ConsoleProgress),
        (True, False, True, NotebookProgress),
        (False, True, True, Silent),
    ],
)
def test_kind_of_progress(
    asked: bool | None,
    terminal: bool,
    notebook: bool,
    kind: type,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    monkeypatch.setattr(module, "in_notebook", lambda: notebook)
    monkeypatch.setattr(module, "need", lambda *_: SimpleNamespace(display=None))
    with shown_progress(asked) as shown:
        assert isinstance(shown, kind)


def test_an_object_is_told_itself() -> None:
    mine = Silent()
    with shown_progress(mine) as shown:
        assert shown is mine


def test_lines_of_a_pipe_have_number_time_left_and_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter(range(0, 100_000, 3000))
    with ConsoleProgress() as shown:
        monkeypatch.setattr(time, "monotonic", lambda: next(clock))
        shown.start("search", 5, done=2)
        for _ in range(3):
            shown.advance({"loss": 1.25})
        monkeypatch.undo()
    assert capsys.readouterr().err.splitlines() == [
        "search 3/5  1.7 h left  loss 1.25",
        "search 4/5  50.0 min left  loss 1.25",
        "search 5/5  0 s left  loss 1.25",
    ]


def test_of_steps_without_a_known_number_only_those_made_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As of the frames of a camera; and a number that was too low leaves no time."""
    clock = iter(range(0, 100_000, 3000))
    with ConsoleProgress() as shown:
        monkeypatch.setattr(time, "monotonic", lambda: next(clock))
        shown.start("camera", 0)
        shown.advance({"faces": 1})
        shown.start("clip", 1)
        for _ in range(2):
            shown.advance({"faces": 2})
        monkeypatch.undo()
    assert capsys.readouterr().err.splitlines() == [
        "camera 1  faces 1",
        "clip 1/1  0 s left  faces 2",
        "clip 2/1  0 s left  faces 2",
    ]
    display = Display()
    monkeypatch.setattr(module, "need", lambda *_: SimpleNamespace(display=display))
    with NotebookProgress(interval=0.0) as notebook:
        notebook.start("camera", 0)
        notebook.advance({"faces": 1})
    assert display.lines == ["camera " + "░" * 30 + " 1  faces 1"]


def test_in_notebook_asks_the_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    class ZMQInteractiveShell:
        """What a notebook's kernel has."""

    for shell, answer in ((ZMQInteractiveShell(), True), (None, False)):
        monkeypatch.setitem(
            sys.modules,
            "IPython",
            SimpleNamespace(get_ipython=lambda shell=shell: shell),
        )
        assert in_notebook() is answer


class Display:
    """Keeps what a notebook would show."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, data: Mapping[str, str], **_: Any) -> "Display":
        self.lines.append(data["text/plain"])
        return self

    def update(self, data: Mapping[str, str], **_: Any) -> None:
        self.lines[-1] = data["text/plain"]


def test_notebook_line_is_brought_up_to_date(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    display = Display()
    monkeypatch.setattr(module, "need", lambda *_: SimpleNamespace(display=display))
    with NotebookProgress(interval=0.0) as shown:
        shown.start("train", 4, 1)
        assert display.lines[0].endswith(" 1/4")  # and no time left, which is not known yet
        shown.advance({"loss": 0.5})
        shown.advance({"loss": 0.25})
        shown.note("AP 0.5")
    (line,) = display.lines
    assert line.startswith("train ")
    assert " 3/4 " in line
    assert line.endswith("loss 0.25")
    assert capsys.readouterr().out == "AP 0.5\n"
