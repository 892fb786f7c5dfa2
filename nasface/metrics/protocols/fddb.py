"""The protocol of FDDB: from its folds to the two true positive rates."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nasface.annotations.detections import ScoredBoxes
from nasface.annotations.fddb import (
    FOLDS,
    FddbImage,
    read_fddb_detections,
    read_fddb_truth,
    write_fddb_detections,
)
from nasface.annotations.image_size import image_size
from nasface.annotations.names import locate_images
from nasface.annotations.records import Exif, ImageRecord
from nasface.errors import ConfigError, DataError
from nasface.io.files import read_text
from nasface.kinds import Settings
from nasface.metrics.fddb import READ_AT, FddbResult, boxes_to_ellipses, score_fddb
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

KINDS = ("discontinuous", "continuous")
HEADLINE = 1000
"""The number of false positives at which the rates are compared."""


@dataclass(frozen=True, kw_only=True)
class FddbOptions(Settings):
    """How boxes become regions."""

    ellipses: bool = False
    """Turn rectangles into upright ellipses, fitted on the other nine folds."""
    exif: Exif = "ignore"
    """apply: images are turned as their EXIF orientation asks for; ignore: they are read as stored,
    which is what the annotations are made for."""


@dataclass(frozen=True, eq=False)
class FddbFaces:
    """The annotated images, and height and width of those that are there."""

    images: list[FddbImage]
    sizes: dict[str, tuple[int, int]]


def _read_truth(source: Source, options: FddbOptions) -> Truth:
    root, wanted = folder_of(source), listed(source)
    images = [i for i in read_fddb_truth(root) if wanted is None or i.name in wanted]
    if not images:
        raise DataError(f"{root}: none of the images is in the folds")
    if not any(len(image.ellipses_M5) for image in images):
        raise DataError(f"{root}: no face on the {len(images)} images; expected some")
    if options.ellipses and len({image.fold for image in images}) == 1:
        raise ConfigError("ellipses: are fitted on other folds, and the annotations are one fold")
    names = tuple(image.name for image in images)
    photographs = (root.parent if root.is_file() else root) / "originalPics"
    there = locate_images(photographs, names, any_suffix=True)
    sizes = {name: size for name, path in there.items() if (size := _size(path, options.exif))}
    about = _about(images, len(sizes), options)
    records = [ImageRecord(name, path, [], exif=options.exif) for name, path in there.items()]
    parts = {image.name: f"fold {image.fold}" for image in images if image.fold}
    faces = FddbFaces(images, sizes)
    return Truth(names, records, faces, about, has_boxes=False, parts=parts)


def _size(path: Path, exif: Exif) -> tuple[int, int] | None:
    """Return the height and width of an image, None where it cannot be read."""
    try:
        return image_size(path, exif)
    except DataError:
        return None


def _about(images: Sequence[FddbImage], sizes: int, options: FddbOptions) -> str:
    folds = sorted({image.fold for image in images})
    if folds == [0]:
        data = f"FDDB, {len(images)} images of one file"
    elif len(folds) == len(FOLDS):
        data = "FDDB, ten folds pooled"
    else:
        data = f"FDDB, only {len(folds)} of ten folds: {', '.join(map(str, folds))}"
    regions = "boxes turned into ellipses fitted on the other folds" if options.ellipses else ""
    borders = "" if sizes == len(images) else f"borders of {len(images) - sizes} images not known"
    return ", ".join(each for each in (data, regions, borders) if each)


def _score(truth: Truth, found: Mapping[str, ScoredBoxes], options: FddbOptions) -> FddbResult:
    faces: FddbFaces = truth.faces
    if options.ellipses:
        if any(each.boxes_N4.shape[1] == 5 for each in found.values()):
            raise ConfigError("ellipses: the detections are ellipses already")
        found = boxes_to_ellipses(faces.images, found)
    return score_fddb(faces.images, found, faces.sizes)


def _table(result: FddbResult) -> Sequence[TableRow]:
    rates = {at: result.rates_at(at) for at in READ_AT}
    rows = [TableRow("", kind, result.faces, rates[HEADLINE][at]) for at, kind in enumerate(KINDS)]
    return rows + [
        TableRow(kind, f"{number} false positives", result.faces, rates[number][at])
        for at, kind in enumerate(KINDS)
        for number in READ_AT
    ]


def _curves(result: FddbResult) -> Curves:
    at_headline = result.rates_at(HEADLINE)
    wrong = result.false_positives.astype(float)
    return _of_rates(
        Curve("discontinuous", result.scores, wrong, result.discontinuous, at_headline[0]),
        Curve("continuous", result.scores, wrong, result.continuous, at_headline[1]),
    )


def _of_rates(*curves: Curve) -> Curves:
    limit = float(max(each.x[each.x <= 2 * HEADLINE].max(initial=1) for each in curves))
    return Curves("false_positives", "true_positive_rate", curves, limit, steps=True)


def _write(folder: Path, truth: Truth, found: Mapping[str, ScoredBoxes]) -> None:
    write_fddb_detections(folder, truth.faces.images, found)


_FORMER = "score,false_positives,discontinuous,continuous"
"""First line of the curves that version 0.1 wrote."""


def read_curves(path: Path) -> Curves | None:
    """Read curves of the official tool, ``...DiscROC.txt`` or ``...ContROC.txt`` with a rate each,
    or of version 0.1; None for any other file."""
    lines = read_text(path, DataError, "curves").strip().split("\n")
    former = lines[0].strip() == _FORMER
    if not former and path.suffix != ".txt":
        return None
    rows = [line.split("," if former else None) for line in lines[former:]]
    try:
        values = np.array(rows, np.float64)
    except ValueError:
        return None
    if former and values.ndim == 2 and values.shape[1] == 4:
        scores, wrong, *rates = values.T
    elif not former and values.ndim == 2 and values.shape[1] in (2, 3):
        rate, wrong, *score = values[::-1].T
        scores = score[0] if score else np.full(len(rate), np.nan)
        rates = [rate]
    else:
        return None
    kinds = KINDS if former else (KINDS[:1] if values.shape[1] == 3 else KINDS[1:])
    return _of_rates(
        *(
            Curve(kind, scores, wrong, rate, float(rate[wrong <= HEADLINE].max(initial=0.0)))
            for kind, rate in zip(kinds, rates, strict=True)
        )
    )


def _read_detections(path: Path, names: Iterable[str]) -> Mapping[str, ScoredBoxes]:
    return read_fddb_detections(path, names)


FDDB = Protocol(
    "fddb",
    _read_truth,
    _score,
    _table,
    _curves,
    text="""FDDB, official protocol: true positive rates at 100, 500, 1000 and 2000 false positives.

Regions are compared pixel by pixel, cut at the borders of the image where originalPics/ is there,
else at 450 pixels, the longest side of an image of FDDB. --data is the folder that holds
FDDB-folds/ (the ten folds pooled, or those of them that are there) and, for weights, originalPics/;
or a file of all ellipses. --detections is a file or a folder of files in FDDB's form, rectangles or
ellipses.""",
    value="true positive rate",
    options=FddbOptions,
    read_detections=_read_detections,
    write_detections=_write,
    read_curves=read_curves,
)
