import numpy as np
import pytest

from nasface.inference.annotate import ANNOTATED, DETECTED, contact_sheet, draw_boxes


def test_boxes_are_drawn_where_they_are_and_the_original_is_left_alone() -> None:
    image = np.zeros((60, 80, 3), np.uint8)
    boxes = np.array([[20.0, 10.0, 50.0, 40.0]])
    drawn = draw_boxes(image, boxes, truth_M4=np.array([[5.0, 5.0, 15.0, 15.0]]))
    assert not image.any()
    for x, y in ((20, 25), (50, 25), (35, 10), (35, 40)):
        assert tuple(drawn[y, x]) == DETECTED
    assert tuple(drawn[10, 5]) == ANNOTATED
    assert not drawn[25, 35].any()


def test_score_label_stays_inside_the_image() -> None:
    image = np.zeros((60, 80, 3), np.uint8)
    drawn = draw_boxes(image, np.array([[2.0, 0.0, 30.0, 30.0]]), np.array([0.5]))
    # Lighter than DETECTED in every channel: OpenCV's fonts differ in how white their pixels get.
    assert (drawn[1:8, 4:20] > 190).all(axis=2).any(), "white text below the upper border"


def test_no_boxes_no_change() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    np.testing.assert_array_equal(draw_boxes(image, np.empty((0, 4))), image)


def test_contact_sheet_keeps_order_and_aspect() -> None:
    images = [np.full((10, 20, 3), value, np.uint8) for value in (50, 100, 150)]
    sheet = contact_sheet(images, 2, (40, 40))
    assert sheet.shape == (80, 80, 3)
    assert [int(sheet[20, 20, 0]), int(sheet[20, 60, 0]), int(sheet[60, 20, 0])] == [50, 100, 150]
    assert (sheet[5, 20] == 255).all(), "letter-boxed above"
    assert (sheet[60, 60] == 255).all(), "no image"
    with pytest.raises(ValueError, match="0 images"):
        contact_sheet([], 2, (40, 40))
