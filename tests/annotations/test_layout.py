"""Names of images from paths that tools wrote on other machines."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasface.annotations.formats import read_dataset
from nasface.annotations.layout import plain_names
from nasface.annotations.names import locate_images
from nasface.data.images import write_image
from nasface.errors import DataError

IMAGES = {"x/a.jpg": [1, 2, 4, 6], "y/a.jpg": [5, 6, 12, 14], "y/z/b.png": [2, 2, 30, 40]}
PLACES = [
    "/data/set/{}",
    "C:\\me\\set\\{}",
    "//host/share/{}",
    "gs://bucket/set/{}",
    "file:///d/{}",
]


@pytest.mark.parametrize("place", [*PLACES, "https://example.org/set/{}?size=1#top", "../{}"])
@pytest.mark.parametrize("form", ["csv", "coco", "retinaface"])
@pytest.mark.parametrize("below", ["", "images"])
def test_paths_of_another_machine_keep_images_of_one_name_apart(
    place: str, form: str, below: str, tmp_path: Path
) -> None:
    """The first image was given the faces of both, or the file was refused."""
    for name in IMAGES:
        path = tmp_path / below / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, np.zeros((48, 40, 3), np.uint8))
    written = [place.format(name.replace("/", "\\") if "\\" in place else name) for name in IMAGES]
    if form == "csv":
        rows = (",".join(map(str, (w, *b))) for w, b in zip(written, IMAGES.values(), strict=True))
        (tmp_path / "f.csv").write_text("filename,xmin,ymin,xmax,ymax\n" + "\n".join(rows))
    elif form == "retinaface":
        rows = (
            f"# {w}\n{a} {b} {c - a} {d - b}"
            for w, (a, b, c, d) in zip(written, IMAGES.values(), strict=True)
        )
        (tmp_path / "label.txt").write_text("\n".join(rows))
    else:
        content = {
            "images": [{"id": at, "file_name": name} for at, name in enumerate(written)],
            "annotations": [
                {"id": at, "image_id": at, "category_id": 1, "bbox": [a, b, c - a, d - b]}
                for at, (a, b, c, d) in enumerate(IMAGES.values())
            ],
            "categories": [{"id": 1, "name": "face"}],
        }
        (tmp_path / "f.json").write_text(json.dumps(content))
    found = read_dataset(tmp_path, "train", form)
    for record, (name, box) in zip(found, IMAGES.items(), strict=True):
        assert record.path == tmp_path / below / name
        assert record.boxes_M4.tolist() == [box]


PARTS = st.sampled_from(["a", "b", "c d", "a.jpg", "é.png"])


@given(st.lists(st.lists(PARTS, min_size=1, max_size=4), min_size=1, max_size=6))
def test_shared_folders_are_left_out(paths: list[list[str]]) -> None:
    """Against folder by folder: as many as the shortest has, while all have the same."""
    names = plain_names(["/" + "/".join(parts) for parts in paths], Path("nowhere"), "f")
    shared = 0
    while all(len(parts) > shared + 1 and parts[shared] == paths[0][shared] for parts in paths):
        shared += 1
    assert names == {"/" + "/".join(parts): "/".join(parts[shared:]) for parts in paths}


def test_relative_names_stay_and_those_below_the_root_begin_there(tmp_path: Path) -> None:
    own = f"{tmp_path.resolve().as_posix()}/p/a.jpg"
    written = ["./q/a.jpg", "..\\r\\a.jpg", own, "/z/y/a.jpg", "/z/y/b.jpg"]
    names = plain_names(written, tmp_path, "f")
    assert list(names.values()) == ["q/a.jpg", "r/a.jpg", "p/a.jpg", "a.jpg", "b.jpg"]
    with pytest.raises(DataError, match=r"^f: images 'a.jpg' and '/z/a.jpg' are not told apart"):
        plain_names(["a.jpg", "/z/a.jpg"], tmp_path, "f")
    assert plain_names(["a.jpg", "./a.jpg"], tmp_path, "f") == {
        "a.jpg": "a.jpg",
        "./a.jpg": "a.jpg",
    }


def test_drives_tell_images_apart() -> None:
    written = ["C:\\p\\a.jpg", "D:\\p\\a.jpg"]
    assert list(plain_names(written, Path("nowhere"), "f").values()) == ["C/p/a.jpg", "D/p/a.jpg"]
    written = ["C:\\p\\a.jpg", "C:\\q\\a.jpg"]
    assert list(plain_names(written, Path("nowhere"), "f").values()) == ["p/a.jpg", "q/a.jpg"]


def test_one_of_many_folders_may_be_missing(tmp_path: Path) -> None:
    """Images that are there are found, also where another one is not."""
    for name in ("a.jpg", "b.jpg"):
        write_image(tmp_path / name, np.zeros((48, 40, 3), np.uint8))
    lines = "".join(f"/data/{name},1,2,10,20\n" for name in ("x/a.jpg", "y/b.jpg", "y/c.jpg"))
    (tmp_path / "f.csv").write_text(f"filename,xmin,ymin,xmax,ymax\n{lines}")
    with pytest.raises(DataError, match=r"c\.jpg: image is missing, as are 1 of the 3"):
        read_dataset(tmp_path)
    found = read_dataset(tmp_path, need_images=False)
    assert [each.path.name for each in found if each.path.is_file()] == ["a.jpg", "b.jpg"]


def test_names_without_suffix_may_differ_in_case(tmp_path: Path) -> None:
    for name in ("A.JPG", "b.Png", "c.jpg", "C.png"):
        write_image(tmp_path / name.lower(), np.zeros((48, 40, 3), np.uint8))
        (tmp_path / name.lower()).rename(tmp_path / name)
    (tmp_path / "f.csv").write_text("image,xmin,ymin,xmax,ymax\na,1,2,10,20\nB,1,2,10,20\n")
    assert [each.path.name for each in read_dataset(tmp_path)] == ["A.JPG", "b.Png"]
    (tmp_path / "c.jpg").rename(tmp_path / "C.jpg")
    (tmp_path / "f.csv").write_text("image,xmin,ymin,xmax,ymax\na,1,2,10,20\nc,1,2,10,20\n")
    with pytest.raises(DataError, match="c: image is missing"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("there", ["e\u0301.png", "\u00c9.PNG", "\u00e9.png"])
@pytest.mark.parametrize("form", ["csv", "widerface"])
def test_accents_and_case_may_differ(tmp_path: Path, there: str, form: str) -> None:
    """Archives that were made on macOS have accents apart from their letters."""
    if form == "csv":
        path = tmp_path / there
        text = "image,xmin,ymin,xmax,ymax\n\u00e9.png,1,2,10,20\n"
        (tmp_path / "f.csv").write_text(text, "utf-8")
    else:
        path = tmp_path / "WIDER_train" / "images" / "event" / there
        path.parent.mkdir(parents=True)
        (tmp_path / "wider_face_split").mkdir()
        text = "event/\u00e9.png\n1\n1 2 9 18 0 0 0 0 0 0\n"
        listing = tmp_path / "wider_face_split" / "wider_face_train_bbx_gt.txt"
        listing.write_text(text, "utf-8")
    write_image(tmp_path / "a.png", np.zeros((48, 40, 3), np.uint8))
    (tmp_path / "a.png").rename(path)
    (record,) = read_dataset(tmp_path)
    assert record.path.is_file()
    assert record.boxes_M4.tolist() == [[1, 2, 10, 20]]
    assert record.name.endswith("\u00e9.png")


@pytest.mark.parametrize("coding", ["utf-8", "utf-16", "latin-1", "gbk", "big5", "shift_jis"])
def test_codings_of_pascal_voc(tmp_path: Path, coding: str) -> None:
    """Python's parser knows none of several bytes a letter but those of Unicode."""
    letter = "\u00e9" if coding == "latin-1" else "\u4e2d"
    xml = (
        f'<?xml version="1.0" encoding="{coding}"?><annotation><folder>{letter}</folder><object>'
        "<name>face</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>10</xmax><ymax>20</ymax>"
        "</bndbox></object></annotation>"
    )
    (tmp_path / "a.xml").write_bytes(xml.encode(coding))
    write_image(tmp_path / "a.png", np.zeros((48, 40, 3), np.uint8))
    (record,) = read_dataset(tmp_path)
    assert record.boxes_M4.tolist() == [[1, 2, 10, 20]]
    for damaged in (xml.encode(coding)[:-5], xml.replace(coding, "gbx").encode(coding)):
        (tmp_path / "a.xml").write_bytes(damaged)
        if b"<annotation" in damaged:
            with pytest.raises(DataError, match=r"a\.xml: is no XML that can be read"):
                read_dataset(tmp_path)


