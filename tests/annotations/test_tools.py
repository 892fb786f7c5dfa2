"""What annotation tools write, each with its own folders and habits: all are read the same."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faces_of_tools import EMPTY, FACES, HEIGHT, WIDTH, images, write

from nasface.annotations.formats import read_dataset

Writer = Callable[[Path], None]


def coco(path: Path, category: Any, names: Callable[[str], str] = str, **more: Any) -> None:
    """Annotations with what all tools write, and ``more`` keys that some do."""
    rows = [(at, box) for at, boxes in enumerate(FACES.values()) for box in boxes]
    content = {
        "images": [{"id": at, "file_name": names(name)} for at, name in enumerate((*FACES, EMPTY))],
        "annotations": [
            {"id": at, "image_id": image, "category_id": 1, "bbox": list(box), **more}
            for at, (image, box) in enumerate(rows)
        ],
        "categories": category,
    }
    write(path, json.dumps(content))


def cvat_coco(root: Path) -> None:
    images(root / "images" / "default")
    attributes = {"occluded": True, "rotation": 0.0}
    category = [{"id": 1, "name": "face", "supercategory": ""}]
    path = root / "annotations" / "instances_default.json"
    coco(path, category, segmentation=[], iscrowd=0, area=80.0, attributes=attributes)


def label_studio_coco(root: Path) -> None:
    images(root / "images", lambda name: f"1f2e-{name}")
    category = [{"id": 1, "name": "Face"}, {"id": 0, "name": "Other"}]
    coco(root / "result.json", category, "images\\1f2e-".__add__, ignore=0, iscrowd=0)


def roboflow_coco(root: Path) -> None:
    def names(name: str) -> str:
        return name.replace(".jpg", "_jpg.rf.0f3.jpg")

    images(root / "train", names)
    category = [
        {"id": 0, "name": "people", "supercategory": "none"},
        {"id": 1, "name": "head", "supercategory": "people"},
    ]
    coco(root / "train" / "_annotations.coco.json", category, names, segmentation=[], iscrowd=0)


def fiftyone_coco(root: Path) -> None:
    images(root / "data")
    coco(root / "labels.json", [{"id": 1, "name": "face", "supercategory": None}])


def labelme_coco(root: Path) -> None:
    """Paths from the folder in which the tool was run."""
    images(root / "train")
    category = [{"id": 1, "name": "face", "supercategory": "face"}]
    coco(root / "train.json", category, "work/faces/train/".__add__, segmentation=[], iscrowd=0)


def polygons_coco(root: Path) -> None:
    """Polygons in the place of boxes, below a name that no tool is known by."""
    images(root)
    path = root / "my_faces.json"
    coco(path, [{"id": 1, "name": "face"}])
    content = json.loads(path.read_text())
    for each in content["annotations"]:
        x, y, w, h = each.pop("bbox")
        each["segmentation"] = [[x, y + h / 2, x + w, y, x + w / 2, y + h]]
    path.write_text(json.dumps(content))


def via_coco(root: Path) -> None:
    """Numbers of images and classes are texts in the annotations."""
    images(root)
    path = root / "via_project_coco.json"
    coco(path, [{"id": 1, "name": "face", "supercategory": "type"}], segmentation=[])
    content = json.loads(path.read_text())
    for each in content["annotations"]:
        each.update(image_id=str(each["image_id"]), category_id=str(each["category_id"]))
    path.write_text(json.dumps(content))


def label_studio_server_coco(root: Path) -> None:
    """Paths on the server, from the folder of the export."""
    images(root / "images", lambda name: f"1f2e-{name}")
    place = "../../label-studio/data/media/upload/1/1f2e-"
    coco(root / "result.json", [{"id": 1, "name": "face"}], place.__add__)


def two_file_coco(root: Path) -> None:
    """The names of files tell the parts, the folder of images has one of its own."""
    images(root / "photographs")
    for part in ("train", "val"):
        coco(root / "annotations" / f"{part}_faces.json", [{"id": 1, "name": "face"}])


def windows_coco(root: Path) -> None:
    """Names and files differ in the case of their letters."""
    images(root, lambda name: name.replace(".jpg", ".JPG"))
    coco(root / "faces.json", [{"id": 1, "name": "face"}])


def labels(folder: Path, rename: Callable[[str], str] = str, end: str = "\n") -> None:
    for name, boxes in FACES.items():
        rows = [
            f"0 {(x + w / 2) / WIDTH} {(y + h / 2) / HEIGHT} {w / WIDTH} {h / HEIGHT}"
            for x, y, w, h in boxes
        ]
        write(folder / rename(name).replace(".jpg", ".txt"), end.join(rows))
    write(folder / rename(EMPTY).replace(".jpg", ".txt"), "")


def ultralytics_yolo(root: Path) -> None:
    """The path of the data is below a folder of its own, elsewhere."""
    images(root / "images" / "train")
    labels(root / "labels" / "train")
    text = "path: ../datasets/faces # root\ntrain: images/train\nval: images/val\ntest:\n"
    write(root / "data.yaml", text + "names:\n  0: face\n")


def roboflow_yolo(root: Path) -> None:
    images(root / "train" / "images")
    labels(root / "train" / "labels")
    text = "train: ../train/images\nval: ../valid/images\nnc: 1\nnames: ['head']\n"
    write(root / "data.yaml", text)


def colab_yolo(root: Path) -> None:
    """Absolute paths of another machine."""
    images(root / "train" / "images")
    labels(root / "train" / "labels", end="\r\n")
    text = "train: /content/Faces-1/train/images\nval: /content/Faces-1/valid/images\n"
    write(root / "data.yaml", text + "names: [face, hand]\n")


def label_studio_yolo(root: Path) -> None:
    images(root / "images", lambda name: f"1f2e-{name}")
    labels(root / "labels", lambda name: f"1f2e-{name}")
    write(root / "classes.txt", "Face\nOther\n")
    write(root / "notes.json", '{"categories": []}')


def cvat_yolo(root: Path) -> None:
    images(root / "obj_train_data")
    labels(root / "obj_train_data")
    write(root / "obj.names", "face\n")
    write(root / "obj.data", "classes = 1\ntrain = data/train.txt\nnames = data/obj.names\n")
    names = (*FACES, EMPTY)
    write(root / "train.txt", "".join(f"data/obj_train_data/{name}\n" for name in names))


def no_settings_yolo(root: Path) -> None:
    """Images and labels only, as in sets of one class."""
    images(root / "images" / "train")
    labels(root / "labels" / "train")


def own_name_yolo(root: Path) -> None:
    """Settings of another name, whose classes are numbered by texts."""
    images(root / "images" / "train")
    labels(root / "labels" / "train")
    text = "path: .\ntrain: images/train\nval: images/train\nnames: {'0': face}\n"
    write(root / "widerface.yaml", text)


def label_img_yolo(root: Path) -> None:
    """Images, labels and classes in one folder."""
    images(root)
    labels(root)
    write(root / "classes.txt", "face\n")


def label_img_folders_yolo(root: Path) -> None:
    """Labels and classes in a folder of their own."""
    images(root / "images")
    labels(root / "labels")
    write(root / "labels" / "classes.txt", "face\n")


def makesense_yolo(root: Path) -> None:
    """Images and labels in one folder, and no file of classes."""
    images(root)
    labels(root)


def roboflow_darknet(root: Path) -> None:
    """The same in the folder of a part, whose classes stand in a file of their own."""
    images(root / "train")
    labels(root / "train")
    write(root / "train" / "_darknet.labels", "face\nother\n")


def add_points(folder: Path, points: str) -> None:
    for path in folder.glob("*.txt"):
        rows = path.read_text().splitlines()
        path.write_text("".join(f"{row} {points}\n" for row in rows))


def yolov5_face(root: Path) -> None:
    """Five points behind each box, -1 where they are not known, and no word of them."""
    images(root / "train" / "images")
    labels(root / "train" / "labels")
    add_points(root / "train" / "labels", " ".join(["-1.0"] * 10))
    write(root / "data.yaml", "train: ../train/images\nnc: 1\nnames: ['face']\n")


def yolov7_face(root: Path) -> None:
    """Five points, each with a number that tells whether it is seen."""
    images(root / "train" / "images")
    labels(root / "train" / "labels")
    add_points(root / "train" / "labels", " ".join(["0.1 0.2 2.0"] * 5))
    write(root / "data.yaml", "train: ../train/images\nnc: 1\nnames: ['face']\n")


def voc(folder: Path, before: str, after: str, form: str = "d", shift: float = 0) -> None:
    for name in (*FACES, EMPTY):
        objects = ""
        for x, y, w, h in FACES.get(name, []):
            bounds = {"xmin": x, "ymin": y, "xmax": x + w, "ymax": y + h}
            tags = "".join(f"<{key}>{value:{form}}</{key}>" for key, value in bounds.items())
            objects += f"<object>{before}<bndbox>{tags}</bndbox>{after}</object>"
        objects += "<object><name>hand</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>3</xmax>"
        objects += "<ymax>3</ymax></bndbox></object>"
        text = f"<annotation><folder>x</folder><filename>{name}</filename>{objects}</annotation>"
        write(folder / name.replace(".jpg", ".xml"), text)


def label_img_voc(root: Path) -> None:
    """Beside the images; the name of the image is that of the file."""
    images(root)
    voc(root, "<name>face</name><truncated>0</truncated><difficult>0</difficult>", "", "g")


def cvat_voc(root: Path) -> None:
    images(root / "JPEGImages")
    more = "<attributes><attribute><name>rotation</name><value>0.0</value></attribute></attributes>"
    voc(root / "Annotations", "<name>face</name><occluded>1</occluded>", more, ".2f")
    write(root / "ImageSets" / "Main" / "default.txt", "a\nb\nnone\n")
    write(root / "labelmap.txt", "# label:color_rgb:parts:actions\nface:0,0,0::\n")


def roboflow_voc(root: Path) -> None:
    images(root / "train")
    voc(root / "train", "<name>face</name><pose>Unspecified</pose>", "<polygon/>", "g")


def supervision_voc(root: Path) -> None:
    """A folder of images and one of annotations in that of each part."""
    images(root / "train" / "images")
    voc(root / "train" / "Annotations", "<name>face</name>", "", "g")


def devkit_voc(root: Path) -> None:
    images(root / "JPEGImages")
    voc(root / "Annotations", "<name>Face</name>", "<part><name>nose</name></part>", "g")
    write(root / "ImageSets" / "Main" / "train.txt", "a  1\nb -1\nnone\n")
    write(root / "Annotations" / "other.xml", "<annotation/>")


def trainval_voc(root: Path) -> None:
    """Another suffix than the files tell, in capitals; one list of what is trained on."""
    images(root / "JPEGImages", lambda name: name.replace(".jpg", ".PNG"))
    voc(root / "Annotations", "<name>face</name>", "", "g")
    write(root / "ImageSets" / "Main" / "trainval.txt", "a\nb\nnone\n")
    write(root / "ImageSets" / "Main" / "test.txt", "none\n")


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


def retinaface(path: Path, tail: str) -> None:
    lines = []
    for name in (*FACES, EMPTY):
        lines += [f"# {name}", *(" ".join(map(str, box)) + tail for box in FACES.get(name, []))]
    write(path, "\n".join(lines))


def official_retinaface(root: Path) -> None:
    images(root / "train" / "images")
    retinaface(root / "train" / "label.txt", " 4.1 5.0 0.0" * 5 + " 0.82")


def no_points_retinaface(root: Path) -> None:
    images(root / "train" / "images")
    retinaface(root / "train" / "label.txt", "")


def one_file_retinaface(root: Path) -> None:
    images(root / "images")
    retinaface(root / "label.txt", " -1 -1 -1" * 5 + " -1")


def scrfd(root: Path) -> None:
    """The size of the image behind its name, and corners in the place of sides."""
    images(root / "train" / "images")
    lines = []
    for name in (*FACES, EMPTY):
        boxes = [f"{x} {y} {x + w} {y + h}" for x, y, w, h in FACES.get(name, [])]
        lines += [f"# {name} {WIDTH} {HEIGHT}", *(box + " 4.1 5.0 0.0" * 5 for box in boxes)]
    write(root / "train" / "labelv2.txt", "\n".join(lines))


def keras_retinanet_csv(root: Path) -> None:
    images(root / "images")
    rows = [
        f"images/{name},{x},{y},{x + w},{y + h},face"
        for name, boxes in FACES.items()
        for x, y, w, h in boxes
    ]
    write(root / "annotations.csv", "\n".join([f"images/{EMPTY},,,,,", *rows, ""]))
    write(root / "classes.csv", "face,0\n")


def kitti_labels(folder: Path) -> None:
    for name in (*FACES, EMPTY):
        rows = [
            f"face 0.00 0 0.00 {x:.2f} {y:.2f} {x + w:.2f} {y + h:.2f} 0 0 0 0 0 0 0"
            for x, y, w, h in FACES.get(name, ())
        ]
        write(folder / f"{name.removesuffix('.jpg')}.txt", "".join(f"{row}\n" for row in rows))


def object_benchmark_kitti(root: Path) -> None:
    images(root / "training" / "image_2", lambda name: name.replace(".jpg", ".png"))
    kitti_labels(root / "training" / "label_2")


def tao_kitti(root: Path) -> None:
    images(root / "images")
    kitti_labels(root / "labels")


def digits_kitti(root: Path) -> None:
    images(root / "train" / "images")
    kitti_labels(root / "train" / "labels")


def labelme_shapes(folder: Path, place: str, box: Callable[..., Any], **more: Any) -> None:
    for name in (*FACES, EMPTY):
        shapes = [
            {"label": "face", "flags": {}, "group_id": None, **box(*each)}
            for each in FACES.get(name, ())
        ]
        content = {
            "version": "5.5.0",
            "flags": {},
            "shapes": shapes,
            "imagePath": f"{place}{name}",
            "imageHeight": HEIGHT,
            "imageWidth": WIDTH,
        }
        write(folder / name.replace(".jpg", ".json"), json.dumps({**content, **more}))


def from_the_lower_right(x: float, y: float, w: float, h: float) -> dict[str, Any]:
    return {"shape_type": "rectangle", "points": [[x + w, y + h], [x, y]]}


def four_corners(x: float, y: float, w: float, h: float) -> dict[str, Any]:
    points = [[x, y], [x + w, y], [x + w, y + h], [x, y + h]]
    return {"shape_type": "rectangle", "points": points, "difficult": False}


def labelme_folder(root: Path) -> None:
    images(root)
    labelme_shapes(root, "", from_the_lower_right, imageData="/9j/" * 50_000)


def labelme_windows(root: Path) -> None:
    images(root / "images")
    labelme_shapes(root / "annotations", "..\\images\\", from_the_lower_right, imageData=None)


def any_labeling_parts(root: Path) -> None:
    images(root / "train")
    labelme_shapes(root / "train", "", four_corners, imageData=None)


def another_machines_labelme(root: Path) -> None:
    images(root)
    labelme_shapes(root, "C:\\data\\faces\\", four_corners, imageData=None)


WRITERS: dict[str, tuple[Writer, ...]] = {
    "coco": (
        cvat_coco,
        label_studio_coco,
        roboflow_coco,
        fiftyone_coco,
        labelme_coco,
        polygons_coco,
        *(via_coco, label_studio_server_coco, two_file_coco, windows_coco),
    ),
    "yolo": (
        *(ultralytics_yolo, roboflow_yolo, colab_yolo, label_studio_yolo, cvat_yolo),
        *(no_settings_yolo, own_name_yolo, label_img_yolo, label_img_folders_yolo),
        *(yolov5_face, yolov7_face, makesense_yolo, roboflow_darknet),
    ),
    "voc": (label_img_voc, cvat_voc, roboflow_voc, supervision_voc, devkit_voc, trainval_voc),
    "csv": (
        *(roboflow_csv, kaggle_csv, one_column_csv, makesense_csv),
        *(open_images_csv, via_csv, makesense_csv_without_header, keras_retinanet_csv),
    ),
    "kitti": (object_benchmark_kitti, tao_kitti, digits_kitti),
    "labelme": (labelme_folder, labelme_windows, any_labeling_parts, another_machines_labelme),
    "retinaface": (official_retinaface, no_points_retinaface, one_file_retinaface, scrfd),
}
CASES = [(form, writer) for form, writers in WRITERS.items() for writer in writers]
SPARSE = (kaggle_csv, makesense_csv, makesense_csv_without_header, open_images_csv)
"""Those that write nothing of an image without a face."""


@pytest.mark.parametrize(("form", "writer"), CASES, ids=lambda each: getattr(each, "__name__", ""))
def test_what_tools_write(tmp_path: Path, form: str, writer: Writer) -> None:
    writer(tmp_path)
    found = read_dataset(tmp_path, "train")
    assert found.format == form
    assert read_dataset(tmp_path, "train", form).names == found.names
    assert all(record.path.is_file() for record in found)
    boxes = {record.name.rpartition("/")[2]: record for record in found}
    if writer not in SPARSE:
        assert any(name.removeprefix("1f2e-").startswith("none") for name in boxes)
    for name, wanted in FACES.items():
        record = next(boxes[each] for each in boxes if name[0] == each.removeprefix("1f2e-")[0])
        corners = [[x, y, x + w, y + h] for x, y, w, h in wanted]
        np.testing.assert_allclose(record.boxes_M4, corners, atol=1e-4)
        assert record.valid_M.all()


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("difficult", False), ("occluded", True), ("truncated", True)],
)
def test_flags_of_voc(tmp_path: Path, name: str, wanted: bool) -> None:
    images(tmp_path)
    for text, is_set in (("1", True), ("Unspecified", False), (" 0 ", False), ("", False)):
        voc(tmp_path, f"<name>face</name><{name}>{text}</{name}>", "", "g")
        found = read_dataset(tmp_path)
        record = next(each for each in found if each.name == "a.jpg")
        assert record.attributes[name].tolist() == [is_set]
        assert record.valid_M.tolist() == [wanted or not is_set]


def test_classes_of_voc_and_csv(tmp_path: Path) -> None:
    images(tmp_path / "voc")
    voc(tmp_path / "voc", "<name>head</name>", "", "g")
    assert read_dataset(tmp_path / "voc", classes=["head"]).faces == 3
    assert read_dataset(tmp_path / "voc", classes=["head", "hand"]).faces == 6
    images(tmp_path / "csv")
    header = "filename,xmin,ymin,xmax,ymax,label"
    write(tmp_path / "csv" / "a.csv", f"{header}\na.jpg,1,2,3,4,face\na.jpg,5,6,7,8,hand\n")
    assert read_dataset(tmp_path / "csv").faces == 1
    assert read_dataset(tmp_path / "csv", classes=["hand"])[0].boxes_M4.tolist() == [[5, 6, 7, 8]]


def test_absolute_paths(tmp_path: Path) -> None:
    """Below the folder they are names; of another machine only the last part is one."""
    images(tmp_path / "images" / "deep")
    coco(tmp_path / "a.json", [{"id": 1, "name": "face"}], lambda n: f"{tmp_path}/images/deep/{n}")
    assert read_dataset(tmp_path / "a.json").names[0] == "images/deep/a.jpg"
    images(tmp_path / "images")
    for place in ("C:\\data\\faces\\", "/home/me/", "file:///srv/", "https://host/x/"):
        coco(tmp_path / "a.json", [{"id": 1, "name": "face"}], place.__add__)
        assert read_dataset(tmp_path / "a.json").names[0] == "a.jpg"
