import os
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from nasface.data.video import Video, VideoFile, is_stream, shown_name
from nasface.errors import DataError


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("camera:0", "camera:0"),
        ("rtsp://host/a", "rtsp://host/a"),
        ("rtsp://me:p@w@host:554/a?b=c@d", "rtsp://host:554/a?b=c@d"),
        ("HTTP://me@host", "HTTP://host"),
    ],
)
def test_streams_are_shown_without_passwords(name: str, shown: str) -> None:
    assert is_stream(name)
    assert shown_name(name) == shown


@pytest.mark.parametrize("name", ["a.mp4", "C:/a.mp4", "C:\\a.mp4", "a//b.mp4", "me@home/a.mp4"])
def test_files_are_no_streams(name: str) -> None:
    assert not is_stream(name)
    assert shown_name(name) == name


def test_frames_come_back_in_their_order(tmp_path: Path) -> None:
    file = VideoFile(tmp_path / "clip.mp4", 10.0)
    for at in range(5):
        file.append(np.full((48, 64, 3), (40 * at, 100, 200 - 40 * at), np.uint8))
        assert not file.path.exists()
    file.close()
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]
    video = Video(str(file.path))
    assert (video.frames, video.rate) == (5, 10.0)
    frames = list(video)
    video.close()
    assert len(frames) == 5
    for at, frame in enumerate(frames):
        assert frame.shape == (48, 64, 3)
        # Compression blurs the colours a little.
        assert np.abs(frame.mean((0, 1)) - (40 * at, 100, 200 - 40 * at)).max() < 12


@pytest.mark.skipif(os.name == "nt", reason="such names cannot be on Windows")
def test_relative_names_that_look_like_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("12:30.mp4", "file:a.mp4", "concat:a.mp4"):
        file = VideoFile(Path(name), 10.0)
        for _ in range(3):
            file.append(np.zeros((48, 64, 3), np.uint8))
        file.close()
        with closing(Video(name)) as video:
            assert len(list(video)) == 3


@pytest.mark.parametrize("frames", [1, 2])
def test_a_number_of_frames_from_no_rate_is_none(tmp_path: Path, frames: int) -> None:
    """Of such a WMV OpenCV gives 1000 frames a second, and as many more of them."""
    path = tmp_path / "clip.wmv"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"WMV2"), 5.0, (64, 48))
    for _ in range(frames):
        writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()
    with closing(Video(str(path))) as video:
        assert (video.frames, video.rate, video.duration) == (0, 25.0, 0.0)
        assert len(list(video)) == frames
        assert video.position == pytest.approx((frames - 1) / 5)


def test_what_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        Video(str(tmp_path / "none.mp4"))
    (tmp_path / "empty.mp4").write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot open it"):
        Video(str(tmp_path / "empty.mp4"))
    with pytest.raises(DataError, match="expected camera:0"):
        Video("camera:front")


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    file = VideoFile(tmp_path / "none" / "clip.mp4", 10.0)
    with pytest.raises(DataError, match="cannot write a video"):
        file.append(np.zeros((48, 64, 3), np.uint8))
    file.close()
    assert not list(tmp_path.iterdir())


def test_a_frame_of_another_size_is_named(tmp_path: Path) -> None:
    file = VideoFile(tmp_path / "clip.mp4", 10.0)
    file.append(np.zeros((48, 64, 3), np.uint8))
    with pytest.raises(DataError, match="a frame of 32 x 48, expected 64 x 48"):
        file.append(np.zeros((48, 32, 3), np.uint8))
    file.close()
