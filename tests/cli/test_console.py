"""What the commands print is what was to be printed."""

import pytest

from nasface.api.progress import ConsoleProgress
from nasface.cli.console import pictures_if_possible, print_table, say
from nasface.errors import MissingPackageError

NAMES = ["labels.txt:100: is no label", "a:x:b.jpg", "[bold]a[/bold].jpg", "a[/b].avi", ":key:"]
"""Rich has pictures for words between colons, and takes words in brackets for colours."""


@pytest.mark.parametrize("name", NAMES)
def test_names_are_shown_as_they_are(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(name)
    print_table(name, ("", name), [[name, name]])
    with pictures_if_possible():
        raise MissingPackageError(name)
    with ConsoleProgress(0.0) as progress:
        progress.start(name, 1)
        progress.advance()
        progress.note(name)
    captured = capsys.readouterr()
    assert captured.out.count(name) == 5
    assert captured.err.count(name) == 3


def test_a_bar_shows_names_as_they_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for key, value in {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "200"}.items():
        monkeypatch.setenv(key, value)
    with ConsoleProgress() as progress:
        assert progress.console.is_terminal
        for name in NAMES:
            progress.start(name, 1)
            progress.bar.refresh()
            assert name in capsys.readouterr().err
