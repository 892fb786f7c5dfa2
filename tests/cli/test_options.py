"""From the words of a command line to settings."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasface.cli.commands import commands
from nasface.cli.convert import ConvertCommand
from nasface.cli.cost import CostCommand
from nasface.cli.detect import DetectCommand
from nasface.cli.help import help_text
from nasface.cli.latency import LatencyMeasureCommand
from nasface.cli.option_list import options
from nasface.cli.options import parse, parse_line
from nasface.cli.plot import PlotCommand
from nasface.cli.search import SearchCommand
from nasface.cli.train import TrainCommand
from nasface.errors import ConfigError

WITH_CLASSES = {
    words: command
    for words, command in commands()
    if "--classes" in {each.word for each in options(command)}
}
LINE = ("in", "out", "--to", "coco")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["--class", "--classes"]), st.sampled_from(["face", "a b", "x="])
        ),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from([0, 1, 2, 4]),
)
def test_class_is_another_word_for_classes(chosen: list[tuple[str, str]], at: int) -> None:
    """Once or several times, in any place, with a blank or a sign between."""
    classes = tuple(value for _, value in chosen)
    signs = [f"{option}={value}" for option, value in chosen]
    blanks = [word for option, value in chosen for word in (option, value)]
    for line in ([*LINE[:at], *signs, *LINE[at:]], [*LINE, *blanks]):
        command = parse(ConvertCommand, line, "convert")
        assert command.settings.classes == classes
        assert (str(command.source), str(command.out), command.to) == ("in", "out", "coco")


def test_several_classes_after_one_word() -> None:
    command = parse(ConvertCommand, [*LINE, "--class", "face", "head"], "convert")
    assert command.settings.classes == ("face", "head")


@pytest.mark.parametrize(
    "line",
    [
        ["--log", "csv", "mlflow"],
        ["--log", "csv", "--log", "mlflow"],
        ["--log=csv", "--log=mlflow"],
    ],
)
def test_an_option_of_several_words_may_be_given_several_times(line: list[str]) -> None:
    """The last alone counted."""
    line = [*line, "--out", "run", "--seed", "3"]
    command = parse(TrainCommand, line, "train")
    assert command.settings.log == ("csv", "mlflow")
    assert (str(command.out), command.settings.seed) == ("run", 3)


def test_files_behind_two_dashes() -> None:
    line = ["--labels", "a", "b", "--out", "x.png", "--", "--run", "other"]
    command = parse_line(PlotCommand, line, "plot")
    assert command.labels == ("a", "b")
    assert [str(each) for each in command.results] == ["--run", "other"]


@pytest.mark.parametrize("words", WITH_CLASSES)
def test_help_shows_both(words: str) -> None:
    assert "--classes, --class TEXT ..." in help_text(WITH_CLASSES[words], words, full=True)


def test_all_commands_that_read_annotated_data_have_it() -> None:
    reading = {"check-data", "convert", "search", "train", "evaluate", "evaluate coco", "quantize"}
    assert set(WITH_CLASSES) == reading


def test_a_command_without_classes_does_not_know_it() -> None:
    with pytest.raises(ConfigError, match="Unrecognized options: --class"):
        parse(DetectCommand, ["a.jpg", "--class", "face"], "detect")


def test_a_file_whose_name_begins_like_an_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-a.jpg").touch()
    with pytest.raises(ConfigError, match=r"-a\.jpg; the file is given as \./-a\.jpg$"):
        parse(DetectCommand, ["-a.jpg", "--out", "x"], "detect")
    assert parse(DetectCommand, ["./-a.jpg"], "detect")


@pytest.mark.parametrize("sign", [" ", "="])
@pytest.mark.parametrize("word", ["null", "none", "None"])
def test_no_value_for_settings_that_may_have_none(word: str, sign: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(
        "exif: apply\nwarmup_epochs: 3\nprefix_genotype: asfd-ref\nmatch: {negative: 0.1}\n"
    )
    names = ("--exif", "--warmup-epochs", "--prefix-genotype", "--match.negative")
    given = [each for name in names for each in f"{name}{sign}{word}".split()]
    settings = parse(SearchCommand, ["--config", str(file)], "search").settings
    assert (settings.warmup_epochs, settings.match.negative) == (3, 0.1)
    settings = parse(SearchCommand, ["--config", str(file), *given], "search").settings
    none = [settings.exif, settings.warmup_epochs, settings.prefix_genotype]
    assert [*none, settings.match.negative] == [None] * 4


def test_another_word_is_no_value() -> None:
    with pytest.raises(ConfigError, match=r"--inference\.vote-iou: no type matching null\|FLOAT"):
        parse(DetectCommand, ["a.jpg", "--inference.vote-iou", "nul"], "detect")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--optimizer.lr inf", "^optimizer: lr: is inf, expected a finite number"),
        ("--optimizer.lr -1", "^optimizer: lr -1"),
        ("--parameters nodes", "--parameters: expected a value after each name"),
    ],
)
def test_values_are_refused_by_the_names_of_their_settings(words: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse(SearchCommand, words.split(), "search")


@pytest.mark.parametrize("size", ["--size 640x512", "--size 640 512", "--size=640x512"])
def test_a_size_is_written_in_both_forms(size: str) -> None:
    measured = parse(LatencyMeasureCommand, ["--out", "a.yaml", *size.split()], "latency measure")
    assert measured.settings.size == (640, 512)
    counted = parse(CostCommand, [*size.split(), "d0"], "cost")
    assert (counted.size, counted.model) == ("640x512", "d0")
    words = ["--cost-penalty-size", *size.replace("=", " ").split()[1:], "--out", "a"]
    assert parse(SearchCommand, words, "search").settings.cost_penalty_size == (640, 512)


def test_half_a_size_is_refused() -> None:
    with pytest.raises(ConfigError, match="size: '640x', expected WIDTHxHEIGHT"):
        parse(LatencyMeasureCommand, ["--out", "a.yaml", "--size", "640x"], "latency measure")
