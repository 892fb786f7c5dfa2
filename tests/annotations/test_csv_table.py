"""Data sets as tables."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faces_of_tools import HEIGHT, WIDTH, images, write

from nasface.annotations.formats import read_dataset
from nasface.data.images import write_image
from nasface.errors import DataError


@pytest.mark.parametrize(
    ("column", "attribute", "wanted"),
    [
        ("IsGroupOf", "iscrowd", False),
        ("difficult", "difficult", False),
        ("ignore", "ignore", False),
        ("invalid", "invalid", False),
        ("occluded", "occluded", True),
    ],
)
def test_flags_of_csv(tmp_path: Path, column: str, attribute: str, wanted: bool) -> None:
    images(tmp_path)
    header = f"filename,xmin,ymin,xmax,ymax,{column}"
    write(tmp_path / "a.csv", f"{header}\na.jpg,1,2,3,4,True\na.jpg,5,6,7,8,0\n")
    found = read_dataset(tmp_path / "a.csv")
    assert found[0].attributes[attribute].tolist() == [1, 0]
    assert found[0].valid_M.tolist() == [wanted, True]


def test_parts_that_a_column_tells(tmp_path: Path) -> None:
    images(tmp_path)
    header = "path,split,xmin,ymin,xmax,ymax"
    rows = "a.jpg,train,1,2,3,4\nb.jpg,validation,5,6,7,8\nnone.jpg,valid,,,,"
    write(tmp_path / "all.csv", f"{header}\n{rows}\n")
    assert read_dataset(tmp_path, "train").names == ["a.jpg"]
    with pytest.raises(DataError, match="has no table of split 'test'"):
        read_dataset(tmp_path, "test")


@pytest.mark.parametrize(
    "text",
    [
        ",filename,xmin,ymin,xmax,ymax\n0,a.jpg,1,2,3,4\n1,b.jpg,5,6,7.5,8\n2,none.jpg,,,,\n",
        "# a comment\n\nfilename, xmin, ymin, xmax, ymax\n"
        '"a.jpg", 1, 2, 3, 4\n "b.jpg", 5, 6, 7.5, 8\nnone.jpg\n',
        "sep=;\nImage;min_x;min_y;max_x;max_y\na.jpg;1;2;3;4\nb.jpg;5;6;7,5;8\nnone.jpg;;;;\n",
        "name\tface_left\tface_top\tface_width\tface_height\n"
        "a.jpg\t1\t2\t2\t2\nb.jpg\t5\t6\t2,5\t2\nnone.jpg\tNA\tNA\tNA\tNA\n",
        "frame,Top Left X (px),Top Left Y (px),Bottom Right X (px),Bottom Right Y (px)\n"
        "a.jpg,1,2,3,4\nb.jpg,5,6,7.5,8\nnone.jpg,nan,nan,nan,nan\n",
        "photo|startX|startY|endX|endY\na.jpg|1|2|3|4\nb.jpg|5|6|7.5|8\nnone.jpg|None|None|None|None\n",
    ],
)
def test_tables_as_programs_write_them(tmp_path: Path, text: str) -> None:
    images(tmp_path)
    write(tmp_path / "faces.csv", text)
    found = read_dataset(tmp_path)
    assert [each.boxes_M4.tolist() for each in found] == [[[1, 2, 3, 4]], [[5, 6, 7.5, 8]], []]
    assert found.faces == 2


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("a.jpg,9,9,3,14,face", "has no x1 below x2 and y1 below y2 in '9, 9, 3, 14'"),
        ("a.jpg,1,2,3,4,0.5", "has '0.5', a score, for its class"),
        ("a.jpg,1,2,3,4", "has 5 cells, expected 6"),
        ("a.jpg,1,2,3,4,", "has no class"),
        ("a.jpg,1,2,3,,face", "has no four numbers in '1, 2, 3, '"),
        ("a,1,2,3,4,f", "names no image in 'a'"),
    ],
)
def test_a_table_without_a_header_is_of_one_form_in_all_rows(
    tmp_path: Path, row: str, why: str
) -> None:
    images(tmp_path)
    good = "b.jpg,,,,,\na.jpg,1,2,3,4,face\n"
    write(tmp_path / "faces.csv", good)
    found = read_dataset(tmp_path)
    assert found.assumed.startswith("faces.csv has no header; read as filename,x1,y1,x2,y2,class; ")
    assert found[:1].assumed == found.assumed
    assert [each.boxes_M4.tolist() for each in found] == [[], [[1, 2, 3, 4]]]
    write(tmp_path / "faces.csv", f"{good}{row}\n")
    with pytest.raises(DataError, match=rf"faces\.csv:3: {re.escape(why)}"):
        read_dataset(tmp_path)


def test_a_table_whose_first_row_is_the_bad_one(tmp_path: Path) -> None:
    images(tmp_path)
    write(tmp_path / "faces.csv", "a.jpg,9,9,3,14,face\nb.jpg,1,2,3,4,face\n")
    with pytest.raises(DataError, match=r"faces\.csv:1: has no x1 below x2"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    "column", ["object", "Object Name", "labels", "cls", "category_id", "name", "tag", "type"]
)
def test_columns_of_classes(tmp_path: Path, column: str) -> None:
    images(tmp_path)
    header = f"image,xmin,ymin,xmax,ymax,{column}"
    write(tmp_path / "f.csv", f"{header}\na.jpg,1,2,3,4,Face\na.jpg,5,6,7,8,hand\n")
    found = read_dataset(tmp_path)
    assert found[0].boxes_M4.tolist() == [[1, 2, 3, 4]]
    assert "classes" not in found.assumed


@pytest.mark.parametrize(
    ("column", "cells", "assumed"),
    [
        ("name", "Ann Bob Ann", "f.csv has no column of classes: all rows are faces, whatever "),
        ("species", "cat dog cat", "f.csv has no column of classes: all rows are faces, whatever "),
        ("species", "cat cat cat", ""),
        ("remark", "a b c", ""),
        ("angle", "1 2 1", ""),
        ("score", "0.9 0.2 0.9", "column 'score' of f.csv is not read: any score counts"),
        ("Confidence", "1 1 1", ""),
    ],
)
def test_what_is_taken_for_granted_about_a_table(
    tmp_path: Path, column: str, cells: str, assumed: str
) -> None:
    images(tmp_path)
    rows = [f"a.jpg,{at},2,13,14,{cell}\n" for at, cell in enumerate(cells.split())]
    write(tmp_path / "f.csv", f"image,xmin,ymin,xmax,ymax,{column}\n{''.join(rows)}")
    found = read_dataset(tmp_path)
    assert found.faces == 3
    assert found.assumed.startswith(assumed)
    assert ("f.csv" in found.assumed) == bool(assumed)


def test_boxes_as_maps_in_a_cell(tmp_path: Path) -> None:
    images(tmp_path)
    cells = (
        "{'w': 10, 'h': 20.5, 'x': 1, 'y': 2}",
        '{""xmin"": 1, ""xmax"": 11, ""ymin"": 2, ""ymax"": 22.5}',
        "Box(left=1, top=2, width=10, height=20.5)",
        "[1, 2, 1e1, 20.5]",
        "{}",
    )
    rows = [f'{"ab"[at % 2]}.jpg,"{cell}"\n' for at, cell in enumerate(cells)]
    write(tmp_path / "f.csv", f"image,bbox\n{''.join(rows)}")
    box = [1, 2, 11, 22.5]
    assert [each.boxes_M4.tolist() for each in read_dataset(tmp_path)] == [[box] * 2] * 2
    write(tmp_path / "f.csv", "image,bbox\na.jpg,\"{'x': 1, 'y': 2}\"\n")
    with pytest.raises(DataError, match=r"f\.csv:2: has no box"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("attributes", "faces"),
    [
        ({"label": "face"}, 1),
        ({"name": "Ann", "type": "face"}, 1),
        ({"name": "Ann", "label": "hand"}, 0),
        ({"type": {"face": True, "hand": False}}, 1),
        ({"type": {"face": False, "hand": True}}, 0),
        ({"quality": {"blur": False}}, 1),
    ],
)
def test_attributes_of_vggs_image_annotator(
    tmp_path: Path, attributes: dict[str, Any], faces: int
) -> None:
    images(tmp_path)
    header = "filename,region_count,region_id,region_shape_attributes,region_attributes"
    shapes = {"name": "rect", "x": 1, "y": 2, "width": 3, "height": 4}, {"name": "point", "cx": 1}
    rows: list[list[dict[str, Any]]] = [[shapes[0], {"label": "face"}]]
    rows += [[shapes[0], attributes], [shapes[1], attributes]]
    cells = [['"{}"'.format(json.dumps(each).replace('"', '""')) for each in row] for row in rows]
    lines = [f"a.jpg,3,{at},{','.join(row)}" for at, row in enumerate(cells)]
    write(tmp_path / "f.csv", "\n".join([header, *lines]))
    assert read_dataset(tmp_path).faces == 1 + faces


@pytest.mark.parametrize("row", ["a.jpg,1,5,2,5,3,5,4,5", "a.jpg,1,2,3,4,x"])
def test_a_row_of_more_cells_than_columns(tmp_path: Path, row: str) -> None:
    """As commas for decimal points make it, whose first four numbers are no box."""
    images(tmp_path)
    header = "filename,xmin,ymin,xmax,ymax\n"
    write(tmp_path / "f.csv", f"{header}b.jpg,1,2,3,4,,\n{row}\n")
    with pytest.raises(DataError, match=r"f\.csv:3: has \d cells, expected 5 as its header"):
        read_dataset(tmp_path)


def test_shares_a_little_beyond_the_image(tmp_path: Path) -> None:
    images(tmp_path)
    write(tmp_path / "f.csv", "image,xmin,ymin,xmax,ymax\na.jpg,-0.25,0.5,0.5,1.125\n")
    (record,) = read_dataset(tmp_path)
    assert record.shares_of == (HEIGHT, WIDTH)
    assert record.boxes_M4.tolist() == [[-12, 16, 24, 36]]


def test_a_table_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    images(tmp_path)
    for text, why in (
        ("a.jpg,1,2,3,4,0.9\n", "has columns 'a.jpg, 1, 2, 3, 4, 0.9' and none of the image"),
        ("file,Age\na.jpg,1\n", "has columns 'file, Age' and none of the box"),
    ):
        write(tmp_path / "faces.csv", text)
        for place in (tmp_path, tmp_path / "faces.csv"):
            with pytest.raises(DataError, match=rf"no known format.*; .*faces\.csv: {why}"):
                read_dataset(place)
    (tmp_path / "train").mkdir()
    (tmp_path / "faces.csv").rename(tmp_path / "train" / "_annotations.csv")
    with pytest.raises(DataError, match=rf"no known format.*annotations\.csv: {why}"):
        read_dataset(tmp_path)
    write(tmp_path / "faces.csv", "# one\nfile,xmin,ymin,xmax,ymax\na.jpg,1,2,x,4\n")
    with pytest.raises(DataError, match=r"faces\.csv:3: has no box"):
        read_dataset(tmp_path / "faces.csv")


@pytest.mark.parametrize(
    "header",
    [
        "filename,bbox_x,bbox_y,bbox_width,bbox_height,width,height",
        "width,height,filename,bbox_x,bbox_y,bbox_width,bbox_height",
        "filename,face_x,face_y,face_w,face_h,width,height",
        "filename,x_px,y_px,width_px,height_px,x,y",
    ],
)
def test_sizes_of_boxes_and_of_images_in_a_csv(tmp_path: Path, header: str) -> None:
    names = header.split(",")
    box = dict(zip(("x", "y", "w", "h"), (10, 20, 30, 40), strict=True))
    cells = {name: "100" if name in ("width", "height") else "0.1" for name in names}
    for name in names:
        if name[:4] in ("bbox", "face") or name.endswith("px"):
            side = name.replace("bbox_", "").replace("face_", "").replace("_px", "")[0]
            cells[name] = str(box[side])
    cells["filename"] = "a.jpg"
    write_image(tmp_path / "a.jpg", np.zeros((100, 100, 3), np.uint8))
    (tmp_path / "a.csv").write_text(f"{header}\n{','.join(cells[name] for name in names)}\n")
    (found,) = read_dataset(tmp_path)
    assert found.boxes_M4.tolist() == [[10, 20, 40, 60]]


@pytest.mark.parametrize(
    "text",
    [
        "image,x,y,w,h,X,Y\na.jpg,10,10,20,30,1,2\n",
        "image,x,y,bbox_w,bbox_h,bbox_x\na.jpg,50,60,3,4,1\n",
        "image,xmin,ymin,xmax,ymax,bbox_xmin\na.jpg,1,2,3,4,2\n",
    ],
)
def test_a_csv_with_a_column_twice_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match=r"a\.csv: has columns '.* and .*', which mean the same"):
        read_dataset(tmp_path, format="csv")


def test_parts_in_other_words(tmp_path: Path) -> None:
    """Rows of a part by an unknown word were in all parts."""
    images(tmp_path)
    header = "filename,xmin,ymin,xmax,ymax,split\n"
    rows = ("a.jpg,1,2,3,4,Training", "b.jpg,1,2,3,4,Testing")
    write(tmp_path / "faces.csv", header + "\n".join(rows))
    assert [read_dataset(tmp_path, part).names for part in ("train", "test")] == [
        ["a.jpg"],
        ["b.jpg"],
    ]
    write(tmp_path / "faces.csv", header + "\n".join((*rows, "none.jpg,,,,,")))
    with pytest.raises(
        DataError, match=r"faces\.csv:4: tells no split, expected one of train, test"
    ):
        read_dataset(tmp_path, "train")
