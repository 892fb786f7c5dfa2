"""Detecting without weights of one's own."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import skimage.data

import nasface
from nasface.cli.main import main
from nasface.data.images import write_image
from nasface.engine.detect import DetectConfig
from nasface.inference.predict import InferenceConfig, octaves
from nasface.io.settings import load_config
from nasface.models import DEFAULT_MODEL, released_models

Output = pytest.CaptureFixture[str]
FACE = (175, 50, 275, 195)
"""Where the face of scikit-image's astronaut is, x1 y1 x2 y2 by eye."""


def write_photographs(folder: Path) -> list[str]:
    """The astronaut, and a cup of coffee."""
    names = {"astronaut.png": skimage.data.astronaut(), "coffee.png": skimage.data.coffee()}
    for name, image in names.items():
        write_image(folder / name, np.ascontiguousarray(image))
    return list(names)


def overlap(box: list[float]) -> float:
    """IoU with the astronaut's face."""
    wide = max(0.0, min(box[2], FACE[2]) - max(box[0], FACE[0]))
    high = max(0.0, min(box[3], FACE[3]) - max(box[1], FACE[1]))
    areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in (box, FACE)]
    return wide * high / (sum(areas) - wide * high)


@pytest.mark.parametrize("model", released_models())
def test_detect_needs_no_weights(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.chdir(tmp_path)
    photographs = write_photographs(tmp_path)
    assert main(["detect", "--model", model, "--json", *photographs]) == 0
    found = {Path(each["image"]).name: each for each in json.loads(capsys.readouterr().out)}
    (box,) = found["astronaut.png"]["boxes"]
    assert overlap(box) > 0.5
    assert found["coffee.png"]["boxes"] == []
    assert (tmp_path / "detections" / "overview.jpg").is_file()


def test_detect_alone_says_what_it_takes(capsys: Output) -> None:
    assert main(["detect"]) == 2
    assert capsys.readouterr().err.endswith("such as: nasface detect PHOTO.jpg\n")


def test_a_second_call_overwrites_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.chdir(tmp_path)
    write_photographs(tmp_path)
    for folder in ("detections", "detections-2"):
        assert main(["detect", "astronaut.png"]) == 0
        assert f"overview   {folder}/overview.jpg" in capsys.readouterr().out


def test_load_detector_takes_a_released_one_by_name(tmp_path: Path) -> None:
    write_photographs(tmp_path)
    detector = nasface.load_detector(device="cpu")
    assert DEFAULT_MODEL in repr(detector)
    (faces,) = detector.detect([tmp_path / "astronaut.png"])
    assert len(faces) == 1
    assert overlap(faces.boxes[0].tolist()) > 0.5


@pytest.mark.parametrize("model", released_models())
def test_a_face_fills_a_photograph_of_nine_megapixels(model: str, tmp_path: Path) -> None:
    near = cv2.resize(skimage.data.astronaut(), (3072, 3072), interpolation=cv2.INTER_CUBIC)
    write_image(tmp_path / "near.png", near)
    ((box, *_),) = [
        each.boxes.tolist() for each in nasface.load_detector(model).detect(tmp_path / "near.png")
    ]
    assert overlap([side / 6 for side in box]) > 0.5


def test_detect_shows_large_pictures_halved_as_well(tmp_path: Path) -> None:
    detector = nasface.load_detector(device="cpu")
    picture = np.random.default_rng(0).integers(0, 256, (300, 900, 3), np.uint8)
    every = {"nms_iou": 0.4}
    (usual,) = detector.detect(picture, 0.02, inference=every)
    (octaves,) = detector.detect(picture, 0.02, inference={**every, "preset": "octaves"})
    (given,) = detector.detect(picture, 0.02, inference=InferenceConfig(nms_iou=0.4))
    (original,) = detector.detect(picture, 0.02, inference={**every, "preset": "original"})
    assert usual.boxes.tolist() == octaves.boxes.tolist() != original.boxes.tolist()
    assert given.boxes.tolist() == original.boxes.tolist()


def test_some_settings_of_inference_leave_octaves(tmp_path: Path) -> None:
    assert DetectConfig().inference.preset == "octaves"
    some: Any = {"nms_iou": 0.4}
    assert DetectConfig(inference=some).inference == replace(octaves(), nms_iou=0.4)
    (tmp_path / "part.yaml").write_text("inference: {nms_iou: 0.4}\n")
    read = load_config(DetectConfig, tmp_path / "part.yaml").inference
    assert read == replace(octaves(), nms_iou=0.4)
    assert DetectConfig(inference=InferenceConfig()).inference.preset == "original"


def test_models_lists_what_is_released(capsys: Output) -> None:
    assert main(["models", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["name"] for row in rows} == set(released_models())
    assert all(0.5 < row["hard"] < row["easy"] < 1 for row in rows)
    for name in ("asfd-nano", "extd-64"):
        assert main(["models", name, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["name"] == name
    assert main(["models", "asfd-nano"]) == 0
    assert "research use" in capsys.readouterr().out


def test_an_unknown_model_is_answered_with_the_nearest(capsys: Output) -> None:
    assert main(["detect", "--model", "asfd-nanno", "x.jpg"]) == 2
    assert "did you mean 'asfd-nano'" in capsys.readouterr().err


def test_python_runs_the_commands_as_a_module() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "nasface", "--version"], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split()[-1] == nasface.__version__
