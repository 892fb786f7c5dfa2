from pathlib import Path

import pytest

from nasface.data.inputs import list_inputs
from nasface.errors import DataError


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def is_result(folder: Path) -> bool:
    return (folder / "result").exists()


def listed(*names: Path | str) -> list[str]:
    found = list_inputs([str(name) for name in names], is_result)
    return [*map(str, found.images), *found.videos]


def test_folders_are_searched_and_sorted(tmp_path: Path) -> None:
    touch(tmp_path, "b/2.JPG", "b/1.png", "a/deep/3.webp", "b/notes.txt", "b/._1.png", "c/x.dat")
    (tmp_path / "b" / "folder.jpg").mkdir()
    odd = str(tmp_path / "c" / "x.dat")
    below = [str(tmp_path / name) for name in ("a/deep/3.webp", "b/1.png", "b/2.JPG")]
    assert listed(tmp_path) == below
    assert listed(odd, tmp_path / "b", tmp_path / "b" / "1.png") == [odd, *below[1:]]
    with pytest.raises(DataError, match=r"no image or video in .*c, expected files \.jpg .* \.mp4"):
        listed(tmp_path / "c")
    with pytest.raises(DataError, match="absent: does not exist"):
        listed(tmp_path, tmp_path / "absent")
    with pytest.raises(DataError, match=r"absent\.mp4: does not exist"):
        listed(tmp_path / "absent.mp4")
    with pytest.raises(DataError, match=r"0: does not exist, .*; camera:0 is a camera$"):
        listed("0")
    with pytest.raises(DataError, match="empty list"):
        listed()
    for nothing in ("", " "):
        with pytest.raises(DataError, match=f"'{nothing}': is no path"):
            listed(nothing)


def test_pictures_of_every_kind_are_looked_at(tmp_path: Path) -> None:
    """Those that cannot be read are named later, one by one."""
    names = ["a.GIF", "b.HEIC", "c.jfif", "d.avif", "e.mpo", "f.pgm", "g.jp2", "h.jxl", "i.heif"]
    touch(tmp_path, *names, "raw.cr2", "notes.pdf", "icon.svg", ".thumbnails/a.jpg")
    assert [Path(name).name for name in listed(tmp_path)] == names


def test_patterns_name_files_and_folders(tmp_path: Path) -> None:
    touch(tmp_path, "a1.png", "a2.png", "b.png", "a.txt", "[x].png")
    touch(tmp_path, "deep/er/a3.png", "deep/a4.mp4")
    names = {Path(name).name for name in listed(tmp_path / "a*")}
    assert names == {"a1.png", "a2.png"}
    assert [Path(name).name for name in listed(tmp_path / "**" / "a*.png")][-1] == "a3.png"
    assert [Path(name).name for name in listed(tmp_path / "dee?")] == ["a3.png", "a4.mp4"]
    assert [Path(name).name for name in listed(tmp_path / "deep" / "*.mp4")] == ["a4.mp4"]
    assert [Path(name).name for name in listed(tmp_path / "[x].png")] == ["[x].png"]
    with pytest.raises(DataError, match="no image or video in"):
        listed(tmp_path / "z*")


@pytest.mark.parametrize("suffix", [".wmv", ".WMV", ".mp4", ".MOV", ".flv", ".3gp", ".m2ts"])
def test_folders_of_videos(tmp_path: Path, suffix: str) -> None:
    touch(tmp_path, f"b{suffix}", f"deep/a{suffix}", f"._b{suffix}", "c.png")
    found = list_inputs([str(tmp_path)], is_result)
    assert list(found.images) == [tmp_path / "c.png"]
    assert list(found.videos) == [str(tmp_path / f"b{suffix}"), str(tmp_path / f"deep/a{suffix}")]


@pytest.mark.parametrize(
    "name", ["camera:0", "rtsp://me:pw@host:554/a", "http://host/a.jpg", "HTTPS://host/a?b=c"]
)
def test_cameras_and_addresses_are_streams(name: str) -> None:
    assert listed(name) == [name]


def test_results_are_not_looked_into(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "out/result", "out/00000_a.jpg", "out/deep/b.png", "x/out/result")
    touch(tmp_path, "x/out/c.mp4", "x/d.png", "result-not/e.png")
    for name in (tmp_path, tmp_path / "**"):
        found = list_inputs([str(name)], is_result)
        assert {path.name for path in found.images} == {"a.png", "d.png", "e.png"}
        assert not found.videos
        assert set(found.results) == {tmp_path / "out", tmp_path / "x" / "out"}
    assert listed(tmp_path / "*" / "*.png") == [
        str(tmp_path / "result-not" / "e.png"),
        str(tmp_path / "x" / "d.png"),
    ]
    with pytest.raises(DataError, match=r"no image or video .*; left out: results in .*out$"):
        listed(tmp_path / "out")
    # A file that is asked for by name is looked at.
    drawn = tmp_path / "out" / "00000_a.jpg"
    assert listed(drawn) == [str(drawn)]


def test_folders_that_are_links_are_looked_into(tmp_path: Path) -> None:
    touch(tmp_path, "store/a.jpg", "store/.hidden/b.jpg", "in/c.jpg")
    (tmp_path / "in" / "old").symlink_to(tmp_path / "store")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    found = [str(tmp_path / "in" / name) for name in ("c.jpg", "old/a.jpg")]
    assert listed(tmp_path / "in") == found


@pytest.mark.parametrize(
    ("start", "is_video"),
    [
        (b"\0\0\0\x20ftypisom", True),
        (b"RIFF\0\1\0\0AVI LIST", True),
        (b"\x1a\x45\xdf\xa3", True),
        (b"\x47" + b"T" * 187 + b"\x47" + b"T" * 187, True),  # MPEG transport stream, a.ts
        (b"\0\0\x01\xba", True),
        (b"const G = 1;\n", False),
        (b"\xff\xd8\xff\xe0", False),
        (b"RIFF\0\1\0\0WEBPVP8 ", False),
        (b"\0\0\0\x20ftypheic", False),
        (b"", False),
    ],
)
@pytest.mark.parametrize("name", ["clip", "clip.ts", "clip.part"])
def test_a_video_of_another_suffix_is_known_by_its_start(
    name: str, start: bytes, is_video: bool, tmp_path: Path
) -> None:
    """Where it is named itself: in folders, suffixes tell."""
    (tmp_path / name).write_bytes(start)
    found = list_inputs([str(tmp_path / name)], is_result)
    assert (list(found.videos) == [str(tmp_path / name)]) == is_video
    assert bool(found.images) != is_video
    with pytest.raises(DataError, match="no image or video"):
        listed(tmp_path)
