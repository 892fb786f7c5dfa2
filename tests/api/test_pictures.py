"""Pictures that ``detect`` takes: paths, arrays, tensors, Pillow images, folders, stacks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from detecting import FIVE_BEST, load_untrained, picture
from PIL import Image

import nasface
from nasface.api.detector import FaceDetector
from nasface.data.images import write_image
from nasface.errors import DataError
from nasface.inference.pictures import Picture
from nasface.inference.predict import InferenceConfig, detect


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> FaceDetector:
    return load_untrained(tmp_path_factory.mktemp("weights"))


def test_pictures_of_mixed_sizes_as_one_by_one(detector: FaceDetector) -> None:
    sizes = [(64, 80), (64, 80), (64, 80), (96, 64), (64, 80)]
    pictures = [picture(at, *size) for at, size in enumerate(sizes)]
    for batch in (1, 2, 8):
        together = detector.detect(
            pictures, inference=FIVE_BEST, score_threshold=0.0, batch_size=batch
        )
        assert len(together) == 5
        for each, image in zip(together, pictures, strict=True):
            alone = detect(detector.network(), image, FIVE_BEST)
            assert len(each) == 5
            torch.testing.assert_close(each.boxes_N4, alone.boxes_N4, atol=1e-3, rtol=1e-4)
            torch.testing.assert_close(each.scores_N, alone.scores_N, atol=1e-5, rtol=1e-4)


def test_paths_arrays_and_tensors_show_the_same(detector: FaceDetector, tmp_path: Path) -> None:
    image = picture(7)
    write_image(tmp_path / "a.png", image)
    tensor = torch.from_numpy(image).permute(2, 0, 1)
    kinds: list[Picture] = [
        tmp_path / "a.png",
        str(tmp_path / "a.png"),
        image,
        tensor,
        tensor / 255,
    ]
    first, *others = detector.detect(kinds, inference=FIVE_BEST, score_threshold=0.0, batch_size=1)
    for each in others:
        assert torch.equal(each.boxes_N4, first.boxes_N4)
        assert torch.equal(each.scores_N, first.scores_N)
    (single,) = detector.detect(image, inference=FIVE_BEST, score_threshold=0.0)
    assert torch.equal(single.scores_N, first.scores_N)


def test_pillow_images_of_every_mode(detector: FaceDetector, tmp_path: Path) -> None:
    image = picture(7)
    pillow = Image.fromarray(image)
    write_image(tmp_path / "a.png", image)
    lazy = Image.open(tmp_path / "a.png")
    for first, second in ((image, pillow), (image, lazy), (image, pillow.convert("RGBA"))):
        one, two = detector.detect(
            [first, second], inference=FIVE_BEST, score_threshold=0.0, batch_size=1
        )
        assert torch.equal(one.boxes_N4, two.boxes_N4)
        assert torch.equal(one.scores_N, two.scores_N)
    grey = pillow.convert("L")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    assert deep.mode == "I;16"
    rgb = np.repeat(np.asarray(grey)[..., None], 3, axis=2)
    found = detector.detect(
        [rgb, grey, deep], inference=FIVE_BEST, score_threshold=0.0, batch_size=1
    )
    for each in found[1:]:
        assert torch.equal(each.boxes_N4, found[0].boxes_N4)
    for mode in ("1", "P", "LA", "CMYK", "YCbCr", "HSV"):
        assert (
            len(detector.detect(pillow.convert(mode), inference=FIVE_BEST, score_threshold=0.0))
            == 1
        )
    (tmp_path / "cut.png").write_bytes((tmp_path / "a.png").read_bytes()[:-200])
    with (
        Image.open(tmp_path / "cut.png") as cut,
        pytest.raises(ValueError, match="Pillow image cannot be read"),
    ):
        detector.detect(cut)


def test_views_of_an_array(detector: FaceDetector) -> None:
    """Such as BGR turned to RGB, a mirrored picture or a crop; also when they are resized."""
    image = picture(7, 80, 96)
    test = InferenceConfig(score_threshold=0.0, max_detections=5, longer_side=64)
    for view in (image[..., ::-1], image[:, ::-1], image[8:72:2, 3:90], image.swapaxes(0, 1)):
        one, two = detector.detect(
            [view, view.copy()], inference=test, score_threshold=0.0, batch_size=1
        )
        assert torch.equal(one.boxes_N4, two.boxes_N4)


def test_a_picture_of_one_pixel(detector: FaceDetector) -> None:
    assert len(detector.detect(np.zeros((1, 1, 3), np.uint8))) == 1


def test_pictures_are_taken_a_batch_at_a_time(detector: FaceDetector) -> None:
    """A generator is not read further ahead than the batch and one picture."""
    seen: list[int] = []
    calls: list[int] = []

    def endless() -> Iterator[np.ndarray]:
        for at in range(6):
            seen.append(at)
            yield picture(at)

    network = detector.network()
    handle = network.register_forward_pre_hook(lambda *_: calls.append(len(seen)))
    detector.detect(endless(), inference=FIVE_BEST, batch_size=2, engine="torch")
    handle.remove()
    assert len(calls) == 3
    assert all(taken <= 2 * at + 3 for at, taken in enumerate(calls))


def test_folders_patterns_stacks_and_data_sets_are_several_pictures(
    detector: FaceDetector, tmp_path: Path
) -> None:
    images = [picture(at) for at in range(3)]
    for at, image in enumerate(images):
        write_image(tmp_path / f"{at}.png", image)
    expected = [each.scores.tolist() for each in detector.detect(images, 0.0, inference=FIVE_BEST)]
    stack = np.stack(images)
    records = [
        nasface.ImageRecord("a", tmp_path / f"{at}.png", np.zeros((0, 4), np.float32))
        for at in range(3)
    ]
    for several in (
        tmp_path,
        str(tmp_path / "*.png"),
        stack,
        torch.from_numpy(stack).permute(0, 3, 1, 2),
        records,
    ):
        found = detector.detect(several, 0.0, inference=FIVE_BEST)
        assert [each.scores.tolist() for each in found] == expected
    assert [each.source for each in detector.detect(tmp_path)] == [each.path for each in records]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no image or video in"):
        detector.detect(tmp_path / "empty")


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_floats_from_0_to_1_are_the_same_picture(detector: FaceDetector, kind: Any) -> None:
    image = picture(5)
    floats = (image / 255).astype(kind)
    as_tensor = torch.from_numpy(floats).permute(2, 0, 1)
    one, array, tensor = detector.detect([image, floats, as_tensor], 0.0, inference=FIVE_BEST)
    assert torch.equal(one.boxes, array.boxes)
    assert torch.equal(one.boxes, tensor.boxes)


def test_what_is_no_picture(detector: FaceDetector, tmp_path: Path) -> None:
    anything: Any = object()
    with pytest.raises(DataError, match="no such"):
        detector.detect("no such.jpg")
    with pytest.raises(ValueError, match=r"array must be \(H, W, 3\).*uint8 \(3, 64, 64\)"):
        detector.detect(np.zeros((3, 64, 64), np.uint8))
    with pytest.raises(ValueError, match="tensor must be"):
        detector.detect(torch.zeros(64, 64, 3))
    with pytest.raises(ValueError, match=r"must be in \[0, 1\], got 0 to 255"):
        detector.detect(torch.arange(256.0).expand(3, 16, 256))
    for nothing in (torch.full((3, 64, 64), torch.nan), np.full((64, 64, 3), np.nan)):
        with pytest.raises(ValueError, match=r"must be in \[0, 1\], got nan"):
            detector.detect(nothing)
    with pytest.raises(ValueError, match=r"array must be .* got int64"):
        detector.detect(np.zeros((64, 64, 3), np.int64))
    with pytest.raises(ValueError, match="picture must be a path"):
        detector.detect([anything])
    for empty in (np.zeros((0, 10, 3), np.uint8), np.zeros((10, 0, 3), np.uint8)):
        with pytest.raises(ValueError, match=r"array must be .* got uint8 \("):
            detector.detect(empty)
    with pytest.raises(ValueError, match=r"tensor must be .* got torch.uint8 \(3, 0, 4\)"):
        detector.detect(torch.zeros((3, 0, 4), dtype=torch.uint8))
    for other, kind in ((b"\xff\xd8", "bytes"), (7, "int"), (None, "NoneType"), ({}, "dict")):
        anything = other
        with pytest.raises(ValueError, match=rf"must be a path, an array .* image, .*got {kind}$"):
            detector.detect(anything)
        with pytest.raises(ValueError, match=rf"must be a path, an array .* image, got {kind}$"):
            detector.detect([anything])
    for mode in ("I", "F"):
        with pytest.raises(ValueError, match=rf"8 or 16 bits a channel, got mode {mode}"):
            detector.detect(Image.new(mode, (20, 10)))
    for name, what in (
        ("https://example.org/a.jpg", r"^https://example.org/a.jpg: is an address or a camera"),
        ("rtsp://me:secret@example.org/1", r"^rtsp://example.org/1: is an address or a camera"),
        ("camera:0", "is an address or a camera"),
        ("film.MP4", r"film\.MP4: is a video"),
    ):
        for pictures in (name, [name]):
            with pytest.raises(DataError, match=what):
                detector.detect(pictures)
    with pytest.raises(DataError, match=f"{tmp_path.name}: is a folder among pictures"):
        detector.detect([tmp_path])
    calls: list[Any] = ["a.jpg", [picture(1)], picture(1)]
    for anything in calls:
        with pytest.raises(ValueError, match=r"floats \(B, 3, H, W\), got .* detector.detect"):
            detector(anything)
    with pytest.raises(ValueError, match="batch_size must be a whole number from 1, got 0"):
        detector.detect(picture(1), batch_size=0)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = nasface.nothing  # type: ignore[attr-defined]  # type checkers know that, too
