"""Help of all commands: short, in groups, with examples that can be run."""

import shlex
from pathlib import Path

import pytest

import nasface
from nasface.cli.commands import ACTIONS, commands
from nasface.cli.guides import GUIDES
from nasface.cli.help import help_text
from nasface.cli.main import main
from nasface.cli.option_list import options
from nasface.cli.plan_examples import PLAN_EXAMPLE
from nasface.studies.spec import load_plan
from nasface.studies.study_run import runs_of

Output = pytest.CaptureFixture[str]
COMMANDS = dict(commands())


@pytest.mark.parametrize("words", COMMANDS)
def test_help_fits_on_a_screen_and_leads_with_three_examples(words: str, capsys: Output) -> None:
    assert main([*words.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert len(text.splitlines()) < 80
    assert max(map(len, text.splitlines())) <= 90
    shown = text.partition("examples:\n")[2].partition("\n\n")[0].splitlines()
    assert sum(line.startswith("  # ") for line in shown) == 3
    assert "(default: )" not in text
    assert "None" not in text.replace("None:", "")


@pytest.mark.parametrize("verb", ACTIONS)
def test_help_of_a_verb_with_actions_leads_with_three_examples(verb: str, capsys: Output) -> None:
    assert main([verb, "--help"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 90
    assert text.count("\n  # ") == 3
    for action in ACTIONS[verb]:
        assert f"\n  {action} " in text
    assert main([verb]) == 2
    assert capsys.readouterr().out == text


@pytest.mark.parametrize("words", COMMANDS)
def test_all_options_are_explained_by_help_all(words: str, capsys: Output) -> None:
    assert main([*words.split(), "--help-all"]) == 0
    text = capsys.readouterr().out
    for each in options(COMMANDS[words]):
        assert f"  {each.word}" in text


@pytest.mark.parametrize("words", GUIDES)
def test_examples_and_groups_name_what_there_is(words: str) -> None:
    for _, line in GUIDES[words].examples:
        for command in line.removeprefix("source <(").rstrip(")").split(" && "):
            program, *rest = shlex.split(command.partition(" > ")[0])
            assert program == "nasface"
            named = max(
                (each for each in COMMANDS if rest[: len(each.split())] == each.split()), key=len
            )
            known = {f"--{each.name}" for each in options(COMMANDS[named])}
            assert {word for word in rest if word.startswith("--")} <= known, command
    own = [each for each in COMMANDS if each.split()[0] == words.split()[0]]
    known = {each.name for command in own for each in options(COMMANDS[command])}
    assert {name for names in GUIDES[words].groups.values() for name in names} <= known


def test_compare_shows_a_plan_that_can_be_used(tmp_path: Path, capsys: Output) -> None:
    assert main(["compare", "--help"]) == 0
    assert PLAN_EXAMPLE in capsys.readouterr().out
    (tmp_path / "plan.yaml").write_text(PLAN_EXAMPLE)
    plan = load_plan(tmp_path / "plan.yaml")
    assert len(runs_of(plan)) == 12
    (tmp_path / "wrong.yaml").write_text(PLAN_EXAMPLE.replace("methods", "ways"))
    assert main(["compare", str(tmp_path / "wrong.yaml"), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "wrong.yaml: " in said
    assert "a plan has name, seeds [0, 1, ...] and methods" in said


def test_options_left_out_are_named(capsys: Output) -> None:
    assert main(["search", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "--noise-until" not in text
    assert "more, explained by nasface search --help-all: " in text
    assert "noise-until" in text
    assert "detector.*" in text


def test_help_shows_the_defaults_of_a_file(tmp_path: Path, capsys: Output) -> None:
    (tmp_path / "mine.yaml").write_text("epochs: 27\n")
    assert main(["search", "--config", str(tmp_path / "mine.yaml"), "--help"]) == 0
    assert "(default: 27)" in capsys.readouterr().out


def test_defaults_of_a_base_are_shown() -> None:
    command = COMMANDS["models"]
    assert "(default: asfd-nano)" in help_text(
        command, "models", command(name="asfd-nano"), full=True
    )


def test_version(capsys: Output) -> None:
    assert main(["-V"]) == 0
    assert capsys.readouterr().out.strip() == nasface.__version__


def test_quiet_says_results_only_and_verbose_the_whole_story(
    tmp_path: Path, capsys: Output
) -> None:
    words = ["sample", "--train", "2", "--val", "1", "--max-side", "224"]
    assert main([*words, str(tmp_path / "usual")]) == 0
    assert "sample 3/3" in capsys.readouterr().err
    assert main([*words, str(tmp_path / "quiet"), "--quiet"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "2 training" in captured.out
    assert main([*words, str(tmp_path / "quiet"), "-v"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("Traceback")
    assert said.splitlines()[-1].startswith("nasface sample: ")
