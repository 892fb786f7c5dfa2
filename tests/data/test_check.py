import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from checked import BOTH, Row, kinds, record, write
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nasface.annotations.formats import read_dataset
from nasface.data import inspection
from nasface.data.check import (
    CHECKED_HEIGHTS,
    PER_IMAGE,
    DataCheck,
    check_records,
    find_duplicates,
)
from nasface.data.images import read_image
from nasface.data.inspection import ImageFacts
from nasface.engine.setup import check_faces
from nasface.errors import DataError
from nasface.metrics.protocols.ap import DataOptions, read_annotated_truth
from nasface.progress import Silent


def test_a_sound_data_set(tmp_path: Path) -> None:
    records = [
        record(write(tmp_path / "a.jpg"), [(0, 0, 120, 80), (10, 10, 5, 9)]),
        record(write(tmp_path / "b.png"), []),
    ]
    check = check_records(records, Silent(), thorough=True)
    assert check.findings == find_duplicates({"train": check}) == []
    assert check.unreadable == []
    assert check.readable == records
    figures = check.figures()
    assert (figures["images"], figures["faces"], figures["valid_faces"]) == (2, 2, 2)
    assert figures["valid_faces_by_height"] == {
        "0 to 9 px": 1,
        "10 to 19 px": 0,
        "20 to 49 px": 0,
        "50 to 299 px": 1,
        "300 px and more": 0,
    }
    assert {key: n for key, n in figures["images_by_valid_faces"].items() if n} == {
        "0": 1,
        "2 to 5": 1,
    }


@given(st.lists(st.integers(0, 400), max_size=30), st.lists(st.integers(0, 120), max_size=5))
def test_faces_are_counted_by_height_and_per_image(heights: list[int], counts: list[int]) -> None:
    """Against a count one by one."""
    heights = [height for height in heights if height]
    records = [record(Path("a.jpg"), [(0, 0, 5, height) for height in heights])]
    records += [record(Path("b.jpg"), [(0, 0, 5, 1000)] * count) for count in counts]
    facts = [ImageFacts((9, 9))] * len(records)
    figures = DataCheck(records, facts).figures()
    every = heights + [1000] * sum(counts)
    by_height = [
        sum(sum(h >= limit for limit in CHECKED_HEIGHTS) == at for h in every) for at in range(5)
    ]
    assert list(figures["valid_faces_by_height"].values()) == by_height
    numbers = [len(heights), *counts]
    per_image = [
        sum(sum(n >= limit for limit in PER_IMAGE) == at for n in numbers) for at in range(8)
    ]
    assert list(figures["images_by_valid_faces"].values()) == per_image


