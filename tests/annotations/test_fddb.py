import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasface.annotations.detections import ScoredBoxes
from nasface.annotations.fddb import (
    FddbImage,
    read_fddb_detections,
    read_fddb_truth,
    write_fddb_detections,
)
from nasface.errors import DataError


def write_folds(folder: Path, first: str) -> None:
    folder.mkdir()
    for fold in range(1, 11):
        text = first if fold == 1 else f"2002/08/{fold:02d}/big/img_1\n1\n30 20 1.5 50 60  1\n"
        (folder / f"FDDB-fold-{fold:02d}-ellipseList.txt").write_text(text)


def test_the_ten_folds(tmp_path: Path) -> None:
    write_folds(tmp_path / "FDDB-folds", "a/img_1\n2\n9 8 0.5 7 6  1\n1 2 -1 3 4  1\n")
    images = read_fddb_truth(tmp_path)
    assert [image.fold for image in images] == list(range(1, 11))
    assert images[0].ellipses_M5.tolist() == [[9, 8, 0.5, 7, 6], [1, 2, -1, 3, 4]]
    assert read_fddb_truth(tmp_path / "FDDB-folds")[9].name == "2002/08/10/big/img_1.jpg"


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ("a/b\n2\n9 8 0.5 7 6 1\n", r"01-ellipseList\.txt:4: expected row 2 of 2: 6 numbers"),
        ("a/b\n1\n9 8 x 7 6 1\n", r"txt:3: expected row 1 of 1"),
        ("a/b\n1\n9 8 inf 7 6 1\n", r"txt:3: expected row 1 of 1"),
        ("a/b\n", r"txt:2: '' is no number of faces"),
        ("a/b\n-3\n", r"txt:2: '-3' is no number of faces"),
        ("../a/b\n0\n", r"txt:1: '\.\./a/b\.jpg' is no image name"),
        ("a/b\n0\na/b\n0\n", r"txt:3: image 'a/b' occurs before"),
        ("a/b\n0\na/b.jpg\n0\n", r"txt:3: image 'a/b\.jpg' occurs before"),
    ],
)
def test_a_malformed_fold_names_its_line(tmp_path: Path, first: str, message: str) -> None:
    write_folds(tmp_path / "FDDB-folds", first)
    with pytest.raises(DataError, match=message):
        read_fddb_truth(tmp_path)


def test_a_part_of_the_folds(tmp_path: Path) -> None:
    write_folds(tmp_path / "FDDB-folds", "a/img_1\n1\n9 8 0.5 7 6  1\n")
    for fold in (2, 3, 4, 6, 7, 8, 9, 10):
        (tmp_path / "FDDB-folds" / f"FDDB-fold-{fold:02d}-ellipseList.txt").unlink()
    images = read_fddb_truth(tmp_path)
    assert [image.fold for image in images] == [1, 5]
    write_fddb_detections(tmp_path, images, {})
    assert sorted(path.name for path in tmp_path.glob("fold*")) == [
        "fold-01-out.txt",
        "fold-05-out.txt",
    ]


@pytest.mark.parametrize("place", ["all-ellipseList.txt", "FDDB-folds/FDDB_ellipses.txt"])
def test_annotations_in_one_file(tmp_path: Path, place: str) -> None:
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"\xef\xbb\xbforiginalPics/a/img_1\r\n1\r\n9 8 0.5 7 6  1\r\nb/c.jpg\r\n0\r\n")
    for root in (tmp_path, path):
        images = read_fddb_truth(root)
        assert [(image.name, image.fold) for image in images] == [
            ("a/img_1.jpg", 0),
            ("b/c.jpg", 0),
        ]
    write_fddb_detections(tmp_path, images, {})
    assert (tmp_path / "fold-all-out.txt").read_text() == "a/img_1\n0\nb/c\n0\n"
    (path.parent / "other-ellipses.txt").touch()
    with pytest.raises(DataError, match=r"holds 2 others, expected FDDB-fold-01-ellipseList\.txt"):
        read_fddb_truth(path.parent)


