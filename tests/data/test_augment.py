from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scenes import scenes, seeds, sides

from nasface.data.augment import AugmentConfig, augment
from nasface.data.tensors import MEAN_COLOUR
from nasface.data.windows import Scene, draw_window
from nasface.errors import ConfigError

ANCHOR = AugmentConfig(face_crop=1, whole=0, flip=0, photometric=0)
WHOLE = AugmentConfig(face_crop=0, whole=1, flip=0, photometric=0)
SQUARE = AugmentConfig(face_crop=0, whole=0, flip=0, photometric=0)
MIXED = AugmentConfig(flip=0, photometric=0)

crops = st.sampled_from([ANCHOR, WHOLE, SQUARE, MIXED])


def random_boxes(seed: int, count: int, height: int, width: int) -> NDArray[np.float32]:
    """Boxes that partly reach beyond the image; some have no area."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-0.2, 1.0, (count, 2)) * (width, height)
    extents = rng.uniform(0, 0.6, (count, 2)) * (width, height) * rng.integers(0, 2, (count, 1))
    return np.concatenate([corners, corners + extents], axis=1).astype(np.float32)


@settings(deadline=None, max_examples=200)
@given(scenes(), seeds, crops, st.booleans())
def test_painted_face_is_found_at_its_box(
    scene: tuple[int, int, NDArray[np.float32]], seed: int, crop: AugmentConfig, flip: bool
) -> None:
    height, width, boxes = scene
    x1, y1, x2, y2 = boxes[0].astype(int)
    image = np.zeros((height, width, 3), np.uint8)
    image[y1:y2, x1:x2] = (255, 0, 0)
    config = AugmentConfig(
        face_crop=crop.face_crop, whole=crop.whole, photometric=0, flip=float(flip)
    )
    output, moved, ignore = augment(
        image, boxes, np.array([False]), config, np.random.default_rng(seed)
    )
    assert output.shape == (320, 320, 3)
    assert output.dtype == np.uint8
    red = output[..., 0].astype(int) - output[..., 1] > 127
    assert len(moved) == 1, "every crop shows a face when the image has one"
    found_x, found_y = np.flatnonzero(red.any(axis=0)), np.flatnonzero(red.any(axis=1))
    extents = moved[0, 2:] - moved[0, :2]
    assert ignore[0] == (extents.min() < config.min_face)
    assume(extents.min() >= 3)
    found = [found_x[0], found_y[0], found_x[-1] + 1, found_y[-1] + 1]
    np.testing.assert_allclose(moved[0], found, atol=1.5)


@settings(deadline=None, max_examples=200)
@given(seeds, sides, sides, st.integers(0, 8), crops)
@example(seed=0, height=1, width=1, count=0, config=MIXED)
@example(seed=0, height=1, width=9, count=1, config=WHOLE)
def test_boxes_follow_the_window(
    seed: int, height: int, width: int, count: int, config: AugmentConfig
) -> None:
    boxes = random_boxes(seed, count, height, width)
    ignored = np.random.default_rng(seed).random(count) < 0.3
    image = np.zeros((height, width, 3), np.uint8)
    _, moved, ignore = augment(image, boxes, ignored, config, np.random.default_rng(seed))

    centres = (boxes[:, :2].astype(float) + boxes[:, 2:]) / 2
    in_image = np.all((centres >= 0) & (centres < (width, height)), axis=1)
    has_area = np.all(boxes[:, 2:] > boxes[:, :2], axis=1)
    learnable = boxes[in_image & has_area & ~ignored]
    # The window is the first thing drawn, so a fresh generator draws the same one.
    scene = Scene(height, width, learnable, 320)
    x, y, side, _ = draw_window(scene, config, np.random.default_rng(seed))
    expected_boxes, expected_ignore = [], []
    for (x1, y1, x2, y2), was_ignored in zip(boxes.astype(float).tolist(), ignored, strict=True):
        left, right = max(x, 0), min(x + side, width)
        top, bottom = max(y, 0), min(y + side, height)
        seen_x = min(x2, right) - max(x1, left)
        seen_y = min(y2, bottom) - max(y1, top)
        if seen_x <= 0 or seen_y <= 0:
            continue
        central = left <= (x1 + x2) / 2 < right and top <= (y1 + y2) / 2 < bottom
        if not central and seen_x * seen_y <= 0.3 * (x2 - x1) * (y2 - y1):
            continue
        k = 320 / side
        box = [max(x1, left) - x, max(y1, top) - y, min(x2, right) - x, min(y2, bottom) - y]
        expected_boxes.append([v * k for v in box])
        expected_ignore.append((bool(was_ignored) or not central, min(seen_x, seen_y) * k))

    assert moved.dtype == np.float32
    assert ignore.dtype == np.bool_
    assert len(moved) == len(ignore) == len(expected_boxes)
    if len(moved):
        # Half a pixel from laying the border on the grid, and as much on its other side.
        np.testing.assert_allclose(moved, expected_boxes, atol=1.01)
    assert np.all((moved >= 0) & (moved <= 320))
    assert np.all(moved[:, 2:] > moved[:, :2])
    for got, (must, shorter) in zip(ignore, expected_ignore, strict=True):
        if must or shorter < config.min_face - 1.01:
            assert got
        elif shorter > config.min_face + 1.01:
            assert not got


def test_faces_without_centre_are_ignored_or_dropped_by_what_is_seen() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    # Seen: all, 40 %, 20 %, nothing; the whole image is the window.
    boxes = np.array(
        [[10, 10, 50, 50], [-24, 0, 16, 40], [-32, 0, 8, 40], [120, 0, 140, 20]], np.float32
    )
    _, moved, ignore = augment(image, boxes, np.zeros(4, bool), WHOLE, np.random.default_rng(0))
    np.testing.assert_allclose(moved, np.array([[10, 10, 50, 50], [0, 0, 16, 40]]) * 3.2, rtol=1e-6)
    assert ignore.tolist() == [False, True]


def test_given_and_small_faces_are_ignored() -> None:
    image = np.zeros((640, 640, 3), np.uint8)
    boxes = np.array(
        [[0, 0, 50, 50], [0, 0, 50, 50], [0, 0, 50, 7], [0, 0, 50, 8], [5, 5, 5, 9]], np.float32
    )
    given_flags = np.array([True, False, False, False, False])
    _, moved, ignore = augment(image, boxes, given_flags, WHOLE, np.random.default_rng(0))
    assert len(moved) == 4
    assert ignore.tolist() == [True, False, True, False]


def test_mirror_image_of_the_same_draw() -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (90, 130, 3), dtype=np.uint8)
    boxes = np.array([[10, 20, 40, 50], [60, 5, 120, 80]], np.float32)
    ignore = np.array([False, True])
    mirror = AugmentConfig(face_crop=1, whole=0, flip=1, photometric=0)
    for seed in range(10):
        a, a_boxes, a_ignore = augment(image, boxes, ignore, ANCHOR, np.random.default_rng(seed))
        b, b_boxes, b_ignore = augment(image, boxes, ignore, mirror, np.random.default_rng(seed))
        np.testing.assert_array_equal(b, np.fliplr(a))
        np.testing.assert_allclose(b_boxes[:, 0], 320 - a_boxes[:, 2])
        np.testing.assert_allclose(b_boxes[:, 2], 320 - a_boxes[:, 0])
        np.testing.assert_array_equal(b_boxes[:, [1, 3]], a_boxes[:, [1, 3]])
        np.testing.assert_array_equal(b_ignore, a_ignore)


def test_shrinking_averages_all_pixels() -> None:
    image = np.zeros((1280, 1280, 3), np.uint8)
    image[:, ::4] = 200
    no_boxes = np.zeros((0, 4), np.float32)
    output, _, _ = augment(image, no_boxes, np.zeros(0, bool), WHOLE, np.random.default_rng(0))
    assert np.unique(output).tolist() == [50]


def test_border_has_the_mean_colour_whatever_happens_to_the_picture() -> None:
    image = np.full((100, 200, 3), 255, np.uint8)
    config = AugmentConfig(face_crop=0, whole=1, flip=0, photometric=1)
    no_boxes = np.zeros((0, 4), np.float32)
    output, moved, ignore = augment(
        image, no_boxes, np.zeros(0, bool), config, np.random.default_rng(3)
    )
    rows = np.all(output == MEAN_COLOUR, axis=(1, 2))
    assert rows.sum() == 160
    assert moved.shape == (0, 4)
    assert ignore.shape == (0,)


def test_augment_repeats_itself_and_leaves_its_inputs() -> None:
    image = np.random.default_rng(0).integers(0, 256, (120, 90, 3), dtype=np.uint8)
    boxes = np.array([[10, 20, 40, 50]], np.float32)
    image_before, boxes_before = image.copy(), boxes.copy()
    results = [
        augment(image, boxes, np.array([False]), AugmentConfig(), np.random.default_rng(seed))
        for seed in (5, 5, 6)
    ]
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])
    assert not np.array_equal(results[0][0], results[2][0])
    np.testing.assert_array_equal(image, image_before)
    np.testing.assert_array_equal(boxes, boxes_before)


@pytest.mark.parametrize("size", [0, 31, 100, -32])
def test_size_must_be_a_multiple_of_32(size: int) -> None:
    with pytest.raises(ConfigError, match=f"size is {size}, expected a multiple of 32"):
        AugmentConfig(size=size)


@pytest.mark.parametrize("key", ["face_crop", "scale_crop", "flip", "mosaic", "min_visible"])
@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_probabilities_are_checked(key: str, value: float) -> None:
    changes: dict[str, Any] = {key: value}
    with pytest.raises(ConfigError, match=rf"{key} is .*, expected a number from 0 to 1"):
        AugmentConfig(**changes)


def test_shares_of_crops_and_least_face_are_checked() -> None:
    with pytest.raises(ConfigError, match="at most 1"):
        AugmentConfig(face_crop=0.7, whole=0.4)
    with pytest.raises(ConfigError, match="min_face is -1"):
        AugmentConfig(min_face=-1)
    for changes in ({"scales": (2, 1)}, {"face_sides": (0, 9)}, {"aspect_jitter": -1}):
        with pytest.raises(ConfigError, match=f"{next(iter(changes))} is "):
            AugmentConfig(**changes)


def test_wrong_arrays_are_programmer_errors() -> None:
    image, boxes, ignore = np.zeros((9, 9, 3), np.uint8), np.zeros((1, 4), np.float32), [False]
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="image must be uint8"):
        augment(image[..., 0], boxes, np.array(ignore), MIXED, rng)
    with pytest.raises(ValueError, match="expected"):
        augment(image, boxes, np.array(ignore * 2), MIXED, rng)
