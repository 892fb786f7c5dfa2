"""Columns of a table of boxes, by the names that tools and public data give them.

Names are compared in lower case, without blanks, signs, a word for box or face in front and pixels
behind: ``bbox_x-min (px)`` is ``xmin``.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nasface.annotations.classes import FACE
from nasface.annotations.names import has_image_suffix

_MAKE_SENSE = ("class", "x", "y", "width", "height", "filename", "imagewidth", "imageheight")
"""Columns of the tables that MakeSense writes without a header."""

RETINANET = ("filename", "x1", "y1", "x2", "y2", "class")
"""Columns of the tables of keras-retinanet, which have no header."""

_IMAGE = (
    *("filename", "image", "imagename", "imageid", "imagepath", "path", "file", "filepath"),
    *("imgname", "img", "imgpath", "imageurl", "imagefilename", "imagefile", "frame", "photo"),
    *("picture", "name"),
)
"""Column of the image: the first of these that a table has."""

_CORNERS = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x0", "y0", "x1", "y1"),
    ("x1", "y1", "x2", "y2"),
    ("left", "top", "right", "bottom"),
    ("xtl", "ytl", "xbr", "ybr"),
    ("minx", "miny", "maxx", "maxy"),
    ("startx", "starty", "endx", "endy"),
    ("leftx", "topy", "rightx", "bottomy"),
    ("xleft", "ytop", "xright", "ybottom"),
    ("topleftx", "toplefty", "bottomrightx", "bottomrighty"),
)
"""Columns of the corners of a box."""

_SIDES = (
    ("x", "y", "w", "h"),
    ("x", "y", "width", "height"),
    ("left", "top", "width", "height"),
    ("xmin", "ymin", "width", "height"),
    ("xmin", "ymin", "w", "h"),
    ("x1", "y1", "width", "height"),
    ("x1", "y1", "w", "h"),
)
"""Columns of a corner and the sides."""

_CENTRES = (
    ("xcenter", "ycenter", "width", "height"),
    ("xcenter", "ycenter", "w", "h"),
    ("cx", "cy", "width", "height"),
    ("cx", "cy", "w", "h"),
    ("xc", "yc", "w", "h"),
)
"""Columns of the centre and the sides."""

_ONE_COLUMN = ("bbox", "box", "boundingbox")
"""A column of ``[x, y, width, height]``, or of a map of names such as those of columns."""

_VIA_SHAPE, _VIA_CLASS = "regionshapeattributes", "regionattributes"
"""Columns of JSON that VGG's Image Annotator writes."""

_CLASS = (
    *("class", "label", "classname", "labelname", "category", "categoryname", "object"),
    *("objectname", "objectclass", "labels", "classes", "cls", "classid", "labelid", "categoryid"),
)
_PERHAPS_CLASS = ("name", "tag", "type", "kind")
"""Columns of the class where one row says face, and else of anything, such as who it is."""
_SCORE = ("score", "confidence", "conf", "probability", "prob")
"""Columns that detections have, and of annotations those of Open Images, 1 in all rows."""
_SPLIT = ("split", "subset", "set", "usage")

_SIZES = (("imageheight", "imagewidth"), ("imgheight", "imgwidth"), ("height", "width"))
"""Columns of the size of the image; the last are those of the box where it has no corners."""

_FLAG_COLUMNS = {
    "difficult": ("difficult", "isdifficult"),
    "invalid": ("invalid", "isinvalid"),
    "iscrowd": ("iscrowd", "crowd", "isgroupof"),
    "ignore": ("ignore", "ignored", "isignored"),
    "occluded": ("occluded", "isoccluded"),
    "truncated": ("truncated", "istruncated"),
}
"""Attribute of a face -> columns that tell it."""

_OF_BOX = (*{name for names in (*_CORNERS, *_SIDES, *_CENTRES) for name in names}, *_ONE_COLUMN)
_NUMBER = re.compile(r"[-+0-9.eE]+|nan|inf", re.IGNORECASE)
_NAMED = re.compile(rf"([A-Za-z]\w*)[\"']?\s*[:=]\s*[\"']?({_NUMBER.pattern})", re.IGNORECASE)
_FRACTION = re.compile(r"\d*\.\d+(?:e-?\d+)?", re.IGNORECASE)
_WORDS_OF_BOXES = re.compile(r"^(?:(?:bounding)?box(?:es)?|bbox|face)(?=.)|(?<=.)(?:px|pixels?)$")
_NOTHING = ("", "na", "n/a", "nan", "none", "null")

