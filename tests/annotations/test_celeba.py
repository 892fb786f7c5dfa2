from pathlib import Path

import numpy as np
import pytest

from nasface.annotations.formats import read_dataset
from nasface.data.images import write_image
from nasface.errors import DataError

TABLE = """3
image_id x_1 y_1 width height
000001.jpg    95  71 226 313
000002.jpg    72  94 221 306
000003.jpg     0   0   0   0
"""
PARTS = "000001.jpg 0\n000002.jpg 1\n000003.jpg 0\n"


def write_celeba(root: Path, folder: str, size: tuple[int, int] = (500, 400)) -> None:
    (root / folder).mkdir(parents=True)
    for number in (1, 2, 3):
        write_image(root / folder / f"00000{number}.jpg", np.zeros((*size, 3), np.uint8))


@pytest.mark.parametrize("below", ["", "Anno"])
@pytest.mark.parametrize("folder", ["img_celeba", "Img/img_celeba", "."])
def test_boxes_and_parts(tmp_path: Path, below: str, folder: str) -> None:
    (tmp_path / "Anno").mkdir()
    (tmp_path / below / "list_bbox_celeba.txt").write_text(TABLE)
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    for number in (1, 2, 3):
        write_image(tmp_path / folder / f"00000{number}.jpg", np.zeros((500, 400, 3), np.uint8))
    found = read_dataset(tmp_path)
    assert (found.format, len(found), found.faces) == ("celeba", 3, 2)
    assert found[0].boxes_M4.tolist() == [[95, 71, 321, 384]]
    (tmp_path / "Eval").mkdir()
    (tmp_path / "Eval" / "list_eval_partition.txt").write_text(PARTS)
    assert read_dataset(tmp_path).names == ["000001.jpg", "000003.jpg"]
    assert read_dataset(tmp_path, "val").names == ["000002.jpg"]
    with pytest.raises(DataError, match="names no image of split 'test'"):
        read_dataset(tmp_path, "test")


def test_aligned_images_are_refused(tmp_path: Path) -> None:
    (tmp_path / "list_bbox_celeba.txt").write_text(TABLE)
    write_celeba(tmp_path, "img_align_celeba", (218, 178))
    with pytest.raises(DataError, match=r"img_align_celeba: holds aligned images"):
        read_dataset(tmp_path)
    write_celeba(tmp_path, "img_celeba")
    assert read_dataset(tmp_path)[0].path == tmp_path / "img_celeba" / "000001.jpg"
    assert read_dataset(tmp_path / "list_bbox_celeba.txt").faces == 2


def test_lists_with_commas(tmp_path: Path) -> None:
    rows = [",".join(line.split()) for line in TABLE.splitlines()[1:]]
    (tmp_path / "list_bbox_celeba.csv").write_text("\r\n".join(rows))
    write_celeba(tmp_path, "img_align_celeba/img_align_celeba", (218, 178))
    with pytest.raises(DataError, match=r"img_align_celeba: holds aligned images"):
        read_dataset(tmp_path)
    write_celeba(tmp_path, "img_celeba")
    found = read_dataset(tmp_path)
    assert (found.format, found.faces) == ("celeba", 2)
    assert found[0].boxes_M4.tolist() == [[95, 71, 321, 384]]
    parts = PARTS.replace(" ", ",")
    (tmp_path / "list_eval_partition.csv").write_text(f"image_id,partition\n{parts}")
    assert read_dataset(tmp_path, "val").names == ["000002.jpg"]


def test_a_name_too_long_for_the_file_system(tmp_path: Path) -> None:
    name = f"{'1' * 300}.jpg"
    (tmp_path / "list_bbox_celeba.txt").write_text(TABLE.replace("000001.jpg", name))
    write_celeba(tmp_path, "img_celeba")
    assert read_dataset(tmp_path, need_images=False).names[0] == name
    with pytest.raises(DataError, match="image is missing, as are 1 of the 3"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("313", "x", ":3: '000001.jpg.*' is no row"),
        (" 313", "", ":3: '000001.jpg.*' is no row"),
        ("000002", "000001", ":4: image '000001.jpg' occurs twice"),
        ("000002.jpg", "../a.jpg", r":4: '\.\./a\.jpg' is no image name"),
    ],
)
def test_malformed_tables(tmp_path: Path, old: str, new: str, why: str) -> None:
    (tmp_path / "list_bbox_celeba.txt").write_text(TABLE.replace(old, new))
    write_celeba(tmp_path, "img_celeba")
    with pytest.raises(DataError, match=f"list_bbox_celeba.txt{why}"):
        read_dataset(tmp_path)
