"""Annotated images made by hand."""

from pathlib import Path

import numpy as np
import pytest

import nasface


def test_fields_take_what_stands_for_them() -> None:
    record = nasface.ImageRecord("a", "a.jpg", [[1, 2, 3, 4]])  # type: ignore[arg-type]
    assert record.path == Path("a.jpg")
    assert record.boxes_M4.dtype == np.float32
    assert record.valid_M.tolist() == [True]
    assert nasface.ImageRecord("b", Path("b.jpg"), np.array([])).boxes_M4.shape == (0, 4)


def test_boxes_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a: boxes must be \(M, 4\), got \(4,\)"):
        nasface.ImageRecord("a", Path("a.jpg"), np.array([1, 2, 3, 4]))
