from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import DETECTOR, tiny_genotype
from torch import nn

import nasface
from nasface.data.images import write_image
from nasface.detection.checkpoint import save_detector
from nasface.detection.detector import build_detector
from nasface.detection.heads import Head
from nasface.errors import DataError
from nasface.inference.face_detector import FaceDetector, Picture
from nasface.inference.predict import InferenceConfig, detect

TEST = InferenceConfig(score_threshold=0.0, max_detections=5)


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> FaceDetector:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    untrained = build_detector(DETECTOR, tiny_genotype())
    with torch.no_grad():  # or all scores are as good as the same
        for head in untrained.trunk.heads:
            cast(nn.Conv2d, cast(Head, head).classify[-1]).weight.mul_(300)
    save_detector(path, untrained, tiny_genotype(), {"ap": 0.5})
    return nasface.load_detector(path)


def picture(seed: int, height: int = 64, width: int = 80) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_what_the_file_says_is_at_hand(detector: FaceDetector) -> None:
    assert detector.metrics == {"ap": 0.5}
    assert detector.genotype == tiny_genotype()
    assert detector.config == DETECTOR


def test_pictures_of_mixed_sizes_as_one_by_one(detector: FaceDetector) -> None:
    sizes = [(64, 80), (64, 80), (64, 80), (96, 64), (64, 80)]
    pictures = [picture(at, *size) for at, size in enumerate(sizes)]
    for batch in (1, 2, 8):
        together = detector.detect(pictures, test=TEST, threshold=0.0, batch=batch)
        assert len(together) == 5
        for each, image in zip(together, pictures, strict=True):
            alone = detect(detector.module, image, TEST)
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
    first, *others = detector.detect(kinds, test=TEST, threshold=0.0, batch=1)
    for each in others:
        assert torch.equal(each.boxes_N4, first.boxes_N4)
        assert torch.equal(each.scores_N, first.scores_N)
    (single,) = detector.detect(image, test=TEST, threshold=0.0)
    assert torch.equal(single.scores_N, first.scores_N)


def test_pillow_images_of_every_mode(detector: FaceDetector, tmp_path: Path) -> None:
    image = picture(7)
    pillow = Image.fromarray(image)
    write_image(tmp_path / "a.png", image)
    lazy = Image.open(tmp_path / "a.png")
    for first, second in ((image, pillow), (image, lazy), (image, pillow.convert("RGBA"))):
        one, two = detector.detect([first, second], test=TEST, threshold=0.0, batch=1)
        assert torch.equal(one.boxes_N4, two.boxes_N4)
        assert torch.equal(one.scores_N, two.scores_N)
    grey = pillow.convert("L")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    assert deep.mode == "I;16"
    rgb = np.repeat(np.asarray(grey)[..., None], 3, axis=2)
    found = detector.detect([rgb, grey, deep], test=TEST, threshold=0.0, batch=1)
    for each in found[1:]:
        assert torch.equal(each.boxes_N4, found[0].boxes_N4)
    for mode in ("1", "P", "LA", "CMYK", "YCbCr", "HSV"):
        assert len(detector.detect(pillow.convert(mode), test=TEST, threshold=0.0)) == 1
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
        one, two = detector.detect([view, view.copy()], test=test, threshold=0.0, batch=1)
        assert torch.equal(one.boxes_N4, two.boxes_N4)


def test_a_picture_of_one_pixel(detector: FaceDetector) -> None:
    assert len(detector.detect(np.zeros((1, 1, 3), np.uint8))) == 1


def test_weak_detections_are_left_out(detector: FaceDetector) -> None:
    (every,) = detector.detect(picture(1), test=TEST, threshold=0.0)
    assert len(every) == 5
    least, best = float(every.scores_N.min()), float(every.scores_N.max())
    (some,) = detector.detect(picture(1), test=TEST, threshold=(least + best) / 2)
    assert 1 <= len(some) == int((every.scores_N >= (least + best) / 2).sum()) < 5
    assert len(detector.detect(picture(1), test=TEST, threshold=0.99)[0]) == 0


def test_a_low_threshold_is_heard(detector: FaceDetector) -> None:
    """Whatever score is looked at by default."""
    (every,) = detector.detect(picture(1), threshold=0.0)
    assert every.scores_N.amin() < 0.02


def test_pictures_are_taken_a_batch_at_a_time(detector: FaceDetector) -> None:
    """A generator is not read further ahead than the batch and one picture."""
    seen: list[int] = []
    calls: list[int] = []

    def endless() -> Iterator[np.ndarray]:
        for at in range(6):
            seen.append(at)
            yield picture(at)

    module = detector.module
    handle = module.register_forward_pre_hook(lambda *_: calls.append(len(seen)))
    detector.detect(endless(), test=TEST, batch=2)
    handle.remove()
    assert len(calls) == 3
    assert all(taken <= 2 * at + 3 for at, taken in enumerate(calls))


def test_what_is_no_picture(detector: FaceDetector) -> None:
    anything: Any = object()
    with pytest.raises(DataError, match="no such"):
        detector.detect("no such.jpg")
    with pytest.raises(ValueError, match="array must be uint8"):
        detector.detect(np.zeros((3, 64, 64), np.uint8))
    with pytest.raises(ValueError, match="tensor must be"):
        detector.detect(torch.zeros(64, 64, 3))
    with pytest.raises(ValueError, match=r"must be in \[0, 1\], got 0 to 255"):
        detector.detect(torch.arange(256.0).expand(3, 16, 256))
    with pytest.raises(ValueError, match=r"must be in \[0, 1\], got nan"):
        detector.detect(torch.full((3, 64, 64), torch.nan))
    with pytest.raises(ValueError, match="picture must be a path"):
        detector.detect([anything])
    for empty in (np.zeros((0, 10, 3), np.uint8), np.zeros((10, 0, 3), np.uint8)):
        with pytest.raises(ValueError, match=r"array must be uint8 .* got empty, uint8 \("):
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
    with pytest.raises(ValueError, match="batch must be 1 or more, got 0"):
        detector.detect(picture(1), batch=0)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = nasface.nothing
