"""Video files, cameras and streams, frame by frame, as far as OpenCV can open them."""

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from nasface.errors import DataError
from nasface.io.files import draft, draft_path

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".asf", ".flv"),
    *(".3gp", ".mts", ".m2ts", ".ogv", ".vob"),
)
"""Endings, in lower case, of the files that count as videos."""

_BEGINS = re.compile(
    rb"....ftyp(?:iso[m2-9]|mp4[12]|M4V |qt  |avc1|3gp)|RIFF....AVI |\x1a\x45\xdf\xa3"
    rb"|\x47.{187}\x47|FLV\x01|\0\0\x01[\xb3\xba]",
    re.DOTALL,
)
_CAMERA = "camera:"
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_USUAL_RATE = 25.0
_TIME_BASE = 1000.0
"""Ticks a second of files without a rate, which FFmpeg has in its place then."""


def is_stream(name: str) -> bool:
    """Return whether a name is that of a camera, ``camera:0``, or the address of a stream,
    ``rtsp://``."""
    return name.startswith(_CAMERA) or _ADDRESS.match(name) is not None


def is_video_file(path: Path) -> bool:
    """Return whether a file begins as a video does: MP4, AVI, Matroska, MPEG or FLV."""
    try:
        with path.open("rb") as file:
            return _BEGINS.match(file.read(256)) is not None
    except OSError:
        return False


def shown_name(name: str) -> str:
    """Return the name of a video as it may be shown: an address without user name and password."""
    return re.sub(r"^([a-z][a-z0-9+.-]+://)[^/?#]*@", r"\1", name, flags=re.IGNORECASE)


class Video:
    """An opened video, camera or stream; iterate over it for frames uint8 (H, W, 3) RGB.

    ``frames`` is their number as the file has it, 0 where that is not known; many kinds of files
    have only a duration and a rate, from which OpenCV computes it. ``rate`` is frames a second, and
    ``position`` the time of the frame that was read last, in seconds.

    Raises:
        DataError: if there is none, or OpenCV cannot open it.
    """

    def __init__(self, name: str) -> None:
        self.name = shown_name(name)
        if name.startswith(_CAMERA):
            number = name.removeprefix(_CAMERA)
            if not number.isdecimal():
                raise DataError(f"{name}: is no camera, expected camera:0, camera:1, ...")
            self.capture = cv2.VideoCapture(int(number))
        else:
            if not is_stream(name) and not os.path.isfile(name):
                raise DataError(f"{name}: does not exist, expected a video")
            # A relative name such as 12:30.mp4 would be taken for an address.
            self.capture = cv2.VideoCapture(name if is_stream(name) else os.path.abspath(name))
        if not self.capture.isOpened():
            raise DataError(f"{self.name}: OpenCV cannot open it as a video")
        rate = float(self.capture.get(cv2.CAP_PROP_FPS))
        has_rate = 0 < rate < _TIME_BASE
        self.rate = rate if has_rate else _USUAL_RATE
        stated = int(self.capture.get(cv2.CAP_PROP_FRAME_COUNT)) if has_rate else 0
        self.frames = max(0, stated)
        self.position = 0.0

    @property
    def duration(self) -> float:
        """Seconds that all frames take; 0 where that is not known."""
        return self.frames / self.rate

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        while True:
            there, frame = self.capture.read()
            if not there:
                return
            self.position = self.capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            yield np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8)

    def close(self) -> None:
        """Let go of the file or camera."""
        self.capture.release()


def check_video(name: str) -> None:
    """Open a video file and read its first frame.

    Raises:
        DataError: if that fails.
    """
    with closing(Video(name)) as video:
        if next(iter(video), None) is None:
            raise DataError(f"{name}: holds no frame that can be read")


class VideoFile:
    """A video file to write frames to; it has its name, ``path``, once it is closed.

    It is an mp4 file. OpenCV's would lose a row or column of frames of odd height or width, so
    those go to an avi file (Motion JPEG).
    """

    def __init__(self, path: Path, rate: float) -> None:
        self.path, self.rate = path.with_suffix(".mp4"), rate
        self._draft = ExitStack()
        self.writer: cv2.VideoWriter | None = None
        self.size = (0, 0)

    def append(self, image_HW3: NDArray[np.uint8]) -> None:
        """Add a frame.

        Raises:
            DataError: if OpenCV cannot write videos here, or the size is not that of the first.
        """
        height, width = image_HW3.shape[:2]
        if self.writer is None:
            self.writer, self.size = self._open(width, height), (width, height)
        elif (width, height) != self.size:
            raise DataError(
                f"{self.path}: a frame of {width} x {height}, expected {self.size[0]} x "
                f"{self.size[1]} like the first"
            )
        self.writer.write(cv2.cvtColor(image_HW3, cv2.COLOR_RGB2BGR))

    def _open(self, width: int, height: int) -> cv2.VideoWriter:
        backend, code = cv2.CAP_ANY, cv2.VideoWriter.fourcc(*"mp4v")
        if width % 2 or height % 2:
            backend, code = cv2.CAP_OPENCV_MJPEG, cv2.VideoWriter.fourcc(*"MJPG")
            self.path = self.path.with_suffix(".avi")
        name = os.path.abspath(draft_path(self.path))
        writer = cv2.VideoWriter(name, backend, code, self.rate, (width, height))
        if not writer.isOpened():
            raise DataError(f"{self.path}: OpenCV cannot write a video there")
        self._draft.enter_context(draft(self.path))
        return writer

    def close(self) -> None:
        """Finish the file.

        Raises:
            OutputError: if it cannot be given its name.
        """
        if self.writer is not None:
            self.writer.release()
            self.writer = None
            self._draft.close()
