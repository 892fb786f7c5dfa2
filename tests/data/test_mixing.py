"""Mosaics and pasted faces: boxes against painted pixels, and blending against loops."""

import numpy as np
import pytest

from nasface.arrays import Image
from nasface.data.augment import AugmentConfig, Sample
from nasface.data.mixing import CONTEXT, draw_sample, mosaic, paste_faces

PLAIN = AugmentConfig(
    size=128, face_crop=0, whole=0, scale_crop=1, scales=(0.2, 0.5), flip=0.5, photometric=0
)
COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0))


def painted(colour: tuple[int, int, int], boxes: list[list[int]]) -> Sample:
    """A black image with boxes of a colour as its faces."""
    image = np.zeros((200, 300, 3), np.uint8)
    for x1, y1, x2, y2 in boxes:
        image[y1:y2, x1:x2] = colour
    return Sample(image, np.array(boxes, np.float32), np.zeros(len(boxes), bool))


def of_colour(image: Image, colour: tuple[int, int, int]) -> np.ndarray:
    return np.asarray((np.abs(image.astype(int) - colour) < 100).all(axis=2))


@pytest.mark.parametrize("seed", range(20))
def test_every_box_of_a_mosaic_lies_on_the_pixels_of_its_face(seed: int) -> None:
    images = [painted(colour, [[120, 80, 180, 140]]) for colour in COLOURS]
    found = mosaic(images, PLAIN, np.random.default_rng(seed))
    assert found.image.shape == (128, 128, 3)
    pixels = [of_colour(found.image, colour) for colour in COLOURS]
    seen = 0
    for x1, y1, x2, y2 in found.boxes_M4:
        inside = [
            mask[round(y1) : round(y2), round(x1) : round(x2)].mean()
            if min(x2 - x1, y2 - y1) > 8
            else 1.0
            for mask in pixels
        ]
        assert max(inside) > 0.7
        seen += 1
    # And every face of which half or more is seen has a box.
    boxes = found.boxes_M4
    for mask in pixels:
        if mask.sum() < 450:
            continue
        y, x = (float(each.mean()) for each in np.nonzero(mask))
        assert any(x1 <= x <= x2 and y1 <= y <= y2 for x1, y1, x2, y2 in boxes)
    assert seen == len(found.ignore_M)


def test_a_face_cut_by_a_tile_is_ignored_or_dropped() -> None:
    images = [painted(colour, [[0, 0, 300, 200]]) for colour in COLOURS]
    config = AugmentConfig(size=128, face_crop=0, whole=0, scale_crop=1, scales=(1, 1), flip=0)
    for seed in range(20):
        found = mosaic(images, config, np.random.default_rng(seed))
        for box, ignored in zip(found.boxes_M4, found.ignore_M, strict=True):
            # No tile shows more than 90 x 90 of 300 x 200 pixels, and only a few have the centre.
            assert (box[2:] - box[:2]).max() <= 90
            assert ignored or (box[2:] - box[:2]).min() > 20


def literal_mask(height: int, width: int) -> np.ndarray:
    """Share of the copy at each pixel: 1 from the edge of the face on, 0 at the border."""
    mask = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            shares = [(x + 0.5) / width, 1 - (x + 0.5) / width]
            shares += [(y + 0.5) / height, 1 - (y + 0.5) / height]
            mask[y, x] = min(1.0, min(shares) * (1 + 2 * CONTEXT) / CONTEXT)
    return mask


@pytest.mark.parametrize("seed", range(10))
def test_a_pasted_face_is_blended_into_a_place_where_none_is(seed: int) -> None:
    config = AugmentConfig(size=128, face_sides=(30, 30))
    rng = np.random.default_rng(seed)
    background = rng.integers(0, 256, (128, 128, 3), dtype=np.uint8)
    sample = Sample(background, np.array([[0, 0, 60, 128]], np.float32), np.array([bool(seed % 2)]))
    source = painted((200, 100, 50), [[100, 60, 160, 120]])
    source.image[:] = (200, 100, 50)
    found = paste_faces(sample, source, config, rng)
    assert np.array_equal(sample.image, background), "the input stays as it was"
    assert np.array_equal(found.image[:, :60], background[:, :60])
    if len(found.boxes_M4) == 1:
        assert np.array_equal(found.image, background)
        return
    (_, box), (_, ignored) = found.boxes_M4, found.ignore_M
    assert not ignored
    np.testing.assert_allclose(box[2:] - box[:2], 30, atol=1)
    # The surroundings of the face, 18 pixels of the source on each side, are half as large here.
    x, y = (round(float(each)) - 9 for each in box[:2])
    mask = literal_mask(48, 48)[..., None]
    place = background[y : y + 48, x : x + 48]
    expected = place + mask * (np.array([200, 100, 50]) - place)
    np.testing.assert_allclose(found.image[y : y + 48, x : x + 48], expected, atol=0.51)
    outside = np.ones((128, 128), bool)
    outside[y : y + 48, x : x + 48] = False
    assert np.array_equal(found.image[outside], background[outside])


def test_only_whole_faces_that_count_are_copied_and_neighbours_are_ignored() -> None:
    config = AugmentConfig(size=256, face_sides=(40, 40))
    empty = Sample(
        np.zeros((256, 256, 3), np.uint8), np.zeros((0, 4), np.float32), np.zeros(0, bool)
    )
    source = painted((255, 0, 0), [[100, 60, 140, 100], [145, 60, 165, 90], [280, 0, 320, 40]])
    flags = np.array([False, True, False])
    counts = []
    for seed in range(20):
        found = paste_faces(
            empty, source._replace(ignore_M=flags), config, np.random.default_rng(seed)
        )
        assert (~found.ignore_M).sum() == 1, "one face is whole and counts"
        counts.append(len(found.ignore_M))
    # The neighbour begins 5 pixels beside the face and is seen by 7 of its 20: more than 0.3.
    assert set(counts) == {2}
    nobody = source._replace(ignore_M=np.ones(3, bool))
    same = paste_faces(empty, nobody, config, np.random.default_rng(0))
    assert len(same.boxes_M4) == 0
    assert not same.image.any()


def test_a_crowded_sample_stays_as_it_is() -> None:
    full = Sample(
        np.zeros((128, 128, 3), np.uint8),
        np.array([[0, 0, 128, 128]], np.float32),
        np.array([True]),
    )
    source = painted((255, 0, 0), [[100, 60, 140, 100]])
    found = paste_faces(full, source, AugmentConfig(size=128), np.random.default_rng(0))
    assert found is full


def test_other_images_take_part_as_often_as_configured_and_not_at_the_end() -> None:
    asked: list[int] = []

    def load(position: int) -> Sample:
        asked.append(position)
        return painted((255, 0, 0), [[100, 60, 140, 100]])

    config = AugmentConfig(size=64, mosaic=0.5, copy_paste=1)
    counts = []
    for seed in range(100):
        asked.clear()
        draw_sample(load, 9, 4, config, np.random.default_rng(seed), mixes=True)
        assert asked[0] == 4
        counts.append(len(asked))
    assert set(counts) == {2, 4}
    assert 0.3 < np.mean(np.array(counts) == 4) < 0.7
    asked.clear()
    draw_sample(load, 9, 4, config, np.random.default_rng(0), mixes=False)
    assert asked == [4]
