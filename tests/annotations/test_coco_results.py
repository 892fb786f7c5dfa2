"""Detections in COCO's form of results, by any tool, against a literal reading."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasface.annotations.coco_results import is_coco_results, read_coco_results
from nasface.annotations.records import CocoKeys
from nasface.errors import DataError

FACE, HAND = 1, 7
NAMES = ("a.jpg", "event/b.png", "deep/er/000000000139.jpg", "c.d.JPG")
IDS: tuple[int | str, ...] = (139, 0, 7, "c")
KEYS = {name: CocoKeys(image, frozenset({FACE})) for name, image in zip(NAMES, IDS, strict=True)}
NO_KEYS: dict[str, CocoKeys] = {}


def written(folder: Path, content: Any) -> Path:
    path = folder / "results.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def row(image: Any, score: Any = 0.5, **others: Any) -> dict[str, Any]:
    return {"image_id": image, "category_id": FACE, "bbox": [1, 2, 3, 4], "score": score, **others}


boxes = st.lists(st.floats(0, 1e4, width=32), min_size=4, max_size=4)
rows = st.lists(
    st.builds(
        row,
        st.sampled_from(IDS),
        st.floats(0, 1),
        bbox=boxes,
        category_id=st.sampled_from([FACE, HAND]),
        area=st.just(3.5),
    ),
    max_size=12,
)


@given(rows)
def test_as_read_row_by_row(tmp_path_factory: pytest.TempPathFactory, found: list[Any]) -> None:
    path = written(tmp_path_factory.mktemp("any"), found)
    expected: dict[str, list[list[float]]] = {}
    for each in found:
        if each["category_id"] == FACE:
            x, y, width, height = each["bbox"]
            name = NAMES[IDS.index(each["image_id"])]
            expected.setdefault(name, []).append([x, y, x + width, y + height, each["score"]])
    if found and not expected:
        with pytest.raises(DataError, match="has detections of category 7 only; faces are of 1"):
            read_coco_results(path, NAMES, KEYS)
        return
    read = read_coco_results(path, NAMES, KEYS)
    assert list(read) == list(expected)
    for name, values in expected.items():
        together = np.column_stack([read[name].boxes_N4, read[name].scores_N])
        np.testing.assert_array_equal(together, np.array(values))


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("a.jpg", "a.jpg"),
        ("a", "a.jpg"),
        ("images/val/event/b.png", "event/b.png"),
        ("event\\b", "event/b.png"),
        (139, "deep/er/000000000139.jpg"),  # as Ultralytics names images
        ("c.d", "c.d.JPG"),
    ],
)
def test_images_by_name_where_the_annotations_have_no_ids(
    tmp_path: Path, image: Any, name: str
) -> None:
    assert list(read_coco_results(written(tmp_path, [row(image)]), NAMES, NO_KEYS)) == [name]


@pytest.mark.parametrize("number", ["139", 139.0])
def test_numbers_as_text_and_as_floats(tmp_path: Path, number: Any) -> None:
    path = written(tmp_path, [row(number, category_id=float(row(139)["category_id"]))])
    assert list(read_coco_results(path, NAMES, KEYS)) == ["a.jpg"]


@pytest.mark.parametrize(
    ("image", "name"),
    [("a", "a.jpg"), ("c.d", "c.d.JPG"), ("event/b", "event/b.png"), ("x/event/b", "event/b.png")],
)
def test_images_by_stem_where_the_annotations_have_ids(
    tmp_path: Path, image: str, name: str
) -> None:
    """As Ultralytics names those whose stem is no number."""
    assert list(read_coco_results(written(tmp_path, [row(image), row(7)]), NAMES, KEYS)) == [
        name,
        NAMES[2],
    ]


def test_the_lists_of_detect_are_told_from_results(tmp_path: Path) -> None:
    content = [{"image": "a.jpg", "boxes": [[1, 2, 3, 4]], "scores": [0.5]}]
    with pytest.raises(DataError, match=r"has no image_id; .*detect writes into coco\.json"):
        read_coco_results(written(tmp_path, content), NAMES, KEYS)


def test_a_file_that_names_its_images(tmp_path: Path) -> None:
    """As `nasface detect` writes it; the ids of the annotations do not count."""
    images = [{"id": 139, "file_name": "/photos/event/b.png"}]
    kinds = [{"id": 0, "name": "hand"}, {"id": 2, "name": "Face"}]
    content = {"images": images, "annotations": [row(139, category_id=2)], "categories": kinds}
    for keys in (KEYS, NO_KEYS):
        found = read_coco_results(written(tmp_path, content), NAMES, keys)
        assert list(found) == ["event/b.png"]
    content["annotations"] = [row(139, category_id=0)]
    with pytest.raises(DataError, match="category 0 only; faces are of 2"):
        read_coco_results(written(tmp_path, content), NAMES, KEYS)


def test_images_that_are_not_evaluated_on_are_kept_apart(tmp_path: Path) -> None:
    path = written(tmp_path, [row(139), row(4711), row(139, 0.25)])
    found = read_coco_results(path, NAMES, KEYS)
    assert {name: each.scores_N.tolist() for name, each in found.items()} == {
        "a.jpg": [0.5, 0.25],
        "4711": [0.5],
    }


def test_no_detection_is_a_result(tmp_path: Path) -> None:
    assert read_coco_results(written(tmp_path, []), NAMES, KEYS) == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("[1]", "entry 0: 1 has no image_id; expected detections in COCO's form"),
        ({"annotations": []}, "expected detections in COCO's form, a list of"),
        ([row([1])], "entry 0: .* has no image_id"),
        ([row(139), row(139, bbox=[1, 2, 3])], "entry 1: bbox is .*, expected x, y, width, height"),
        ([row(139, bbox=None)], "entry 0: bbox is None"),
        ([row(139, score="high")], "entry 0: score is 'high', expected a number"),
        ('[{"image_id": 139, "bbox": [1, 2, 3, 4], "score": NaN}]', "score is nan"),
        ([row(139, category_id=[1])], "category_id is \\[1\\], expected a number or text"),
        ([row(5)], "no image that is evaluated on: '5' is none, expected ids of the annotations"),
        ([row("139"), row(139)], "image 'a.jpg' occurs under two ids"),
        ({"images": [{"id": 1}], "annotations": []}, "has no file_name; expected a text"),
    ],
)
def test_mistakes_name_their_place(tmp_path: Path, content: Any, message: str) -> None:
    path = written(tmp_path, content)
    with pytest.raises(DataError, match=message) as caught:
        read_coco_results(path, NAMES, KEYS)
    assert str(path) in str(caught.value)


def test_several_categories_are_no_faces_unless_the_data_say_so(tmp_path: Path) -> None:
    path = written(tmp_path, [row("a"), row("a", category_id=HAND)])
    with pytest.raises(DataError, match="has detections of categories 1, 7, and the data do not"):
        read_coco_results(path, NAMES, NO_KEYS)


def test_what_is_taken_for_such_a_file(tmp_path: Path) -> None:
    assert is_coco_results(written(tmp_path, []))
    assert not is_coco_results(tmp_path)
    assert not is_coco_results(tmp_path / "absent.json")
