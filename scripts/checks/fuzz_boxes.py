"""Annotations, detections and images: whole samples, and how damaged ones are read."""

import io
import json
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from scipy.io import savemat
from torch import nn

from nasface.annotations.detections import read_detections
from nasface.annotations.fddb import read_fddb_detections, read_fddb_truth
from nasface.annotations.widerface import ATTRIBUTES, parse_wider_annotations, read_wider_split
from nasface.annotations.widerface_truth import (
    SETS,
    read_ground_truth,
    read_text_truth,
    select_images,
)
from nasface.data.check import check_records
from nasface.data.images import read_image
from nasface.data.reading import ReadConfig, describe_data, read_split
from nasface.engine.detect import DetectConfig, Finder
from nasface.errors import DataError
from nasface.io.files import read_text
from nasface.progress import Silent, StopRequest
from nasface.runs.folder import RunFolder
from nasface.structures import Predictions

Samples = Sequence[bytes]


ROW = "{} {} {} {} 0 0 1 0 2 0 \n"
WIDER = (
    "0--Parade/one.jpg\n2\n" + ROW.format(10, 20, 30, 40) + ROW.format(1, 2, 3, 4),
    "0--Parade/none.jpg\n0\n0 0 0 0 0 0 0 0 0 0 \n1--Two/two.jpg\n1\n" + ROW.format(5, 6, 7, 8),
)
ELLIPSES = "2002/08/11/big/img_591\n1\n123.58 85.5 1.265 269.6 161.7  1\n2002/b\n0\n2002/c\n1\n"
RECTANGLES = "2002/a\n2\n1.5 2 30 40 0.9\n5 6 7 8 .25\n2002/b\n0\n2002/c\n1\n1 2 3 4 1e-3\n"
EVENT_NAMES = ["event/a.jpg", "event/b.png", "event/name.jpg"]
FDDB_NAMES = ["2002/08/11/big/img_591.jpg", *(f"2002/{name}.jpg" for name in "abc")]
DETECTIONS = "name\n2\n10.5 20 30 40 0.998\n1 2 3 4 0.02\n"


def read_wider_file(path: Path) -> None:
    """Read annotations of WIDER FACE."""
    for _, rows in parse_wider_annotations(read_text(path, DataError, "annotations"), str(path)):
        assert rows.dtype == np.int64
        assert rows.shape[1] == 4 + len(ATTRIBUTES)


def read_fddb_truth_file(path: Path) -> None:
    """Read one of the ten lists of ellipses."""
    for fold in range(2, 11):
        (path.parent / f"FDDB-fold-{fold:02d}-ellipseList.txt").touch()
    for image in read_fddb_truth(path.parent):
        assert np.isfinite(image.ellipses_M5).all()


def read_fddb_detections_file(path: Path) -> None:
    """Read detections of FDDB."""
    for found in read_fddb_detections(path, FDDB_NAMES).values():
        assert np.isfinite(found.as_rows()).all()


def read_detections_file(path: Path) -> None:
    """Read detections in a folder or an archive."""
    place = path.parent.parent if path.suffix == ".txt" else path
    for found in read_detections(place, EVENT_NAMES).values():
        assert found.boxes_N4.shape[1] == 4
        assert np.isfinite(found.as_rows()).all()


def archives() -> Samples:
    """Return tar files of detections."""
    found = []
    for mode in ("w", "w:gz"):
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode=mode) as archive:
            for name in ("set/event/a.txt", "set/event/b.txt"):
                member = tarfile.TarInfo(name)
                member.size = len(DETECTIONS)
                archive.addfile(member, io.BytesIO(DETECTIONS.encode()))
        found.append(data.getvalue())
    return found


def zips() -> Samples:
    """Return zip files of detections."""
    found = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w", method) as packed:
            for name in ("set/event/a.txt", "set/event/b.txt"):
                packed.writestr(name, DETECTIONS)
        found.append(data.getvalue())
    return found


def coded() -> Samples:
    """Return the annotations in the codings that a byte order mark announces, with all ends of
    lines."""
    codings = ("utf-8-sig", "utf-16", "utf-32")
    return [
        text.replace("\n", end).encode(coding)
        for text, end, coding in zip(WIDER * 2, ("\r\n", "\r", "\n"), codings, strict=False)
    ]


def read_list(path: Path) -> None:
    """Read a list of images, in a ground truth of names of all depths and suffixes."""
    listed = path.with_name("truth.txt")
    names = ("a.jpg", "event/a.jpg", "event/b.png", "event/deep/c.JPG")
    listed.write_text("".join(f"{name}\n0\n" for name in names))
    truth = read_text_truth(listed)
    chosen = select_images(truth, path)
    assert chosen
    assert {each.name for each in chosen} <= set(names)


