"""Detections of files, and what is left of an attempt that is refused."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import DETECTOR, write_tiny
from torch import Tensor

import nasface
from nasface.api.detecting import detect_files
from nasface.api.detector import FaceDetector
from nasface.data.images import write_image
from nasface.engine.detect import DetectConfig
from nasface.errors import ConfigError, NasfaceError
from nasface.inference.onnx_runtime import OnnxDetector
from nasface.inference.predict import InferenceConfig
from nasface.progress import Silent

VOTING = InferenceConfig(vote_iou=0.5)


def one_face(images_B3HW: Tensor) -> tuple[Tensor, ...]:
    """Of a file with suppression: image, box and score of the only face."""
    del images_B3HW
    return torch.tensor([0]), torch.tensor([[0.0, 0.0, 9.0, 9.0]]), torch.tensor([0.9])


def suppressing(only: tuple[int, ...] | None = None) -> FaceDetector:
    """A detector of a file with suppression; ``only`` is the one shape of images that it takes."""
    return FaceDetector(OnnxDetector(one_face, "detections", DETECTOR, only), DETECTOR)


def write_pictures(folder: Path, *sides: int) -> list[Path]:
    paths = [folder / f"{at}.png" for at in range(len(sides))]
    for path, side in zip(paths, sides, strict=True):
        write_image(path, np.zeros((side, side, 3), np.uint8))
    return paths


def test_votes_are_refused_before_anything_is_there(tmp_path: Path) -> None:
    detector, out = suppressing(), tmp_path / "out"
    pictures = write_pictures(tmp_path, 64)
    with pytest.raises(ConfigError, match="vote_iou: the file's own suppression"):
        detector.detect([], inference=VOTING)
    with pytest.raises(ConfigError, match="vote_iou: the file's own suppression"):
        detect_files(detector, pictures, out, DetectConfig(inference=VOTING))
    with pytest.raises(ConfigError, match="vote_iou: the file's own suppression"):
        nasface.evaluate(detector, write_tiny(tmp_path / "data"), inference=VOTING, out=out)
    assert not out.exists()
    assert detect_files(detector, pictures, out).total == 1


def test_a_first_picture_that_is_refused_leaves_no_folder(tmp_path: Path) -> None:
    detector, out = suppressing((1, 3, 64, 64)), tmp_path / "out"
    wrong, right = write_pictures(tmp_path, 96, 64)
    with pytest.raises(ConfigError, match="takes 1 of 64x64 only"):
        detect_files(detector, [wrong, right], out)
    assert not out.exists()
    with pytest.raises(ConfigError, match="takes 1 of 64x64 only"):
        detect_files(detector, [right, wrong], out)
    assert (out / "detections.json").is_file()


def test_a_first_image_that_is_refused_leaves_no_evaluation(tmp_path: Path) -> None:
    data, out = write_tiny(tmp_path / "data"), tmp_path / "out"
    with pytest.raises(ConfigError, match="takes 1 of 96x96 only"):
        nasface.evaluate(suppressing((1, 3, 96, 96)), data, out=out)
    assert not out.exists()
    nasface.evaluate(suppressing((1, 3, 64, 64)), data, out=out)
    assert (out / "evaluation.json").is_file()


@pytest.mark.parametrize("name", ["environment.json", "config.yaml", "detections.json"])
def test_lists_that_a_full_disk_refuses_leave_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "above" / "out"
    (tmp_path / "bad.png").touch()
    inputs = [*write_pictures(tmp_path, 64), tmp_path / "bad.png"]
    with monkeypatch.context() as patch:
        fill_disk_at(name, patch)
        with pytest.raises(NasfaceError, match="No space left on device"):
            detect_files(suppressing(), inputs, out)
    assert not out.parent.exists()
    assert detect_files(suppressing(), inputs, out).total == 1


@pytest.mark.parametrize("name", ["coco.json", "left_out.txt"])
def test_a_list_that_is_whole_outlives_a_full_disk(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    (tmp_path / "bad.png").touch()
    inputs = [*write_pictures(tmp_path, 64), tmp_path / "bad.png"]
    fill_disk_at(name, monkeypatch)
    with pytest.raises(NasfaceError, match="No space left on device"):
        detect_files(suppressing(), inputs, out)
    assert len(json.loads((out / "detections.json").read_text())) == 1


def test_pictures_that_a_full_disk_refuses_cost_no_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []
    monkeypatch.setattr(Silent, "note", lambda _, text: notes.append(text))
    fill_disk_at("overview.jpg", monkeypatch)
    found = detect_files(suppressing(), write_pictures(tmp_path, 64), tmp_path / "out")
    (note,) = notes
    assert "overview.jpg: cannot be written: No space left on device" in note
    assert not found.shown
    names = {"00000_0.jpg", "coco.json", "config.yaml", "detections.json", "environment.json"}
    assert {each.name for each in (tmp_path / "out").iterdir()} == names


def fill_disk_at(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full when a file of a name is written."""
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path.name.startswith(f".{name.partition('.')[0]}."):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
