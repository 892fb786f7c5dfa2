"""Decoded images that are kept on disk."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest

from nasface.data.decoded import DecodedImages
from nasface.data.images import read_image, write_image
from nasface.errors import DataError


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    write_image(path, np.random.default_rng(0).integers(256, size=(9, 7, 3)).astype(np.uint8))
    return path


def test_an_image_is_decoded_once_and_again_when_its_file_changes(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[bool] = []

    def count(path: Path, *, exif: bool) -> np.ndarray:
        decoded.append(exif)
        return read_image(path, exif=exif)

    monkeypatch.setattr("nasface.data.decoded.read_image", count)
    images = DecodedImages(tmp_path / "kept" / "here")
    for _ in range(3):
        found = images.read(image, exif=False)
        assert type(found) is np.ndarray
        np.testing.assert_array_equal(found, read_image(image, exif=False))
    np.testing.assert_array_equal(images.read(image), read_image(image))
    assert decoded == [False, True]  # not the same picture where EXIF turns it

    other = np.zeros((4, 5, 3), np.uint8)
    write_image(image, other)
    np.testing.assert_array_equal(images.read(image, exif=False), other)
    write_image(image, other + 1)
    os.utime(image, ns=(1, 1))  # of the same size, perhaps within one tick of the clock
    np.testing.assert_array_equal(images.read(image, exif=False), other + 1)


def test_files_that_change_places_and_keep_size_and_time_are_told_apart(tmp_path: Path) -> None:
    paths = [tmp_path / "a.bmp", tmp_path / "b.bmp"]
    for value, path in enumerate(paths):
        write_image(path, np.full((4, 5, 3), value, np.uint8))
        os.utime(path, ns=(1, 1))
    images = DecodedImages(tmp_path / "kept")
    assert [int(images.read(each).max()) for each in paths] == [0, 1]
    paths[0].rename(tmp_path / "c.bmp")
    paths[1].rename(paths[0])
    assert int(images.read(paths[0]).max()) == 1


def test_threads_that_keep_one_image_are_not_in_each_others_way(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Links to one file, which are looked at by several threads."""
    both_decode, writing = Barrier(2, timeout=20), Barrier(2, timeout=20)

    def together(path: Path, *, exif: bool) -> np.ndarray:
        both_decode.wait()
        return read_image(path, exif=exif)

    def save(path: Path, array: np.ndarray) -> None:
        with path.open("wb") as file:
            np.lib.format.write_array(file, array)
        writing.wait()

    monkeypatch.setattr("nasface.data.decoded.read_image", together)
    monkeypatch.setattr("nasface.data.decoded.np.save", save)
    images = DecodedImages(tmp_path / "kept")
    links = [tmp_path / "1.png", tmp_path / "2.png"]
    for link in links:
        link.symlink_to(image)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(images.read, links)
    np.testing.assert_array_equal(first, second)
    assert len(list((tmp_path / "kept").iterdir())) == 1


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"strange"])
def test_a_damaged_file_is_made_anew(image: Path, tmp_path: Path, content: bytes) -> None:
    images = DecodedImages(tmp_path / "kept")
    images.read(image)
    (kept,) = (tmp_path / "kept").iterdir()
    whole = kept.read_bytes()
    for damaged in (content, whole[:-1]):
        kept.write_bytes(damaged)
        np.testing.assert_array_equal(images.read(image), read_image(image))
        assert kept.read_bytes() == whole
    np.save(kept, np.zeros((9, 7), np.uint8))
    np.testing.assert_array_equal(images.read(image), read_image(image))


def test_an_image_that_cannot_be_read_is_not_kept(tmp_path: Path) -> None:
    images = DecodedImages(tmp_path / "kept")
    (tmp_path / "b.png").write_bytes(b"no image")
    for name in ("b.png", "missing.png"):
        with pytest.raises(DataError, match=name):
            images.read(tmp_path / name)
    assert not (tmp_path / "kept").exists()
