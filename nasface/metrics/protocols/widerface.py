"""The official protocol of WIDER FACE: from its files to easy, medium and hard."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from nasface.annotations.detections import ScoredBoxes
from nasface.annotations.names import locate_images
from nasface.annotations.records import Exif, ImageRecord
from nasface.annotations.widerface import annotation_file
from nasface.annotations.widerface_truth import (
    WiderGroundTruth,
    read_ground_truth,
    read_text_truth,
    select_images,
)
from nasface.errors import DataError
from nasface.kinds import Settings
from nasface.metrics.protocol import (
    Curve,
    Curves,
    Protocol,
    Source,
    TableRow,
    Truth,
    folder_of,
    listed,
)
from nasface.metrics.widerface import THRESHOLDS, WiderResult, score_wider


@dataclass(frozen=True, kw_only=True)
class WiderOptions(Settings):
    """Which faces and images of the validation part count."""

    images: str = ""
    """Text file that lists the images to evaluate on: an event/name.jpg a line, or an annotation
    file in WIDER FACE's form. Empty: all 3226."""
    ground_truth: Literal["mat", "text"] = "mat"
    """mat: easy, medium and hard from the official files, ground_truth/*.mat. text: all faces that
    are not marked invalid, from wider_face_split/wider_face_val_bbx_gt.txt."""
    exif: Exif = "ignore"
    """apply: images are turned as their EXIF orientation asks for; ignore: they are read as stored,
    which is what the annotations are made for."""


def _read_truth(source: Source, options: WiderOptions) -> Truth:
    root, wanted = folder_of(source), listed(source)
    is_official = options.ground_truth == "mat"
    if is_official:
        truth = read_ground_truth(root / "ground_truth")
    else:
        truth = read_text_truth(annotation_file(root, "val"))
    about = f"WIDER FACE val, official protocol{'' if is_official else ', all valid faces'}"
    whole = len(truth)
    if options.images:
        truth = select_images(truth, Path(options.images))
        about += f", only the {len(truth)} images listed in {Path(options.images).name}"
    if wanted is not None:
        truth = [image for image in truth if image.name in wanted]
        if not truth:
            raise DataError(f"{root}: none of the images is in the ground truth of WIDER FACE val")
        if not options.images and len(truth) < whole:
            about += f", only {len(truth)} of {whole} images"
    if not any(asked_for.any() for image in truth for asked_for in image.sets.values()):
        raise DataError(f"{root}: no valid face on the {len(truth)} images; expected some")
    names = tuple(image.name for image in truth)
    folder = root / "WIDER_val" / "images"
    there = locate_images(folder, names, any_suffix=is_official)
    images = [
        _record(image, there[image.name], options.exif) for image in truth if image.name in there
    ]
    return Truth(names, images, truth, about)


def _record(image: WiderGroundTruth, path: Path, exif: Exif) -> ImageRecord:
    boxes_M4 = image.boxes_M4.astype(np.float32)
    boxes_M4[:, 2:] = np.maximum(boxes_M4[:, 2:], boxes_M4[:, :2])
    return ImageRecord(image.name, path, boxes_M4, image.attributes, exif)


def _score(truth: Truth, found: Mapping[str, ScoredBoxes], _: object) -> WiderResult:
    return score_wider(truth.faces, found)


def _table(result: WiderResult) -> Sequence[TableRow]:
    rows = [TableRow.of("", name, each.faces, each.ap) for name, each in result.sets.items()]
    return rows + [
        TableRow.of(group, value, each.faces, each.ap)
        for group, values in result.by.items()
        for value, each in values.items()
    ]


def _curves(result: WiderResult) -> Curves:
    return Curves(
        "recall",
        "precision",
        tuple(
            Curve(name, THRESHOLDS, each.recall, each.precision, each.ap)
            for name, each in result.sets.items()
        ),
    )


WIDERFACE = Protocol(
    "widerface",
    _read_truth,
    _score,
    _table,
    _curves,
    text="""WIDER FACE, official protocol: average precision on the easy, medium and hard faces.

By face height, blur, occlusion, pose, illumination and event as well, over the hard faces. An image
without detections counts as one where nothing was found, and is reported. --data is the folder that
holds ground_truth/*.mat, wider_face_split/ and, for weights, WIDER_val/. --detections is a folder,
or a tar or zip archive, of files event/name.txt.""",
    options=WiderOptions,
)
