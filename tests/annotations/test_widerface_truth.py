from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from wider import Content, write_ground_truth

from nasface.annotations.widerface_truth import read_ground_truth, read_text_truth, select_images
from nasface.errors import DataError

CONTENT: Content = {
    "0--Parade": {
        "0_a": ([[1, 2, 30, 40, 1, 0, 0, 0, 2, 0], [5, 6, 7, 8, 0, 1, 1, 1, 0, 1]], {"hard": [0]}),
        "0_b": ([[0] * 10], {}),
    },
    "1--Riot": {
        "1_c": ([[9, 9, 9, 9, 2, 0, 0, 0, 1, 0]], {"easy": [0], "medium": [0], "hard": [0]})
    },
}


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write_ground_truth(tmp_path, CONTENT)
    first, empty, last = read_ground_truth(tmp_path)
    assert [each.name for each in (first, empty, last)] == [
        "0--Parade/0_a.jpg",
        "0--Parade/0_b.jpg",
        "1--Riot/1_c.jpg",
    ]
    assert first.boxes_M4.tolist() == [[1, 2, 31, 42], [5, 6, 12, 14]]
    assert first.attributes["blur"].tolist() == [1, 0]
    assert first.attributes["invalid"].tolist() == [0, 1]
    assert first.sets["hard"].tolist() == [True, False]
    assert not first.sets["easy"].any()
    assert empty.boxes_M4.shape == (0, 4)
    assert last.sets["easy"].tolist() == [True]


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    write_ground_truth(tmp_path, CONTENT)
    (tmp_path / "wider_hard_val.mat").unlink()
    with pytest.raises(DataError, match=r"wider_hard_val\.mat: cannot be read"):
        read_ground_truth(tmp_path)
    (tmp_path / "wider_hard_val.mat").write_bytes(b"MATLAB? no")
    with pytest.raises(DataError, match=r"wider_hard_val\.mat: is no MATLAB file"):
        read_ground_truth(tmp_path)
    savemat(tmp_path / "wider_hard_val.mat", {"x": np.ones(3)})
    with pytest.raises(DataError, match="no cell array 'event_list'"):
        read_ground_truth(tmp_path)


def test_an_index_that_no_face_has(tmp_path: Path) -> None:
    rows, _ = CONTENT["1--Riot"]["1_c"]
    write_ground_truth(tmp_path, {"1--Riot": {"1_c": (rows, {"medium": [1]})}})
    with pytest.raises(DataError, match=r"wider_medium_val\.mat: '1_c' asks for a face"):
        read_ground_truth(tmp_path)


@pytest.mark.parametrize("event", ["..", "a/../..", "/etc", "a\\b"])
def test_names_that_leave_the_folder(tmp_path: Path, event: str) -> None:
    write_ground_truth(tmp_path, {event: {"a": ([], {})}})
    with pytest.raises(DataError, match="is no image name"):
        read_ground_truth(tmp_path)


def test_the_text_has_the_same_faces(tmp_path: Path) -> None:
    path = tmp_path / "gt.txt"
    path.write_text(
        "0--Parade/0_a.jpg\n2\n1 2 30 40 1 0 0 0 2 0 \n5 6 7 8 0 1 1 1 0 1 \n"
        "0--Parade/0_b.jpg\n0\n0 0 0 0 0 0 0 0 0 0 \n"
    )
    first, empty = read_text_truth(path)
    assert first.name == "0--Parade/0_a.jpg"
    assert first.boxes_M4.tolist() == [[1, 2, 31, 42], [5, 6, 12, 14]]
    assert first.sets["valid"].tolist() == [True, False]
    assert len(empty.boxes_M4) == 0
    assert [each.name for each in select_images([first, empty], path)] == [first.name, empty.name]


