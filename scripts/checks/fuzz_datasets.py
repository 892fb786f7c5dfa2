"""Annotation files of data sets: whole samples, and how damaged ones are read and converted."""

import io
import json
import random
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from nasface.annotations.formats import read_dataset
from nasface.api.converting import convert
from nasface.data.images import read_image
from nasface.errors import DataError

SIZE = (24, 32)
IMAGES = ("a.jpg", "deep/b.png")
TARGETS = ("coco", "yolo", "voc", "csv", "retinaface", "widerface")

_IMAGES = [
    {"id": at, "file_name": name, "width": 32, "height": 24} for at, name in enumerate(IMAGES)
]
_FACE = {"id": 1, "image_id": 0, "category_id": 1, "bbox": [2, 3, 10.5, 12], "area": 126.0}
_POLYGON = {"id": 2, "image_id": 1, "category_id": 1, "segmentation": [[1, 2, 3, 4, 5, 2]]}
COCO = {
    "info": {"version": "1"},
    "images": _IMAGES,
    "annotations": [
        {**_FACE, "iscrowd": 0, "attributes": {"blur": 1, "occluded": True}},
        _POLYGON,
    ],
    "categories": [
        {"id": 0, "name": "faces", "supercategory": "none"},
        {"id": 1, "name": "face", "supercategory": "faces"},
    ],
}
VOC = """<?xml version="1.0" encoding="utf-8"?>
<annotation><folder>x</folder><filename>a.jpg</filename><size><width>32</width><height>24</height>
</size><object><name>face</name><difficult>0</difficult><truncated>1</truncated><bndbox>
<xmin>2.5</xmin><ymin>3</ymin><xmax>12</xmax><ymax>15</ymax></bndbox></object></annotation>"""
CSV = (
    "filename,width,height,class,xmin,ymin,xmax,ymax,difficult,split\n"
    'a.jpg,32,24,face,2,3,12,15,0,train\n"deep/b.png",32,24,face,1.5,2,3,4,1,val\na.jpg,32,24,,,,,\n',
    'image_id;bbox;source\na;"[2, 3, 4.5, 5]";web\ndeep/b;[];web\n',
    "ImageID,LabelName,XMin,XMax,YMin,YMax,IsGroupOf\na,face,0.1,0.5,0.25,0.75,0\n",
    "a.jpg,2,3,12,15,face\ndeep/b.png,,,,,\na.jpg,1,2,3,4,face\n",
    'filename,region_count,region_shape_attributes,region_attributes\na.jpg,1,"{""name"":""rect"",'
    '""x"":1,""y"":2,""width"":3,""height"":4}","{""type"":""face""}"\n',
)
RETINAFACE = (
    "# a.jpg\n2 3 10 12 4.1 5.2 0.0 6 5 0.0 5 7 0.0 4 9 0.0 6 9 0.0 0.82\n# deep/b.png\n1 2 3 4\n",
)
LABELS = "0 0.5 0.5 0.25 0.5\n0 .1 .1 .4 .1 .4 .4\n1 0.5 0.5 0.1 0.1\n"
SETTINGS = (
    "path: .\ntrain: images\nval: images/deep\nnames:\n  0: face\n  1: hand\n",
    "train: [../images/deep]\nval: list.txt\nnc: 1\nnames: ['face']\n",
)
KITTI = (
    "face 0.00 0 -1.57 2 3 12 15.5 1.5 1.6 3.7 1.8 1.5 8.4 0.01\n"
    "DontCare -1 -1 -10 1 2 3 4 -1 -1 -1 -1000 -1000 -1000 -10\n"
)
LABELME: dict[str, object] = {
    "version": "5.5.0",
    "flags": {},
    "shapes": [
        {"label": "face", "points": [[12, 15], [2, 3.5]], "shape_type": "rectangle", "flags": {}},
        {"label": "face", "points": [[5, 5], [9, 6], [7, 11]], "shape_type": "polygon"},
        {"label": "face", "points": [[10, 12], [13, 16]], "shape_type": "circle"},
        {"label": "eye", "points": [[4, 4]], "shape_type": "point"},
    ],
    "imagePath": "a.jpg",
    "imageData": None,
    "imageHeight": 24,
    "imageWidth": 32,
}
CELEBA = "2\nimage_id x_1 y_1 width height\na.jpg 2 3 10 12\ndeep/b.png 1 2 3 4\n"
PARTS = ('{"train": ["a.jpg"], "val": ["deep/b.png"]}', "{val: [deep/b]}\n")


