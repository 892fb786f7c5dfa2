"""Data sets by format: a table of readers, and the one function that reads any of them.

A format reads a folder (or a file) into records; code outside the package adds its own by
:func:`register_dataset_format`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nasface.data.coco import is_coco, read_coco
from nasface.data.fddb import is_fddb, read_fddb
from nasface.data.records import AnnotatedDataset, Exif, ImageRecord
from nasface.data.widerface import is_wider, read_wider_split
from nasface.data.yolo import is_yolo, read_yolo
from nasface.errors import ConfigError, DataError
from nasface.registry import Registry


@dataclass(frozen=True)
class DatasetFormat:
    """A form in which annotated images lie on disk.

    ``recognises`` tells whether a folder or file is in this form. ``read(root, split, classes=...,
    need_images=...)`` returns records; ``classes`` are the names of the classes that are faces
    (none: what is plainly a face), and with ``need_images`` an image that is not there is an error.
    It raises :class:`DataError` for what is missing or malformed. ``layout`` says in words what
    lies there.
    """

    name: str
    layout: str
    recognises: Callable[[Path], bool]
    read: Callable[..., Sequence[ImageRecord]]
    has_classes: bool = False


DATASET_FORMATS: Registry[DatasetFormat] = Registry("data format")
"""Name -> format, in the order in which they are tried."""


def register_dataset_format(entry: DatasetFormat) -> None:
    """Add a data format, which :func:`read_dataset` tries after the others.

    Raises:
        ConfigError: for a name that is taken.
    """
    DATASET_FORMATS.add(entry.name, entry)


def read_dataset(
    root: str | Path,
    split: str = "train",
    format: str | None = None,
    *,
    classes: Sequence[str] = (),
    exif: Exif | None = None,
    need_images: bool = True,
) -> AnnotatedDataset:
    """Read one split of a data set: WIDER FACE, COCO, YOLO, FDDB or a registered format.

    ``root`` is its folder or, for COCO and YOLO, the ``.json`` or ``.yaml`` file. ``format`` is a
    name of :data:`DATASET_FORMATS`, and recognised where not given. ``classes`` are the names of
    those classes that are faces; by default the only class there is, or ``face``. ``exif`` says
    whether boxes are in pixels of the images turned by their EXIF orientation (``apply``) or as
    stored (``ignore``); by default as the format has it: applied in YOLO only. Without
    ``need_images``, images may be missing.

    Raises:
        ConfigError: for an unknown format, or classes where a format has none.
        DataError: naming the file, for what is missing, malformed or of no known format.
    """
    root = Path(root)
    if not root.exists():
        raise DataError(f"{root}: does not exist; expected the folder of a data set")
    form = DATASET_FORMATS.find(format) if format else _recognised(root)
    if classes and not form.has_classes:
        raise ConfigError(f"classes: {form.name} has faces only; expected none")
    records = form.read(root, split, classes=classes, need_images=need_images)
    if exif:
        records = [replace(record, exif=exif) for record in records]
    return AnnotatedDataset(tuple(records), root, split, form.name)


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """How a data set is read."""

    data_format: str = ""
    """Form of the data: widerface, coco, yolo, fddb or one that was registered. Empty: recognised
    by itself."""
    classes: tuple[str, ...] = ()
    """Classes that are faces, where the data have several. Empty: face, or the only one."""
    exif: Exif | None = None
    """apply: images are turned as their EXIF orientation asks for; ignore: they are read as stored.
    None: as the form of the data has it, applied in YOLO only. `nasface check-data` tells which of
    the two the boxes fit."""

    def read(self, root: str | Path, split: str, *, need_images: bool = True) -> AnnotatedDataset:
        """Read a split, as :func:`read_dataset`."""
        return read_dataset(
            root,
            split,
            self.data_format or None,
            classes=self.classes,
            exif=self.exif,
            need_images=need_images,
        )


def _recognised(root: Path) -> DatasetFormat:
    for form in DATASET_FORMATS.values():
        if form.recognises(root):
            return form
    layouts = "; ".join(f"{form.name}: {form.layout}" for form in DATASET_FORMATS.values())
    raise DataError(f"{root}: is in no known format; expected one of: {layouts}")


register_dataset_format(
    DatasetFormat(
        "widerface",
        "wider_face_split/ and WIDER_train/images/",
        is_wider,
        lambda root, split, *, classes, need_images: read_wider_split(
            root, split, need_images=need_images
        ),
    )
)
register_dataset_format(
    DatasetFormat(
        "fddb",
        "FDDB-folds/ and originalPics/",
        is_fddb,
        lambda root, split, *, classes, need_images: read_fddb(
            root, split, need_images=need_images
        ),
    )
)
register_dataset_format(
    DatasetFormat(
        "coco", "a .json file with images and annotations", is_coco, read_coco, has_classes=True
    )
)
register_dataset_format(
    DatasetFormat("yolo", "data.yaml, images/ and labels/", is_yolo, read_yolo, has_classes=True)
)
