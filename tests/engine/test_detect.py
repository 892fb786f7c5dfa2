import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from nasface.data.images import list_images, read_image, write_image
from nasface.data.video import Video, VideoFile
from nasface.engine.config import DetectConfig
from nasface.engine.detect import Finder
from nasface.errors import ConfigError, DataError
from nasface.progress import Silent, StopRequest
from nasface.runs.folder import RunFolder
from nasface.structures import Predictions


class UpperHalf(nn.Module):
    """Finds one face, the upper half of whatever it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, images: torch.Tensor) -> Predictions:
        height, width = images.shape[-2:]
        half = torch.tensor([[0.0, 0.0, float(width), height / 2]])
        return Predictions(torch.tensor([[[0.0, 5.0]]]), torch.zeros(1, 1, 4), half)


def finder(folder: Path, **settings: Any) -> Finder:
    config = DetectConfig(**settings)
    run = RunFolder(folder)
    run.create(config)
    return Finder(UpperHalf(), config, run)


def write_turned(path: Path) -> None:
    """A JPEG of 40 x 20 pixels that EXIF says to show as 20 x 40."""
    image = np.zeros((20, 40, 3), np.uint8)
    data = cv2.imencode(".jpg", image)[1].tobytes()
    orientation = b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"
    tiff = b"MM\x00*\x00\x00\x00\x08\x00\x01" + orientation + b"\x00\x00\x00\x00"
    body = b"Exif\x00\x00" + tiff
    path.write_bytes(data[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + data[2:])


def test_lists_and_pictures_of_images(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.zeros((30, 50, 3), np.uint8))
    write_turned(tmp_path / "b.jpg")
    (tmp_path / "c.jpg").write_bytes(b"broken")
    find = finder(tmp_path / "out")
    paths = list_images([tmp_path])
    find.images([path for path in paths if path.parent == tmp_path], Silent(), StopRequest())
    find.finish()
    rows = json.loads((tmp_path / "out" / "detections.json").read_text())
    assert [(row["height"], row["width"]) for row in rows] == [(30, 50), (40, 20)]
    assert [row["boxes"] for row in rows] == [[[0, 0, 50, 15]], [[0, 0, 20, 20]]]
    (left_out,) = (tmp_path / "out" / "left_out.txt").read_text().splitlines()
    assert left_out.startswith(f"{tmp_path / 'c.jpg'}: is damaged")
    coco = json.loads((tmp_path / "out" / "coco.json").read_text())
    assert [(each["id"], each["width"], each["height"]) for each in coco["images"]] == [
        (1, 50, 30),
        (2, 20, 40),
    ]
    first, second = coco["annotations"]
    assert (first["image_id"], second["image_id"]) == (1, 2)
    assert second["bbox"] == [0, 0, 20, 20]
    assert second["area"] == 400
    assert coco["categories"] == [{"id": 1, "name": "face"}]
    assert read_image(tmp_path / "out" / "00001_b.jpg").shape == (40, 20, 3)


def test_a_video_is_drawn_frame_by_frame(tmp_path: Path) -> None:
    clip = VideoFile(tmp_path / "clip.mp4", 5.0)
    for _ in range(4):
        clip.append(np.zeros((64, 48, 3), np.uint8))
    clip.close()
    find = finder(tmp_path / "out", frames=3)
    find.video(str(clip.path), Silent(), StopRequest())
    find.finish()
    assert list(find.found.faces) == [f"{clip.path}#{at}" for at in range(3)]
    drawn = Video(str(tmp_path / "out" / "clip.mp4"))
    frames = list(drawn)
    drawn.close()
    assert len(frames) == 3
    assert frames[0][:40].max() > 100
    assert (tmp_path / "out" / "overview.jpg").exists()


def test_ctrl_c_keeps_what_was_found(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.zeros((30, 50, 3), np.uint8))
    stop = StopRequest()

    class Press(Silent):
        def advance(self, values: object = None) -> None:
            stop.asked = True

    find = finder(tmp_path / "out")
    find.images([tmp_path / "a.png", tmp_path / "b.png"], Press(), stop)
    assert list(find.found.faces) == [str(tmp_path / "a.png")]


def test_a_broken_video_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    find = finder(tmp_path / "out")
    find.video(str(tmp_path / "a.mp4"), Silent(), StopRequest())
    find.finish()
    assert "a.mp4: OpenCV cannot open it" in (tmp_path / "out" / "left_out.txt").read_text()


def test_patterns_name_images(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    for name in ("a1.png", "a2.png", "b.png", "deep/er/a3.png"):
        write_image(tmp_path / name, np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "a.txt").touch()
    found = list_images([tmp_path / "a*"])
    assert [path.name for path in found] == ["a1.png", "a2.png"]
    assert [path.name for path in list_images([tmp_path / "**" / "a*.png"])][-1] == "a3.png"
    assert [path.name for path in list_images([tmp_path / "dee?"])] == ["a3.png"]
    with pytest.raises(DataError, match="no image in"):
        list_images([tmp_path / "z*"])


@pytest.mark.parametrize("bad", [{"threshold": 2.0}, {"frames": -1}])
def test_settings_out_of_range(bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="expected 0 to 1 and 0 or more"):
        DetectConfig(**bad)