def encoded(texts: Sequence[str]) -> Callable[[], Sequence[bytes]]:
    """Return the samples of a kind."""
    return lambda: [text.encode() for text in texts]


def json_samples() -> Sequence[bytes]:
    """Return an annotation file of COCO, in a line and in many."""
    return [json.dumps(COCO, indent=indent).encode() for indent in (None, 1)]


def reader(form: str, beside: str) -> Callable[[Path], None]:
    """Return a function that reads a damaged file of a form and converts it; its images lie in
    ``beside``, from the file's folder."""

    def read(path: Path) -> None:
        _write_images(path.parent / beside)
        if form == "yolo":  # a split none of whose images has labels is refused
            for name in IMAGES:
                labels = (path.parent / "labels" / name).with_suffix(".txt")
                labels.parent.mkdir(parents=True, exist_ok=True)
                labels.write_text("0 0.5 0.5 0.25 0.5\n")
        root = path.parent.parent if form in ("voc", "labels", "kitti") else path
        root = path.parent if form == "labelme" else root
        if form == "labels":
            (root / "data.yaml").write_text("train: images\nnames: [face, hand]\n")
        try:
            _read(root, "yolo" if form == "labels" else form, "")
        except DataError as error:
            raise DataError(f"{path}: {error}") from None

    return read


def read_parts(path: Path) -> None:
    """Read a damaged file of parts, of a data set that is whole."""
    _write_images(path.parent)
    (path.parent / "whole.json").write_text(json.dumps(COCO))
    _read(path.parent / "whole.json", "coco", str(path))


def shards() -> Sequence[bytes]:
    """Return a shard of two images."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        _write_images(root)
        (root / "whole.json").write_text(json.dumps(COCO))
        convert(root / "whole.json", "shards", root / "out", data_format="coco")
        return [(root / "out" / "train-000000.tar").read_bytes()]


def damaged_shard(
    samples: Sequence[bytes],
    generator: random.Random,
    damage: Callable[[bytes], bytes],
    damage_whole: Callable[[bytes], bytes],
) -> bytes:
    """Return a shard one of whose members is damaged, or all of it."""
    data = generator.choice(samples)
    if generator.random() < 0.3:
        return damage_whole(data)
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as old, tarfile.open(fileobj=out, mode="w") as new:
        members = old.getmembers()
        chosen = generator.choice([each for each in members if each.name.endswith(".json")])
        for each in members:
            file = old.extractfile(each)
            assert file is not None
            content = file.read()
            if each is chosen:
                content = damage(content)
                each.size = len(content)
            new.addfile(each, io.BytesIO(content))
    return out.getvalue()


def read_shard(path: Path) -> None:
    """Read a shard: every image of an accepted one can be read, or is refused by its name."""
    found = read_dataset(path.parent, "train", "shards")
    problems = []
    for record in found:
        assert np.isfinite(record.boxes_M4).all()
        assert record.valid_M.shape == (len(record.boxes_M4),)
        try:
            read_image(record.path)
        except DataError as error:
            problems.append(error)
    if len(problems) == len(found):
        raise problems[0]


def _read(root: Path, form: str, split_file: str) -> None:
    found = read_dataset(root, "train", form, split_file=split_file, need_images=False)
    for record in found:
        assert record.boxes_M4.dtype == np.float32
        assert np.isfinite(record.boxes_M4).all()
        assert all(len(each) == len(record.boxes_M4) for each in record.attributes.values())
        assert record.valid_M.shape == (len(record.boxes_M4),)
    target = TARGETS[len(found.names[0]) % len(TARGETS)] if len(found) else "coco"
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "out"
        made = convert(root, target, out, images="link", data_format=form, split_file=split_file)
        for file in out.rglob("*.json"):
            json.loads(file.read_text("utf-8"), parse_constant=_refuse)
        for split in made.images:
            assert len(read_dataset(out, split, target)) == made.images[split]


def _write_images(folder: Path) -> None:
    for name in IMAGES:
        path = folder / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), np.full((*SIZE, 3), 90, np.uint8))


def _refuse(word: str) -> object:
    raise ValueError(f"{word} is no JSON")
