"""Commands as a user types them, and what they print."""

import json
from typing import Any

import pytest

from nasface.cli.main import main

Output = pytest.CaptureFixture[str]


def fails(words: str, output: Output) -> str:
    """The one line that a mistake gives."""
    output.readouterr()
    assert main(words.split()) == 2
    captured = output.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    return line


def figures(words: str, output: Output) -> dict[str, Any]:
    """What a command prints with --json."""
    output.readouterr()
    assert main([*words.split(), "--json"]) == 0
    found: dict[str, Any] = json.loads(output.readouterr().out)
    return found
