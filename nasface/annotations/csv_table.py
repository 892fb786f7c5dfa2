"""Data sets as tables: a CSV file, mostly with a header, with a row for each face.

Columns are known by the names that tools and public data sets give to them, in any order and
spelling: see :mod:`nasface.annotations.csv_columns`. A row without numbers is an image without a
face.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nasface.annotations.classes import FACE, faces_among, split_names
from nasface.annotations.csv_columns import (
    RETINANET,
    Corners,
    bare_header,
    class_column,
    class_in,
    columns_of,
    plain_header,
    retinanet_fault,
)
from nasface.annotations.image_size import image_size, size_for_shares
from nasface.annotations.layout import (
    LARGEST_ANNOTATIONS,
    SPLITS,
    find_images,
    full_names,
    only_file,
    plain_names,
    splits_of,
    write_below,
)
from nasface.annotations.names import check_image_name, has_image_suffix
from nasface.annotations.records import ImageRecord, says_yes, stated_size
from nasface.errors import DataError
from nasface.io.files import read_text

_HEADER = "filename,width,height,class,xmin,ymin,xmax,ymax,difficult"
_FAR = 1e9
_BEYOND = 0.5
_SUFFIXES = (".csv", ".tsv")
_BEFORE_HEADER = re.compile(r"(?:[ \t]*\n|#[^\n]*\n|sep=.\n)+")
"""Comments, and the line by which Excel is told the sign between cells."""
_DECIMAL_COMMA = re.compile(r"^([-+]?\d*),(\d+(?:[eE][-+]?\d+)?)$")


@dataclass
class _Rows:
    """Boxes ``x1 y1 x2 y2`` of an image, with the class and flags of each, and its size as the
    table states it."""

    boxes: list[Corners] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    flags: list[list[int]] = field(default_factory=list)
    size: tuple[int, int] | None = None


def is_csv(root: Path) -> bool:
    """Return whether a path is a ``.csv`` file with columns of images and boxes, or a folder of
    such."""
    if root.is_file():
        if root.suffix.lower() not in _SUFFIXES:
            return False
        try:
            _Table(root)
        except DataError:
            return False
        return True
    files = [path for split in csv_splits(root) if (path := _file_of(root, split))]
    whole = _whole_file(root)
    return any(is_csv(path) for path in [*files, *([whole] if whole else [])])


def why_no_csv(root: Path) -> str:
    """Return what keeps the table that a path is or holds from being read; empty without any."""
    is_table = root.is_file() and root.suffix.lower() in _SUFFIXES
    path = root if is_table else None
    if root.is_dir():
        parts = (_file_of(root, split) for split in SPLITS)
        path = _whole_file(root) or next(filter(None, parts), None)
    try:
        if path is not None:
            _Table(path)
    except DataError as problem:
        return f"; {problem}"
    return ""


def csv_assumes(root: Path, split: str, _: Sequence[ImageRecord]) -> str:
    """Return what is taken for granted about a table that does not say it; empty without that."""
    path = _path_of(root, split)
    return "" if path is None else _Table(path).assumes


def csv_splits(root: Path) -> tuple[str, ...]:
    """Return the parts that a folder has files of, or those that a column tells; none without
    either."""
    found = splits_of(root, lambda top, split: _file_of(top, split) is not None)
    whole = root if root.is_file() else _whole_file(root)
    if found or whole is None:
        return found
    try:
        return _Table(whole).splits
    except DataError:
        return ()


def read_csv(
    root: Path, split: str, classes: Sequence[str] = (), *, need_images: bool = True
) -> list[ImageRecord]:
    """Read a table, or that of a split in a folder; a column may tell the splits.

    Boxes are in pixels, or all in shares of the image. Attributes of a face are difficult, invalid,
    iscrowd, ignore, occluded and truncated, as far as the table has columns of them.

    Raises:
        DataError: naming file and line, or the columns that are missing.
    """
    path = _path_of(root, split)
    if path is None or (root.is_dir() and split not in (csv_splits(root) or (split,))):
        raise DataError(f"{root}: has no table of split {split!r}; expected {split}.csv")
    table = _Table(path)
    images = table.images(split)
    if not images:
        raise DataError(f"{path}: names no image of split {split!r}")
    tops = list(dict.fromkeys((path.parent, root if root.is_dir() else path.parent.parent)))
    places = find_images(path, tops, split, list(images), need_images)
    full = full_names(places)
    every = {name for rows in images.values() for name in rows.classes}
    faces = (
        faces_among({name: name for name in sorted(every)}, classes, str(path)) if every else set()
    )
    is_share = _are_shares([box for rows in images.values() for box in rows.boxes])
    flags = tuple(table.columns.flags)
    return [
        _record(
            full[written],
            places[written],
            rows,
            faces,
            flags,
            size_for_shares(places[written], "ignore", need_images) if is_share else None,
        )
        for written, rows in images.items()
    ]


def _record(
    name: str,
    path: Path,
    rows: _Rows,
    faces: set[str],
    flags: Sequence[str],
    size: tuple[int, int] | None,
) -> ImageRecord:
    """Return the record of an image; boxes are in shares of its ``size``, or else in pixels."""
    kept = [at for at, class_ in enumerate(rows.classes) if class_ in faces]
    boxes_M4 = np.array([rows.boxes[at] for at in kept], np.float64).reshape(-1, 4)
    if size is not None:
        height, width = size
        boxes_M4 *= [width, height, width, height]
    boxes_M4[:, 2:] = np.maximum(boxes_M4[:, 2:], boxes_M4[:, :2])
    flags_MF = np.array([rows.flags[at] for at in kept], np.int64).reshape(len(kept), len(flags))
    attributes = {flag: flags_MF[:, at] for at, flag in enumerate(flags)}
    return ImageRecord(
        name,
        path,
        boxes_M4.astype(np.float32),
        attributes,
        shares_of=size,
        stated_size=rows.size,
    )


def write_csv(root: Path, parts: Mapping[str, Sequence[ImageRecord]]) -> None:
    """Write ``train.csv``, ``val.csv``; an image without a face has a row without numbers."""
    for split, records in parts.items():
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_HEADER.split(","))
        for record in records:
            height, width = image_size(record.path, record.exif)
            for box, ignored in zip(record.boxes_M4, record.ignored_M, strict=True):
                corners = [f"{value:.9g}" for value in box]
                writer.writerow([record.name, width, height, FACE, *corners, int(ignored)])
            if not len(record.boxes_M4):
                writer.writerow([record.name, width, height, *[""] * 6])
        write_below(root / f"{split}.csv", text.getvalue())


class _Table:
    """The rows of a file, and what its columns mean."""

    def __init__(self, path: Path) -> None:
        self.path, self.assumed = path, ""
        text = read_text(path, DataError, "a table", LARGEST_ANNOTATIONS)
        (first, written), *rows = _rows_of(text, path) or [(1, [])]
        bare = bare_header([written, *(row for _, row in rows)])
        if bare is not None:
            rows.insert(0, (first, written))
            if tuple(bare) == RETINANET:
                _check_retinanet(rows, path)
            self.assumed = f"{path.name} has no header; read as {','.join(bare)}"
        try:
            header = bare or plain_header(written)
        except ValueError as same:
            raise DataError(
                f"{path}: has columns {str(same)!a:.200}, which mean the same; expected each once"
            ) from None
        for line, cells in rows:
            if any(cells[len(header) :]):
                raise DataError(
                    f"{path}:{line}: has {len(cells)} cells, expected {len(header)} as its header"
                )
        self.rows = [(line, dict(zip(header, row, strict=False))) for line, row in rows]
        for _, row in self.rows:
            row.pop("", None)  # numbers of rows, as pandas writes them
        self.columns = columns_of(header)
        self.class_ = class_column(self.columns, [row for _, row in self.rows])
        if self.columns.image is None or self.columns.box is None:
            lacking = "image" if self.columns.image is None else "box"
            raise DataError(
                f"{path}: has columns {', '.join(written)!a:.200} and none of the {lacking}; "
                "expected a header such as filename,xmin,ymin,xmax,ymax, or in all rows what "
                "keras-retinanet writes, filename,x1,y1,x2,y2,class"
            )

    @property
    def assumes(self) -> str:
        """What is taken for granted about rows that do not say it."""
        said = [self.assumed] if self.assumed else []
        score, texts = self.columns.score, self._texts()
        if score is not None and len({row.get(score, "") for _, row in self.rows} - {""}) > 1:
            said.append(f"column {score!a:.60} of {self.path.name} is not read: any score counts")
        if self.class_ is None and texts:
            said.append(
                f"{self.path.name} has no column of classes: all rows are faces, whatever "
                f"{', '.join(texts)!a:.100} says"
            )
        return "; ".join(said)

    def _texts(self) -> list[str]:
        """Return the columns that are not read, of words that occur again, and not one alone."""
        found = []
        for name in self.columns.left:
            words = [
                cell for _, row in self.rows if (cell := row.get(name, "")) and not _is_number(cell)
            ]
            if 1 < len(set(words)) < len(words):
                found.append(name)
        return found

    @property
    def splits(self) -> tuple[str, ...]:
        """The parts of :data:`~nasface.annotations.layout.SPLITS` that a column tells."""
        column = self.columns.split
        if column is None:
            return ()
        said = {row.get(column, "").lower() for _, row in self.rows}
        return tuple(split for split in SPLITS if said & set(split_names(split)))

    def images(self, split: str) -> dict[str, _Rows]:
        """Return the rows of each image of a split, or of all where no column tells splits."""
        columns = self.columns
        assert columns.image is not None
        assert columns.box is not None
        words = split_names(split) if self.splits else ()
        found: dict[str, _Rows] = {}
        written = (row.get(columns.image, "") for _, row in self.rows)
        names = plain_names(written, self.path.parent, str(self.path))
        for line, row in self.rows:
            place = f"{self.path}:{line}"
            part = row.get(columns.split or "", "").lower()
            if words and not part:
                raise DataError(
                    f"{place}: tells no split, expected one of {', '.join(self.splits)}"
                )
            if words and part not in words:
                continue
            name = names[row.get(columns.image, "")]
            check_image_name(name if has_image_suffix(name) else f"{name}.jpg", place)
            rows = found.setdefault(name, _Rows())
            if columns.size is not None:
                rows.size = rows.size or stated_size(*map(row.get, columns.size))
            try:
                corners = columns.box(row)
            except ValueError:
                corners = [_FAR]
            if corners is None:
                continue
            if not all(abs(value) < _FAR for value in corners):
                raise DataError(f"{place}: has no box, expected four numbers")
            rows.boxes.append(corners)
            rows.classes.append(class_in(row.get(self.class_ or "", "")) or FACE)
            rows.flags.append([says_yes(row.get(each, "")) for each in columns.flags.values()])
        return found


def _rows_of(text: str, path: Path) -> list[tuple[int, list[str]]]:
    """Return the line and cells of each row but for empty ones, that of the header first."""
    before = _BEFORE_HEADER.match(text)
    start = before.end() if before else 0
    delimiter = max(",;\t|", key=text[start:].partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text[start:]), delimiter=delimiter, skipinitialspace=True)
    above = text.count("\n", 0, start)
    found = []
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if delimiter != ",":
                cells = [_DECIMAL_COMMA.sub(r"\1.\2", cell) for cell in cells]
            if any(cells):
                found.append((above + reader.line_num, cells))
    except csv.Error as error:
        line = above + reader.line_num
        raise DataError(f"{path}:{line}: is no row of a table ({error})") from None
    return found


def _check_retinanet(rows: Sequence[tuple[int, list[str]]], path: Path) -> None:
    for line, row in rows:
        fault = retinanet_fault(row)
        if fault:
            raise DataError(
                f"{path}:{line}: {fault}; others are rows of {','.join(RETINANET)} without a header"
            )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _are_shares(boxes: Sequence[Corners]) -> bool:
    """Return whether boxes are in shares of their images: within 0 to 1 or a little beyond, as
    those of faces that are cut off, and not only corners of it."""
    values = np.array(boxes, np.float64).reshape(-1)
    inside = len(values) > 0 and values.min() >= -_BEYOND and values.max() <= 1 + _BEYOND
    return bool(inside and (values % 1 != 0).any())


def _path_of(root: Path, split: str) -> Path | None:
    return root if root.is_file() else _file_of(root, split) or _whole_file(root)


def _file_of(root: Path, split: str) -> Path | None:
    """Return the table of a part of a folder."""
    for word in split_names(split):
        folder = root / word
        tried = [root / f"{word}.csv", root / f"{word}_labels.csv", folder / "_annotations.csv"]
        tried += [folder / f"{word}.csv", root / "annotations" / f"{word}.csv"]
        found = next((path for path in tried if path.is_file()), None)
        found = found or (only_file(folder, ".csv") if folder.is_dir() else None)
        if found is not None:
            return found
    return None


def _whole_file(root: Path) -> Path | None:
    usual = (root / "_annotations.csv", root / "annotations.csv", root / "labels.csv")
    found = next((path for path in usual if path.is_file()), None)
    return found or only_file(root, ".csv")
