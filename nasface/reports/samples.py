"""Sample detections of an evaluation: its best images, its worst, and faces that were missed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from nasface.annotations.detections import read_detections
from nasface.annotations.formats import DataConfig
from nasface.annotations.records import ImageRecord
from nasface.arrays import Floats, Image
from nasface.data.images import read_image
from nasface.engine.evaluate import DETECTIONS
from nasface.errors import DataError
from nasface.inference.annotate import draw_boxes
from nasface.metrics.average_precision import average_precision
from nasface.metrics.error_analysis import Outcome, best_score, image_outcome, ranked
from nasface.reports.reader import RunRecord


@dataclass(frozen=True)
class Samples:
    """Drawn images with a caption each, and the score from which detections count in them."""

    score: float
    best: list[tuple[str, Image]]
    worst: list[tuple[str, Image]]
    missed: list[tuple[str, Image]]


def sample_detections(record: RunRecord, count: int) -> Samples | None:
    """Return ``count`` images of each sort; None without detections, or if their images are not
    there.

    The score is that at which precision and recall have their greatest harmonic mean.
    """
    asked = record.settings
    try:
        how = DataConfig(
            data_format=asked.get("data_format", ""),
            classes=tuple(asked.get("classes", ())),
            val_fraction=asked.get("val_fraction", 0.0),
            split_file=asked.get("split_file", ""),
            exif=asked.get("exif"),
        )
        part = asked.get("split", "val")
        records = how.read(asked.get("data") or "", part, need_images=False)
        found = read_detections(record.path / DETECTIONS, records.names)
    except DataError:
        return None
    images = [each for each in records if each.name in found]
    if not images:
        return None
    detections = [found[each.name] for each in images]
    faces = [(each.boxes_M4, ~each.valid_M) for each in images]
    score = best_score(average_precision(detections, faces))
    outcomes = [
        image_outcome(one, truth, score) for one, truth in zip(detections, faces, strict=True)
    ]
    best, worst = ranked(outcomes)

    def drawn(at: int) -> Image:
        boxes, scores = detections[at]
        kept = scores >= score
        return draw_boxes(_pixels(images[at]), boxes[kept], scores[kept],
                          images[at].boxes_M4[images[at].valid_M])  # fmt: skip

    try:
        return Samples(
            score,
            _captioned(best[:count], outcomes, drawn),
            _captioned(worst[:count], outcomes, drawn),
            _missed(images, outcomes, count),
        )
    except DataError:
        return None


def _captioned(
    places: Sequence[int], outcomes: Sequence[Outcome], drawn: Callable[[int], Image]
) -> list[tuple[str, Image]]:
    return [
        (
            f"{outcomes[at].found} of {outcomes[at].faces} faces, "
            f"{outcomes[at].false_positives} false",
            drawn(at),
        )
        for at in places
    ]


def _missed(
    records: Sequence[ImageRecord], outcomes: Sequence[Outcome], count: int
) -> list[tuple[str, Image]]:
    """Return the tallest of the missed faces, each with what is round it."""
    boxes = [
        (float(box[3] - box[1]), at, box)
        for at, (record, outcome) in enumerate(zip(records, outcomes, strict=True))
        for box in record.boxes_M4[outcome.missed_M]
    ]
    boxes.sort(key=lambda each: -each[0])
    return [
        (f"missed, {height:.0f} px high", _crop(records[at], box))
        for height, at, box in boxes[:count]
    ]


def _pixels(record: ImageRecord) -> Image:
    return read_image(record.path, exif=record.exif == "apply")


def _crop(record: ImageRecord, box: Floats) -> Image:
    image = draw_boxes(_pixels(record), np.zeros((0, 4)), None, box[None])
    side = max(64.0, 2.2 * float(max(box[2] - box[0], box[3] - box[1])))
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    left, top = max(0, int(x - side / 2)), max(0, int(y - side / 2))
    return image[top : int(y + side / 2) + 1, left : int(x + side / 2) + 1]
