"""Data sets by format: a table of readers, and the one function that reads any of them.

A format reads a folder (or a file) into records; code outside the package adds its own by
:func:`register_dataset_format`.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from typing import Any, get_args

import numpy as np

from nasface.annotations.celeba import celeba_splits, is_celeba, read_celeba
from nasface.annotations.coco import coco_splits, is_coco, read_coco
from nasface.annotations.coco_writer import write_coco
from nasface.annotations.csv_table import (
    csv_assumes,
    csv_splits,
    is_csv,
    read_csv,
    why_no_csv,
    write_csv,
)
from nasface.annotations.fddb import is_fddb, read_fddb
from nasface.annotations.form import DatasetFormat, DatasetWriter
from nasface.annotations.image_size import size_for_shares
from nasface.annotations.kitti import is_kitti, kitti_splits, read_kitti
from nasface.annotations.labelme import (
    is_labelme,
    labelme_assumes,
    labelme_splits,
    read_labelme,
)
from nasface.annotations.layout import folders_of
from nasface.annotations.records import AnnotatedDataset, Exif, ImageRecord
from nasface.annotations.retinaface import (
    is_retinaface,
    read_retinaface,
    retinaface_splits,
    write_retinaface,
)
from nasface.annotations.shards import is_shards, read_shards, shard_splits, write_shards
from nasface.annotations.splits import check_fraction, part_by_file, part_by_fraction
from nasface.annotations.tool_forms import hint_of_tool
from nasface.annotations.turned_boxes import assumes_of_turned
from nasface.annotations.unnamed import say_unnamed, unnamed_images
from nasface.annotations.voc import is_voc, read_voc, voc_splits, write_voc
from nasface.annotations.widerface import (
    ATTRIBUTES,
    is_wider,
    read_wider_split,
    wider_splits,
    write_wider,
)
from nasface.annotations.yolo import (
    is_yolo,
    read_yolo,
    why_no_yolo,
    write_yolo,
    yolo_assumes,
    yolo_splits,
)
from nasface.errors import ConfigError, DataError, check_choice, check_kind
from nasface.io.files import as_path
from nasface.kinds import Settings
from nasface.registry import Registry

DATASET_FORMATS: Registry[DatasetFormat] = Registry("data format")
"""Name -> format, in the order in which they are tried."""


def register_dataset_format(entry: DatasetFormat) -> None:
    """Add a data format, which :func:`read_dataset` tries after the others.

    Raises:
        ConfigError: for a name that is taken, or what is no format.
    """
    DATASET_FORMATS.check_entry(entry, DatasetFormat)
    DATASET_FORMATS.add(entry.name, entry)


def find_format(root: Path, name: str | None = None) -> DatasetFormat:
    """Return the format of a name, or that in which a folder or file is recognised.

    Raises:
        ConfigError: for an unknown name. DataError: saying what was looked for, if the path does
            not exist or no format recognises it.
    """
    if not root.exists():
        raise DataError(f"{root}: does not exist; expected the folder of a data set")
    if name:
        return DATASET_FORMATS.find(name)
    for form in DATASET_FORMATS.values():
        if form.recognises(root):
            return form
    inside = next(
        (
            f"; {folder} is one in the form {form.name}, name that"
            for folder in folders_of(root)[:20]
            for form in DATASET_FORMATS.values()
            if form.recognises(folder)
        ),
        "",
    )
    layouts = "; ".join(f"{form.name}: {form.layout}" for form in DATASET_FORMATS.values())
    hint = inside or hint_of_tool(root) or why_no_csv(root) or why_no_yolo(root)
    raise DataError(
        f"{root}: is in no known format{_holding(root)}{hint}; expected one of: {layouts}; "
        "name one by --data-format"
    )


def read_dataset(
    root: str | Path,
    split: str = "train",
    format: str | None = None,
    *,
    classes: Sequence[str] = (),
    val_fraction: float = 0.0,
    split_file: str | Path = "",
    exif: Exif | None = None,
    need_images: bool = True,
) -> AnnotatedDataset:
    """Read one split of a data set, in any form of :data:`DATASET_FORMATS`.

    Args:
        root: its folder or, for COCO, YOLO, CSV and RetinaFace, the ``.json``, ``.yaml``, ``.csv``
            or ``label.txt`` file.
        split: the part to read: ``train``, ``val``, or another that the data set has.
        format: a name of the table, such as ``coco``; recognised where not given.
        classes: the class, or those classes, that are faces; by default the only class there is, or
            ``face``.
        val_fraction: share of the images, in [0, 1), that is ``val`` in a data set without parts,
            or is taken from its training part; see :func:`part_by_fraction`.
        split_file: a file that divides the images into ``train`` and ``val``, instead of a
            fraction; see :func:`part_by_file`.
        exif: whether boxes are in pixels of the images turned by their EXIF orientation
            (``apply``) or as stored (``ignore``); by default as the format has it: applied in YOLO
            and labelme only.
        need_images: whether a missing image is an error.

    Raises:
        ConfigError: for an unknown format, classes where a format has none, or two ways to divide.
        DataError: naming the file, for what is missing, malformed or of no known format.
    """
    check_kind("data", root, str | Path, "a folder or a file", DataError)
    check_kind("val_fraction", val_fraction or 0, Real, "a number from 0 to below 1")
    root = Path(root)
    form = find_format(root, format)
    classes = [classes] if isinstance(classes, str) else classes
    if classes and not form.has_classes:
        raise ConfigError(f"classes: {form.name} has faces only; expected none")
    if val_fraction and split_file:
        raise ConfigError("val_fraction, split_file: expected one of them")
    options: dict[str, Any] = {"classes": classes, "need_images": need_images}
    is_divided = bool(val_fraction or split_file)
    records = _read_split(form, root, "train" if is_divided else split, options)
    assumed = _assumed(form, root, "train" if is_divided else split, records, classes)
    if val_fraction:
        records = part_by_fraction(records, split, val_fraction)
    elif split_file:
        records = part_by_file(records, split, as_path(split_file, "split_file"))
    if exif is not None:
        check_choice("exif", exif, get_args(Exif))
        records = [_read_as(exif, record) for record in records]
    return AnnotatedDataset(tuple(records), root, split, form.name, assumed)


@dataclass(frozen=True, kw_only=True)
class DataConfig(Settings):
    """Settings for reading a data set."""

    data_format: str = ""
    """Data format: widerface, fddb, celeba, kitti, coco, yolo, labelme, retinaface, voc, csv,
    shards or a registered one. Empty: recognised automatically."""
    classes: tuple[str, ...] = ()
    """Classes that are faces, where the data have several. Empty: face, or the only one."""
    val_fraction: float = 0.0
    """Share of the training images to validate on instead, for data without a validation part."""
    split_file: str = ""
    """File that divides the training images: names of those to validate on, one in a line, or a
    YAML or JSON map {train: [...], val: [...]}."""
    exif: Exif | None = None
    """apply: images are turned as their EXIF orientation asks for; ignore: they are read as stored.
    None: as the data format has it; YOLO and labelme apply it. `nasface check-data` tells which
    of the two the boxes fit."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_fraction(self.val_fraction)

    def read(self, root: str | Path, split: str, *, need_images: bool = True) -> AnnotatedDataset:
        """Read a split, as :func:`read_dataset`."""
        return read_dataset(
            root,
            split,
            self.data_format or None,
            classes=self.classes,
            val_fraction=self.val_fraction,
            split_file=self.split_file,
            exif=self.exif,
            need_images=need_images,
        )

    def splits(self, root: Path) -> tuple[str, ...]:
        """Return the parts that there are: of a data set without any, all images are ``train``.

        Raises:
            ConfigError, DataError: as :func:`find_format`.
        """
        if self.val_fraction or self.split_file:
            return ("train", "val")
        return tuple(find_format(root, self.data_format or None).splits(root)) or ("train",)


