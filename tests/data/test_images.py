import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, features
from turnable import PICTURE, encode

from nasface.annotations.image_size import image_size
from nasface.data.images import read_image, read_orientation, write_image
from nasface.errors import DataError, OutputError


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """Put an EXIF block with one entry, the orientation, behind a JPEG's first marker."""
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = struct.pack("<2sHIH", b"II", 42, 8, 1) + entry + struct.pack("<I", 0)
    body = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".ppm", ".PNG"])
def test_lossless_files_read_back_exactly_as_rgb(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"bild ä 顔{suffix}"
    write_image(path, PICTURE)
    assert os.listdir(tmp_path) == [path.name]
    np.testing.assert_array_equal(read_image(path), PICTURE)


def test_jpeg_reads_back_nearly(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg", PICTURE)
    image = read_image(tmp_path / "a.jpg")
    assert np.abs(image.astype(int) - PICTURE).mean() < 10


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (1, PICTURE),
        (3, PICTURE[::-1, ::-1]),
        (6, np.rot90(PICTURE, -1)),
        (8, np.rot90(PICTURE)),
    ],
)
def test_exif_orientation_is_followed_only_on_request(
    tmp_path: Path, orientation: int, turned: NDArray[np.uint8]
) -> None:
    path = tmp_path / "a.jpg"
    jpeg = encode(".jpg", PICTURE[..., ::-1], cv2.IMWRITE_JPEG_QUALITY, 100)
    path.write_bytes(with_orientation(jpeg, orientation))
    for image, expected in ((read_image(path), turned), (read_image(path, exif=False), PICTURE)):
        assert image.shape == expected.shape
        assert np.abs(image.astype(int) - expected).mean() < 10


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif"])
def test_every_format_is_turned_as_pillow_turns_it(
    tmp_path: Path, suffix: str, orientation: int
) -> None:
    """AVIF has its turn in the container, which OpenCV passes over."""
    if suffix == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow writes no AVIF")
    path = tmp_path / f"a{suffix}"
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored = np.kron(PICTURE, np.ones((8, 8, 1), np.uint8))
    Image.fromarray(stored).save(path, exif=exif, quality=100)
    with Image.open(path) as file:
        shown = np.asarray(ImageOps.exif_transpose(file).convert("RGB"))
    image = read_image(path)
    assert image.shape == shown.shape == (*image_size(path, "apply"), 3)
    assert np.abs(image.astype(int) - shown).mean() < 2
    is_always_turned = suffix == ".tif"
    assert read_orientation(path) == (1 if is_always_turned else orientation)
    expected = shown if is_always_turned else stored
    image = read_image(path, exif=False)
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 10


def test_grey_alpha_and_deep_files_become_8_bit_rgb(tmp_path: Path) -> None:
    grey = np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6)
    rgb = np.repeat(grey[..., None], 3, axis=2)
    cases: dict[str, NDArray[np.integer]] = {
        "grey": grey,
        "deep grey": grey.astype(np.uint16) * 257,
        "deep": rgb.astype(np.uint16) * 257,
        "alpha": np.dstack([rgb, np.full_like(grey, 7)]),
    }
    for name, stored in cases.items():
        path = tmp_path / f"{name}.png"
        path.write_bytes(encode(".png", stored))
        image = read_image(path)
        assert image.dtype == np.uint8, name
        assert image.shape == (4, 6, 3), name
        assert np.abs(image.astype(int) - rgb).max() <= 1, name


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.97])
def test_files_cut_short_are_refused(tmp_path: Path, suffix: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encode(suffix, noise)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data)
    read_image(path)
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(DataError, match=rf"a\{suffix}: "):
        read_image(path)


def test_thumbnail_does_not_hide_a_jpeg_cut_short(tmp_path: Path) -> None:
    thumbnail = encode(".jpg", PICTURE)
    body = b"Exif\0\0" + thumbnail
    block = b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    whole = thumbnail[:2] + block + thumbnail[2:]
    (tmp_path / "whole.jpg").write_bytes(whole)
    (tmp_path / "cut.jpg").write_bytes(whole[:-8])
    assert read_image(tmp_path / "whole.jpg").shape == PICTURE.shape
    with pytest.raises(DataError, match=r"cut\.jpg: JPEG data is cut short"):
        read_image(tmp_path / "cut.jpg")


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_bytes_behind_the_end_and_a_missing_end(tmp_path: Path, suffix: str) -> None:
    """Motion photographs, makers' trailers; and files whose last bytes alone are lost."""
    data = encode(suffix, PICTURE)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data)
    expected = read_image(path)
    for changed in (data + b"film \xff\xda film", data + data[:-9], data[:-2]):
        path.write_bytes(changed)
        np.testing.assert_array_equal(read_image(path), expected)


