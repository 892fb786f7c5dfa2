"""Tables that annotation tools write, each with its own columns and folders."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from faces_of_tools import EMPTY, FACES, HEIGHT, WIDTH, check_read, images, write

from nasface.annotations.formats import read_dataset

Writer = Callable[[Path], None]


def table(path: Path, header: str, row: Callable[..., str], empty: str = "") -> None:
    lines = [row(name, *box) for name, boxes in FACES.items() for box in boxes]
    write(path, "\n".join([header, *lines, *([empty] if empty else [])]) + "\n")


def roboflow_csv(root: Path) -> None:
    images(root / "train")
    path = root / "train" / "_annotations.csv"

    def row(name: str, x: float, y: float, w: float, h: float) -> str:
        return f"{name},48,32,face,{x:g},{y:g},{x + w:g},{y + h:g}"

    table(path, "filename,width,height,class,xmin,ymin,xmax,ymax", row, "none.jpg,48,32,,,,,")


def kaggle_csv(root: Path) -> None:
    """Corners x0 to y1, as a known set of faces has them."""
    images(root / "images")

    def row(name: str, x: float, y: float, w: float, h: float) -> str:
        return f"{name},48,32,{x},{y},{x + w},{y + h}"

    table(root / "faces.csv", "Name,width,height,x0,y0,x1,y1".replace("Name", "image_name"), row)


def one_column_csv(root: Path) -> None:
    images(root / "train")

    def row(name: str, x: float, y: float, w: float, h: float) -> str:
        return f'{name[:-4]},48,32,"[{x}, {y}, {w}, {h}]",web'

    table(root / "train.csv", "image_id,width,height,bbox,source", row, "none,48,32,,web")


def makesense_csv(root: Path) -> None:
    images(root)

    def row(name: str, x: float, y: float, w: float, h: float) -> str:
        return f"face;{x};{y};{w};{h};{name};48;32"

    header = "label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_name,image_width,image_height"
    table(root / "labels_my-project.csv", header.replace(",", ";"), row)


def makesense_csv_without_header(root: Path) -> None:
    images(root)
    rows = [
        f"face,{x:g},{y:g},{w:g},{h:g},{name},48,32"
        for name, boxes in FACES.items()
        for x, y, w, h in boxes
    ]
    write(root / "labels_my-project_2026-01-01-10-00-00.csv", "\n".join(rows))


def open_images_csv(root: Path) -> None:
    """Shares of the image, names without a suffix, crowds."""
    images(root / "data")

    def row(name: str, x: float, y: float, w: float, h: float) -> str:
        shares = (x / WIDTH, (x + w) / WIDTH, y / HEIGHT, (y + h) / HEIGHT)
        return f"{name[:-4]},xclick,Human face,1,{','.join(map(str, shares))},0,0,0,0"

    header = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated"
    table(root / "train.csv", header + ",IsGroupOf,IsDepiction", row)


def via_csv(root: Path) -> None:
    images(root)

    def row(name: str, x: float, y: float, w: float, h: float) -> str:
        shape = json.dumps({"name": "rect", "x": x, "y": y, "width": w, "height": h})
        cells = (name, "900", "{}", "1", "0", shape, '{"type":"face"}')
        return ",".join('"' + cell.replace('"', '""') + '"' for cell in cells)

    header = "filename,file_size,file_attributes,region_count,region_id,"
    header += "region_shape_attributes,region_attributes"
    table(root / "via_export.csv", header, row, 'none.jpg,900,"{}",0,0,"{}","{}"')


def keras_retinanet_csv(root: Path) -> None:
    images(root / "images")
    rows = [
        f"images/{name},{x},{y},{x + w},{y + h},face"
        for name, boxes in FACES.items()
        for x, y, w, h in boxes
    ]
    write(root / "annotations.csv", "\n".join([f"images/{EMPTY},,,,,", *rows, ""]))
    write(root / "classes.csv", "face,0\n")


SPARSE = (kaggle_csv, makesense_csv, makesense_csv_without_header, open_images_csv)
"""Those that write nothing of an image without a face."""


@pytest.mark.parametrize(
    "writer",
    [
        roboflow_csv,
        kaggle_csv,
        one_column_csv,
        makesense_csv,
        open_images_csv,
        via_csv,
        makesense_csv_without_header,
        keras_retinanet_csv,
    ],
)
def test_what_tools_write(tmp_path: Path, writer: Writer) -> None:
    writer(tmp_path)
    check_read(tmp_path, "csv", has_empty=writer not in SPARSE)


def test_classes(tmp_path: Path) -> None:
    images(tmp_path)
    header = "filename,xmin,ymin,xmax,ymax,label"
    write(tmp_path / "a.csv", f"{header}\na.jpg,1,2,3,4,face\na.jpg,5,6,7,8,hand\n")
    assert read_dataset(tmp_path).faces == 1
    assert read_dataset(tmp_path, classes=["hand"])[0].boxes_M4.tolist() == [[5, 6, 7, 8]]
