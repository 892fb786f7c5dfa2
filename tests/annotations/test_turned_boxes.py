"""Boxes turned round their centre, against their turned corners."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasface.annotations.formats import read_dataset
from nasface.annotations.turned_boxes import angle_of, box_round_turned
from nasface.data.images import write_image

NUMBERS = st.floats(-500, 500)


def turned(box: list[float], angle: float) -> list[float]:
    """The bounds of the four corners, each turned about the centre."""
    x1, y1, x2, y2 = box
    centre = np.array([(x1 + x2) / 2, (y1 + y2) / 2])
    turn = np.exp(1j * np.deg2rad(angle))
    offsets = np.array([[x, y] for x in (x1, x2) for y in (y1, y2)]) - centre
    points = (offsets[:, 0] + 1j * offsets[:, 1]) * turn
    places = np.stack([points.real, points.imag], 1) + centre
    return [*places.min(0), *places.max(0)]


@given(st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS), st.floats(-720, 720))
def test_the_box_round_turned_corners(numbers: tuple[float, ...], angle: float) -> None:
    x, y, width, height = numbers
    box = [x, y, x + abs(width), y + abs(height)]
    np.testing.assert_allclose(box_round_turned(box, angle), turned(box, angle), atol=1e-6)


@pytest.mark.parametrize("angle", [None, "", "0", 0.0, "left", float("nan"), [90], {}])
def test_no_angle(angle: object) -> None:
    assert angle_of(angle) == 0
    assert box_round_turned([1, 2, 3, 5], 0) == [1, 2, 3, 5]


def test_turned_boxes_of_cvat(tmp_path: Path) -> None:
    """COCO and Pascal VOC have the upright box, and the angle among its attributes."""
    for form in ("coco", "voc"):
        (tmp_path / form).mkdir()
        write_image(tmp_path / form / "a.jpg", np.zeros((60, 80, 3), np.uint8))
    face = {"image_id": 1, "category_id": 1, "bbox": [10, 20, 20, 10]}
    attributes = {"occluded": False, "rotation": 90.0}
    content = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "annotations": [{**face, "id": 1, "attributes": attributes}, {**face, "id": 2}],
        "categories": [{"id": 1, "name": "face"}],
    }
    (tmp_path / "coco" / "a.json").write_text(json.dumps(content))
    box = "<bndbox><xmin>10</xmin><ymin>20</ymin><xmax>30</xmax><ymax>30</ymax></bndbox>"
    angle = "<attribute><name>rotation</name><value>90.0</value></attribute>"
    more = f"<attributes>{angle}</attributes>"
    faces = [f"<object><name>face</name>{box}{each}</object>" for each in (more, "")]
    text = f"<annotation><filename>a.jpg</filename>{''.join(faces)}</annotation>"
    (tmp_path / "voc" / "a.xml").write_text(text)
    for form in ("coco", "voc"):
        found = read_dataset(tmp_path / form)
        (record,) = found
        boxes = [[15, 15, 25, 35], [10, 20, 30, 30]]
        np.testing.assert_allclose(record.boxes_M4, boxes, atol=1e-4)
        assert record.attributes["rotation"].tolist() == [1, 0]
        assert found.assumed == (
            "1 box has an attribute rotation, read as the upright box round the turned one"
        )
        for file in (tmp_path / form).glob("a.[jx]*"):
            if file.suffix != ".jpg":
                file.write_text(file.read_text().replace("90.0", "0.0"))
        upright = read_dataset(tmp_path / form)
        assert upright.assumed == ""
        assert "rotation" not in upright[0].attributes
