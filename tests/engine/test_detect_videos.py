"""Videos that are drawn and listed, whole, damaged, irregular and of one name."""

from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest
from finders import finder, lists, write_clip

from nasface.data.video import Video, VideoFile
from nasface.errors import DataError
from nasface.progress import Silent, StopRequest


def test_a_video_is_drawn_frame_by_frame(tmp_path: Path) -> None:
    clip = VideoFile(tmp_path / "clip.mp4", 5.0)
    for _ in range(4):
        clip.append(np.zeros((64, 48, 3), np.uint8))
    clip.close()
    find = finder(tmp_path / "out", frames=3)
    find.video(str(clip.path), Silent(), StopRequest())
    find.finish(Silent())
    assert list(find.found.faces) == [f"{clip.path}#{at}" for at in range(3)]
    drawn = Video(str(tmp_path / "out" / "clip.mp4"))
    frames = list(drawn)
    drawn.close()
    assert len(frames) == 3
    assert frames[0][:40].max() > 100
    assert (tmp_path / "out" / "overview.jpg").exists()


def test_a_broken_video_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video")
    find = finder(tmp_path / "out")
    find.video(str(tmp_path / "a.mp4"), Silent(), StopRequest())
    find.finish(Silent())
    assert "a.mp4: OpenCV cannot open it" in (tmp_path / "out" / "left_out.txt").read_text()


def frames_of(path: Path) -> list[tuple[int, ...]]:
    video = Video(str(path))
    shapes = [frame.shape for frame in video]
    video.close()
    return shapes


def test_videos_of_one_name_are_two(tmp_path: Path) -> None:
    clips = [write_clip(tmp_path / name, 1 + at) for at, name in enumerate(
        ("a/clip.mp4", "b/clip.mp4", "c/CLIP.mp4", "d/clip_2.mp4", "e/cl:ip.mp4")
    )]  # fmt: skip
    find = finder(tmp_path / "out")
    for clip in clips:
        find.video(str(clip), Silent(), StopRequest())
    find.finish(Silent())
    names = ["clip.mp4", "clip_2.mp4", "CLIP_3.mp4", "clip_2_2.mp4", "cl_ip.mp4"]
    assert {path.name for path in (tmp_path / "out").glob("*.mp4")} == set(names)
    for at, name in enumerate(names):
        assert len(frames_of(tmp_path / "out" / name)) == at + 1
    assert len(lists(tmp_path / "out")) == sum(range(1, 6))


def test_one_video_asked_for_twice_is_listed_twice(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 1)
    find = finder(tmp_path / "out")
    for _ in range(2):
        find.video(str(clip), Silent(), StopRequest())
    find.finish(Silent())
    assert lists(tmp_path / "out") == [f"{clip}#0", f"{clip}_2#0"]


@pytest.mark.parametrize("size", [(75, 101), (74, 101), (75, 100), (74, 100)])
def test_a_video_keeps_its_size(tmp_path: Path, size: tuple[int, int]) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 2, *size)
    assert frames_of(clip) == [(*size, 3)] * 2
    find = finder(tmp_path / "out")
    find.video(str(clip), Silent(), StopRequest())
    find.finish(Silent())
    (drawn,) = (tmp_path / "out").glob("clip.*")
    assert frames_of(drawn) == [(*size, 3)] * 2


def test_a_video_that_cannot_be_drawn_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", 3)

    def fail(_self: VideoFile, _image: object) -> None:
        raise DataError("x.mp4: OpenCV cannot write a video there")

    monkeypatch.setattr(VideoFile, "append", fail)
    find = finder(tmp_path / "out")
    find.video(str(clip), Silent(), StopRequest())
    find.finish(Silent())
    assert len(lists(tmp_path / "out")) == 3
    assert (tmp_path / "out" / "left_out.txt").read_text().count("not drawn") == 1


def test_a_video_that_ends_early_is_noted(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.avi", 20, 63, 47)
    data = clip.read_bytes()
    clip.write_bytes(data[: len(data) // 2])
    find = finder(tmp_path / "out")
    find.video(str(clip), Silent(), StopRequest())
    find.finish(Silent())
    (line,) = (tmp_path / "out" / "left_out.txt").read_text().splitlines()
    frames = len(lists(tmp_path / "out"))
    assert 5 < frames < 15
    last = (frames - 1) / 5
    assert line == (
        f"{clip}: ends after {frames} frames, at {last:.1f} s of the 4.0 s that it states"
    )


def write_irregular(path: Path) -> Path:
    """An FLV of 8 frames that lasts as long as 20 at its rate."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"FLV1"), 5.0, (48, 64))
    for _ in range(20):
        writer.write(np.zeros((64, 48, 3), np.uint8))
    writer.release()
    data, at, frames = path.read_bytes(), 13, 0
    kept = [data[:at]]
    while at < len(data):
        length = 11 + int.from_bytes(data[at + 1 : at + 4]) + 4
        is_frame = data[at] == 9 and length > 20
        frames += is_frame
        if not (is_frame and 5 < frames < 18):
            kept.append(data[at : at + length])
        at += length
    path.write_bytes(b"".join(kept))
    return path


def test_irregular_frames_are_no_early_end(tmp_path: Path) -> None:
    """What is said to be their number is the duration times the rate."""
    clip = write_irregular(tmp_path / "clip.flv")
    with closing(Video(str(clip))) as video:
        assert video.frames == 20
    find = finder(tmp_path / "out")
    find.video(str(clip), Silent(), StopRequest())
    find.finish(Silent())
    assert len(lists(tmp_path / "out")) == 8
    assert not (tmp_path / "out" / "left_out.txt").exists()


def test_a_drawn_video_has_a_rate_that_can_be_seen(tmp_path: Path) -> None:
    """Of a WMV of two frames FFmpeg gives ticks of the clock in its place, 1000 a second."""
    clip = tmp_path / "clip.wmv"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter.fourcc(*"WMV2"), 5.0, (48, 64))
    for _ in range(2):
        writer.write(np.zeros((64, 48, 3), np.uint8))
    writer.release()
    find = finder(tmp_path / "out")
    find.video(str(clip), Silent(), StopRequest())
    with closing(Video(str(tmp_path / "out" / "clip.mp4"))) as drawn:
        assert (drawn.frames, drawn.rate) == (2, 25.0)
