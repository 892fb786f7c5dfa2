"""One rule for an image that cannot be read, and one for EXIF, in all commands as typed."""

import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from PIL import Image
from tiny import DETECTOR, tiny_genotype, write_lively_weights, write_tiny

from nasface.annotations.detections import read_detections
from nasface.annotations.widerface import read_wider_split
from nasface.arch.io import save_genotype
from nasface.cli.main import main
from nasface.data.augment import AugmentConfig
from nasface.data.dataset import FaceDataset
from nasface.inference import batch

Output = pytest.CaptureFixture[str]
SMALL = """
epochs: 1
batch_size: 2
detector: {channels: 8, head_layers: 1, extra_channels: [16, 16]}
augment: {size: 64}
"""
SPACE = """
space: autofem2
parameters: {levels: 3-5, nodes: 2, partial: 4}
warmup_epochs: 0
"""
BAD = "1.jpg: JPEG data is cut short"
HINT = "or leave them out by --bad-images skip"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights, and data in which one training and one validation image are cut short."""
    folder = tmp_path_factory.mktemp("place")
    write_tiny(folder / "sound")
    shutil.copytree(folder / "sound", folder / "data")
    for part in ("train", "val"):
        path = folder / "data" / f"WIDER_{part}" / "images" / "0--Squares" / "1.jpg"
        path.write_bytes(path.read_bytes()[:-200])
    (folder / "folds").mkdir()
    for at in range(3):
        photo = folder / "fddb" / "originalPics" / "2002" / f"{at}.jpg"
        photo.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / "data" / "WIDER_val" / "images" / "0--Squares" / f"{at}.jpg", photo)
    (folder / "fddb" / "FDDB-fold-01-ellipseList.txt").write_text(
        "".join(f"2002/{at}\n1\n20 10 1.5 25 30  1\n" for at in range(3))
    )
    save_genotype(tiny_genotype(), folder / "g.yaml")
    (folder / "small.yaml").write_text(SMALL)
    search = SMALL.replace("extra_channels: [16, 16]", "levels: [3, 4, 5]") + SPACE
    (folder / "search.yaml").write_text(search)
    write_lively_weights(folder / "w.safetensors", DETECTOR)
    return folder


def commands(place: Path, data: str = "data") -> dict[str, str]:
    """The commands that read images, without --out."""
    weights = f"--weights {place}/w.safetensors"
    detector = f"{weights} --inference.max-detections 20"
    root = f"--data {place}/{data}"
    return {
        "train": f"train --config {place}/small.yaml --genotype {place}/g.yaml {root}",
        "search": f"search --config {place}/search.yaml {root}",
        "evaluate": f"evaluate {detector} {root}",
        "widerface": f"evaluate widerface --ground-truth text {detector} {root}",
        "fddb": f"evaluate fddb {detector} --data {place}/fddb",
        "detect": f"detect {weights} {place}/{data}/WIDER_val/images",
    }


VERBS = ("train", "search", "evaluate", "widerface", "fddb", "detect")


@pytest.mark.parametrize("verb", VERBS)
def test_stop_ends_a_command_before_it_begins(
    place: Path, tmp_path: Path, capsys: Output, verb: str
) -> None:
    words = f"{commands(place)[verb]} --bad-images stop --out {tmp_path}/out"
    assert main(words.split()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert BAD in line
    assert HINT in line
    # Nothing is left that would be in the way of the next attempt.
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"no video"])
def test_stop_holds_for_videos(place: Path, tmp_path: Path, capsys: Output, content: bytes) -> None:
    (tmp_path / "clip.mp4").write_bytes(content)
    words = f"{commands(place, 'sound')['detect']} {tmp_path}/clip.mp4 --out {tmp_path}/out"
    assert main([*words.split(), "--bad-images", "stop"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "clip.mp4: OpenCV cannot open it as a video" in line
    assert HINT in line
    assert not (tmp_path / "out").exists()
    assert main(words.split()) == 0
    assert "clip.mp4" in (tmp_path / "out" / "left_out.txt").read_text()


@pytest.mark.parametrize("verb", VERBS)
def test_skip_leaves_images_out_says_so_and_counts(
    place: Path, tmp_path: Path, capsys: Output, verb: str
) -> None:
    words = f"{commands(place)[verb]} --bad-images skip --out {tmp_path}/out --json"
    assert main(words.split()) == 0
    captured = capsys.readouterr()
    assert "left out" in captured.err
    assert BAD in captured.err
    figures: Any = json.loads(captured.out)
    if verb == "detect":
        assert len(figures) == 2
    elif verb != "search":
        assert figures["images_left_out"] == 1
        assert figures["images"] == 3
    if verb in ("train", "search", "evaluate"):
        data = json.loads((tmp_path / "out" / "data.json").read_text())
        assert {part: each["left_out"] for part, each in data.items()} == {
            part: ["0--Squares/1.jpg"] for part in data
        }


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "detect"])
def test_stop_is_the_rule_where_there_are_figures(
    place: Path, tmp_path: Path, capsys: Output, verb: str
) -> None:
    assert main(f"{commands(place)[verb]} --out {tmp_path}/out".split()) == 2
    assert HINT in capsys.readouterr().err


def test_an_image_that_is_left_out_counts_as_one_without_detections(
    place: Path, tmp_path: Path, capsys: Output
) -> None:
    """The same figure in all evaluations: its faces are not found, no face is dropped."""
    for verb, key in (("evaluate", "ap"), ("widerface", "valid")):
        sound = f"{commands(place, 'sound')[verb]} --out {tmp_path}/{verb}-sound --json"
        skipped = f"{commands(place)[verb]} --bad-images skip --out {tmp_path}/{verb} --json"
        capsys.readouterr()
        assert main(sound.split()) == 0
        whole = json.loads(capsys.readouterr().out)
        assert main(skipped.split()) == 0
        part = json.loads(capsys.readouterr().out)
        assert whole["faces"] == part["faces"]
        assert part["detections"] < whole["detections"]
        assert part[key] <= whole[key]
    files = (tmp_path / "evaluate" / "detections").rglob("*.txt")
    assert sorted(path.name for path in files) == ["0.txt", "2.txt"]


def test_an_evaluation_that_was_stopped_goes_on(
    place: Path, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        assert (tmp_path / "out" / "config.yaml").exists()
        raise KeyboardInterrupt

    words = f"{commands(place, 'sound')['evaluate']} --out {tmp_path}/out".split()
    with monkeypatch.context() as patch:
        patch.setattr(batch, "detect", interrupt)
        assert main(words) == 130
    assert main([*words, "--resume"]) == 0
    capsys.readouterr()
    # A folder that cannot be made is said before the images are looked through.
    (tmp_path / "file").touch()
    monkeypatch.setattr(batch, "detect", interrupt)
    words[-1] = f"{tmp_path}/file/out"
    assert main(words) == 2
    assert "cannot write there: Not a directory" in capsys.readouterr().err


def test_a_run_goes_on_with_the_images_it_began_with(
    place: Path, tmp_path: Path, capsys: Output
) -> None:
    shutil.copytree(place / "data", tmp_path / "data")
    words = f"{commands(place)['train']} --data {tmp_path}/data --bad-images skip"
    assert main(f"{words} --out {tmp_path}/out".split()) == 0
    image = "WIDER_train/images/0--Squares/1.jpg"
    shutil.copy(place / "sound" / image, tmp_path / "data" / image)
    capsys.readouterr()
    assert main(f"train --out {tmp_path}/out --resume".split()) == 2
    assert "data.json: the data are not what they were" in capsys.readouterr().err


def test_training_images_without_a_valid_face(place: Path, tmp_path: Path, capsys: Output) -> None:
    shutil.copytree(place / "sound", tmp_path / "data")
    listing = tmp_path / "data" / "wider_face_split" / "wider_face_train_bbx_gt.txt"
    listing.write_text(listing.read_text().replace(" 0 0 0 0 0 0 \n", " 0 0 0 1 0 0 \n"))
    for verb in ("train", "search"):
        words = f"{commands(place)[verb]} --data {tmp_path}/data --out {tmp_path}/{verb}"
        assert main(words.split()) == 2
        assert "training images have no valid face to learn from" in capsys.readouterr().err
        assert not (tmp_path / verb).exists()


def write_turned(folder: Path) -> Path:
    """Pictures that EXIF turns by a quarter, annotated as they are shown."""
    exif = Image.Exif()
    exif[0x0112] = 6
    for part in ("train", "val"):
        path = folder / f"WIDER_{part}" / "images" / "e" / "a.jpg"
        path.parent.mkdir(parents=True)
        noise = np.random.default_rng(0).integers(0, 256, (64, 160, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path, exif=exif)
        (folder / "wider_face_split").mkdir(exist_ok=True)
        listing = folder / "wider_face_split" / f"wider_face_{part}_bbx_gt.txt"
        listing.write_text("e/a.jpg\n1\n10 100 30 50 0 0 0 0 0 0\n")
    return folder


@pytest.mark.parametrize("verb", ["train", "evaluate", "widerface"])
@pytest.mark.parametrize("exif", ["ignore", "apply"])
def test_exif_is_heard_recorded_and_spoken_of(
    place: Path, tmp_path: Path, capsys: Output, verb: str, exif: str
) -> None:
    root = write_turned(tmp_path / "set")
    words = f"{commands(place)[verb]} --data {root} --out {tmp_path}/out --exif {exif}"
    words += " --batch-size 1 --augment.size 160" if verb == "train" else ""
    assert main(words.split()) == 0
    said = capsys.readouterr().err
    assert f"turned by EXIF: 1 image, read by --exif {exif}" in said
    assert ("try --exif apply" in said) == (exif == "ignore")
    assert ("beyond the border of the image: 1 face" in said) == (exif == "ignore")
    assert f"exif: {exif}\n" in (tmp_path / "out" / "config.yaml").read_text()
    limits = {"ignore": (160, 64), "apply": (64, 160)}[exif]
    if verb == "evaluate":
        (found,) = read_detections(tmp_path / "out" / "detections", ["e/a.jpg"]).values()
        boxes = found.boxes_N4.astype(np.float32)
        assert len(boxes)
        assert (boxes[:, 2:] <= limits).all()
        assert boxes[:, 2:].max() > 64


def test_boxes_of_turned_pictures_are_trained_on_as_they_are_shown(tmp_path: Path) -> None:
    """A bright face on a dark picture is where its box is, whichever way it is read."""
    root = write_turned(tmp_path / "set")
    shown = np.zeros((160, 64, 3), np.uint8)
    shown[100:150, 10:40] = 255
    stored = cv2.rotate(shown, cv2.ROTATE_90_COUNTERCLOCKWISE)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = root / "WIDER_train" / "images" / "e" / "a.jpg"
    Image.fromarray(stored).save(path, exif=exif, quality=95)
    (record,) = read_wider_split(root, "train", "apply")
    data = FaceDataset([record], AugmentConfig(size=64), 0)
    seen = 0
    for at in range(20):
        image, targets = data[(at, 0)]
        for x1, y1, x2, y2 in targets.boxes_M4.round().long().clamp(0, 64).tolist():
            if x2 - x1 > 8 and y2 - y1 > 8:
                inside = image[:, y1 + 2 : y2 - 2, x1 + 2 : x2 - 2].mean()
                assert inside > image.mean() + 0.2
                seen += 1
    assert seen > 3


@pytest.mark.parametrize("verb", ["compare", "tune"])
def test_many_jobs_are_refused_before_the_first_begins(
    verb: str, place: Path, tmp_path: Path, capsys: Output
) -> None:
    if verb == "tune":
        pytest.importorskip("ray", reason="ray is not installed")
    shutil.copytree(place / "data", tmp_path / "data")
    whole = place / "sound" / "WIDER_train" / "images" / "0--Squares" / "1.jpg"
    shutil.copy(whole, tmp_path / "data" / "WIDER_train" / "images" / "0--Squares" / "1.jpg")
    training = yaml.safe_load((place / "small.yaml").read_text())
    plan: dict[str, Any] = {"name": "bad", "train": training}
    if verb == "compare":
        search = yaml.safe_load((place / "search.yaml").read_text())
        plan |= {"seeds": [0], "search": search, "methods": [{"name": "a", "strategy": "argmax"}]}
    else:
        plan |= {"ranges": {"batch_size": [2]}}
        training |= {"genotype": str(place / "g.yaml")}
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(plan))
    words = [verb, tmp_path / "plan.yaml", "--data", tmp_path / "data", "--out", tmp_path / "out"]
    assert main([str(each) for each in words]) == 2
    said = capsys.readouterr().err
    assert BAD in said
    assert "1 of 3 validation images cannot be read" in said
    assert "bad_images: skip in the plan" in said
    assert not (tmp_path / "out").exists()