def _read_split(
    form: DatasetFormat, root: Path, split: str, options: Mapping[str, Any]
) -> list[ImageRecord]:
    """Return what a format reads; for a split that is not there, raise a message that names those
    that are."""
    try:
        return list(form.read(root, split, **options))
    except DataError as problem:
        there = form.splits(root)
        if not there or split in there:
            raise
        raise DataError(f"{problem}; splits there: {', '.join(there)}") from None


def _assumed(
    form: DatasetFormat,
    root: Path,
    split: str,
    records: Sequence[ImageRecord],
    classes: Sequence[str],
) -> str:
    """Return what is taken for granted, and how many images are left out."""
    others = [each for each in form.splits(root) if each != split]
    left_out = unnamed_images(
        records,
        others,
        lambda other: form.read(root, other, classes=classes, need_images=False),
    )
    return "; ".join(filter(None, (form.assumes(root, split, records), say_unnamed(left_out))))


def _read_as(exif: Exif, record: ImageRecord) -> ImageRecord:
    """Return a record of an image that is to be read otherwise; boxes in shares of it stay so."""
    if record.shares_of is None or record.exif == exif:
        return replace(record, exif=exif)
    height, width = size_for_shares(record.path, exif, need_images=False)
    scale = np.array([width, height], np.float64) / record.shares_of[::-1]
    boxes_M4 = (record.boxes_M4 * np.tile(scale, 2)).astype(np.float32)
    return replace(record, exif=exif, boxes_M4=boxes_M4, shares_of=(height, width))