def test_lists_of_pascal_voc_may_have_suffixes(tmp_path: Path) -> None:
    xml = "<annotation><object><name>face</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax>"
    for name in ("a.b", "c"):
        (tmp_path / "Annotations").mkdir(exist_ok=True)
        text = f"{xml}<ymax>4</ymax></bndbox></object></annotation>"
        (tmp_path / "Annotations" / f"{name}.xml").write_text(text)
        write_image(tmp_path / f"{name}.png", np.zeros((48, 40, 3), np.uint8))
    (tmp_path / "ImageSets").mkdir()
    (tmp_path / "ImageSets" / "train.txt").write_text("a.b.png\nc\n")
    assert [each.name for each in read_dataset(tmp_path)] == ["a.b.png", "c.png"]


def test_names_of_addresses(tmp_path: Path) -> None:
    """A file of the very name comes first, and no name leads out of the folder."""
    for name in ("x y/ä b.jpg", "c%20d.jpg", "c d.jpg", "e f.jpg"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_image(path, np.zeros((9, 9, 3), np.uint8))
    write_image(tmp_path / "out.jpg", np.zeros((9, 9, 3), np.uint8))
    names = ["x%20y/%C3%A4%20b.jpg", "c%20d.jpg", "e%20f.jpg", "e f.jpg"]
    names += ["..%2fout.jpg", "%2e%2e/out.jpg"]
    found = locate_images(tmp_path / "images", names, any_suffix=False)
    there = {name: str(path.relative_to(tmp_path / "images")) for name, path in found.items()}
    assert there == {
        "x%20y/%C3%A4%20b.jpg": "x y/ä b.jpg",
        "c%20d.jpg": "c%20d.jpg",
        "e f.jpg": "e f.jpg",
    }
