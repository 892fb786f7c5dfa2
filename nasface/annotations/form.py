"""What a form of data sets is: how it is recognised, read and written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nasface.annotations.layout import SPLITS
from nasface.annotations.records import Exif, ImageRecord


@dataclass(frozen=True)
class DatasetWriter:
    """Writer of a data set in one format.

    ``write(root, parts)`` writes the annotations of part -> records, whose boxes are in pixels of
    their images as read with ``exif``, and whose images lie at ``image`` already: a path below the
    root with the fields ``split`` and ``name``. ``keeps`` are the attributes of faces that the form
    has a place for, all of them with ``keeps_all``. ``keeps_ignored``: faces may be marked as
    ignored, and are left out otherwise; ``whole_pixels``: boxes are rounded; ``cuts``: boxes are
    cut at the border of their image before they are written; ``one_folder``: images of all parts
    share a folder; ``stems``: images are told apart without their suffix; ``lists_folder``: readers
    list a folder, but for hidden files; ``exif``: how boxes lie on images that EXIF turns, None
    where the form says it of each image.
    """

    write: Callable[[Path, Mapping[str, Sequence[ImageRecord]]], None]
    image: str = "images/{split}/{name}"
    keeps: tuple[str, ...] = ()
    keeps_all: bool = False
    keeps_ignored: bool = True
    whole_pixels: bool = False
    cuts: bool = False
    one_folder: bool = False
    stems: bool = False
    lists_folder: bool = False
    exif: Exif | None = "ignore"


@dataclass(frozen=True)
class DatasetFormat:
    """A form in which annotated images lie on disk.

    ``recognises`` tells whether a folder or file is in this form. ``read(root, split, classes=...,
    need_images=...)`` returns records; ``classes`` are the names of the classes that are faces
    (none: what is plainly a face), and with ``need_images`` an image that is not there is an error.
    It raises :class:`DataError` for what is missing or malformed. ``layout`` says in words what
    lies there. ``splits`` names the parts that a data set has, none where all images are one;
    ``writer`` says how it is written, ``unread`` what a file has that records have not, and
    ``assumes(root, split, records)`` what is taken for granted about files that do not say it.
    """

    name: str
    layout: str
    recognises: Callable[[Path], bool]
    read: Callable[..., Sequence[ImageRecord]]
    has_classes: bool = False
    splits: Callable[[Path], Sequence[str]] = lambda root: SPLITS[:2]
    writer: DatasetWriter | None = None
    unread: str = ""
    assumes: Callable[[Path, str, Sequence[ImageRecord]], str] = lambda root, split, records: ""
