from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scenes import scenes, seeds
from scipy.stats import kstest

from nasface.data.augment import AugmentConfig
from nasface.data.windows import ANCHOR_SIDES, WINDOWS, Scene, Window, draw_window

ANCHOR = AugmentConfig(face_crop=1, whole=0)
SQUARE = AugmentConfig(face_crop=0, whole=0)


def draws(scene: Scene, config: AugmentConfig, count: int) -> list[Window]:
    return [draw_window(scene, config, np.random.default_rng(seed)) for seed in range(count)]


@settings(deadline=None)
@given(scenes(), seeds, st.sampled_from([64, 320, 640]))
def test_anchor_window_holds_its_face_at_an_anchor_size(
    scene: tuple[int, int, NDArray[np.float32]], seed: int, size: int
) -> None:
    height, width, faces = scene
    config = AugmentConfig(face_crop=1, whole=0, size=size)
    x, y, side, _ = draw_window(
        Scene(height, width, faces, size), config, np.random.default_rng(seed)
    )
    x1, y1, x2, y2 = faces[0].tolist()
    assert x <= x1 < x2 <= x + side
    assert y <= y1 < y2 <= y + side
    for start, length in ((x, width), (y, height)):
        assert (start >= 0 and start + side <= length) or start <= 0 <= length <= start + side
    face_side = ((x2 - x1) * (y2 - y1)) ** 0.5
    anchors = [anchor for anchor in ANCHOR_SIDES if anchor <= size]
    own = min(range(len(anchors)), key=lambda i: abs(anchors[i] - face_side))
    largest = anchors[min(own + 1, len(anchors) - 1)]
    assert face_side * size / side <= largest * 2**0.5 + 1e-6
    if side > max(x2 - x1, y2 - y1):
        assert face_side * size / (side - 1) >= 16 * 2**-0.5


def test_anchor_windows_reach_every_allowed_anchor() -> None:
    face = np.array([[400, 400, 464, 464]], np.float32)
    sizes = [
        64
        * 320
        / draw_window(Scene(1000, 1000, face, 320), ANCHOR, np.random.default_rng(seed)).width
        for seed in range(200)
    ]
    nearest = {min(ANCHOR_SIDES, key=lambda a: abs(np.log2(a / size))) for size in sizes}
    assert nearest == {16, 32, 64, 128}


@settings(deadline=None)
@given(scenes(), seeds)
def test_squares_stay_inside_and_show_a_face(
    scene: tuple[int, int, NDArray[np.float32]], seed: int
) -> None:
    height, width, faces = scene
    x, y, side, _ = draw_window(
        Scene(height, width, faces, 320), SQUARE, np.random.default_rng(seed)
    )
    centre_x, centre_y = (faces[0, 0] + faces[0, 2]) / 2, (faces[0, 1] + faces[0, 3]) / 2
    assert x <= centre_x < x + side
    assert y <= centre_y < y + side
    inside = x >= 0 and y >= 0 and x + side <= width and y + side <= height
    assert inside or side == max(height, width)
    shorter = (faces[0, 2:] - faces[0, :2]).min()
    assert side == max(height, width) or shorter * 320 / side >= SQUARE.min_face
    assert side >= int(0.3 * min(height, width))


def test_the_three_crops_come_as_often_as_configured() -> None:
    face = np.array([[100, 100, 110, 110]], np.float32)
    config = AugmentConfig(face_crop=0.5, whole=0.3)
    drawn = draws(Scene(300, 400, face, 320), config, 400)
    share_whole = np.mean([window.width == 400 for window in drawn])
    # Anchor windows of a 10-pixel face are at most 10 * 320 / 16 * sqrt(2) + 1 = 284 wide.
    assert share_whole == pytest.approx(0.3, abs=0.07)
    none = draws(Scene(300, 400, np.zeros((0, 4), np.float32), 320), config, 400)
    assert np.mean([window.width == 400 for window in none]) == pytest.approx(0.3, abs=0.07)


def test_every_crop_has_its_setting() -> None:
    assert set(WINDOWS) < set(vars(AugmentConfig()))


def test_a_face_gets_a_size_drawn_evenly_by_octaves() -> None:
    face = np.array([[4000, 4000, 4100, 4100]], np.float32)
    config = AugmentConfig(
        face_crop=0, whole=0, face_size_crop=1, face_sides=(8, 128), scales=(0.01, 9)
    )
    drawn = draws(Scene(9000, 9000, face, 320), config, 400)
    octaves = [np.log2(100 * 320 / window.width / 8) / 4 for window in drawn]
    assert kstest(octaves, "uniform").pvalue > 0.01
    limited = replace(config, scales=(0.5, 1))
    assert {window.width for window in draws(Scene(9000, 9000, face, 320), limited, 50)} <= set(
        range(320, 641)
    )
    for window in drawn:
        assert window.x < 4050 < window.x + window.width
        assert window.y < 4050 < window.y + window.height


def test_scales_are_drawn_evenly_by_octaves_with_a_crop_or_a_border() -> None:
    face = np.array([[10, 10, 60, 60]], np.float32)
    config = AugmentConfig(face_crop=0, whole=0, scale_crop=1, scales=(0.25, 4), aspect_jitter=0.2)
    scene = Scene(800, 1200, face, 320)
    drawn = draws(scene, config, 400)
    areas = np.array([window.width * window.height for window in drawn])
    assert kstest(np.log2(320**2 / areas) / 8 + 0.5, "uniform").pvalue > 0.01
    ratios = np.array([window.width / window.height for window in drawn])
    assert np.log(ratios).min() < -0.15
    assert np.log(ratios).max() > 0.15
    assert np.abs(np.log(ratios)).max() < 0.22
    for window in drawn:
        for start, side, length in (
            (window.x, window.width, scene.width),
            (window.y, window.height, scene.height),
        ):
            within = start >= 0 and start + side <= length
            assert within or start <= 0 <= length <= start + side
    near = [window.x <= 35 < window.x + window.width for window in drawn]
    assert 0.68 < np.mean(near) < 1


def test_a_crop_that_needs_a_face_is_a_square_without_one() -> None:
    none = np.zeros((0, 4), np.float32)
    for config in (
        AugmentConfig(face_crop=1, whole=0),
        AugmentConfig(face_crop=0, whole=0, face_size_crop=1),
    ):
        for window in draws(Scene(300, 400, none, 320), config, 20):
            assert window.width == window.height <= 300
