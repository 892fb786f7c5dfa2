"""Interface of evaluation protocols: ground truth, score, table and curves."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nasface.annotations.detections import ScoredBoxes, read_detections
from nasface.annotations.records import AnnotatedDataset, ImageRecord
from nasface.arrays import Floats
from nasface.kinds import Settings

Source = AnnotatedDataset | Path
"""A data set that was read, or the folder of one."""


@dataclass(frozen=True, eq=False)
class Truth:
    """The ground truth that detections are scored against.

    ``names`` are the images that count, ``images`` those that are there, with their faces as boxes
    if ``has_boxes``. ``faces`` is in the form that the protocol's ``score`` takes, ``about`` says
    in words what is measured and on what. ``parts`` tells of each image the part that it is of,
    such as ``fold 3``, where there are any.
    """

    names: tuple[str, ...]
    images: Sequence[ImageRecord]
    faces: Any
    about: str
    has_boxes: bool = True
    parts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TableRow:
    """A figure of a result: ``value`` over ``faces`` faces, None where there is none to find.

    Rows of group ``""`` are the result's own figures, such as ``easy``; others are those of a part,
    such as group ``height``, name ``below 10 px``.
    """

    group: str
    name: str
    faces: int
    value: float | None

    @property
    def label(self) -> str:
        """The name as a reader sees it: AP50 for ``ap50``."""
        return figure_label(self.name)

    @classmethod
    def of(cls, group: str, name: str, faces: int, value: float) -> "TableRow":
        """Return a row whose value is None if it is no number."""
        return cls(group, name, faces, None if math.isnan(value) else value)


@dataclass(frozen=True, eq=False)
class Curve:
    """Points by falling score. ``value`` sums the curve up, and is shown beside it."""

    name: str
    scores: Floats
    x: Floats
    y: Floats
    value: float | None = None


@dataclass(frozen=True, eq=False)
class Curves:
    """Curves with the same axes; ``x`` and ``y`` are the axes' names, such as ``false_positives``.

    ``y`` lies in [0, 1]; ``x`` is shown up to ``x_limit``, and the curve is a stair if ``steps``.
    """

    x: str
    y: str
    curves: tuple[Curve, ...]
    x_limit: float = 1.0
    steps: bool = False


@dataclass(frozen=True, kw_only=True)
class NoOptions(Settings):
    """Options of a protocol that has none."""


def write_nothing(folder: Path, truth: Truth, found: Mapping[str, ScoredBoxes]) -> None:
    """Write no more than every evaluation does."""


def no_curves(path: Path) -> None:
    """Say that a file holds no curves of other programs."""


@dataclass(frozen=True)
class Protocol:
    """An evaluation protocol.

    ``read_truth(source, options)`` reads what they are scored against, and raises
    :class:`DataError` for data that cannot be used. ``score(truth, detections, options)`` returns a
    result of any kind, of which ``table`` and ``curves`` make rows and curves; detections map names
    of images to boxes ``x1 y1 x2 y2`` and scores, and lack the images that have none.

    ``text`` explains the protocol in a command's help, and ``value`` heads the figures in its
    table: AP, unless it holds others too. ``options`` is a frozen dataclass of settings with
    defaults. ``read_detections`` takes the files in which its detections go around,
    ``write_detections`` writes them beside the usual ones, ``read_curves`` reads curves of other
    programs from a file, or returns None. A ``.json`` file holds detections in COCO's form, unless
    ``takes_coco`` is false.
    """

    name: str
    read_truth: Callable[[Source, Any], Truth]
    score: Callable[[Truth, Mapping[str, ScoredBoxes], Any], Any]
    table: Callable[[Any], Sequence[TableRow]]
    curves: Callable[[Any], Curves]
    text: str = ""
    value: str = "AP"
    options: type = NoOptions
    read_detections: Callable[[Path, Iterable[str]], Mapping[str, ScoredBoxes]] = read_detections
    write_detections: Callable[[Path, Truth, Mapping[str, ScoredBoxes]], None] = write_nothing
    read_curves: Callable[[Path], Curves | None] = no_curves
    takes_coco: bool = True


def figure_label(name: str) -> str:
    """Return the name of a figure as a reader sees it: AP for ``ap``, AP50 for ``ap50``."""
    return name.upper() if re.fullmatch(r"a[pr]\d*", name) else name


def folder_of(source: Source) -> Path:
    """Return where the files of a data set lie."""
    return source.root if isinstance(source, AnnotatedDataset) else source


def listed(source: Source) -> frozenset[str] | None:
    """Return the names of the images of a data set that was read; None for a folder, all of which
    counts."""
    return frozenset(source.names) if isinstance(source, AnnotatedDataset) else None