def read_checked_set(path: Path) -> None:
    """Read a data set whose annotations, or one of whose images, are damaged."""
    root = path.parents[1] if path.suffix == ".txt" else path.parents[3]
    images = root / "WIDER_val" / "images" / "0--Parade"
    images.mkdir(parents=True, exist_ok=True)
    for name in ("one.jpg", "none.jpg"):
        if not (images / name).exists():
            (images / name).write_bytes(image_files()[0])
    listing = root / "wider_face_split" / "wider_face_val_bbx_gt.txt"
    listing.parent.mkdir(exist_ok=True)
    if not listing.exists():
        listing.write_text(WIDER[0] + WIDER[1].partition("1--Two")[0])
    config = ReadConfig(bad_images="skip")
    try:
        check = read_split(root, "val", config, Silent())
    except DataError as error:
        # Images that a damaged name leads to are missing; their annotations are not named.
        raise DataError(f"{path}: {error}") from None
    json.loads(json.dumps([check.figures(), describe_data({"val": check})], allow_nan=False))
    assert check.readable
    records = read_wider_split(root, "val", need_images=False)
    thorough = check_records(records, Silent(), thorough=True)
    assert thorough.left_out == check.left_out
    if check.unreadable:
        raise DataError(f"{path}: {check.unreadable[0][1]}")


class UpperHalf(nn.Module):
    """Finds one face, the upper half of whatever it is shown."""

    def forward(self, images: torch.Tensor) -> Predictions:
        """Return that face of images (B, 3, H, W)."""
        height, width = images.shape[-2:]
        half = torch.tensor([[0.0, 0.0, float(width), height / 2]])
        return Predictions(torch.tensor([[[0.0, 5.0]]]), torch.zeros(1, 1, 4), half)


def detect_among_others(path: Path) -> None:
    """Detect in an image among others: the lists are written whatever it is, as strict JSON."""
    good = path.with_name("good.png")
    if not good.exists():
        good.write_bytes(image_files()[1])
    with tempfile.TemporaryDirectory() as place:
        folder = RunFolder(Path(place) / "out")
        folder.path.mkdir()
        finder = Finder(UpperHalf(), DetectConfig(), folder)
        finder.images([path, good], Silent(), StopRequest())
        finder.finish(Silent())
        for name in ("detections.json", "coco.json"):
            json.loads((folder.path / name).read_text("utf-8"), parse_constant=refuse_word)
        rows = json.loads((folder.path / "detections.json").read_text("utf-8"))
        assert [row["image"] for row in rows][-1] == str(good)
        if finder.found.unread:
            raise DataError(finder.found.unread[0])


def refuse_word(word: str) -> object:
    """Refuse what JSON has no word for."""
    raise ValueError(f"{word} is no JSON")


def truths() -> Samples:
    """Return the official ground truth of three images, each of the four files alike."""

    def cells(values: Sequence[object]) -> np.ndarray:
        array = np.empty((len(values), 1), dtype=object)
        array[:, 0] = values
        return array

    faces = [np.array([[10.0, 20, 30, 40], [1, 2, 3, 4]]), np.zeros((1, 4)), np.ones((1, 4))]
    per_event = [faces[:2], faces[2:]]
    content: dict[str, object] = {
        "event_list": cells(["0--Parade", "1--Two"]),
        "file_list": cells([cells(["a", "b"]), cells(["c"])]),
        "face_bbx_list": cells([cells(event) for event in per_event]),
        "gt_list": cells([cells([np.ones((1, 1)) for _ in event]) for event in per_event]),
    }
    for key in ATTRIBUTES:
        labels = [cells([np.zeros((len(each), 1)) for each in event]) for event in per_event]
        content[f"{key}_label_list"] = cells(labels)
    found = []
    for compress in (False, True):
        data = io.BytesIO()
        savemat(data, content, do_compression=compress)
        found.append(data.getvalue())
    return found


def read_truth(path: Path) -> None:
    """Read the official ground truth, of which one of four files is damaged."""
    for name in SETS:
        other = path.with_name(f"wider_{name}_val.mat")
        if not other.exists():
            other.write_bytes(truths()[0])
    for image in read_ground_truth(path.parent):
        assert np.isfinite(image.boxes_M4).all()
        assert all(len(each) == len(image.boxes_M4) for each in image.sets.values())
        assert all(len(each) == len(image.boxes_M4) for each in image.attributes.values())


def image_files() -> Samples:
    """Return images in all formats that are written here."""
    image = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)
    suffixes = (".jpg", ".png", ".bmp", ".webp", ".tif", ".ppm")
    found = [cv2.imencode(suffix, image)[1].tobytes() for suffix in suffixes]
    found.append(cv2.imencode(".png", image.astype(np.uint16) * 257)[1].tobytes())
    found.append(cv2.imencode(".tif", image.astype(np.float32))[1].tobytes())
    progressive = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 2]
    found.append(cv2.imencode(".jpg", image, progressive)[1].tobytes())
    found += [found[0] + b"film \xff\xda film", found[-1][:-2], found[1][:-12]]
    return found


def read_image_file(path: Path) -> None:
    """Read an image."""
    image = read_image(path)
    assert image.dtype == np.uint8
    assert image.ndim == 3
