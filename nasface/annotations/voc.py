"""Data sets in the XML form of Pascal VOC (Everingham et al., 2010): a file for each image.

LabelImg, CVAT, Roboflow and others write it, each with its own folders. Boxes are read as they
are written; those of the original data set count pixels from 1, most tools count from 0.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError, SubElement, indent, tostring

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from nasface.annotations.classes import FACE, faces_among, split_names
from nasface.annotations.image_size import image_size
from nasface.annotations.layout import (
    SPLITS,
    files_of,
    find_images,
    full_names,
    place_below,
    split_folder,
    splits_of,
    write_below,
)
from nasface.annotations.names import (
    check_image_name,
    excerpt,
    has_image_suffix,
    is_hidden,
    without_suffix,
)
from nasface.annotations.records import ImageRecord, says_yes, stated_size
from nasface.annotations.turned_boxes import TURNED_BOX, angle_of, box_round_turned
from nasface.errors import DataError
from nasface.io.files import files_below, read_bytes, read_text

FLAGS_OF_VOC = ("difficult", "truncated", "occluded")
"""Numbers beside a box; a difficult one is neither to be found nor a mistake."""

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_FOLDERS = ("Annotations", "annotations", "xmls", "labels")
_FAR = 1e9
_ROOT = re.compile(rb"<annotation[\s>]")
_CODING = re.compile(rb"(<\?xml[^>]*encoding=[\"'])([\w.-]+)")
_ASIAN = ("gb", "big5", "shift", "sjis", "cp93", "cp94", "cp95", "euc", "iso-2022", "hz")


def is_voc(root: Path) -> bool:
    """Return whether a path is a folder with XML files whose root is ``annotation``."""
    if not root.is_dir():
        return False
    first = next((path for folder in _places(root) for path in _xml_files(folder)), None)
    first = first or next(iter(files_of(root, ".xml")), None)
    try:
        return first is not None and _parse(first).tag == "annotation"
    except DataError:
        return first is not None and _begins(first)


def _begins(path: Path) -> bool:
    """Return whether a damaged file has the root of one, so that the reader can say what is
    wrong."""
    try:
        return _ROOT.search(read_bytes(path, DataError, "XML")) is not None
    except DataError:
        return False


def voc_splits(root: Path) -> tuple[str, ...]:
    """Return the parts that a folder has, by lists in ``ImageSets`` or folders; none without
    either."""
    return splits_of(root, lambda top, split: bool(_list_of(top, split) or _folder_of(top, split)))


def read_voc(
    root: Path, split: str, classes: Sequence[str] = (), *, need_images: bool = True
) -> list[ImageRecord]:
    """Read a split, by its list in ``ImageSets/Main`` or its folder; without any, all there is.

    Attributes of a face are :data:`FLAGS_OF_VOC`.

    Raises:
        DataError: naming the file.
    """
    listing, folder = _list_of(root, split), _folder_of(root, split)
    if listing is None and folder is None and voc_splits(root):
        raise DataError(f"{root}: has no split {split!r}; expected ImageSets/Main/{split}.txt")
    if listing is not None:
        folder = next(_folders_in(root), root)
        files = dict(_listed(listing, folder))
    else:
        folder = folder or next((each for each in _places(root) if any(_xml_files(each))), root)
        files = {
            path.relative_to(folder).with_suffix("").as_posix(): path
            for path in sorted(_xml_files(folder))
        }
    if not files:
        raise DataError(f"{listing or folder}: names no image, expected an XML file for each")
    found = {stem: _parse(path) for stem, path in files.items()}
    names = {stem: _name(stem, found[stem]) for stem in files}
    for stem, name in names.items():
        check_image_name(name if has_image_suffix(name) else f"{name}.jpg", str(files[stem]))
    tops = list(dict.fromkeys((folder, folder.parent, root)))
    places = find_images(
        listing or folder, tops, split, list(names.values()), need_images, any_suffix=True
    )
    full = full_names(places)
    objects = {stem: list(_objects(tree, files[stem])) for stem, tree in found.items()}
    every = sorted({name for each in objects.values() for name, _, _ in each})
    faces = faces_among({name: name for name in every}, classes, str(root)) if every else set()
    return [
        replace(
            _record(full[name], places[name], [each for each in objects[stem] if each[0] in faces]),
            stated_size=stated_size(*map(found[stem].findtext, ("size/height", "size/width"))),
        )
        for stem, name in names.items()
    ]


def write_voc(root: Path, parts: Mapping[str, Sequence[ImageRecord]]) -> None:
    """Write ``Annotations/`` and ``ImageSets/Main/``; images have their place in ``JPEGImages``."""
    for split, records in parts.items():
        stems = [without_suffix(record.name) for record in records]
        for stem, record in zip(stems, records, strict=True):
            tree = _tree(record)
            indent(tree)
            write_below(root / "Annotations" / f"{stem}.xml", tostring(tree, "unicode") + "\n")
        write_below(root / "ImageSets" / "Main" / f"{split}.txt", "".join(f"{s}\n" for s in stems))


def _places(root: Path) -> Iterator[Path]:
    """Yield the folders that may hold the files, those of parts after those of all."""
    yield from _folders_in(root)
    for split in SPLITS:
        if (folder_of := _folder_of(root, split)) is not None:
            yield folder_of


def _folders_in(folder: Path) -> Iterator[Path]:
    """Yield those folders of a folder that may hold the files."""
    found = dict.fromkeys(place_below(folder, name) for name in _FOLDERS)
    yield from (path for path in found if path is not None and path.is_dir())


def _xml_files(folder: Path) -> Iterator[Path]:
    return (
        path
        for path in files_below(folder)
        if path.suffix.lower() == ".xml" and not is_hidden(path.relative_to(folder).as_posix())
    )


def _list_of(root: Path, split: str) -> Path | None:
    # To train on both and test on the test part is usual with Pascal VOC.
    words = (*split_names(split), *(("trainval",) if split == "train" else ()))
    places = (f"{sets}/{word}.txt" for sets in ("ImageSets/Main", "ImageSets") for word in words)
    tried = (place_below(root, place) for place in places)
    return next((path for path in tried if path is not None and path.is_file()), None)


def _folder_of(root: Path, split: str) -> Path | None:
    folder = split_folder(root, split, ("", *_FOLDERS))
    if folder is None:
        return None
    tried = (*_folders_in(folder), folder)
    return next((each for each in tried if any(_xml_files(each))), None)


def _listed(listing: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the stem and file of the images of a list; each line may end in -1, 0 or 1, as lists of
    a class do."""
    for at, line in enumerate(read_text(listing, DataError, "names of images").split("\n"), 1):
        stem = line.strip().replace("\\", "/")
        if not stem:
            continue
        if not (folder / f"{stem}.xml").is_file() and stem.split()[-1] in ("-1", "0", "1"):
            stem = stem.rpartition(" ")[0].strip()
        check_image_name(f"{stem}.jpg", f"{listing}:{at}")
        stems = dict.fromkeys((stem, without_suffix(stem)))
        tried = [folder / f"{each}{suffix}" for each in stems for suffix in (".xml", ".XML")]
        path = next((each for each in tried if each.is_file()), None)
        path = path or place_below(folder, f"{stem}.xml") or tried[0]
        if not path.is_file():
            raise DataError(f"{listing}:{at}: {excerpt(stem)} has no file {path}")
        yield path.relative_to(folder).with_suffix("").as_posix(), path


