"""Annotated images made by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nasface


def test_fields_take_what_stands_for_them() -> None:
    record = nasface.ImageRecord("a", "a.jpg", [[1, 2, 3, 4]])
    assert record.path == Path("a.jpg")
    assert record.boxes_M4.dtype == np.float32
    assert record.valid_M.tolist() == [True]
    assert nasface.ImageRecord("b", Path("b.jpg"), np.array([])).boxes_M4.shape == (0, 4)


def test_boxes_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a: boxes must be \(M, 4\), got \(4,\)"):
        nasface.ImageRecord("a", Path("a.jpg"), np.array([1, 2, 3, 4]))


def test_attributes_may_be_lists() -> None:
    boxes = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float32)
    record = nasface.ImageRecord("a.jpg", Path("a.jpg"), boxes, {"invalid": [0, 1]})
    assert record.valid_M.tolist() == [True, False]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_boxes_that_are_not_finite_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"^a\.jpg: boxes must be finite$"):
        nasface.ImageRecord("a.jpg", Path("a.jpg"), np.array([[1, 2, value, 4]], np.float32))


@pytest.mark.parametrize("values", [["0", "1"], [None, 1], [np.nan, 0]])
def test_attributes_that_are_no_numbers_are_refused(values: Any) -> None:
    with pytest.raises(ValueError, match=r"^a\.jpg: attribute 'ignore' must be numbers, 0 for no$"):
        nasface.ImageRecord("a.jpg", Path("a.jpg"), np.ones((2, 4), np.float32), {"ignore": values})


@pytest.mark.parametrize("values", [[0], [0, 1, 0], 1, [[0, 1]]])
def test_attributes_of_another_number_of_faces_are_refused(values: Any) -> None:
    with pytest.raises(ValueError, match=r"^a\.jpg: attribute 'invalid' must be \(2,\), got "):
        nasface.ImageRecord(
            "a.jpg", Path("a.jpg"), np.ones((2, 4), np.float32), {"invalid": values}
        )


def test_another_word_for_exif_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^a\.jpg: exif: unknown 'aply'.* mean 'apply'\?$"):
        nasface.ImageRecord("a.jpg", Path("a.jpg"), np.ones((1, 4), np.float32), exif="aply")  # type: ignore[arg-type]
