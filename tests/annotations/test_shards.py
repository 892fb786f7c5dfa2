import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from nasface.annotations.formats import find_format, read_dataset
from nasface.annotations.records import ImageRecord
from nasface.annotations.shards import read_shards, write_shards
from nasface.errors import DataError
from nasface.io.archives import file_bytes

NUMBERS = st.floats(-1e4, 1e4, width=32)


def record_of(folder: Path, name: str, **values: Any) -> ImageRecord:
    """An image of noise."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(len(name)).integers(0, 255, (20, 30, 3), np.uint8)
    Image.fromarray(noise).save(path)
    boxes = values.pop("boxes_M4", np.zeros((0, 4), np.float32))
    return ImageRecord(name, path, boxes, values.pop("attributes", {}), **values)


@settings(max_examples=25, deadline=None)
@given(
    corners=arrays.arrays(np.float32, st.tuples(st.integers(0, 4), st.just(4)), elements=NUMBERS),
    exif=st.sampled_from(["apply", "ignore"]),
    data=st.data(),
)
def test_records_come_back_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, corners: Any, exif: Any, data: st.DataObject
) -> None:
    root = tmp_path_factory.mktemp("shards")
    boxes = np.concatenate([corners[:, :2], np.maximum(corners[:, :2], corners[:, 2:])], 1)
    levels = arrays.arrays(np.int64, len(boxes), elements=st.integers(-5, 2**40))
    attributes = {"blur": data.draw(levels), "my own": data.draw(levels)}
    names = ["b/x.y.jpg", "a.PNG", "b/z.jpeg"]
    records = [
        record_of(root, name, boxes_M4=boxes, attributes=attributes, exif=exif) for name in names
    ]
    images = [each.path.read_bytes() for each in records]
    write_shards(root, {"val": records})
    found = read_shards(root, "val")
    assert [each.name for each in found] == names
    assert [file_bytes(each.path) for each in found] == images
    for each in found:
        assert each.exif == exif
        assert each.boxes_M4.tobytes() == boxes.tobytes()
        assert set(each.attributes) == set(attributes)
        assert all((each.attributes[key] == attributes[key]).all() for key in attributes)


def test_shards_are_filled_in_order(tmp_path: Path) -> None:
    names = [f"deep/{at}.png" for at in range(7)]
    records = [record_of(tmp_path / "images", name) for name in names]
    size = records[0].path.stat().st_size
    write_shards(tmp_path, {"train": records, "val": []}, shard_bytes=3 * size - 5)
    expected = ["train-000000.tar", "train-000001.tar", "train-000002.tar", "val-000000.tar"]
    assert sorted(path.name for path in tmp_path.iterdir()) == expected
    assert read_dataset(tmp_path).names == names
    assert read_dataset(tmp_path)[3].path.parent.name == "train-000001.tar"
    assert find_format(tmp_path).name == "shards"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # leaves files open
def test_webdataset_reads_them(tmp_path: Path) -> None:
    boxes = np.array([[1, 2, 10.5, 20]], np.float32)
    record = record_of(tmp_path, "event/one.jpg", boxes_M4=boxes)
    image = record.path.read_bytes()
    write_shards(tmp_path, {"train": [record]})
    url = str(tmp_path / "train-000000.tar")
    (sample,) = webdataset.WebDataset(url, shardshuffle=False)
    assert sample["jpg"] == image
    about = json.loads(sample["json"])
    assert (about["name"], about["boxes"]) == ("event/one.jpg", boxes.tolist())
    assert (about["width"], about["height"]) == (30, 20)


def test_shards_without_parts_are_all_for_training(tmp_path: Path) -> None:
    write_shards(tmp_path, {"train": [record_of(tmp_path, "a.jpg")]})
    (tmp_path / "train-000000.tar").rename(tmp_path / "00000.tar")
    assert read_dataset(tmp_path, "train").names == ["a.jpg"]


@pytest.mark.parametrize(
    ("about", "told"),
    [
        ({"name": "a.jpg", "boxes": [[1, 2, 3]]}, "no description"),
        ({"name": "a.jpg", "boxes": [[1, 2, 3, float("nan")]]}, "no description"),
        ({"name": "a.jpg", "boxes": [[1, 2, 3, 4]], "attributes": {"blur": [1, 2]}}, "no descrip"),
        ({"name": "a.jpg", "boxes": [], "exif": "both"}, "no description"),
        ({"name": "../a.jpg", "boxes": []}, "no image name"),
        ([1], "no description"),
        (None, "no 0.json beside it"),
    ],
)
def test_descriptions_that_cannot_be_used(tmp_path: Path, about: Any, told: str) -> None:
    with tarfile.open(tmp_path / "train-000000.tar", "w") as tar:
        contents = {"0.jpg": b"", "0.json": json.dumps(about).encode()}
        for name, content in list(contents.items())[: 1 if about is None else 2]:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    with pytest.raises(DataError, match=rf"train-000000\.tar: .*{told}"):
        read_dataset(tmp_path)


def test_shards_that_are_not_there_or_damaged(tmp_path: Path) -> None:
    write_shards(tmp_path, {"train": [record_of(tmp_path, "a.jpg")]})
    with pytest.raises(DataError, match="has no shards of split 'val'"):
        read_dataset(tmp_path, "val")
    shard = tmp_path / "train-000000.tar"
    shard.write_bytes(shard.read_bytes()[:700])
    with pytest.raises(DataError, match=r"train-000000\.tar: is no whole tar archive"):
        read_dataset(tmp_path)
    write_shards(tmp_path, {"train": []})
    with pytest.raises(DataError, match="its shards hold no image"):
        read_dataset(tmp_path)
