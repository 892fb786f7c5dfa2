"""What ``nasface search`` says to do next."""

import re
import shlex
from dataclasses import replace

import pytest

from nasface.cli.main import main
from nasface.cli.options import parse
from nasface.cli.search import SearchCommand, _training_options
from nasface.cli.train import TrainCommand, _base
from nasface.detection.zoo import MODELS
from nasface.engine.search import SearchConfig, search_config_of


def test_the_next_command_trains_in_the_detector_and_on_the_images_of_the_search() -> None:
    words = (
        "--data 'my, faces' --val-fraction 0.25 --classes face head --detector.levels 3 4 5 "
        "--detector.channels 16 --detector.shared-head --epochs 30 --out FOLDER"
    )
    searched = parse(SearchCommand, shlex.split(words), "search").settings
    options = [*_training_options(searched, ""), "--out", "FOLDER"]
    trained = parse(TrainCommand, options, "train").settings
    assert trained.detector == searched.detector
    assert (trained.data, trained.val_fraction) == ("my, faces", 0.25)
    assert trained.classes == ("face", "head")
    assert "--epochs" not in options


@pytest.mark.parametrize("model", ["d5", "retinaface-mobilenet0.25", "dsfd-r50"])
def test_the_next_command_trains_the_model_of_the_search(model: str) -> None:
    words = ["--data", "faces", "--model", model, "--detector.channels", "16"]
    command = parse(SearchCommand, words, "search", search_config_of(model))
    options = [*_training_options(command.settings, model), "--out", "FOLDER"]
    line = [re.sub("^--neck$", "--detector.neck", word) for word in options]
    trained = parse(TrainCommand, line, "train", _base(line)).settings
    row = MODELS[model]
    assert (trained.model, trained.match, trained.loss) == (model, row.match, row.loss)
    # Those of the model: a search has one, and separable cells.
    repeats, context = row.detector.repeats, row.detector.context
    searched = replace(command.settings.detector, repeats=repeats, context=context)
    assert trained.detector == searched


def test_the_next_command_of_a_resumed_search_has_its_assignment_and_loss() -> None:
    searched = replace(search_config_of("s3fd-vgg16"), data="faces")
    options = _training_options(searched, "")  # --resume takes no --model
    trained = parse(TrainCommand, [*options, "--out", "FOLDER"], "train").settings
    sides = replace(trained.detector.anchors, sides=searched.detector.anchors.sides)
    assert replace(trained.detector, anchors=sides) == searched.detector
    assert (trained.match, trained.loss) == (searched.match, searched.loss)
    assert searched.match != SearchConfig().match


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--model retinaface-r51 --data x", "model: unknown 'retinaface-r51'"),
        ("--model d0 --resume", "--model: not together with --resume"),
    ],
)
def test_mistakes_of_the_model(
    words: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["search", *words.split(), "--out", "r"]) == 2
    assert message in capsys.readouterr().err
