import json
from pathlib import Path

import numpy as np
import pytest
from tiny import write_tiny

from nasface.annotations.formats import DataConfig, read_dataset
from nasface.annotations.records import ImageRecord
from nasface.annotations.splits import part_by_file, part_by_fraction
from nasface.errors import ConfigError, DataError


def records(count: int) -> list[ImageRecord]:
    none = np.zeros((0, 4), np.float32)
    return [ImageRecord(f"e/{at}.jpg", Path(f"{at}.jpg"), none, {}) for at in range(count)]


def names(found: list[ImageRecord]) -> list[str]:
    return [each.name for each in found]


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5, 0.9])
def test_a_fraction_divides(fraction: float) -> None:
    every = records(40)
    train, val = (part_by_fraction(every, split, fraction) for split in ("train", "val"))
    assert len(val) == 40 * fraction
    assert sorted(names(train) + names(val)) == sorted(names(every))
    assert names(train) == [name for name in names(every) if name in set(names(train))]
    again = part_by_fraction(every[::-1], "val", fraction)
    assert set(names(again)) == set(names(val))


def test_a_larger_fraction_has_what_a_smaller_one_has() -> None:
    every = records(40)
    small, large = (set(names(part_by_fraction(every, "val", each))) for each in (0.1, 0.5))
    assert small < large


def test_fractions_that_do_not_divide() -> None:
    with pytest.raises(DataError, match=r"0\.1 of 4 images leaves a part without any"):
        part_by_fraction(records(4), "val", 0.1)
    with pytest.raises(ConfigError, match=r"val_fraction: 1\.5 is no share"):
        DataConfig(val_fraction=1.5)
    with pytest.raises(ConfigError, match="makes the parts train and val, and not 'test'"):
        part_by_fraction(records(4), "test", 0.5)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("val.txt", "e/1.jpg\n\ne/3\n"),
        ("parts.json", json.dumps({"val": ["e/1.jpg", "e/3.jpg"]})),
        ("parts.yaml", "train: [e/0.jpg, e/2.jpg, e/4.jpg]\nval: [e/3, e/1]\n"),
        ("windows.txt", "./e/1.jpg\r\ne\\3.jpg\r\n"),
        ("val.json", '["e/1", "e/3"]'),
        ("parts.YML", "TRAIN: [e/0, e/2, e/4]\nvalidation: [e/1, e/3]\n"),
    ],
)
def test_a_file_divides(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).write_text(text)
    train, val = (part_by_file(records(5), part, tmp_path / file) for part in ("train", "val"))
    assert names(val) == ["e/1.jpg", "e/3.jpg"]
    assert names(train) == ["e/0.jpg", "e/2.jpg", "e/4.jpg"]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("v.txt", "e/9.jpg", r"'e/9\.jpg' is no image of the data, expected names such as 'e/0"),
        ("v.txt", "e/1.jgp", r"'e/1\.jgp' is no image .*; did you mean 'e/1\.jpg'\?$"),
        ("v.yaml", "{trian: [e/1], val: []}", r"is no map .*; did you mean 'train'\?$"),
        ("v.txt", "\n", r"v\.txt: leaves no image for part 'val', expected some"),
        ("v.yaml", "{val: []}", r"v\.yaml: leaves no image for part 'val'"),
        ("v.yaml", "3", "is no map of names"),
        ("v.yaml", "[a, b]", "'a' is no image of the data"),
        ("v.yaml", "{val: [e/1], valid: [e/2]}", "is no map of names"),
        ("v.yaml", "{val: [e/1], other: [e/2]}", "is no map of names"),
        ("v.yaml", "{test: [e/1], val: [e/1.jpg]}", r"'e/1\.jpg' is in both parts"),
        ("v.json", '{"val": [3]}', "is no map of names"),
        ("v.json", '{"train": ["e/1"]}', "is no map of names"),
        ("v.yaml", "{train: [e/1], val: [e/1.jpg]}", r"'e/1\.jpg' is in both parts"),
    ],
)
def test_malformed_files(tmp_path: Path, file: str, text: str, message: str) -> None:
    (tmp_path / file).write_text(text)
    with pytest.raises(DataError, match=message):
        part_by_file(records(5), "val", tmp_path / file)


def test_images_for_tests_are_in_neither_part(tmp_path: Path) -> None:
    (tmp_path / "parts.json").write_text('{"val": ["e/1"], "test": ["e/0", "e/4"]}')
    train, val = (part_by_file(records(5), p, tmp_path / "parts.json") for p in ("train", "val"))
    assert (names(train), names(val)) == (["e/2.jpg", "e/3.jpg"], ["e/1.jpg"])


def test_a_name_without_suffix_of_two_images(tmp_path: Path) -> None:
    """One of them was taken without a word."""
    none = np.zeros((0, 4), np.float32)
    every = [ImageRecord(name, Path(name), none, {}) for name in ("e/a.jpg", "e/a.png", "b.jpg")]
    (tmp_path / "val.txt").write_text("e/a\n")
    with pytest.raises(DataError, match=r"'e/a' may be 'e/a\.jpg' or 'e/a\.png', expected one"):
        part_by_file(every, "val", tmp_path / "val.txt")
    (tmp_path / "val.txt").write_text("e/a.png\n")
    assert names(part_by_file(every, "val", tmp_path / "val.txt")) == ["e/a.png"]
    assert names(part_by_file(every, "train", tmp_path / "val.txt")) == ["e/a.jpg", "b.jpg"]


def test_names_that_another_system_wrote(tmp_path: Path) -> None:
    """macOS takes letters with accents apart; Windows tells no case apart."""
    none = np.zeros((0, 4), np.float32)
    every = [ImageRecord(name, Path(name), none) for name in ("e/\u00e9.JPG", "a.jpg", "A.jpg")]
    (tmp_path / "val.txt").write_text("e\\e\u0301.jpg\n", "utf-8")
    assert names(part_by_file(every, "val", tmp_path / "val.txt")) == ["e/\u00e9.JPG"]
    (tmp_path / "val.txt").write_text("A.jpg\n")
    assert names(part_by_file(every, "val", tmp_path / "val.txt")) == ["A.jpg"]
    (tmp_path / "val.txt").write_text("A.JPG\n")
    with pytest.raises(DataError, match=r"'A\.JPG' may be 'a\.jpg' or 'A\.jpg'"):
        part_by_file(every, "val", tmp_path / "val.txt")


def test_the_training_part_is_divided(tmp_path: Path) -> None:
    root = write_tiny(tmp_path)
    train, val = (read_dataset(root, split, val_fraction=0.25) for split in ("train", "val"))
    assert (len(train), len(val)) == (6, 2)
    assert {record.path.parts[-4] for record in val} == {"WIDER_train"}
    (tmp_path / "val.txt").write_text("0--Squares/5.jpg\n")
    config = DataConfig(split_file=str(tmp_path / "val.txt"))
    assert config.read(root, "val").names == ["0--Squares/5.jpg"]
    assert len(config.read(root, "train")) == 7
    assert config.splits(root) == ("train", "val")
    with pytest.raises(ConfigError, match="expected one of them"):
        read_dataset(root, val_fraction=0.5, split_file="val.txt")