def test_no_annotations(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds none, expected FDDB-fold-01-ellipseList\.txt"):
        read_fddb_truth(tmp_path)
    (tmp_path / "ellipses.txt").touch()
    with pytest.raises(DataError, match="annotations name no image"):
        read_fddb_truth(tmp_path)


def test_detections_go_to_their_folds_and_come_back(tmp_path: Path) -> None:
    images = [FddbImage(f"2002/img_{at}.jpg", at, np.zeros((1, 5))) for at in range(1, 11)]
    names = [image.name for image in images]
    rows = np.array([[1.5, 2, 3, 4, 0.25], [5, 6, 7, 8, 0.125]], np.float32)
    write_fddb_detections(tmp_path, images, {"2002/img_2.jpg": ScoredBoxes.of_rows(rows)})
    assert sorted(path.name for path in tmp_path.iterdir())[1] == "fold-02-out.txt"
    assert (tmp_path / "fold-01-out.txt").read_text() == "2002/img_1\n0\n"
    found = read_fddb_detections(tmp_path, names)
    assert list(found) == names
    np.testing.assert_array_equal(found["2002/img_2.jpg"].as_rows(), rows)
    one = read_fddb_detections(tmp_path / "fold-01-out.txt", names)
    assert one["2002/img_1.jpg"].boxes_N4.shape == (0, 4)


NAMES = ["2002/08/11/big/img_591.jpg", "2002/08/26/big/img_265.jpg", "2003/01/1/big/img_5.jpg"]


def as_it_is(name: str) -> str:
    return name


WAYS: list[Callable[[str], str]] = [
    as_it_is,
    lambda name: f"{name}.jpg",
    lambda name: f"{name}.JPG",
    lambda name: name.replace("/", "_"),
    lambda name: name.replace("/", "_") + ".jpg",
    lambda name: f"originalPics/{name}",
    lambda name: f"originalPics/{name}.jpg",
    lambda name: f"./{name}.jpg",
    lambda name: f"/home/me/FDDB/originalPics/{name}.jpg",
    lambda name: "C:\\FDDB\\originalPics\\" + name.replace("/", "\\") + ".jpg",
    lambda name: name.replace("/", "\\"),
    lambda name: "images/" + name.replace("/", "_") + ".png",
]
"""Ways in which a name without its suffix is written."""


@given(
    st.permutations(range(3)),
    st.lists(st.sampled_from(WAYS), min_size=3, max_size=3),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
)
def test_names_are_found_however_they_are_written(
    tmp_path_factory: pytest.TempPathFactory,
    order: list[int],
    ways: list[Callable[[str], str]],
    coding: str,
    end: str,
    one_file: bool,
) -> None:
    folder = tmp_path_factory.mktemp("d")
    blocks = [
        f"{way(NAMES[at].removesuffix('.jpg'))}\n1\n{at} 2 3 4 0.5\n"
        for at, way in zip(order, ways, strict=True)
    ]
    for at, text in enumerate(["".join(blocks)] if one_file else blocks):
        (folder / f"{at}.txt").write_bytes(text.replace("\n", end).encode(coding))
    found = read_fddb_detections(folder / "0.txt" if one_file else folder, NAMES)
    assert list(found) == [NAMES[at] for at in order]
    assert [each.boxes_N4[0, 0] for each in found.values()] == order


@pytest.mark.parametrize("written", ["2002/a", ".\\2002\\a", "./2002/a.jpg", "originalPics/2002/a"])
def test_names_of_annotations_as_other_systems_write_them(tmp_path: Path, written: str) -> None:
    path = tmp_path / "ellipses.txt"
    path.write_text(f"{written}\n1\n5 4 1.5 6 8 1\n")
    assert [image.name for image in read_fddb_truth(path)] == ["2002/a.jpg"]


def test_names_that_mean_none_or_two_images(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("x/y\n0\na/b_c\n0\n")
    assert list(read_fddb_detections(path, ["a/b_c.jpg"])) == ["x/y", "a/b_c.jpg"]
    with pytest.raises(DataError, match=r"out\.txt: .* no image .*'x/y' is none, .* such as 'a/d'"):
        read_fddb_detections(path, ["a/d.jpg"])
    path.write_text("a/b_c\n0\na_b/c.jpg\n0\n")
    assert len(read_fddb_detections(path, ["a/b_c.jpg", "a_b/c.jpg"])) == 2
    path.write_text("a_b_c\n0\n")
    with pytest.raises(DataError, match=r"'a_b_c' may be image 'a/b_c\.jpg' or 'a_b/c\.jpg'"):
        read_fddb_detections(path, ["a/b_c.jpg", "a_b/c.jpg"])
    path.write_text("a/b\n0\na_b.jpg\n0\n")
    with pytest.raises(DataError, match=r"out\.txt:3: image 'a/b\.jpg' occurs before, in .*txt:1"):
        read_fddb_detections(path, ["a/b.jpg"])


@pytest.mark.parametrize("beside", ["README.txt", "DiscROC.txt", "FDDB-fold-01-ellipseList.txt"])
def test_notes_and_curves_beside_the_folds(tmp_path: Path, beside: str) -> None:
    (tmp_path / "fold-01-out.TXT").write_text("a/b\n1\n1 2 3 4 .5\n")
    (tmp_path / beside).write_text("0.9 3 0.1\n0.8 2 0.2\n")
    assert list(read_fddb_detections(tmp_path, ["a/b.jpg"])) == ["a/b.jpg"]


@pytest.mark.parametrize("name", ["results.zip", "results.tgz"])
def test_an_archive_of_folds(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "fold-01-out.txt").write_bytes(b"\xef\xbb\xbfa/b\r\n1\r\n1 2 3 4 .5\r\n")
    form = "zip" if name.endswith("zip") else "gztar"
    made = shutil.make_archive(str(tmp_path / "made"), form, tmp_path, "out")
    path = Path(made).rename(tmp_path / name)
    (found,) = read_fddb_detections(path, ["a/b.jpg"]).values()
    assert found.boxes_N4.tolist() == [[1, 2, 4, 6]]
    (folder / "fold-02-out.txt").write_text("a/c\nx\n")
    with pytest.raises(DataError, match=r"fold-02-out\.txt:2: 'x' is no number of faces"):
        read_fddb_detections(folder, ["a/b.jpg"])


def test_rectangles_and_ellipses_do_not_mix(tmp_path: Path) -> None:
    names = ["a/b.jpg", "a/c.jpg"]
    (tmp_path / "1.txt").write_text("a/b\n1\n1 2 3 4 0.5\n")
    (tmp_path / "2.txt").write_text("a/c\n1\n1 2 3 4 5 0.5\n")
    assert read_fddb_detections(tmp_path / "2.txt", names)["a/c.jpg"].boxes_N4.shape == (1, 5)
    with pytest.raises(DataError, match=r"2\.txt:3: expected row 1 of 1: 5 numbers"):
        read_fddb_detections(tmp_path, names)
    both = "".join((tmp_path / f"{at}.txt").read_text() for at in (1, 2))
    (tmp_path / "1.txt").write_text(both)
    with pytest.raises(DataError, match=r"1\.txt:6: expected row 1 of 1: 5 numbers"):
        read_fddb_detections(tmp_path / "1.txt", names)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds no \.txt file"):
        read_fddb_detections(tmp_path / "empty", names)


def test_the_official_annotations(nasface_data: Path) -> None:
    images = read_fddb_truth(nasface_data / "fddb")
    assert len(images) == 2845
    assert sum(len(image.ellipses_M5) for image in images) == 5171


def test_files_of_one_image_are_named_by_their_path(tmp_path: Path) -> None:
    """As `nasface evaluate` leaves them, whose first line has no folder."""
    names = ["2002/07/19/big/img_1.jpg", "2003/a/img_1.jpg"]
    for at, name in enumerate(names):
        path = (tmp_path / "found" / name).with_suffix(".txt")
        path.parent.mkdir(parents=True)
        path.write_text(f"img_1\n1\n{at} 2 3 4 .5\n")
    found = read_fddb_detections(tmp_path / "found", names)
    assert [found[name].boxes_N4[0, 0] for name in names] == [0, 1]
    shutil.make_archive(str(tmp_path / "found"), "zip", tmp_path / "found")
    again = read_fddb_detections(tmp_path / "found.zip", names)
    assert [again[name].boxes_N4[0, 0] for name in names] == [0, 1]