def test_only_the_images_asked_for(tmp_path: Path) -> None:
    write_ground_truth(tmp_path / "mat", CONTENT)
    truth = read_ground_truth(tmp_path / "mat")
    listing = tmp_path / "list.txt"
    listing.write_text("1--Riot/1_c.jpg\n0--Parade/0_a\n")
    assert [each.name for each in select_images(truth, listing)] == [
        "0--Parade/0_a.jpg",
        "1--Riot/1_c.jpg",
    ]
    listing.write_text("1--Riot/1_c.jpg\n1--Riot/none.jpg\n")
    with pytest.raises(DataError, match=r"list\.txt:2: image '1--Riot/none.jpg'"):
        select_images(truth, listing)
    listing.write_text("\n")
    with pytest.raises(DataError, match="lists no image"):
        select_images(truth, listing)


def test_the_official_files_agree_with_the_official_text(nasface_data: Path) -> None:
    root = nasface_data / "widerface"
    from_mat = read_ground_truth(root / "ground_truth")
    text = root / "wider_face_split" / "wider_face_val_bbx_gt_full.txt"
    from_text = {image.name: image for image in read_text_truth(text)}
    assert len(from_mat) == len(from_text) == 3226
    different = 0
    for image in from_mat:
        other = from_text[image.name]
        # One width is -2 in the .mat file and 0 in the text.
        different += not np.array_equal(image.boxes_M4, other.boxes_M4)
        for key, values in image.attributes.items():
            np.testing.assert_array_equal(values, other.attributes[key])
    assert different == 1
    faces = {key: sum(int(image.sets[key].sum()) for image in from_mat) for key in from_mat[0].sets}
    assert faces == {"easy": 7211, "medium": 13319, "hard": 31958}


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lists_of_images_of_any_depth_and_suffix(tmp_path: Path, coding: str, end: str) -> None:
    names = ["a.png", "b.JPG", "e/f/g/c.jpg", "e/f/g/c.d.webp", "1.png"]
    rows = "1\n1 2 3 4 0 0 0 0 0 0\n"
    (tmp_path / "gt.txt").write_text("".join(f"{name}\n{rows}" for name in names))
    truth = read_text_truth(tmp_path / "gt.txt")
    assert [each.name for each in truth] == names
    for lines, expected in (
        (["b.JPG", "a.png"], ["a.png", "b.JPG"]),
        (["a", "e/f/g/c", "e/f/g/c.d"], ["a.png", "e/f/g/c.jpg", "e/f/g/c.d.webp"]),
        (["WIDER_val/images/e/f/g/c.jpg", "1.png"], ["e/f/g/c.jpg", "1.png"]),
        (["e/f/g/c.jpg", "1", "1 2 3 4 0 0 0 0 0 0", "", "b.JPG", "0"], ["b.JPG", "e/f/g/c.jpg"]),
    ):
        (tmp_path / "list.txt").write_bytes((end.join(lines) + end).encode(coding))
        assert [each.name for each in select_images(truth, tmp_path / "list.txt")] == expected
    for line in ("a.jpg", "c", "e/f/g/c.png"):
        (tmp_path / "list.txt").write_bytes(f"b.JPG{end}{line}{end}".encode(coding))
        with pytest.raises(DataError, match=rf"list\.txt:2: image '{line}' is not in the ground"):
            select_images(truth, tmp_path / "list.txt")


def test_a_list_that_leaves_out_a_suffix_that_matters(tmp_path: Path) -> None:
    (tmp_path / "gt.txt").write_text("e/a.jpg\n0\ne/a.png\n0\n")
    truth = read_text_truth(tmp_path / "gt.txt")
    (tmp_path / "list.txt").write_text("e/a.png\n")
    assert [each.name for each in select_images(truth, tmp_path / "list.txt")] == ["e/a.png"]
    (tmp_path / "list.txt").write_text("e/a\n")
    with pytest.raises(DataError, match=r"'e/a\.jpg' and 'e/a\.png' are both 'e/a'"):
        select_images(truth, tmp_path / "list.txt")
