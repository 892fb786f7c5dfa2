"""What ``nasface search`` says to do next."""

import shlex

from nasface.cli.options import parse
from nasface.cli.search import SearchCommand, _training_options
from nasface.cli.train import TrainCommand


def test_the_next_command_trains_in_the_detector_and_on_the_images_of_the_search() -> None:
    words = (
        "--data 'my, faces' --val-fraction 0.25 --classes face head --detector.levels 3 4 5 "
        "--detector.channels 16 --detector.shared-head --epochs 30 --out FOLDER"
    )
    searched = parse(SearchCommand, shlex.split(words), "search").settings
    options = [*_training_options(searched), "--out", "FOLDER"]
    trained = parse(TrainCommand, options, "train").settings
    assert trained.detector == searched.detector
    assert (trained.data, trained.val_fraction) == ("my, faces", 0.25)
    assert trained.classes == ("face", "head")
    assert "--epochs" not in options
