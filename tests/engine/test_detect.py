import json
import os
import threading
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from finders import UpperHalf, finder, lists, write_clip
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from nasface.data.images import read_image, write_image
from nasface.engine.detect import DetectConfig, Finder
from nasface.errors import ConfigError, RunError
from nasface.inference.predict import InferenceConfig, detect
from nasface.progress import Silent, StopRequest
from nasface.runs.folder import RunFolder
from nasface.structures import Predictions


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
    find.images(sorted(tmp_path.glob("*.*")), Silent(), StopRequest())
    find.finish(Silent())
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


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".tif", ".mpo"])
def test_a_file_of_several_pictures(suffix: str, tmp_path: Path) -> None:
    """What cameras put behind a photograph (.mpo) is not counted."""
    frames = [Image.new("RGB", (32, 24), (60 * at, 0, 0)) for at in range(3)]
    one, several = tmp_path / f"one{suffix}", tmp_path / f"several{suffix}"
    frames[0].save(one)
    frames[0].save(several, save_all=True, append_images=frames[1:])
    find = finder(tmp_path / "out")
    find.images([one, several], Silent(), StopRequest())
    find.finish(Silent())
    note = f"{several}: the first of its 3 pictures was looked at"
    assert find.found.notes == ([] if suffix == ".mpo" else [note])
    assert len(find.found.faces) == 2


