"""Completion, tried in the shells themselves where they are installed."""

import os
import pty
import re
import select
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from nasface.cli.completion import SCRIPTS
from nasface.cli.main import main

Output = pytest.CaptureFixture[str]

CASES = [
    ("nasface sea", "search", ""),
    ("nasface search --pol", "--policy", "--out"),
    ("nasface search --policy ar", "argmax", "softmax"),
    ("nasface train --optimizer.na", "--optimizer.name", "--optimizer.lr"),
    ("nasface genotype sh", "show", "diff"),
    ("nasface genotype import --na", "--name", "--json"),
    ("nasface evaluate widerface --gr", "--ground-truth", "--data"),
    ("nasface search --order ", "second", "--out"),
    ("nasface train --model ", "d0", "asfd-small"),
    ("nasface detect --model ", "asfd-small", "d0"),
    ("nasface train --log ", "tensorboard", "--out"),
    ("nasface train --neck ", "fpn", "separable"),
    ("nasface train --data-format ", "kitti", "--out"),
    ("nasface convert faces --to ", "yolo", "kitti"),
    ("nasface export --to ", "onnx", "yolo"),
    ("nasface search --device m", "mps", "cuda"),
    ("nasface models asfd-n", "asfd-nano", "asfd-small"),
    ("nasface detect --weights asfd-s", "asfd-small", "asfd-nano"),
    ("nasface report searched/gen", "searched/genotype.yaml", "asfd-nano"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scripts of all shells and a file to complete."""
    made = tmp_path_factory.mktemp("completion")
    for shell in SCRIPTS:
        with pytest.MonkeyPatch.context() as patch:
            lines: list[str] = []
            patch.setattr("nasface.cli.completion.say", lines.append)
            assert main(["completion", shell]) == 0
        (made / f"nasface.{shell}").write_text("\n".join(lines) + "\n")
    (made / "searched").mkdir()
    (made / "searched" / "genotype.yaml").touch()
    return made


def ask(command: list[str], folder: Path) -> list[str]:
    """What a shell prints, line by line."""
    environment = {**os.environ, "HOME": str(folder)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return [line.split("\t")[0].strip() for line in done.stdout.splitlines()]


def bash(line: str, folder: Path) -> list[str]:
    """What bash offers after a line, by the function that the script registers."""
    script = """
        source nasface.bash
        read -ra COMP_WORDS <<< "$1"
        case "$1" in *" ") COMP_WORDS+=("") ;; esac
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        complete -p nasface | grep -q _nasface || exit 1
        _nasface
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    return ask(["bash", "--norc", "-c", script, "bash", line], folder)


def fish(line: str, folder: Path) -> list[str]:
    """What fish offers after a line."""
    script = "source nasface.fish; complete -C $argv[1]"
    return ask(["fish", "--no-config", "-c", script, line], folder)


@pytest.mark.parametrize(("line", "offered", "not_offered"), CASES)
@pytest.mark.parametrize("shell", [bash, fish])
def test_a_shell_completes(
    shell: Callable[[str, Path], list[str]], line: str, offered: str, not_offered: str, folder: Path
) -> None:
    if shutil.which(shell.__name__) is None:
        pytest.skip(f"{shell.__name__} is not installed")
    found = shell(line, folder)
    assert offered in found
    assert not not_offered or not_offered not in found


@pytest.mark.parametrize(
    ("line", "whole"),
    [
        ("nasface compl", "nasface completion"),
        ("nasface search --policy ar", "nasface search --policy argmax"),
        ("nasface genotype sh", "nasface genotype show"),
        ("nasface report searched/gen", "nasface report searched/genotype.yaml"),
    ],
)
@pytest.mark.parametrize("command", [["bash", "--norc", "-i"], ["zsh", "-i"]])
def test_the_tab_key_completes_a_line(
    command: list[str], line: str, whole: str, folder: Path
) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    assert typed(command, line, folder).rstrip() == whole


def typed(command: list[str], line: str, folder: Path) -> str:
    """What a line has become in a shell at a terminal after TAB: it is made one of ``echo``."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(folder)
        os.environ |= {"HOME": str(folder), "TERM": "dumb"}
        os.execvp(command[0], command)
    try:
        os.write(terminal, f"source ./nasface.{command[0]}; echo rea''dy\n".encode())
        read_until(terminal, r"\nready")
        os.write(terminal, f"{line}\t\x01echo '<\x05>'\n".encode())
        return read_until(terminal, r"\n<(.*?)>\r")
    finally:
        os.close(terminal)
        os.waitpid(process, 0)


def read_until(terminal: int, pattern: str) -> str:
    """Read until a pattern is there; the last group of its match."""
    text = ""
    for _ in range(2000):
        assert select.select([terminal], [], [], 20)[0], text
        text += os.read(terminal, 4096).decode(errors="replace")
        if match := re.search(pattern, text):
            return match[match.lastindex or 0]
    raise AssertionError(text)


def test_another_shell_is_answered_with_those_that_there_are(capsys: Output) -> None:
    assert main(["completion", "bsh"]) == 2
    assert "did you mean 'bash'" in capsys.readouterr().err
