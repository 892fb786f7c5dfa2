"""Average precision at IoU 0.5 on any annotated data, by face height."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nasface.annotations.detections import NOTHING, ScoredBoxes
from nasface.annotations.formats import DataConfig
from nasface.annotations.records import AnnotatedDataset, ImageRecord
from nasface.errors import DataError
from nasface.metrics.average_precision import (
    AveragePrecision,
    average_precision,
    average_precision_by_height,
)
from nasface.metrics.protocol import Curve, Curves, Protocol, Source, TableRow, Truth

_ABOUT = "AP at IoU 0.5, all valid faces"


@dataclass(frozen=True, kw_only=True)
class DataOptions(DataConfig):
    """The part of a data set that counts, and settings for reading it."""

    split: str = "val"
    """Which part to evaluate on."""


def read_annotated(source: Source, options: DataOptions) -> AnnotatedDataset:
    """Return a data set as it is, or that of a folder.

    Raises:
        DataError, ConfigError: as :func:`read_dataset`.
    """
    if isinstance(source, AnnotatedDataset):
        return source
    return options.read(source, options.split, need_images=False)


def annotated_truth(records: Sequence[ImageRecord], about: str = _ABOUT) -> Truth:
    """Return all valid faces of annotated images, as truth."""
    return Truth(tuple(record.name for record in records), records, records, about)


def read_annotated_truth(source: Source, options: DataOptions, about: str = _ABOUT) -> Truth:
    """Return the same of a data set or the folder of one, which must have a valid face.

    Raises:
        DataError, ConfigError: as :func:`read_dataset`; DataError without a valid face.
    """
    data = read_annotated(source, options)
    if not data.faces:
        raise DataError(
            f"{data.root}: no valid face on the {len(data)} images of {data.split}; expected some, "
            "to score detections by"
        )
    return annotated_truth(data, about)


@dataclass(frozen=True, eq=False)
class ApResult:
    """Over all faces, and over those of a band of heights."""

    whole: AveragePrecision
    by_height: Mapping[str, AveragePrecision]


def score_ap(truth: Truth, found: Mapping[str, ScoredBoxes], _: object = None) -> ApResult:
    """Score detections against a data set."""
    data: Sequence[ImageRecord] = truth.faces
    detections = [found.get(record.name, NOTHING) for record in data]
    faces = [(record.boxes_M4, ~record.valid_M) for record in data]
    return ApResult(
        average_precision(detections, faces), average_precision_by_height(detections, faces)
    )


def _table(result: ApResult) -> Sequence[TableRow]:
    return [
        TableRow.of("", "ap", result.whole.faces, result.whole.ap),
        *(
            TableRow.of("height", name, each.faces, each.ap)
            for name, each in result.by_height.items()
        ),
    ]


def _curves(result: ApResult) -> Curves:
    each = result.whole
    curve = Curve("all", each.scores, each.recall, each.precision, each.ap)
    return Curves("recall", "precision", (curve,))


AP = Protocol(
    "ap",
    read_annotated_truth,
    score_ap,
    _table,
    _curves,
    text="Average precision at IoU 0.5 on the annotated images of any data set, by face height.",
    options=DataOptions,
)
