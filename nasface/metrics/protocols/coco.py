"""Average precision as COCO counts it, by faster-coco-eval."""

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasface.annotations.detections import ScoredBoxes
from nasface.annotations.records import ImageRecord
from nasface.io.files import write_text
from nasface.io.strict_json import to_json
from nasface.metrics.protocol import Curve, Curves, Protocol, Source, TableRow, Truth
from nasface.metrics.protocols.ap import DataOptions, read_annotated_truth
from nasface.optional import need

TRUTH_FILE, RESULTS_FILE = "coco_annotations.json", "coco_results.json"
"""Written beside the usual detections: what ``COCO`` and ``loadRes`` of pycocotools take."""

LIMIT = 1000
"""Detections of an image that count, best first: COCO's own limit of 100 is below the number of
faces in images of crowds."""


@dataclass(frozen=True, eq=False)
class CocoResult:
    """``precision`` is that at 101 recalls for each IoU 0.5, 0.55, ..., 0.95 and each area (all,
    small, medium, large), -1 where there is no face: (10, 101, 4); ``recall`` (10, 4); ``scores``
    as ``precision``. ``faces`` counts those of each area."""

    precision: NDArray[np.floating]
    recall: NDArray[np.floating]
    scores: NDArray[np.floating]
    faces: tuple[int, ...]


FACE_ID = 1
"""The category, where the data have none."""

AREAS = ("all", "small", "medium", "large")
"""Areas in square pixels: up to 32 x 32, up to 96 x 96, above."""


def _read_truth(source: Source, options: DataOptions) -> Truth:
    need("faster_coco_eval", "nasface[coco]")
    about = f"COCO AP, at most {LIMIT} detections per image, all valid faces"
    return read_annotated_truth(source, options, about)


def _score(truth: Truth, found: Mapping[str, ScoredBoxes], _: object) -> CocoResult:
    coco = need("faster_coco_eval", "nasface[coco]")
    data: Sequence[ImageRecord] = truth.faces
    with contextlib.redirect_stdout(io.StringIO()):
        annotated = coco.COCO(_annotations(data, _numbers(data)))
        detected = annotated.loadRes(_detections(data, found, _numbers(data)))
        evaluation = coco.COCOeval_faster(
            annotated, detected, iouType="bbox", print_function=_quiet
        )
        evaluation.params.maxDets = [1, 10, LIMIT]
        evaluation.evaluate()
        evaluation.accumulate()
    sides = np.concatenate(
        [np.empty((0, 2)), *(_sides(record.boxes_M4)[record.valid_M] for record in data)]
    )
    area = sides.prod(axis=1)
    small, large = 32.0**2, 96.0**2
    counts = (len(area), (area < small).sum(), ((area >= small) & (area < large)).sum())
    return CocoResult(
        np.asarray(evaluation.eval["precision"])[:, :, 0, :, -1],
        np.asarray(evaluation.eval["recall"])[:, 0, :, -1],
        np.asarray(evaluation.eval["scores"])[:, :, 0, :, -1],
        (*map(int, counts), int((area >= large).sum())),
    )


def _quiet(*_: object) -> None:
    """Print nothing."""


def _sides(boxes_M4: NDArray[np.floating]) -> NDArray[np.float64]:
    return np.asarray(boxes_M4[:, 2:] - boxes_M4[:, :2], np.float64)


def _numbers(data: Sequence[ImageRecord]) -> list[int]:
    return list(range(1, len(data) + 1))


def _own_ids(data: Sequence[ImageRecord]) -> tuple[Sequence[int | str], int | str]:
    """Return the ids of images, and of the category, in the data set's own file, so that results
    fit it; 1, 2, ... and 1 where there is none."""
    keys = [record.coco for record in data if record.coco is not None]
    if len(keys) < len(data):
        return _numbers(data), FACE_ID
    faces = frozenset[int | str]().union(*(each.faces for each in keys))
    return [each.image for each in keys], min(faces, key=str, default=FACE_ID)


def _annotations(
    data: Sequence[ImageRecord], ids: Sequence[int | str], face: int | str = FACE_ID
) -> dict[str, Any]:
    """Return the data set in COCO's form, boxes ``x y width height``; ignored faces are crowds."""
    annotations: list[dict[str, Any]] = []
    for number, record in zip(ids, data, strict=True):
        sides_M2 = _sides(record.boxes_M4)
        for box, sides, valid in zip(record.boxes_M4, sides_M2, record.valid_M, strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": face,
                    "bbox": [*map(float, box[:2]), *map(float, sides)],
                    "area": float(sides.prod()),
                    "iscrowd": int(not valid),
                }
            )
    images = [
        {"id": number, "file_name": name}
        for number, name in zip(ids, (record.name for record in data), strict=True)
    ]
    return {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": face, "name": "face"}],
    }


def _detections(
    data: Sequence[ImageRecord],
    found: Mapping[str, ScoredBoxes],
    ids: Sequence[int | str],
    face: int | str = FACE_ID,
) -> list[dict[str, Any]]:
    """Return the detections in COCO's form of results."""
    rows = []
    for number, name in zip(ids, (record.name for record in data), strict=True):
        if name in found:
            boxes, scores = found[name]
            for box, sides, score in zip(boxes, _sides(boxes), scores, strict=True):
                rows.append(
                    {
                        "image_id": number,
                        "category_id": face,
                        "bbox": [*map(float, box[:2]), *map(float, sides)],
                        "score": float(score),
                    }
                )
    return rows


def _mean(values: NDArray[np.floating]) -> float:
    """Return the mean of what is not -1, which stands for no face."""
    there = values[values > -1]
    return float(there.mean()) if len(there) else float("nan")


def _table(result: CocoResult) -> Sequence[TableRow]:
    whole = result.precision[:, :, 0]
    rows = [
        TableRow.of("", "ap", result.faces[0], _mean(whole)),
        TableRow.of("", "ap50", result.faces[0], _mean(whole[0])),
        TableRow.of("", "ap75", result.faces[0], _mean(whole[5])),
        TableRow.of("", "ar", result.faces[0], _mean(result.recall[:, 0])),
    ]
    for at, name in enumerate(AREAS[1:], 1):
        rows.append(TableRow.of("area", name, result.faces[at], _mean(result.precision[:, :, at])))
    return rows


def _curves(result: CocoResult) -> Curves:
    recall = np.linspace(0, 1, result.precision.shape[1])
    return Curves(
        "recall",
        "precision",
        tuple(
            Curve(
                f"IoU {iou:.2f}",
                result.scores[at, :, 0],
                recall,
                result.precision[at, :, 0],
                _mean(result.precision[at, :, 0]),
            )
            for at, iou in ((0, 0.5), (5, 0.75))
        ),
    )


def _write(folder: Path, truth: Truth, found: Mapping[str, ScoredBoxes]) -> None:
    data: Sequence[ImageRecord] = truth.faces
    own = _own_ids(data)
    write_text(folder / TRUTH_FILE, to_json(_annotations(data, *own), None))
    write_text(folder / RESULTS_FILE, to_json(_detections(data, found, *own), None))


COCO = Protocol(
    "coco",
    _read_truth,
    _score,
    _table,
    _curves,
    text=f"""COCO AP: the mean over IoU 0.5, 0.55, ..., 0.95, at most {LIMIT} detections per image.

At IoU 0.5 and 0.75 and by area as well (up to 32 x 32 pixels, up to 96 x 96, above), with the mean
recall. Ignored faces are crowds. Needs faster-coco-eval: pip install 'nasface[coco]'.""",
    value="value",
    options=DataOptions,
    write_detections=_write,
)
