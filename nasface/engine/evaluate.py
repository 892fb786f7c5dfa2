"""Average precision of a detector on the validation part of a data folder."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from nasface.data.images import read_image
from nasface.data.records import ImageRecord
from nasface.inference.predict import InferenceConfig, detect
from nasface.metrics.average_precision import (
    AveragePrecision,
    average_precision,
    average_precision_by_height,
)
from nasface.progress import Progress
from nasface.runs.results import figure_of, reasons
from nasface.structures import Detections


@dataclass(frozen=True)
class Evaluation:
    """Detections in the order of the images and what they are worth.

    ``ap`` is at IoU 0.5 over all valid faces; ``by_height`` over faces of a height band in pixels.
    In the images ``left_out`` nothing was looked for: their faces count as not found.
    """

    inference: InferenceConfig
    detections: list[Detections]
    ap: AveragePrecision
    by_height: dict[str, AveragePrecision]
    left_out: tuple[str, ...] = ()

    def figures(self) -> dict[str, Any]:
        """The figures as plain values; an average precision without faces is None, with the reason
        beside it."""
        return {
            "protocol": f"AP at IoU 0.5, all valid faces, {self.inference.describe()}",
            "images": len(self.detections),
            "images_left_out": len(self.left_out),
            "faces": self.ap.faces,
            "detections": self.ap.detections,
            "ap": figure_of(self.ap.ap),
            "ap_by_height": {band: figure_of(each.ap) for band, each in self.by_height.items()},
            **reasons(
                {
                    "ap": self.ap,
                    **{f"ap_by_height.{band}": each for band, each in self.by_height.items()},
                }
            ),
        }


def evaluate(
    detector: nn.Module,
    records: Sequence[ImageRecord],
    inference: InferenceConfig,
    progress: Progress,
    left_out: Collection[str] = (),
) -> Evaluation:
    """Apply a detector to annotated images and score it.

    In images whose name is ``left_out`` nothing is found.

    Raises:
        DataError: naming an image that cannot be read.
    """
    was_training = detector.training
    detector.eval()
    progress.start("evaluate", len(records))
    detections = []
    for record in records:
        if record.name in left_out:
            detections.append(Detections(torch.zeros(0, 4), torch.zeros(0)))
        else:
            image = read_image(record.path, exif=record.exif == "apply")
            detections.append(detect(detector, image, inference))
        progress.advance()
    detector.train(was_training)
    boxes = [(each.boxes_N4.numpy(), each.scores_N.numpy()) for each in detections]
    faces = [(record.boxes_M4, ~record.valid_M) for record in records]
    return Evaluation(
        inference,
        detections,
        average_precision(boxes, faces),
        average_precision_by_height(boxes, faces),
        tuple(record.name for record in records if record.name in left_out),
    )
