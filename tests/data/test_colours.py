import colorsys

import numpy as np

from nasface.data.colours import distort_colours, to_grey


def test_grey_keeps_its_colour_and_moves_in_brightness() -> None:
    image = np.full((4, 4, 3), 128, np.uint8)
    values = []
    for seed in range(200):
        changed = distort_colours(image, 1.0, np.random.default_rng(seed))
        assert len(np.unique(changed)) == 1
        values.append(int(changed[0, 0, 0]))
    assert min(values) >= round((128 - 32) * 0.5)
    assert max(values) <= round((128 + 32) * 1.5)
    assert min(values) < 75
    assert max(values) > 200


def test_hue_turns_by_18_degrees_at_most() -> None:
    # No channel of this colour can leave 0..255, which would turn the hue further.
    image = np.full((1, 1, 3), (130, 80, 80), np.uint8)
    turns = []
    for seed in range(300):
        r, g, b = distort_colours(image, 1.0, np.random.default_rng(seed))[0, 0] / 255
        if max(r, g, b) - min(r, g, b) > 0.2:  # bytes give the hue of a pale colour too roughly
            turns.append((colorsys.rgb_to_hsv(r, g, b)[0] * 360 + 180) % 360 - 180)
    assert -20.5 <= min(turns) < -15
    assert 15 < max(turns) <= 20.5


def test_saturation_changes_both_ways() -> None:
    image = np.full((1, 1, 3), (160, 80, 80), np.uint8)
    levels = []
    for seed in range(100):
        r, g, b = distort_colours(image, 1.0, np.random.default_rng(seed))[0, 0] / 255
        levels.append(colorsys.rgb_to_hsv(r, g, b)[1])
    assert min(levels) < 0.3
    assert max(levels) > 0.7


def test_no_colour_changes_at_probability_zero() -> None:
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    for seed in range(5):
        changed = distort_colours(image, 0.0, np.random.default_rng(seed))
        np.testing.assert_array_equal(changed, image)


def test_grey_has_the_luma_of_the_colours() -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    luma = image @ np.array([0.299, 0.587, 0.114])
    grey = to_grey(image)
    assert np.abs(grey - luma[..., None]).max() <= 1
    assert (grey == grey[..., :1]).all()