def _parse(path: Path) -> Any:
    data = read_bytes(path, DataError, "an XML file of Pascal VOC")
    try:
        tree = fromstring(_in_utf8(data))
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise DataError(f"{path}: is no XML that can be read ({str(error)!a:.100})") from None
    if tree.tag != "annotation":
        raise DataError(f"{path}: begins with <{tree.tag!a:.40}>, expected <annotation>")
    return tree


def _in_utf8(data: bytes) -> bytes:
    """Return a file in UTF-8 where it states a coding of several bytes a letter, which Python's
    parser does not take, such as GBK."""
    stated = _CODING.match(data)
    name = stated[2].decode() if stated else ""
    if not name.lower().startswith(_ASIAN):
        return data
    assert stated is not None
    head = stated[1] + b"utf-8" + data[stated.end(2) :]
    return head.decode(name).encode()


def _name(stem: str, tree: Any) -> str:
    """Return the image of a file: that of the same name, with the suffix that the file tells."""
    written = (tree.findtext("filename") or "").strip().replace("\\", "/").rpartition("/")[2]
    return stem + Path(written).suffix if has_image_suffix(written) else stem


def _objects(tree: Any, path: Path) -> Iterator[tuple[str, list[float], list[int]]]:
    """Yield class, corners and flags of each object, the last of which is :data:`TURNED_BOX`."""
    for at, each in enumerate(tree.iter("object")):
        texts = [each.findtext(f"bndbox/{key}") or "" for key in _CORNERS]
        try:
            corners = [float(text) for text in texts]
        except ValueError:
            corners = [_FAR]
        if not all(abs(value) < _FAR for value in corners):
            raise DataError(
                f"{path}: object {at} has bndbox {', '.join(texts)!a:.60}, expected the numbers "
                f"{', '.join(_CORNERS)}"
            )
        flags = [int(says_yes(each.findtext(flag) or "")) for flag in FLAGS_OF_VOC]
        more = {one.findtext("name"): one.findtext("value") for one in each.iter("attribute")}
        angle = angle_of(more.get("rotation"))
        corners = box_round_turned(corners, angle)
        flags.append(int(angle != 0))
        yield (each.findtext("name") or "").strip(), corners, flags