def test_a_png_whose_part_states_more_than_there_is(tmp_path: Path) -> None:
    """3 GB in a file of some hundred bytes: nobody may take that memory to find out."""
    data = encode(".png", PICTURE)
    at = data.index(b"IDAT") - 4
    (tmp_path / "a.png").write_bytes(data[:at] + b"\xb6\x00\x00\x00" + data[at + 4 :])
    with pytest.raises(DataError, match=r"a\.png: PNG data is cut short"):
        read_image(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(data + b"whatever comes after the end")
    assert read_image(tmp_path / "b.png").shape == PICTURE.shape


def test_what_is_no_image_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("hello")
    huge = bytearray(encode(".png", PICTURE))
    huge[16:24] = struct.pack(">II", 100_000, 100_000)
    huge[29:33] = struct.pack(">I", zlib.crc32(huge[12:29]))
    (tmp_path / "huge.png").write_bytes(huge)
    for name, reason in (
        ("empty.jpg", "is empty"),
        ("huge.png", "pixels, expected 100000000 or fewer"),
        ("text.jpg", "no image"),
        ("absent.jpg", "No such file"),
        (".", "directory"),
    ):
        with pytest.raises(DataError, match=reason) as caught:
            read_image(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)


def test_images_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.doc: unknown suffix"):
        write_image(tmp_path / "a.doc", PICTURE)
    with pytest.raises(OutputError, match="cannot be written"):
        write_image(tmp_path / "absent" / "a.png", PICTURE)
    with pytest.raises(ValueError, match="uint8"):
        write_image(tmp_path / "a.png", PICTURE[..., 0])
    with pytest.raises(DataError, match=r"a\.jpg: an image of 70000 x 1 pixels does not fit"):
        write_image(tmp_path / "a.jpg", np.zeros((1, 70_000, 3), np.uint8))
    assert not list(tmp_path.iterdir())


def test_strange_images_become_8_bit_rgb(tmp_path: Path) -> None:
    image = Image.fromarray(PICTURE)
    image.convert("CMYK").save(tmp_path / "cmyk.jpg")
    image.convert("P").save(tmp_path / "palette.png")
    image.save(tmp_path / "jpeg.png", format="JPEG")
    image.save(tmp_path / "moving.webp", save_all=True, append_images=[image.rotate(180)])
    for path in tmp_path.iterdir():
        assert read_image(path).shape == PICTURE.shape, path
    for height, width in ((1, 1), (20, 30_000)):
        write_image(tmp_path / "long.png", np.zeros((height, width, 3), np.uint8))
        assert read_image(tmp_path / "long.png").shape == (height, width, 3)


@pytest.mark.parametrize(
    ("order", "masks", "is_read"),
    [
        ((2, 1, 0, 3), (0xFF0000, 0xFF00, 0xFF), True),
        ((3, 2, 1, 0), (0xFF000000, 0xFF0000, 0xFF00), True),
        ((0, 1, 2, 3), (0xFF, 0xFF00, 0xFF0000), False),
        ((3, 0, 1, 2), (0xFF00, 0xFF0000, 0xFF000000), False),
    ],
)
def test_colours_of_a_bmp_are_where_its_masks_say(
    tmp_path: Path, order: tuple[int, ...], masks: tuple[int, int, int], is_read: bool
) -> None:
    """As GIMP writes them; where they are elsewhere than any reader takes them, it is refused."""
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    rgbx = np.dstack([image, np.zeros((4, 6), np.uint8)])
    body = np.ascontiguousarray(rgbx[::-1, :, order]).tobytes()
    header = struct.pack("<IiiHHIIiiII", 40, 6, 4, 1, 32, 3, len(body), 0, 0, 0, 0)
    data = header + struct.pack("<III", *masks) + body
    path = tmp_path / "a.bmp"
    path.write_bytes(b"BM" + struct.pack("<IHHI", 14 + len(data), 0, 0, 66) + data)
    if not is_read:
        with pytest.raises(DataError, match="Unsupported BMP bitfields layout"):
            read_image(path)
        return
    np.testing.assert_array_equal(read_image(path), image)


@pytest.mark.parametrize("kind", [np.int8, np.int16])
def test_a_tiff_with_signs_is_refused(tmp_path: Path, kind: type[np.signedinteger]) -> None:
    """OpenCV takes the values as if they had none."""
    values = np.arange(-12, 12).reshape(4, 6).astype(kind)
    bits = 8 * values.itemsize
    pillow = Image.fromarray(values.astype(f"u{values.itemsize}"))
    pillow.save(tmp_path / "a.tif", tiffinfo={339: 2})
    with pytest.raises(DataError, match=rf"a\.tif: TIFF of {bits}-bit signed integers, expected"):
        read_image(tmp_path / "a.tif")
    pillow.save(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif").shape == (4, 6, 3)


def test_a_small_file_of_many_pixels_is_refused(tmp_path: Path) -> None:
    Image.new("1", (20_000, 6_000)).save(tmp_path / "bomb.png")
    assert (tmp_path / "bomb.png").stat().st_size < 100_000
    with pytest.raises(DataError, match=r"bomb\.png: has 20000 x 6000 pixels, expected 100000000"):
        read_image(tmp_path / "bomb.png")


@pytest.mark.parametrize(
    ("values", "samples"),
    [
        (np.zeros((4, 6), np.float32), "32-bit floats"),
        (np.zeros((4, 6, 3), np.float32), "32-bit floats"),
        (np.zeros((4, 6), np.float64), "64-bit floats"),
        (np.zeros((4, 6), np.int32), "32-bit signed integers"),
    ],
)
def test_a_tiff_of_wide_values_is_named_as_what_it_is(
    tmp_path: Path, values: NDArray[np.integer] | NDArray[np.floating], samples: str
) -> None:
    (tmp_path / "a.tif").write_bytes(cv2.imencode(".tif", values)[1].tobytes())
    with pytest.raises(DataError, match=rf"a\.tif: TIFF of {samples}, expected 8 or 16 bits"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\0\0\0\x1cftypavif", "AVIF"),
        (b"\xff\x0a", "JPEG XL"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b"\n<!DOCTYPE html><html>", "a page of the web"),
        (b"<HTML><HEAD>", "a page of the web"),
        (b"<?xml version='1.0'?><Error/>", "XML"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\0\0\0\x20ftypisom", "a video"),
        (b"RIFF\0\0\0\0AVI LIST", "a video"),
        (b"Pf\n2 2\n-1\n", "PFM"),
        (b"P7\nWIDTH 2\nHEIGHT 2\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n", "PAM"),
    ],
)
def test_pictures_that_are_not_read_are_named(tmp_path: Path, start: bytes, kind: str) -> None:
    """Or, as AVIF with some builds of OpenCV, are damaged."""
    path = tmp_path / "a.jpg"
    path.write_bytes(start + bytes(100))
    why = "damaged or not" if kind in ("AVIF", "JPEG XL") else "not"
    with pytest.raises(DataError, match=f"is {kind}, which is {why} read here, expected one of"):
        read_image(path)


@pytest.mark.parametrize(
    ("header", "values", "kind"),
    [
        (b"P5 40 24 100\n", np.uint8, ">u1"),
        (b"P5\n# by hand\n40 24\n1023\n", np.uint16, ">u2"),
        (b"P6\n40 24\n4095\n", np.uint16, ">u2"),
        (b"P5\n40 24\n65535\n", np.uint16, ">u2"),
        (b"P6\n40 24\n255\n", np.uint8, ">u1"),
        (b"P2\n40 24\n15\n", np.uint8, ""),
    ],
)
def test_greatest_values_of_pnm_files(
    tmp_path: Path, header: bytes, values: type, kind: str
) -> None:
    """White is white, whatever number stands for it."""
    most = int(header.split()[-1])
    channels = 3 if header.startswith(b"P6") else 1
    picture: NDArray[np.integer] = (
        np.random.default_rng(0).integers(0, most + 1, (24, 40, channels)).astype(values)
    )
    picture[0, 0] = most
    data = picture.astype(kind).tobytes() if kind else " ".join(map(str, picture.ravel())).encode()
    (tmp_path / "a.ppm").write_bytes(header + data)
    wanted = np.broadcast_to(picture / most * 255, (24, 40, 3))
    np.testing.assert_allclose(read_image(tmp_path / "a.ppm"), wanted, atol=1)


def test_colours_of_an_avif_with_transparency(tmp_path: Path) -> None:
    if not features.check("avif"):
        pytest.skip("this build of Pillow writes no AVIF")
    alpha = np.tile(np.linspace(40, 255, 40).astype(np.uint8), (24, 1))
    path = tmp_path / "a.avif"
    Image.fromarray(np.dstack([PICTURE, alpha])).save(path, quality=100)
    for exif in (True, False):
        image = read_image(path, exif=exif)
        assert np.abs(image.astype(int) - PICTURE).mean() < 10


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif"])
def test_transparency_is_left_out(tmp_path: Path, name: str) -> None:
    alpha = np.tile(np.linspace(1, 255, 40).astype(np.uint8), (24, 1))
    path = tmp_path / name
    Image.fromarray(np.dstack([PICTURE, alpha])).save(path, lossless=True)
    np.testing.assert_array_equal(read_image(path), PICTURE)


def test_colours_of_a_tiff_that_are_multiplied_by_its_transparency(tmp_path: Path) -> None:
    alpha = np.tile(np.linspace(100, 255, 40).astype(np.uint8), (24, 1))
    multiplied = np.rint(PICTURE * (alpha[..., None] / 255)).astype(np.uint8)
    path = tmp_path / "a.tif"
    Image.fromarray(np.dstack([multiplied, alpha])).save(path)
    entry = struct.Struct("<HHII").pack
    data = path.read_bytes()
    assert data.count(entry(338, 3, 1, 2)) == 1  # ExtraSamples
    path.write_bytes(data.replace(entry(338, 3, 1, 2), entry(338, 3, 1, 1)))
    assert np.abs(read_image(path).astype(int) - PICTURE).max() <= 2