Row = Mapping[str, str]
Corners = list[float]


def plain_column(cell: str) -> str:
    """Return a column's name in lower case, without blanks, signs, a word for box in front and
    pixels behind."""
    name = re.sub(r"[^a-z0-9]", "", cell.lower())
    return _WORDS_OF_BOXES.sub("", name)


def plain_header(cells: Sequence[str]) -> list[str]:
    """Return the names of :func:`plain_column` of a header.

    Of ``bbox_width`` and ``width`` the first is of the box; the other is ``imagewidth`` then. So it
    is for all columns where those with a word for box, or with pixels, are a whole box.

    Raises:
        ValueError: with the columns, if two are the same number of a box.
    """
    names = [plain_column(cell) for cell in cells]
    bare = [re.sub(r"[^a-z0-9]", "", cell.lower()) for cell in cells]
    of_box = {name for name, whole in zip(names, bare, strict=True) if name != whole}
    whole_box = any(of_box.issuperset(each) for each in (*_CORNERS, *_SIDES, *_CENTRES))
    twins = of_box if whole_box else of_box.intersection(_SIZES[-1])
    names = [
        f"image{name}" if name == whole and name in twins else name
        for name, whole in zip(names, bare, strict=True)
    ]
    for name in _OF_BOX:
        if names.count(name) > 1:
            same = [cell for cell, each in zip(cells, names, strict=True) if each == name]
            raise ValueError(" and ".join(same))
    return names


def bare_header(rows: Sequence[Sequence[str]]) -> list[str] | None:
    """Return the names of the columns of a table without a header, whose first row is as MakeSense
    has it, or whose rows are as keras-retinanet has them; None for another table."""
    first = rows[0]
    if len(first) == len(_MAKE_SENSE) and _is_of_make_sense(
        dict(zip(_MAKE_SENSE, first, strict=True))
    ):
        return list(_MAKE_SENSE)
    has_header = not (first and has_image_suffix(first[0]))
    if has_header or all(retinanet_fault(row) for row in rows):
        return None
    return list(RETINANET)


def _is_of_make_sense(row: Row) -> bool:
    numbers = [cell for name, cell in row.items() if name not in ("class", "filename")]
    return has_image_suffix(row["filename"]) and all(map(_NUMBER.fullmatch, numbers))


def retinanet_fault(row: Sequence[str]) -> str:
    """Return what keeps a row from being an image alone, or one with corners and a class, which is
    no score; empty if nothing does."""
    if len(row) != len(RETINANET):
        return f"has {len(row)} cells, expected {len(RETINANET)}"
    image, *corners, class_ = row
    if not has_image_suffix(image):
        return f"names no image in {image!a:.60}"
    if not any(row[1:]):
        return ""
    try:
        x1, y1, x2, y2 = map(float, corners)
    except ValueError:
        return f"has no four numbers in {', '.join(corners)!a:.60}"
    if not (x1 < x2 and y1 < y2):
        return f"has no x1 below x2 and y1 below y2 in {', '.join(corners)!a:.60}"
    if not class_:
        return "has no class"
    return f"has {class_!a:.60}, a score, for its class" if _FRACTION.fullmatch(class_) else ""


@dataclass(frozen=True)
class Columns:
    """Names of the columns of a table, None for what it has not; ``score`` and those ``left`` over
    are not read.

    ``box`` makes corners ``x1 y1 x2 y2`` of a row, or None where it has no face; it raises
    ValueError for what is no number. ``flags`` maps attributes of a face to their columns, and
    ``size`` are those of the image's height and width.
    """

    image: str | None
    class_: str | None
    split: str | None
    box: Callable[[Row], Corners | None] | None
    flags: Mapping[str, str]
    size: tuple[str, str] | None
    score: str | None
    left: Sequence[str]


def columns_of(header: Sequence[str]) -> Columns:
    """Return what the columns of a header mean, whose names are those of :func:`plain_column`."""
    flags = {flag: _first(names, header) for flag, names in _FLAG_COLUMNS.items()}
    image, split, size = _first(_IMAGE, header), _first(_SPLIT, header), _size_columns(header)
    others = [name for name in header if name != image]
    class_, score = _first((*_CLASS, _VIA_CLASS), others), _first(_SCORE, header)
    known = {*_OF_BOX, image, *(size or ()), class_, split, score, *flags.values(), _VIA_SHAPE}
    return Columns(
        image,
        class_,
        split,
        _box_reader(header),
        {flag: name for flag, name in flags.items() if name is not None},
        size,
        score,
        [name for name in header if name and name not in known],
    )


