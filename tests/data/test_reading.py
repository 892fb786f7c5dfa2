import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tiny import Notes, write_tiny

from nasface.annotations.formats import DATASET_FORMATS
from nasface.annotations.records import ImageRecord
from nasface.api.converting import convert
from nasface.data.decoded import DecodedImages
from nasface.data.reading import ReadConfig, check_images, describe_data, read_split
from nasface.errors import DataError

SKIP = ReadConfig(bad_images="skip")
HINT = "leave them out by --bad-images skip"
FORMS = [name for name, form in DATASET_FORMATS.items() if form.writer and name != "shards"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three training images, of which the second is cut short and the third is missing."""
    write_tiny(tmp_path, train=3)
    images = tmp_path / "WIDER_train" / "images" / "0--Squares"
    (images / "1.jpg").write_bytes((images / "1.jpg").read_bytes()[:-100])
    (images / "2.jpg").unlink()
    return tmp_path


def test_bad_images_stop_or_are_left_out(root: Path) -> None:
    with pytest.raises(DataError, match=r"2\.jpg: image is missing"):
        read_split(root, "train", ReadConfig(), Notes())
    notes = Notes()
    check = read_split(root, "train", SKIP, notes)
    assert [each.name for each in check.records] == [f"0--Squares/{at}.jpg" for at in range(3)]
    assert [each.name for each in check.readable] == ["0--Squares/0.jpg"]
    assert describe_data({"train": check}) == {
        "train": {
            "images": 1,
            "faces": 1,
            "left_out": ["0--Squares/1.jpg", "0--Squares/2.jpg"],
            "exif": "ignore",
            "turned_by_exif": 0,
        }
    }
    (line,) = notes.notes
    assert line.startswith("training images: left out, cannot be read: 2 of 3 images (")
    (root / "WIDER_train" / "images" / "0--Squares" / "2.jpg").touch()
    with pytest.raises(DataError, match=r"1\.jpg: JPEG .*; 2 of 3 training .*-images skip"):
        read_split(root, "train", ReadConfig(), Notes())
    (root / "WIDER_train" / "images" / "0--Squares" / "0.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"3 of 3 training images cannot be read; repair them$"):
        read_split(root, "train", SKIP, Notes())


def test_a_sound_part_is_read_silently(root: Path) -> None:
    notes = Notes()
    check = read_split(root, "val", ReadConfig(exif="apply"), notes)
    assert notes.notes == check.left_out == []
    assert {each.exif for each in check.records} == {"apply"}
    assert check.sizes == {f"0--Squares/{at}.jpg": (64, 64) for at in range(3)}


def test_images_that_are_kept_decoded_are_not_read_again(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded, config = DecodedImages(tmp_path / "kept"), ReadConfig(bad_images="skip")
    first = read_split(root, "train", config, Notes(), decoded)
    monkeypatch.setattr("nasface.data.images.cv2.imdecode", lambda *_: None)
    again = read_split(root, "train", config, Notes(), decoded)
    assert again.facts == first.facts
    assert len(first.readable) > 0


@pytest.mark.parametrize("form", [*FORMS, "list of YOLO", "polygons in shares"])
@pytest.mark.parametrize("how", ["cut", "no image", "missing"])
def test_one_rule_for_one_bad_image_in_every_form(form: str, how: str, tmp_path: Path) -> None:
    write_tiny(tmp_path / "wider", train=3)
    root = tmp_path / "data"
    convert(tmp_path / "wider", "yolo" if " " in form else form, root)
    if form == "list of YOLO":
        (root / "train.txt").write_text(
            "".join(f"/home/me/images/train/0--Squares/{at}.jpg\n" for at in range(3))
        )
        text = (root / "data.yaml").read_text().replace("images/train", "train.txt")
        (root / "data.yaml").write_text(text)
    elif form == "polygons in shares":
        for labels in (root / "labels" / "train").rglob("*.txt"):
            labels.write_text("0 0.1 0.1 0.5 0.1 0.5 0.5\n")
    records = ReadConfig().read(root, "train")
    image = next(each.path for each in records if each.name.endswith("1.jpg"))
    if how == "missing":
        image.unlink()
    else:
        image.write_bytes(image.read_bytes()[:-100] if how == "cut" else b"no image")
    is_listed = how != "missing" or form not in ("yolo", "polygons in shares")
    if is_listed:  # else nobody knows of the image
        with pytest.raises(DataError, match=rf"1\.jpg.*{HINT}$"):
            read_split(root, "train", ReadConfig(), Notes())
    check = read_split(root, "train", SKIP, Notes())
    assert sorted(Path(each.name).name for each in check.readable) == ["0.jpg", "2.jpg"]
    assert [Path(each).name for each in check.left_out] == ["1.jpg"] * is_listed


def encoded(suffix: str, **how: bool) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file, Image.registered_extensions()[suffix], **how)
    return file.getvalue()


PICTURES = {
    "base.jpg": encoded(".jpg"),
    "progressive.jpg": encoded(".jpg", progressive=True),
    "p.png": encoded(".png"),
    "b.bmp": encoded(".bmp"),
    "w.webp": encoded(".webp"),
    "g.gif": encoded(".gif"),
    "t.tif": encoded(".tif"),
    "n.ppm": encoded(".ppm"),
    "a.avif": encoded(".avif"),
}
DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "whole": lambda data: data,
    "more behind": lambda data: data + b"\xff\xd8\xff\xd9\xff\xda more",
    "cut": lambda data: data[: 9 * len(data) // 10],
    "half": lambda data: data[: len(data) // 2],
    "its first bytes": lambda data: data[:8],
    "empty": lambda data: b"",
    "a page": lambda data: b"<html>404</html>",
    "missing": lambda data: None,
}
SOUND = ("whole", "more behind")


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(PICTURES)), st.sampled_from(sorted(DAMAGES))),
        min_size=1,
        max_size=6,
    )
)
def test_bad_images_as_looked_through_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[str, str]]
) -> None:
    """Those that were damaged are bad, all of them and no other, in the order of the images."""
    folder = tmp_path_factory.mktemp("d")
    records: list[ImageRecord] = []
    bad: list[str] = []
    good: list[str] = []
    for at, (kind, damage) in enumerate(drawn):
        path = folder / f"{at}-{kind}"
        data = DAMAGES[damage](PICTURES[kind])
        if data is not None:
            path.write_bytes(data)
        (good if damage in SOUND else bad).append(path.name)
        records.append(ImageRecord(path.name, path, [[1, 1, 9, 9]]))
    notes = Notes()
    if not good:
        with pytest.raises(DataError, match=rf"/{bad[0]}: .*; repair them$"):
            check_images(records, "skip", "drawn", notes)
    else:
        check = check_images(records, "skip", "drawn", notes)
        assert check.left_out == bad
        assert [each.name for each in check.readable] == good
        said = f"drawn images: left out, cannot be read: {len(bad)} of {len(drawn)} images ("
        assert [each for each in notes.notes if each.startswith(said)] == notes.notes[: bool(bad)]
    if not bad:
        assert check_images(records, "stop", "drawn", Notes()).left_out == []
        return
    with pytest.raises(DataError, match=rf"/{bad[0]}: ") as caught:
        check_images(records, "stop", "drawn", Notes())
    assert f"; {len(bad)} of {len(drawn)} drawn images cannot be read" in str(caught.value)
    assert (HINT in str(caught.value)) == bool(good)
