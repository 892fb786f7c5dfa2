"""Annotated images, whatever data set they are of."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nasface.errors import ConfigError, check_choice, check_kind
from nasface.io.files import as_path

Exif = Literal["apply", "ignore"]
"""Whether images are turned the way their EXIF orientation asks for."""

IGNORED_BY = ("invalid", "ignore", "iscrowd", "difficult")
"""Attributes that take a face out of training and out of what is to be found: WIDER FACE's
``invalid``, COCO's ``ignore`` and ``iscrowd``, Pascal VOC's ``difficult``."""

_NOT_SET = ("", "0", "0.0", "-1", "false", "no", "f", "n", "none", "null", "nan", "unspecified")


def stated_size(height: object, width: object) -> tuple[int, int] | None:
    """Return the (height, width) that a file states as numbers or text; None where it does not."""
    try:
        size = int(float(str(height))), int(float(str(width)))
    except (ValueError, OverflowError):
        return None
    return size if min(size) > 0 else None


def says_yes(flag: str) -> bool:
    """Return whether the text of a flag says so; -1 of Open Images means that it is not known."""
    return flag.strip().lower() not in _NOT_SET


@dataclass(frozen=True)
class CocoKeys:
    """By what a data set in COCO's form, and results for it, name an image, and the categories that
    are faces."""

    image: int | str
    faces: frozenset[int | str]


@dataclass(frozen=True, eq=False, init=False)
class ImageRecord:
    """One annotated image of M faces, in the order of the annotation file.

    ``name`` is that in the file, ``event/name.jpg``, and ``path`` the image on disk. ``boxes_M4``
    is float32 ``x1 y1 x2 y2`` in pixels of the image as it is read with ``exif``; a negative width
    or height is read as 0. ``attributes`` maps what a data set says of its faces to int64 (M,).
    ``coco`` is there for images of a data set in COCO's form. ``shares_of`` is (height, width) of
    the image where its file has boxes in shares, which fit the picture as shown and as stored;
    ``stated_size`` is (height, width) that the file states, whatever the image has. A path as text,
    and boxes and attributes as lists, are turned into what the fields are.

    Raises:
        ConfigError: for boxes that are not (M, 4) finite numbers, attributes that are not (M,)
            numbers, another word for ``exif``, and a name or path of another kind.
    """

    name: str
    path: Path
    boxes_M4: NDArray[np.float32]
    attributes: Mapping[str, NDArray[np.int64]]
    exif: Exif
    coco: CocoKeys | None
    shares_of: tuple[int, int] | None
    stated_size: tuple[int, int] | None

    def __init__(  # by hand, since more is taken than the fields hold
        self,
        name: str,
        path: str | Path,
        boxes_M4: ArrayLike,
        attributes: Mapping[str, ArrayLike] = MappingProxyType({}),
        exif: Exif = "ignore",
        coco: CocoKeys | None = None,
        shares_of: tuple[int, int] | None = None,
        stated_size: tuple[int, int] | None = None,
    ) -> None:
        check_kind("name", name, str, "text")
        boxes = _as_boxes(boxes_M4, name)
        check_kind(f"{name}: attributes", attributes, Mapping, "a map to an array of numbers each")
        check_choice(f"{name}: exif", exif, get_args(Exif))
        arrays = {key: np.asarray(each) for key, each in attributes.items()}
        for key, each in arrays.items():
            if each.shape != (len(boxes),):
                raise ConfigError(
                    f"{name}: attribute {key!r} must be ({len(boxes)},), got {each.shape}"
                )
            if each.size and (each.dtype.kind not in "biuf" or not np.isfinite(each).all()):
                raise ConfigError(f"{name}: attribute {key!r} must be numbers, 0 for no")
        values = (
            name,
            as_path(path, f"{name}: path"),
            boxes,
            arrays,
            exif,
            coco,
            shares_of,
            stated_size,
        )
        for own, value in zip(fields(self), values, strict=True):
            object.__setattr__(self, own.name, value)  # frozen

    @property
    def valid_M(self) -> NDArray[np.bool_]:
        """Whether each face has an area and no attribute of :data:`IGNORED_BY`, bool (M,)."""
        has_area_M = np.all(self.boxes_M4[:, 2:] > self.boxes_M4[:, :2], axis=1)
        return np.asarray(has_area_M & ~self.ignored_M)

    @property
    def ignored_M(self) -> NDArray[np.bool_]:
        """Whether each face has an attribute of :data:`IGNORED_BY`, bool (M,)."""
        ignored_M = np.zeros(len(self.boxes_M4), bool)
        for name in IGNORED_BY:
            if name in self.attributes:
                ignored_M |= self.attributes[name] != 0
        return ignored_M


def _as_boxes(given: ArrayLike, name: str) -> NDArray[np.float32]:
    """Return the boxes as float32 (M, 4); an empty list is none."""
    try:
        boxes = np.asarray(given, np.float32)
    except (TypeError, ValueError):
        raise ConfigError(f"{name}: boxes must be (M, 4) numbers, got {given!r:.60}") from None
    if boxes.size == 0:
        boxes = boxes.reshape(0, 4)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ConfigError(f"{name}: boxes must be (M, 4), got {boxes.shape}")
    if not np.isfinite(boxes).all():
        raise ConfigError(f"{name}: boxes must be finite")
    return boxes


@dataclass(frozen=True, eq=False)
class AnnotatedDataset(Sequence[ImageRecord]):
    """The annotated images of one part of a data set; a slice of it is one as well.

    ``root`` is the folder or file that it was read from, ``format`` a name of
    :data:`~nasface.annotations.formats.DATASET_FORMATS`; ``assumed`` says what was taken for
    granted where the files do not tell, and is empty where nothing was.
    """

    records: Sequence[ImageRecord]
    root: Path
    split: str
    format: str
    assumed: str = ""

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[ImageRecord]:
        return iter(self.records)

    @overload
    def __getitem__(self, at: int) -> ImageRecord: ...

    @overload
    def __getitem__(self, at: slice) -> "AnnotatedDataset": ...

    def __getitem__(self, at: int | slice) -> "ImageRecord | AnnotatedDataset":
        if isinstance(at, slice):
            return replace(self, records=self.records[at])
        return self.records[at]

    @property
    def names(self) -> list[str]:
        """Names of the images."""
        return [record.name for record in self.records]

    @property
    def faces(self) -> int:
        """The number of faces to be found."""
        return sum(int(record.valid_M.sum()) for record in self.records)

    def __repr__(self) -> str:
        faces = self.faces
        ignored = sum(len(record.boxes_M4) for record in self.records) - faces
        return (
            f"AnnotatedDataset({self.format}, split {self.split}, {len(self):,} images, "
            f"{faces:,} faces{f' and {ignored:,} ignored' if ignored else ''}, {self.root})"
        )