def test_images_that_cannot_be_read(tmp_path: Path) -> None:
    good = record(write(tmp_path / "a.jpg"), [(1, 1, 20, 20)])
    (tmp_path / "b.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:-40])
    (tmp_path / "c.jpg").touch()
    bad = [record(tmp_path / name, [(1, 1, 20, 20)]) for name in ("b.jpg", "c.jpg", "d.jpg")]
    check = check_records([good, *bad], Silent())
    assert kinds(check) == {"unreadable": (True, 3)}
    assert [each.name for each, _ in check.unreadable] == ["b.jpg", "c.jpg", "d.jpg"]
    assert check.readable == [good]
    assert check.left_out == ["b.jpg", "c.jpg", "d.jpg"]


def test_pictures_whose_file_was_closed_after_a_loss(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (80, 120, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[: len(data) // 2] + b"\xff\xd9")
    records = [record(tmp_path / "a.jpg", [(1, 1, 20, 20)])]
    assert kinds(check_records(records, Silent(), thorough=True)) == {"cut": (True, 1)}
    assert kinds(check_records(records, Silent())) == {}


def test_boxes_that_cannot_be(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jpg")
    rows: list[Row] = [
        (100, 10, 30, 20),
        (10, 70, 5, 14),
        (-5, 0, 9, 9),
        (1, 1, 0, 9),
        (2, 2, 9, 0),
    ]
    rows += [(1, 1, 121, 81)]  # a pixel beyond is the annotator's rounding
    check = check_records([record(path, rows)] + [record(path, [BOTH] * 50)] * 2, Silent())
    assert kinds(check) == {
        "beyond": (True, 3),
        "empty": (True, 2),
        "repeated": (False, 98),
    }
    check = check_records([record(path, [BOTH], invalid=True), record(path, [])], Silent())
    assert kinds(check) == {"no faces": (True, 1)}


FORMS: dict[str, Callable[[Row], Row]] = {
    "x1 y1 x2 y2": lambda r: (r[0], r[1], r[0] + r[2], r[1] + r[3]),
    "centre x, centre y, w h": lambda r: (r[0] + r[2] / 2, r[1] + r[3] / 2, r[2], r[3]),
    "y x h w": lambda r: (r[1], r[0], r[3], r[2]),
}


@pytest.mark.parametrize("form", [None, *FORMS])
def test_rows_of_another_form_are_recognised(tmp_path: Path, form: str | None) -> None:
    generator = np.random.default_rng(0)
    path = write(tmp_path / "a.jpg", 300, 120)
    records = []
    for _ in range(40):
        w, h = generator.integers(20, 80, 2)
        x, y = generator.integers(0, 300 - w), generator.integers(0, 120 - h)
        row = (float(x), float(y), float(w), float(h))
        records.append(record(path, [row if form is None else FORMS[form](row)]))
    found = {each.kind: str(each) for each in check_records(records, Silent()).findings}
    if form is None:
        assert found == {}
    else:
        assert f"'{form}' in place of 'x y w h': read so, 40 of 40 boxes are" in found["form"]


def test_files_of_one_content(tmp_path: Path) -> None:
    for name in ("a.jpg", "bb.jpg", "ccc.jpg"):
        write(tmp_path / name)
    (tmp_path / "copy.jpg").write_bytes((tmp_path / "a.jpg").read_bytes())
    (tmp_path / "val.jpg").write_bytes((tmp_path / "bb.jpg").read_bytes())

    def checked(*names: str) -> DataCheck:
        records = [record(tmp_path / name, [BOTH]) for name in names]
        return check_records(records, Silent(), thorough=True)

    checks = {"train": checked("a.jpg", "bb.jpg", "copy.jpg"), "val": checked("ccc.jpg", "val.jpg")}
    found = find_duplicates(checks)
    assert [(each.kind, each.count, each.images) for each in found] == [
        ("shared", 1, ("bb.jpg = val.jpg",)),
        ("duplicates", 1, ("a.jpg = copy.jpg",)),
    ]


def test_warnings_are_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that silence them for a moment may restore them in another order."""

    def leave_silence(*_: object) -> ImageFacts:
        warnings.simplefilter("ignore")
        return ImageFacts((9, 9))

    monkeypatch.setattr(inspection, "inspect_image", leave_silence)
    before = list(warnings.filters)
    check_records([record(tmp_path / "a.jpg", [])] * 3, Silent())
    assert list(warnings.filters) == before


@pytest.mark.parametrize("stated", [(80, 120), (120, 80), (40, 60), None])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_size_that_annotations_state(
    tmp_path: Path, stated: tuple[int, int] | None, orientation: int
) -> None:
    """It tells pictures that were scaled after they were annotated, and the way EXIF is read."""
    image = record(write(tmp_path / "a.jpg", orientation=orientation), [(3, 3, 30, 30)])
    (stored, shown) = ((80, 120), (120, 80) if orientation > 4 else (80, 120))
    for exif, read in (("ignore", stored), ("apply", shown)):
        one = replace(image, stated_size=stated, exif="apply" if exif == "apply" else "ignore")
        found = kinds(check_records([one], Silent()))
        is_other = stated is not None and stated not in (stored, shown)
        assert ("resized" in found) == is_other
        if orientation > 4:
            is_wrong_way = stated in (stored, shown) and stated != read
            assert found["turned"] == (is_wrong_way, 1)
        scaled = kinds(check_records([replace(one, shares_of=read)], Silent()))
        assert "resized" not in scaled


@pytest.mark.parametrize(
    ("box", "is_found"),
    [
        ((0.1, 0.2, 0.3, 0.4), True),
        ((0, 0, 1, 1), True),
        ((-0.2, 0.1, 0.5, 1.3), True),
        ((1, 2, 3, 4), False),
        ((0, 0, 0, 0), False),
    ],
)
def test_shares_in_the_place_of_pixels(tmp_path: Path, box: Row, is_found: bool) -> None:
    image = record(write(tmp_path / "a.jpg"), [box])
    assert ("form" in kinds(check_records([image], Silent()))) == is_found
    share = replace(image, shares_of=(80, 120))
    assert "form" not in kinds(check_records([share], Silent()))


@pytest.mark.parametrize("suffix", [".gif", ".png", ".webp", ".tif"])
def test_files_of_several_pictures_are_named(tmp_path: Path, suffix: str) -> None:
    pages = [Image.new("RGB", (120, 80), colour) for colour in ("red", "green", "blue")]
    pages[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=pages[1:])
    pages[0].save(tmp_path / f"b{suffix}")
    rows: list[Row] = [(10, 10, 20, 20)]
    records = [record(tmp_path / f"{stem}{suffix}", rows) for stem in "ab"]
    check = check_records(records, Silent(), thorough=True)
    (found,) = check.findings
    assert (found.kind, found.is_problem, found.count) == ("several", False, 1)
    assert str(found).endswith(f"of which the first is read: 1 file (a{suffix}: 3)")
    assert check_records(records, Silent()).findings == []
    assert np.abs(np.array([255, 0, 0]) - read_image(records[0].path)).max() < 9, "is the first"


def test_small_copies_behind_a_photograph_are_no_pictures(tmp_path: Path) -> None:
    photograph, copy = (Image.new("RGB", size, "red") for size in ((120, 80), (30, 20)))
    photograph.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[copy])
    with Image.open(tmp_path / "a.jpg") as written:
        assert written.n_frames == 2  # type: ignore[attr-defined]
    records = [record(tmp_path / "a.jpg", [(10, 10, 20, 20)])]
    assert check_records(records, Silent(), thorough=True).findings == []


Face = tuple[int, int, bool]
"""Width and height, and whether it is marked as one that does not count."""


FACES: st.SearchStrategy[list[list[Face]]] = st.lists(
    st.lists(
        st.tuples(
            st.sampled_from([0, 0, 7, -3]),
            st.sampled_from([0, 0, 9]),
            st.sampled_from([True, False]),
        ),
        max_size=3,
    ),
    min_size=3,
    max_size=3,
)


def write_wider_rows(root: Path, drawn: list[list[Face]]) -> None:
    (root / "WIDER_train" / "images").mkdir(parents=True)
    (root / "images").rename(root / "WIDER_train" / "images" / "e")
    text = ""
    for at, faces in enumerate(drawn):
        rows = [f"3 4 {w} {h} 0 0 0 {int(ignored)} 0 0 \n" for w, h, ignored in faces]
        text += f"e/{at}.png\n{len(rows)}\n" + "".join(rows or ["0 0 0 0 0 0 0 0 0 0 \n"])
    (root / "wider_face_split").mkdir()
    (root / "wider_face_split" / "wider_face_train_bbx_gt.txt").write_text(text)


def write_coco_file(root: Path, drawn: list[list[Face]], key: str = "iscrowd") -> None:
    annotations = [
        {"id": 10 * at + n, "image_id": at, "category_id": 1, "bbox": [3, 4, w, h], key: int(flag)}
        for at, faces in enumerate(drawn)
        for n, (w, h, flag) in enumerate(faces)
    ]
    images = [{"id": at, "file_name": f"{at}.png", "width": 40, "height": 30} for at in range(3)]
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "face"}],
    }
    (root / "train.json").write_text(json.dumps(content))


def write_voc_files(root: Path, drawn: list[list[Face]]) -> None:
    (root / "Annotations").mkdir()
    for at, faces in enumerate(drawn):
        objects = "".join(
            f"<object><name>face</name><difficult>{int(flag)}</difficult><bndbox><xmin>3</xmin>"
            f"<ymin>4</ymin><xmax>{3 + w}</xmax><ymax>{4 + h}</ymax></bndbox></object>"
            for w, h, flag in faces
        )
        text = f"<annotation><filename>{at}.png</filename>{objects}</annotation>"
        (root / "Annotations" / f"{at}.xml").write_text(text)


FORMS_OF_FACES: dict[str, Callable[[Path, list[list[Face]]], None]] = {
    "widerface": write_wider_rows,
    "coco": write_coco_file,
    "coco, ignore": lambda root, drawn: write_coco_file(root, drawn, "ignore"),
    "voc": write_voc_files,
}


@given(FACES, st.sampled_from(sorted(FORMS_OF_FACES)))
def test_sets_without_a_valid_face_as_counted_by_hand(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[list[Face]], form: str
) -> None:
    """They are found as such, and neither trained on nor scored."""
    root = tmp_path_factory.mktemp("d")
    (root / "images").mkdir()
    for at in range(3):
        write(root / "images" / f"{at}.png", 40, 30)
    FORMS_OF_FACES[form](root, drawn)
    valid = sum(w > 0 and h > 0 and not flag for faces in drawn for w, h, flag in faces)
    records = read_dataset(root, "train")
    assert records.faces == sum(int(each.valid_M.sum()) for each in records) == valid
    check = check_records(records, Silent())
    assert ("no faces" in kinds(check)) == (valid == 0)
    assert check.figures()["valid_faces"] == valid
    if valid:
        check_faces(records, "d")
        read_annotated_truth(records, DataOptions())
        return
    with pytest.raises(DataError, match="d: its training images have no valid face to learn from"):
        check_faces(records, "d")
    with pytest.raises(DataError, match="no valid face on the 3 images of train; expected some"):
        read_annotated_truth(records, DataOptions())