def test_ctrl_c_keeps_what_was_found(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", np.zeros((30, 50, 3), np.uint8))
    stop = StopRequest()

    class Press(Silent):
        def advance(self, values: object = None) -> None:
            stop.asked = True

    find = finder(tmp_path / "out")
    find.images([tmp_path / "a.png", tmp_path / "b.png"], Press(), stop)
    assert list(find.found.faces) == [str(tmp_path / "a.png")]


def test_filters_of_warnings_are_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that set them at the same time can leave them as another had them."""

    def one_picture(path: Path) -> int:
        warnings.simplefilter("ignore")
        return 1

    monkeypatch.setattr("nasface.engine.detect.pictures_in", one_picture)
    write_image(tmp_path / "a.png", np.zeros((30, 50, 3), np.uint8))
    before = list(warnings.filters)
    finder(tmp_path / "out").images([tmp_path / "a.png"], Silent(), StopRequest())
    assert warnings.filters == before


@pytest.mark.parametrize("bad", [{"score_threshold": 2.0}, {"frames": -1}])
def test_settings_out_of_range(bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="expected 0 to 1 and 0 or more"):
        DetectConfig(**bad)


def test_names_that_are_too_long_or_no_utf_8(tmp_path: Path) -> None:
    """They come from folders, so the file system takes them; with a number it would not."""
    places = [tmp_path / "photos" / name for name in ("é" * 125 + ".png", "a" * 251 + ".png")]
    places.append(tmp_path / "photos" / os.fsdecode(b"caf\xe9.png"))
    places[0].parent.mkdir()
    for path in places:
        write_image(path, np.zeros((30, 50, 3), np.uint8))
    broken = tmp_path / "photos" / os.fsdecode(b"br\xf6ken.png")
    broken.touch()
    find = finder(tmp_path / "out")
    find.images([*places, broken], Silent(), StopRequest())
    find.finish(Silent())
    assert lists(tmp_path / "out") == [*map(str, places[:2]), f"{places[0].parent}/caf\\udce9.png"]
    drawn = sorted(path.name for path in (tmp_path / "out").glob("0*.jpg"))
    assert drawn[:2] == [f"00000_{'é' * 97}.jpg", f"00001_{'a' * 194}.jpg"]
    assert "br\\udcf6ken.png: is empty" in (tmp_path / "out" / "left_out.txt").read_text()


def test_a_picture_that_cannot_be_drawn_costs_nothing_else(tmp_path: Path) -> None:
    """JPEG has at most 65 535 pixels in a row."""
    write_image(tmp_path / "long.png", np.zeros((4, 70_000, 3), np.uint8))
    write_image(tmp_path / "other.png", np.zeros((30, 50, 3), np.uint8))
    find = finder(tmp_path / "out", inference=InferenceConfig(longer_side=64))
    find.images([tmp_path / "long.png", tmp_path / "other.png"], Silent(), StopRequest())
    find.finish(Silent())
    assert len(lists(tmp_path / "out")) == 2
    assert [path.name for path in (tmp_path / "out").glob("0*.jpg")] == ["00001_other.jpg"]
    assert (
        "long.png: is in the lists, but not drawn"
        in (tmp_path / "out" / "left_out.txt").read_text()
    )
    assert (tmp_path / "out" / "overview.jpg").exists()


def test_user_names_and_passwords_are_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 2)
    opened: list[str] = []
    capture = cv2.VideoCapture

    def open_stream(name: str) -> cv2.VideoCapture:
        opened.append(name)
        return capture(str(clip) if "host" in name else "")

    monkeypatch.setattr(cv2, "VideoCapture", open_stream)
    find = finder(tmp_path / "out")
    addresses = ["rtsp://me:pw@host:554/cam/1?x=2", "http://me:pw@nowhere/"]
    for address in addresses:
        find.video(address, Silent(), StopRequest())
    find.finish(Silent())
    assert opened == addresses
    assert lists(tmp_path / "out")[0] == "rtsp://host:554/cam/1?x=2#0"
    assert (tmp_path / "out" / "host_554_cam_1.mp4").exists()
    texts = [path.read_text() for path in (tmp_path / "out").iterdir() if path.suffix != ".mp4"
             and path.suffix != ".jpg"]  # fmt: skip
    assert not any("pw" in text for text in texts)
    assert "http://nowhere/: OpenCV cannot open it" in "".join(texts)


def test_many_pictures_keep_their_order(tmp_path: Path) -> None:
    """Read ahead and written behind, one of them broken and one that cannot be drawn."""
    for at in range(12):
        write_image(tmp_path / f"{at:02d}.png", np.full((30, 40 + at, 3), 20 * at, np.uint8))
    (tmp_path / "05.png").write_bytes(b"broken")
    find = finder(tmp_path / "new")
    (tmp_path / "new" / "00003_03.jpg").mkdir()
    find.images(sorted(tmp_path.glob("*.png")), Silent(), StopRequest())
    find.finish(Silent())
    left = [at for at in range(12) if at != 5]
    assert [Path(name).stem for name in find.found.faces] == [f"{at:02d}" for at in left]
    assert [size[1] for size in find.found.sizes.values()] == [40 + at for at in left]
    shown = [int(each[len(each) // 2 + 20, each.shape[1] // 2, 0]) for each in find.found.shown]
    assert shown == pytest.approx([20 * at for at in left], abs=2)
    assert [note.partition(":")[0] for note in find.found.notes] == [str(tmp_path / "03.png")]
    for at in left:
        drawn = tmp_path / "new" / f"{at:05d}_{at:02d}.jpg"
        assert drawn.is_dir() if at == 3 else read_image(drawn).shape == (30, 40 + at, 3)


class Counting(UpperHalf):
    """Serves ``callers`` threads, of which ``together`` wait for one another, and counts the most
    that were in it at once."""

    def __init__(self, callers: int, together: int) -> None:
        super().__init__()
        self.callers, self.inside, self.most = callers, 0, 0
        self.lock, self.barrier = threading.Lock(), threading.Barrier(together, timeout=60)

    def forward(self, images: torch.Tensor) -> Predictions:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.barrier.wait()
        time.sleep(0.01)
        with self.lock:
            self.inside -= 1
        return super().forward(images)


@pytest.mark.parametrize(
    ("callers", "large", "most"), [(1, 10**6, 1), (3, 10**6, 3), (3, 30 * 40 - 1, 1)]
)
def test_so_many_pictures_are_looked_at_at_once(
    callers: int, large: int, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nasface.engine.detect._LARGE", large)
    for at in range(12):
        write_image(tmp_path / f"{at:02d}.png", np.full((30, 40, 3), 20 * at, np.uint8))
    run = RunFolder(tmp_path / "new")
    run.create(DetectConfig())
    detector = Counting(callers, most)
    find = Finder(detector, DetectConfig(), run)
    find.images(sorted(tmp_path.glob("*.png")), Silent(), StopRequest())
    assert detector.most == most
    assert [Path(name).stem for name in find.found.faces] == [f"{at:02d}" for at in range(12)]
    assert find.found.total == 12


NAMES = st.text(
    st.one_of(st.sampled_from('ab. _#:?*<>|"\\\t\n%'), st.characters(codec="utf-8")), max_size=12
)


@given(st.lists(NAMES, min_size=1, max_size=12), st.integers(0, 300))
def test_no_two_results_share_a_name_on_any_system(names: list[str], length: int) -> None:
    """Windows and macOS take names that differ in case alone for one, and Windows has neither some
    characters nor names that end in a blank or a full stop."""
    find = Finder(UpperHalf(), DetectConfig(), RunFolder(Path("nowhere")))
    found = [find._free_name(f"{name}{'x' * length}") for name in [*names, *names]]
    assert len({name.casefold() for name in found}) == len(found)
    for name in found:
        assert name
        assert not set(name) & set('/\\:*?"<>|\0')
        assert name.isprintable() or not set(name) & set(map(chr, range(32)))
        assert name == name.rstrip(" .")
        assert len(f"{name}.jpg".encode()) <= 255


def test_a_folder_in_use_is_not_to_be_resumed(tmp_path: Path) -> None:
    """``nasface detect`` cannot."""
    (tmp_path / "mine").touch()
    with pytest.raises(RunError, match=r"choose another --out$"):
        RunFolder(tmp_path).create(DetectConfig(), "detection")
    with pytest.raises(
        RunError, match=r"go on with a stopped run by --resume \(in Python: resume=True\)$"
    ):
        RunFolder(tmp_path).create(DetectConfig(), "training")


@pytest.mark.parametrize(
    ("inference", "faces"), [({}, 1), ({"preset": "flip"}, 1), ({"score_threshold": 0.1}, 0)]
)
def test_faces_below_the_usual_threshold_are_found_when_asked_for(
    tmp_path: Path, inference: dict[str, Any], faces: int
) -> None:
    class Faint(UpperHalf):
        def forward(self, images: torch.Tensor) -> Predictions:
            found = super().forward(images)
            return found._replace(logits_BA2=torch.tensor([[[5.0, 0.0]]]))  # a score of 0.0067

    config = DetectConfig(score_threshold=0.0, inference=InferenceConfig(**inference))
    run = RunFolder(tmp_path / "out")
    run.create(config)
    find = Finder(Faint(), config, run)
    write_image(tmp_path / "a.png", np.zeros((30, 50, 3), np.uint8))
    find.images([tmp_path / "a.png"], Silent(), StopRequest())
    assert find.found.total == faces


class Crowd(nn.Module):
    """Finds the same crowd of overlapping faces of any score wherever it looks."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, images: torch.Tensor) -> Predictions:
        generator = torch.Generator().manual_seed(3)
        corners = torch.rand(400, 2, generator=generator) * 80
        sides = 5 + torch.rand(400, 2, generator=generator) * 30
        logits = torch.randn(1, 400, 2, generator=generator) * 2
        anchors = torch.cat([corners, corners + sides], dim=1)
        return Predictions(logits, torch.zeros(1, 400, 4), anchors)


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("preset", ["original", "flip"])
def test_faces_are_those_of_all_detections_above_the_threshold(
    tmp_path: Path, preset: Any, threshold: float
) -> None:
    image = np.zeros((120, 120, 3), np.uint8)
    write_image(tmp_path / "a.png", image)
    inference = InferenceConfig(preset=preset, max_detections=40)
    run = RunFolder(tmp_path / "out")
    config = DetectConfig(inference=inference, score_threshold=threshold)
    run.create(config)
    find = Finder(Crowd(), config, run)
    find.images([tmp_path / "a.png"], Silent(), StopRequest())
    (found,) = find.found.faces.values()
    least = min(threshold, inference.score_threshold)
    every = detect(Crowd(), image, replace(inference, score_threshold=least))
    above = every.scores_N >= threshold
    assert torch.equal(found.boxes_N4, every.boxes_N4[above])
    assert torch.equal(found.scores_N, every.scores_N[above])