def _record(
    name: str, path: Path, objects: Sequence[tuple[str, list[float], list[int]]]
) -> ImageRecord:
    boxes_M4 = np.array([corners for _, corners, _ in objects], np.float32).reshape(-1, 4)
    boxes_M4[:, 2:] = np.maximum(boxes_M4[:, 2:], boxes_M4[:, :2])
    names = (*FLAGS_OF_VOC, TURNED_BOX)
    flags_MF = np.array([flags for _, _, flags in objects], np.int64).reshape(-1, len(names))
    attributes = {flag: flags_MF[:, at] for at, flag in enumerate(names)}
    if not attributes[TURNED_BOX].any():
        del attributes[TURNED_BOX]
    return ImageRecord(name, path, boxes_M4, attributes)


def _tree(record: ImageRecord) -> Element:
    height, width = image_size(record.path, record.exif)
    tree = Element("annotation")
    folder, _, file = record.name.rpartition("/")
    SubElement(tree, "folder").text = folder or "JPEGImages"
    SubElement(tree, "filename").text = file
    size = SubElement(tree, "size")
    for key, value in (("width", width), ("height", height), ("depth", 3)):
        SubElement(size, key).text = str(value)
    SubElement(tree, "segmented").text = "0"
    for at, (box, ignored) in enumerate(zip(record.boxes_M4, record.ignored_M, strict=True)):
        found = SubElement(tree, "object")
        SubElement(found, "name").text = FACE
        SubElement(found, "pose").text = "Unspecified"
        SubElement(found, "difficult").text = str(int(ignored))
        for flag in FLAGS_OF_VOC[1:]:
            value = record.attributes[flag][at] if flag in record.attributes else 0
            SubElement(found, flag).text = str(int(value))
        bounds = SubElement(found, "bndbox")
        for key, value in zip(_CORNERS, box, strict=True):
            SubElement(bounds, key).text = f"{value:.9g}"
    return tree
