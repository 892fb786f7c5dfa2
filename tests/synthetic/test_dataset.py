from pathlib import Path

import numpy as np
import pytest

from nasface.annotations.widerface import read_wider_split
from nasface.data.images import read_image
from nasface.errors import DataError
from nasface.synthetic.dataset import (
    PHOTOGRAPHS,
    SampleConfig,
    same_person_groups,
    split_faces,
    write_sample,
)
from nasface.synthetic.paste import paste, rotated_extent

pytest.importorskip("skimage", reason="the sample is made from scikit-image's pictures")
CONFIG = SampleConfig(train=8, val=4, min_side=96, max_side=128)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples") / "one"
    steps: list[tuple[int, int]] = []
    write_sample(folder, CONFIG, lambda done, total: steps.append((done, total)))
    assert steps == [(done, 12) for done in range(1, 13)]
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_layout_can_be_read_back(sample: Path) -> None:
    train, val = (read_wider_split(sample, part) for part in ("train", "val"))
    assert (len(train), len(val)) == (8, 4)
    for record in (*train, *val):
        height, width = read_image(record.path).shape[:2]
        assert 96 <= min(height, width) <= max(height, width) <= 128
        boxes = record.boxes_M4
        assert (boxes >= -1).all()
        assert (boxes[:, [0, 2]] <= width + 1).all()
        assert (boxes[:, [1, 3]] <= height + 1).all()
        sides = boxes[:, 2:] - boxes[:, :2]
        assert (sides.max(axis=1) >= CONFIG.min_face - 2).all() if len(boxes) else True
    assert sum(len(record.boxes_M4) for record in train) > 8


def test_same_seed_same_bytes_other_seed_other_bytes(sample: Path, tmp_path: Path) -> None:
    write_sample(tmp_path / "again", CONFIG)
    assert files(tmp_path / "again") == files(sample)
    other = SampleConfig(train=8, val=4, min_side=96, max_side=128, seed=1)
    write_sample(tmp_path / "other", other)
    assert files(tmp_path / "other") != files(sample)


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("precious")
    with pytest.raises(DataError, match="exists and is not empty"):
        write_sample(tmp_path, CONFIG)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_an_interrupted_sample_leaves_nothing(tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_sample(tmp_path / "half", CONFIG, interrupt)
    assert list(tmp_path.iterdir()) == []


def test_parts_share_neither_faces_nor_photographs() -> None:
    from skimage import data

    faces = data.lfw_subset()[:100]
    train, val = split_faces(faces)
    assert sorted(train + val) == list(range(100))
    assert 20 <= len(val) <= 25
    for group in same_person_groups(faces):
        assert set(group) <= set(train) or set(group) <= set(val)
    assert not set(PHOTOGRAPHS["train"]) & set(PHOTOGRAPHS["val"])


def test_near_duplicates_are_one_person() -> None:
    generator = np.random.default_rng(0)
    faces = generator.random((4, 8, 8), dtype=np.float32)
    faces[3] = faces[1] * 0.5 + 0.2
    assert sorted(same_person_groups(faces)) == [[0], [1, 3], [2]]


@pytest.mark.parametrize("seed", range(12))
def test_the_box_is_where_the_picture_changed(seed: int) -> None:
    generator = np.random.default_rng(seed)
    canvas = np.full((160, 160, 3), 5, np.uint8)
    side, angle = generator.uniform(40, 90), generator.uniform(-30, 30)
    crop = np.full((25, 25), 0.5, np.float32)
    placed = paste(canvas, crop, (80.0, 75.0), side, angle, False, generator)
    rows, columns = np.nonzero((canvas != 5).any(axis=2))
    changed = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    # The edge is soft, half inside and half outside of the box.
    np.testing.assert_allclose(placed.box, changed, atol=0.06 * side + 1.5)


def test_extent_of_a_turned_ellipse_is_that_of_its_points() -> None:
    turn = np.linspace(0, 2 * np.pi, 2000)
    for angle in (-30.0, 0.0, 17.0, 90.0):
        x, y = 40 / 1.2 / 2 * np.cos(turn), 20 * np.sin(turn)
        radians = np.deg2rad(angle)
        across = np.abs(x * np.cos(radians) + y * np.sin(radians)).max()
        down = np.abs(y * np.cos(radians) - x * np.sin(radians)).max()
        np.testing.assert_allclose(rotated_extent(40, angle), (across, down), rtol=1e-5)