def class_column(columns: Columns, rows: Sequence[Row]) -> str | None:
    """Return the column of the class, None where there is none."""
    if columns.class_ is not None:
        return columns.class_
    perhaps = [name for name in _PERHAPS_CLASS if name != columns.image]
    return next(
        (name for name in perhaps if any(row.get(name, "").lower() == FACE for row in rows)), None
    )


def _size_columns(header: Sequence[str]) -> tuple[str, str] | None:
    has_corners = any(set(names) <= set(header) for names in _CORNERS)
    has_one = _first(_ONE_COLUMN, header) is not None
    known = _SIZES if has_corners or has_one else _SIZES[:-1]
    return next((names for names in known if set(names) <= set(header)), None)


def _first(names: Sequence[str], header: Sequence[str]) -> str | None:
    return next((name for name in names if name in header), None)


def _box_reader(header: Sequence[str]) -> Callable[[Row], Corners | None] | None:
    """Return a function that makes corners of a row, None for a row of no face."""
    for names in _CORNERS:
        if set(names) <= set(header):
            return lambda row: _numbers(row, names)
    for names in _CENTRES:
        if set(names) <= set(header):
            return lambda row: _from_centre(_numbers(row, names))
    for names in _SIDES:
        if set(names) <= set(header):
            return lambda row: _from_sides(_numbers(row, names))
    if (column := _first(_ONE_COLUMN, header)) is not None:
        return lambda row: _in_one(row.get(column, ""))
    if _VIA_SHAPE in header:
        return lambda row: _from_sides(_of_via(row.get(_VIA_SHAPE, "")))
    return None


def _numbers(row: Row, names: Sequence[str]) -> list[float] | None:
    cells = [row.get(name, "") for name in names]
    if all(cell.lower() in _NOTHING for cell in cells):
        return None
    return [float(cell) for cell in cells]


def _in_one(cell: str) -> Corners | None:
    named = {plain_column(name): number for name, number in _NAMED.findall(cell)}
    if named:
        read = _box_reader(list(named))
        if read is None:
            raise ValueError
        return read(named)
    numbers = [float(word) for word in _NUMBER.findall(cell)]
    if numbers and len(numbers) != 4:
        raise ValueError
    return _from_sides(numbers or None)


def _of_via(cell: str) -> list[float] | None:
    """Return the box of a shape; a polygon has the least box around it."""
    try:
        shape = json.loads(cell or "{}")
        if not shape or shape.get("name") == "point":
            return None
        if "all_points_x" in shape:
            x, y = map(float, shape["all_points_x"]), map(float, shape["all_points_y"])
            xs, ys = list(x), list(y)
            return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
        if "cx" in shape:
            rx, ry = (float(shape.get(key, shape.get("r"))) for key in ("rx", "ry"))
            return [float(shape["cx"]) - rx, float(shape["cy"]) - ry, 2 * rx, 2 * ry]
        return [float(shape[key]) for key in ("x", "y", "width", "height")]
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError from error


def _from_sides(values: list[float] | None) -> Corners | None:
    if values is None:
        return None
    x, y, width, height = values
    return [x, y, x + width, y + height]


def _from_centre(values: list[float] | None) -> Corners | None:
    if values is None:
        return None
    x, y, width, height = values
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


def class_in(cell: str) -> str:
    """Return the name of a class.

    Of attributes as JSON it is that of a key such as those of columns, or the one that says face,
    or else the first that is a text; of boxes to tick, the first that is ticked.
    """
    if not cell.startswith("{"):
        return cell
    try:
        values = json.loads(cell).items()
    except (ValueError, RecursionError, AttributeError):
        return cell
    texts = {plain_column(key): text for key, value in values if (text := _text_of(value))}
    named = (texts[key] for key in _CLASS if key in texts)
    faces = (text for text in texts.values() if text.lower() == FACE)
    return next(iter([*named, *faces, *texts.values()]), "")


def _text_of(value: object) -> str:
    if isinstance(value, dict):
        return next((key for key, is_ticked in value.items() if is_ticked is True), "")
    return value if isinstance(value, str) else ""
