import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from nasface.annotations.matlab import read_matlab


def cells(*values: object) -> np.ndarray[Any, np.dtype[np.object_]]:
    array = np.empty((len(values), 1), dtype=object)
    array[:, 0] = values
    return array


def saved(compress: bool = False, **content: object) -> bytes:
    data = io.BytesIO()
    savemat(data, content, do_compression=compress)
    return data.getvalue()


@pytest.mark.parametrize("compress", [False, True])
def test_what_scipy_writes_is_read(compress: bool) -> None:
    numbers = {
        kind: np.arange(6, dtype=kind).reshape(2, 3)
        for kind in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")
    }
    found = read_matlab(
        saved(compress, text="ab\u00e9", c=cells("x", cells(np.ones((1, 4)), "yy")), **numbers)
    )
    for name, values in numbers.items():
        np.testing.assert_array_equal(found[name], values)
        assert found[name].dtype == np.float64
    assert found["text"] == "ab\u00e9"
    first, (inner, last) = found["c"]
    assert (first, last) == ("x", "yy")
    np.testing.assert_array_equal(inner, np.ones((1, 4)))


def test_other_kinds_of_values_are_left_out() -> None:
    assert read_matlab(saved(s={"field": 1.0}, x=2.0)) == {"s": None, "x": np.array([[2.0]])}


def test_every_shorter_file_is_refused_or_holds_less() -> None:
    data = saved(c=cells("x", np.ones((2, 2))), y=3.0)
    for length in range(128):
        with pytest.raises(ValueError, match="no MATLAB file"):
            read_matlab(data[:length])
    whole = 0
    for length in range(128, len(data)):
        try:
            whole += "y" in read_matlab(data[:length])
        except ValueError:
            continue
    assert whole == 0


def test_a_small_file_of_much_data_is_refused() -> None:
    with pytest.raises(ValueError, match="too large"):
        read_matlab(saved(True, x=np.zeros((3000, 3000))))


def same(ours: Any, theirs: Any) -> None:
    """Compare a value with scipy's: text is an array of one string there, a cell array one of
    objects."""
    if isinstance(ours, str):
        assert ours == "".join(theirs.tolist())
    elif isinstance(ours, list):
        elements = theirs.reshape(-1, order="F")
        for one, other in zip(ours, elements, strict=True):
            same(one, other)
    else:
        np.testing.assert_array_equal(ours, theirs)
        assert ours.shape == theirs.shape


def test_the_official_files_hold_what_scipy_reads(nasface_data: Path) -> None:
    files = sorted((nasface_data / "widerface" / "ground_truth").glob("*.mat"))
    assert len(files) == 4
    for file in files:
        theirs = {name: each for name, each in loadmat(file).items() if name[:2] != "__"}
        ours = read_matlab(file.read_bytes())
        assert set(ours) == set(theirs)
        for name, value in ours.items():
            same(value, theirs[name])
