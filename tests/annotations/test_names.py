import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasface.annotations.names import (
    ImageNames,
    by_image,
    locate_images,
    with_suffix,
    without_suffix,
)
from nasface.errors import DataError

SUFFIXES = (".jpg", ".JPG", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".TIFF", ".ppm")
PARTS = st.sampled_from(["a", "b", "0--Parade", "img_1", "a.b", "c d"])
STEMS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)


@given(STEMS, st.sampled_from(SUFFIXES))
def test_suffixes_come_and_go(stem: str, suffix: str) -> None:
    assert without_suffix(stem + suffix) == stem
    assert without_suffix(stem) == stem
    assert with_suffix(stem + suffix) == stem + suffix
    assert with_suffix(stem) == f"{stem}.jpg"


def literal(written: str, names: list[str]) -> str | None:
    """What a person would do: try the name, then without its first folder, and so on."""
    while True:
        for name in names:
            if written in (name, name[: name.rindex(".")]):
                return name
        if "/" not in written:
            return None
        written = written.split("/", 1)[1]


@given(
    st.lists(st.tuples(STEMS, st.sampled_from(SUFFIXES)), min_size=1, max_size=8),
    st.lists(PARTS, max_size=2),
    st.lists(STEMS, max_size=3),
)
def test_names_are_found_as_a_person_would_find_them(
    chosen: list[tuple[str, str]], above: list[str], others: list[str]
) -> None:
    names = [stem + suffix for stem, suffix in dict(chosen).items()]
    images = ImageNames(names)
    for stem in [*dict(chosen), *others]:
        for written in (stem, "/".join([*above, stem]), f"./{stem}", f"{stem}.gif"):
            assert images.find(written) == literal(written.removeprefix("./"), names)
    for name in names:
        assert images.find(name) == name


@pytest.mark.parametrize("name", ["é/ñ.jpg", "e\u0301/n\u0303.jpg", "한/각.png"])
def test_letters_with_accents_may_be_taken_apart(name: str) -> None:
    images = ImageNames([name])
    for form in ("NFC", "NFD"):
        written = unicodedata.normalize(form, name)
        assert images.find(written) == images.find(f"above/{without_suffix(written)}") == name


CASED = st.lists(st.sampled_from("aAb"), min_size=1, max_size=3).map("/".join)


@given(st.lists(CASED, min_size=1, max_size=6, unique=True), CASED)
def test_letters_may_differ_in_their_case(stems: list[str], written: str) -> None:
    """As after a system that does not tell it apart: but no other image has the name itself."""
    images = ImageNames([f"{stem}.jpg" for stem in stems])
    exact = literal(written, [f"{stem}.jpg" for stem in stems])
    ends = ["/".join(written.split("/")[at:]).lower() for at in range(written.count("/") + 1)]
    alike = [[stem for stem in stems if stem.lower() == end] for end in ends]
    meant = next(filter(None, alike), [])
    if exact is not None:
        assert images.find(written) == exact
    elif len(meant) > 1:
        with pytest.raises(DataError, match=r"may be image .* or "):
            images.find(written)
    else:
        assert images.find(f"{written}.JPG") == (f"{meant[0]}.jpg" if meant else None)
        assert images.find(written) == (f"{meant[0]}.jpg" if meant else None)


@given(st.lists(st.tuples(STEMS, st.sampled_from(SUFFIXES)), min_size=2, max_size=6, unique=True))
def test_images_of_one_stem_are_refused(chosen: list[tuple[str, str]]) -> None:
    names = [stem + suffix for stem, suffix in chosen]
    if len(dict(chosen)) == len(names):
        ImageNames(names)
    else:
        with pytest.raises(DataError, match=r"are both .* which have no suffixes; rename one"):
            ImageNames(names)


def test_entries_by_image() -> None:
    images = ImageNames(["e/b.png", "e/a.jpg"])
    entries = [("x/e/a", 1, "f:1"), ("e/c", 2, "f:2"), ("e/b", 3, "f:3")]
    assert by_image(entries, images, "f") == {"e/a.jpg": 1, "e/c": 2, "e/b.png": 3}
    assert by_image([], images, "f") == {}
    with pytest.raises(DataError, match=r"^f:4: image 'e/a\.jpg' occurs before, in f:1$"):
        by_image([*entries, ("e/a.jpg", 4, "f:4")], images, "f")
    with pytest.raises(DataError, match=r"^f: .* 'e/c' is none, expected names such as 'e/a'$"):
        by_image(entries[1:2], images, "f")


def test_images_are_located(tmp_path: Path) -> None:
    for name in ("e/a.jpg", "e/b.PNG", "e/c.jpg", "e/c.png", "e/d.jpg", "e/d.txt", "e/f.g.jpeg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names = ["e/a.jpg", "e/b.jpg", "e/c.jpg", "e/f.g.jpg", "e/h.jpg", "x/y.jpg", "e/" + 300 * "z"]
    assert locate_images(tmp_path, names, any_suffix=False) == {
        "e/a.jpg": tmp_path / "e" / "a.jpg",
        "e/c.jpg": tmp_path / "e" / "c.jpg",
    }
    assert locate_images(tmp_path, ["e/A.JPG", "e/D.jpg", "e/d.jpg"], any_suffix=False) == {
        "e/A.JPG": tmp_path / "e" / "a.jpg",
        "e/d.jpg": tmp_path / "e" / "d.jpg",
    }
    assert locate_images(tmp_path, names, any_suffix=True) == {
        "e/a.jpg": tmp_path / "e" / "a.jpg",
        "e/b.jpg": tmp_path / "e" / "b.PNG",
        "e/c.jpg": tmp_path / "e" / "c.jpg",
        "e/f.g.jpg": tmp_path / "e" / "f.g.jpeg",
    }
    (tmp_path / "e" / "b.bmp").touch()
    with pytest.raises(DataError, match=r"b\.PNG: is an image of the same name as b\.bmp"):
        locate_images(tmp_path, ["e/b.jpg"], any_suffix=True)
