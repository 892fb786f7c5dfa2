import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nasface.data.jpeg import has_all_data, whole_jpeg

FORMS: tuple[dict[str, Any], ...] = (
    {},
    {"progressive": True},
    {"optimize": True},
    {"subsampling": 0},
    {"restart_marker_blocks": 2},
    {"restart_marker_rows": 1, "progressive": True},
    {"mode": "L"},
    {"mode": "CMYK"},
)


def jpeg(seed: int = 0, mode: str = "RGB", **options: Any) -> bytes:
    """A JPEG of soft noise, which has data for every block."""
    generator = np.random.default_rng(seed)
    height, width = (int(side) for side in generator.integers(8, 60, 2))
    noise = Image.fromarray(generator.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    data = io.BytesIO()
    image = noise.resize((width, height), Image.Resampling.BILINEAR).convert(mode)
    image.save(data, "JPEG", quality=90, **options)
    return data.getvalue()


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body


@given(
    st.sampled_from(FORMS),
    st.lists(
        st.one_of(
            st.binary(max_size=40),
            st.sampled_from([b"\xff\xd9", b"\xff\xda", b"\xff\xda\x00\x08", b"\xff\xd8\xff\xe0"]),
            st.just(jpeg(1)),
            st.just(b"\x00\x00\x00\x18ftypmp42\xff\xda"),
        ),
        max_size=4,
    ),
)
def test_what_follows_the_end_marker_is_left_out(form: dict[str, Any], parts: list[bytes]) -> None:
    data = jpeg(**form)
    assert whole_jpeg(data + b"".join(parts)) == data


def literal_end(data: bytes) -> int | None:
    """Where a picture ends, byte by byte: the first end marker that is neither inside a segment nor
    a byte of coded data."""
    at = 2
    while at + 1 < len(data):
        marker = data[at + 1]
        if data[at] != 0xFF or marker == 0xFF:
            at += 1
        elif marker == 0xD9:
            return at + 2
        elif marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:
            at += 2
        else:
            length = int.from_bytes(data[at + 2 : at + 4], "big")
            if length < 2 or at + 2 + length > len(data):
                return None
            at += 2 + length
    return None


@given(
    st.sampled_from(FORMS),
    st.lists(
        st.tuples(
            st.integers(2, 4000), st.sampled_from([0x00, 0xFF, 0xD9, 0xDA, 0xD8, 0xE1, 0x08])
        ),
        max_size=4,
    ),
    st.binary(max_size=30),
)
def test_the_end_is_where_a_reading_byte_by_byte_finds_it(
    form: dict[str, Any], changes: list[tuple[int, int]], trailer: bytes
) -> None:
    data = bytearray(jpeg(**form) + trailer + b"\xff\xd9")
    for at, value in changes:
        data[2 + at % (len(data) - 2)] = value
    changed = bytes(data)
    end = literal_end(changed)
    if end is not None:
        assert whole_jpeg(changed) == changed[:end]


@given(
    st.sampled_from(FORMS),
    st.lists(st.tuples(st.sampled_from([0xE0, 0xE1, 0xE2, 0xED, 0xFE]), st.binary(max_size=60))),
    st.integers(0, 3),
)
def test_markers_inside_a_segment_are_no_markers(
    form: dict[str, Any], parts: list[tuple[int, bytes]], fill: int
) -> None:
    """A thumbnail, or any bytes of a maker, with fill bytes between segments."""
    data = jpeg(**form)
    hidden = (b"Exif\0\0" + jpeg(2), b"\xff\xd9\xff\xda", *(body for _, body in parts))
    blocks = b"".join(b"\xff" * fill + segment(0xE1, body) for body in hidden)
    whole = data[:2] + blocks + data[2:]
    assert whole_jpeg(whole) == whole
    assert whole_jpeg(whole[:-2]) == whole
    assert whole_jpeg(whole[: len(blocks) + 40]) is None


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_picture_that_lacks_only_the_end_marker_is_whole(form: dict[str, Any]) -> None:
    for seed in range(5):
        data = jpeg(seed, **form)
        assert whole_jpeg(data[:-1]) == data
        assert whole_jpeg(data[:-2]) == data


@settings(deadline=None)
@given(st.sampled_from(FORMS), st.integers(0, 9), st.data())
def test_a_picture_that_lacks_data_is_cut_short(
    form: dict[str, Any], seed: int, draw: st.DataObject
) -> None:
    data = jpeg(seed, **form)
    # The last byte may hold no more than a bit that no pixel shows.
    cut = data[: draw.draw(st.integers(3, len(data) - 4))]
    assert whole_jpeg(cut) is None
    assert not has_all_data(cut + b"\xff\xd9")


def test_a_picture_without_its_last_scans_is_cut_short() -> None:
    """Between two scans of a progressive file nothing but the precision tells."""
    data = jpeg(3, progressive=True)
    starts = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    assert len(starts) > 5
    for start in starts:
        assert whole_jpeg(data[:start]) is None
    assert has_all_data(data)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_picture_end_the_walk(data: bytes) -> None:
    found = whole_jpeg(b"\xff\xd8\xff" + data)
    assert found is None or found.endswith(b"\xff\xd9")
