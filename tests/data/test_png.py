import io
import zlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nasface.data.png import whole_png


def png(seed: int = 0) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (9, 14, 3), dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(noise).save(data, "PNG")
    return data.getvalue()


@given(st.binary(max_size=40))
def test_what_follows_the_end_chunk_is_left_out(tail: bytes) -> None:
    assert whole_png(png() + tail) == png()


@pytest.mark.parametrize("kept", range(12))
def test_a_picture_that_lacks_only_the_end_chunk_is_whole(kept: int) -> None:
    data = png(kept)
    assert whole_png(data[: len(data) - 12 + kept]) == data


@given(st.data())
def test_a_picture_that_lacks_data_is_cut_short(draw: st.DataObject) -> None:
    data = png()
    assert whole_png(data[: draw.draw(st.integers(8, len(data) - 13))]) is None


def test_data_in_several_chunks_are_one_stream() -> None:
    data = png()
    at = data.index(b"IDAT") - 4
    size = int.from_bytes(data[at : at + 4], "big")
    body = data[at + 8 : at + 8 + size]
    chunks = b"".join(
        len(part).to_bytes(4, "big")
        + b"IDAT"
        + part
        + zlib.crc32(b"IDAT" + part).to_bytes(4, "big")
        for part in (body[:20], body[20:21], body[21:])
    )
    whole = data[:at] + chunks + data[at + 12 + size :]
    assert whole_png(whole) == whole
    assert whole_png(whole[:-12]) == whole
    last = 12 + len(body) - 21
    assert whole_png(whole[: -12 - last]) is None


@pytest.mark.parametrize("is_hidden", [False, True])
def test_of_an_animation_the_picture_that_all_readers_show(is_hidden: bool) -> None:
    """It may be no frame of the animation; OpenCV 5 gives the first frame then."""
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "lime", "blue")]
    data = io.BytesIO()
    frames[0].save(data, "PNG", save_all=True, append_images=frames[1:], default_image=is_hidden)
    whole = whole_png(data.getvalue())
    assert whole is not None
    read = cv2.imdecode(np.frombuffer(whole, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert read is not None
    assert read[5, 5].tolist() == [255, 0, 0]
    assert whole_png(data.getvalue()[:-12]) == whole