def _holding(root: Path) -> str:
    """Return what lies in a folder, in a few words."""
    if not root.is_dir():
        return ""
    names = sorted(each.name + "/" * each.is_dir() for each in os.scandir(root))
    shown = ", ".join(f"{name!a:.60}" for name in names[:6])
    return f"; it holds {shown}{', ...' if len(names) > 6 else ''}" if names else "; it is empty"


def _faces_only(read: Callable[..., Sequence[ImageRecord]]) -> Callable[..., Sequence[ImageRecord]]:
    """Return a reader of a form that has no classes, which is never given any."""

    def read_faces(
        root: Path, split: str, *, classes: Sequence[str], need_images: bool
    ) -> Sequence[ImageRecord]:
        return read(root, split, need_images=need_images)

    return read_faces


for _form in (
    DatasetFormat(
        "widerface",
        "wider_face_split/ and WIDER_train/images/",
        is_wider,
        _faces_only(read_wider_split),
        splits=wider_splits,
        writer=DatasetWriter(
            write_wider, "WIDER_{split}/images/{name}", keeps=ATTRIBUTES, whole_pixels=True
        ),
    ),
    DatasetFormat(
        "fddb",
        "FDDB-folds/ and originalPics/",
        is_fddb,
        _faces_only(read_fddb),
        splits=lambda root: ("val",),
        unread="ellipses: read as the boxes round them",
    ),
    DatasetFormat(
        "celeba",
        "list_bbox_celeba.txt and img_celeba/",
        is_celeba,
        _faces_only(read_celeba),
        splits=celeba_splits,
    ),
    DatasetFormat(
        "kitti",
        "labels/ or label_2/, and images/ or image_2/",
        is_kitti,
        read_kitti,
        has_classes=True,
        splits=kitti_splits,
        unread="objects in space: only boxes in the image are read",
    ),
    DatasetFormat(
        "coco",
        "a .json file with images and annotations, in annotations/ or the folder of a part",
        is_coco,
        read_coco,
        has_classes=True,
        splits=coco_splits,
        writer=DatasetWriter(write_coco, keeps=(*ATTRIBUTES, "difficult", "occluded", "truncated")),
        unread="masks and key points, if there are any: only boxes are read",
        assumes=assumes_of_turned,
    ),
    DatasetFormat(
        "yolo",
        "data.yaml, classes.txt, obj.data or none of these; images/ and labels/",
        is_yolo,
        read_yolo,
        has_classes=True,
        splits=yolo_splits,
        writer=DatasetWriter(
            write_yolo,
            keeps_ignored=False,
            cuts=True,
            stems=True,
            lists_folder=True,
            exif="apply",
        ),
        unread="polygons and key points: only the boxes round them are read",
        assumes=yolo_assumes,
    ),
    DatasetFormat(
        "labelme",
        ".json files of labelme beside their images",
        is_labelme,
        read_labelme,
        has_classes=True,
        splits=labelme_splits,
        unread="shapes: only the boxes round them are read, and none of points and lines",
        assumes=labelme_assumes,
    ),
    DatasetFormat(
        "retinaface",
        "train/label.txt or labelv2.txt, and train/images/",
        is_retinaface,
        _faces_only(read_retinaface),
        splits=retinaface_splits,
        writer=DatasetWriter(write_retinaface, "{split}/images/{name}", keeps_ignored=False),
        unread="the five points of each face, if there are any",
    ),
    DatasetFormat(
        "voc",
        "Annotations/*.xml, or .xml files beside the images of a part",
        is_voc,
        read_voc,
        has_classes=True,
        splits=voc_splits,
        writer=DatasetWriter(
            write_voc,
            "JPEGImages/{name}",
            keeps=("difficult", "occluded", "truncated"),
            one_folder=True,
            stems=True,
            lists_folder=True,
        ),
        assumes=assumes_of_turned,
    ),
    DatasetFormat(
        "csv",
        "a .csv file, as with a header filename,xmin,ymin,xmax,ymax",
        is_csv,
        read_csv,
        has_classes=True,
        splits=csv_splits,
        writer=DatasetWriter(write_csv, keeps=("difficult",)),
        assumes=csv_assumes,
    ),
    DatasetFormat(
        "shards",
        "train-000000.tar, val-000000.tar: images with a .json each",
        is_shards,
        _faces_only(read_shards),
        splits=shard_splits,
        writer=DatasetWriter(write_shards, keeps_all=True, exif=None),
    ),
):
    register_dataset_format(_form)
