from pathlib import Path

import numpy as np
import pytest

from nasface.data.fddb import (
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
    assert read_fddb_truth(tmp_path / "FDDB-folds")[9].name == "2002/08/10/big/img_1"


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
    ],
)
def test_a_malformed_fold_names_its_line(tmp_path: Path, first: str, message: str) -> None:
    write_folds(tmp_path / "FDDB-folds", first)
    with pytest.raises(DataError, match=message):
        read_fddb_truth(tmp_path)


def test_a_missing_fold(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"FDDB-fold-01-ellipseList\.txt: cannot be read"):
        read_fddb_truth(tmp_path)


def test_detections_go_to_their_folds_and_come_back(tmp_path: Path) -> None:
    images = [FddbImage(f"2002/img_{at}", at, np.zeros((1, 5))) for at in (1, 2, 10)]
    rows = np.array([[1.5, 2, 3, 4, 0.25], [5, 6, 7, 8, 0.125]], np.float32)
    write_fddb_detections(tmp_path, images, {"2002/img_2": rows})
    assert sorted(path.name for path in tmp_path.iterdir())[1] == "fold-02-out.txt"
    found = read_fddb_detections(tmp_path)
    assert found.keys() == {image.name for image in images}
    np.testing.assert_array_equal(found["2002/img_2"], rows)
    assert read_fddb_detections(tmp_path / "fold-01-out.txt")["2002/img_1"].shape == (0, 5)


def test_rectangles_and_ellipses_do_not_mix(tmp_path: Path) -> None:
    (tmp_path / "1.txt").write_text("a/b\n1\n1 2 3 4 0.5\n")
    (tmp_path / "2.txt").write_text("a/c\n1\n1 2 3 4 5 0.5\n")
    assert read_fddb_detections(tmp_path / "2.txt")["a/c"].shape == (1, 6)
    with pytest.raises(DataError, match=r"2\.txt:3: expected row 1 of 1: 5 numbers"):
        read_fddb_detections(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"holds no \.txt file"):
        read_fddb_detections(tmp_path / "empty")


def test_the_official_annotations(nasface_data: Path) -> None:
    images = read_fddb_truth(nasface_data / "fddb")
    assert len(images) == 2845
    assert sum(len(image.ellipses_M5) for image in images) == 5171
