"""Pictures that programs give, against a reading value by value."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nasface.data.images import write_image
from nasface.errors import DataError
from nasface.inference.pictures import as_image, each_picture

KINDS = ("u1", "f2", "f4", "f8", ">f4", "?", "i1", "i4", "i8", "u2", "c8", "O", "U1")
SHAPES = st.one_of(
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.just(3)),
    st.tuples(st.just(3), st.integers(0, 3), st.integers(0, 3)),
    st.lists(st.integers(0, 4), max_size=4).map(tuple),
)


def values_of(kind: str) -> st.SearchStrategy[Any]:
    """Bytes, numbers about 0 to 1, or anything small of another kind."""
    if kind == "u1":
        return st.integers(0, 255)
    if "f" in kind:
        inside = st.integers(0, 16).map(lambda number: number / 16)
        return (
            inside
            | st.sampled_from([-0.0625, 1.0625, 0.0, 1.0])
            | st.sampled_from([-0.5, 2.0, 255.0, float("nan"), float("inf")])
        )
    if kind in ("O", "U1"):
        return st.sampled_from("ab")
    return st.integers(0, 1)


@st.composite
def drawn_arrays(draw: st.DrawFn) -> np.ndarray:
    """Arrays of any kind and shape, most of whose values are those of pictures; some are views."""
    kind = draw(st.sampled_from(KINDS))
    drawn = draw(arrays(np.dtype(kind), draw(SHAPES), elements=values_of(kind)))
    if drawn.ndim == 3 and draw(st.booleans()):
        drawn = drawn[::-1, :, ::-1]
    return drawn


def slow_image(rows: Any, shape: tuple[int, ...], kind: str) -> list[Any] | None:
    """The bytes of a picture whose values are rows of pixels; None for what is none."""
    if len(shape) != 3 or shape[2] != 3 or 0 in shape or kind not in ("bytes", "floats"):
        return None
    if kind == "bytes":
        return [[[int(value) for value in pixel] for pixel in row] for row in rows]
    every = [value for row in rows for pixel in row for value in pixel]
    if not all(-0.1 <= value <= 1.1 for value in every):
        return None
    return [
        [[round(255 * min(1.0, max(0.0, value))) for value in pixel] for pixel in row]
        for row in rows
    ]


def kind_of(letter: str) -> str:
    return {"u1": "bytes", "f": "floats"}.get(letter, "other")


def check(given_picture: Any, expected: list[Any] | None, names: str) -> None:
    """A picture is what was expected of it, or is refused in one line that says what is taken."""
    if expected is None:
        with pytest.raises(ValueError, match=r"must (be|have) .*got ") as caught:
            as_image(given_picture)
        assert str(caught.value).isprintable()
        assert names in str(caught.value) or "floats must be in" in str(caught.value)
        return
    image = as_image(given_picture)
    assert image.dtype == np.uint8
    assert image.tolist() == expected
    assert image.flags.c_contiguous


@given(drawn_arrays())
def test_arrays_as_read_value_by_value(picture: np.ndarray) -> None:
    letter = "u1" if picture.dtype == np.uint8 else picture.dtype.kind
    check(picture, slow_image(picture.tolist(), picture.shape, kind_of(letter)), "(H, W, 3)")


@given(drawn_arrays().filter(lambda drawn: drawn.dtype.kind in "ufi?c" and drawn.dtype != ">f4"))
def test_tensors_as_read_value_by_value(values: np.ndarray) -> None:
    tensor = torch.from_numpy(values.copy())
    rows: Any = []
    if tensor.ndim == 3:
        three, height, width = tensor.shape
        rows = [
            [[tensor[c, y, x].item() for c in range(three)] for x in range(width)]
            for y in range(height)
        ]
    shape = (*tensor.shape[1:], *tensor.shape[:1])
    letter = "u1" if tensor.dtype == torch.uint8 else values.dtype.kind
    check(tensor, slow_image(rows, shape, kind_of(letter)), "(3, H, W)")


@given(
    st.sampled_from(
        ["1", "L", "LA", "P", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "I;16", "I", "F"]
    ),
    arrays(np.uint8, (2, 3, 3)),
)
def test_pillow_images_as_read_pixel_by_pixel(mode: str, rgb: np.ndarray) -> None:
    picture = PIL.Image.fromarray(rgb)
    if mode == "I;16":
        picture = PIL.Image.fromarray(rgb[..., 0].astype(np.uint16) * 256 + 7)
    else:
        picture = picture.convert("L").convert(mode) if mode in "IF" else picture.convert(mode)
    expected: list[Any] | None = None
    if mode == "I;16":
        expected = [[[int(pixel[0])] * 3 for pixel in row] for row in rgb]
    elif mode not in ("I", "F"):
        plain = picture.convert("RGB")
        expected = [[np.array(plain.getpixel((x, y))).tolist() for x in range(3)] for y in range(2)]
    check(picture, expected, "Pillow image must have 8 or 16 bits")


WRONG: list[Any] = [None, 5, 2.5, b"a.jpg", bytearray(b"a"), {"a": 1}, int, print, 3j]
AMONG: list[Any] = [None, 5, b"a", [], [[1, 2, 3]], (), {}, object()]


@given(st.lists(st.sampled_from([*AMONG, "picture"]), max_size=4))
def test_several_as_one_by_one(drawn: list[Any]) -> None:
    """The first that is no picture is refused, those before it are not."""
    picture = np.zeros((2, 3, 3), np.uint8)
    several = [picture if isinstance(each, str) else each for each in drawn]
    taken = 0
    for each in each_picture(several):
        if each is picture:
            as_image(each)
            taken += 1
            continue
        with pytest.raises(ValueError, match=rf"must be a path, .*, got {type(each).__name__}"):
            as_image(each)
        break
    first_wrong = [at for at, each in enumerate(several) if each is not picture]
    assert taken == (first_wrong[0] if first_wrong else len(several))


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_neither_one_nor_several(wrong: Any) -> None:
    with pytest.raises(ValueError, match=rf"or several of these, got {type(wrong).__name__}"):
        each_picture(wrong)


class PathOfBytes:
    """What the system gives for a folder that is asked for in bytes."""

    def __fspath__(self) -> bytes:
        return b"a*.jpg"


@pytest.mark.parametrize(
    ("path", "kind", "message"),
    [
        ("", DataError, r"'': is no path"),
        ("a\0.jpg", DataError, r"'a\\x00\.jpg': is no path"),
        (Path("a\0.jpg"), DataError, r"'a\\x00\.jpg': is no path"),
        (PathOfBytes(), ValueError, "got a path of bytes"),
    ],
)
def test_paths_that_are_none(path: Any, kind: type[Exception], message: str) -> None:
    uses: list[Callable[[Any], object]] = [each_picture, as_image]
    for use in uses:
        with pytest.raises(kind, match=message):
            use(path)


def test_tensors_without_values_in_rows() -> None:
    picture = torch.zeros(3, 4, 5)
    for wrong, kind in (
        (picture.to("meta"), "torch.strided on meta"),
        (picture.to_sparse(), "torch.sparse_coo on cpu"),
    ):
        with pytest.raises(ValueError, match=rf"got torch.float32 \(3, 4, 5\) {kind}"):
            as_image(wrong)


def test_an_image_that_was_closed() -> None:
    picture = PIL.Image.new("RGB", (4, 4))
    picture.close()
    with pytest.raises(ValueError, match="Pillow image cannot be read: "):
        as_image(picture)


def test_paths_of_every_kind(tmp_path: Path) -> None:
    image = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    write_image(tmp_path / "a.png", image)
    (entry,) = os.scandir(tmp_path)
    for path in (tmp_path / "a.png", str(tmp_path / "a.png"), entry):
        (only,) = each_picture(path)
        np.testing.assert_array_equal(as_image(only), image)
