"""Video files and cameras, frame by frame, as far as OpenCV can open them."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from nasface.errors import DataError
from nasface.io.files import draft, draft_path

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg")
"""Endings, in lower case, of the files that count as videos."""

_CAMERA = "camera:"
_USUAL_RATE = 25.0


def is_video(name: str) -> bool:
    """Whether a name is that of a video file or of a camera, ``camera:0``, ``camera:1``, ..."""
    return name.startswith(_CAMERA) or name.lower().endswith(VIDEO_SUFFIXES)


class Video:
    """An opened video or camera; iterate over it for frames uint8 (H, W, 3) RGB.

    ``frames`` is their number as the file states it, 0 where it is not known; ``rate`` is frames a
    second.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        if name.startswith(_CAMERA):
            number = name.removeprefix(_CAMERA)
            if not number.isdecimal():
                raise DataError(f"{name}: is no camera, expected camera:0, camera:1, ...")
            self.capture = cv2.VideoCapture(int(number))
        else:
            if not Path(name).is_file():
                raise DataError(f"{name}: does not exist, expected a video")
            self.capture = cv2.VideoCapture(name)
        if not self.capture.isOpened():
            raise DataError(f"{name}: OpenCV cannot open it as a video")
        self.frames = max(0, int(self.capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self.rate = float(self.capture.get(cv2.CAP_PROP_FPS)) or _USUAL_RATE

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        while True:
            there, frame = self.capture.read()
            if not there:
                return
            yield np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8)

    def close(self) -> None:
        """Let go of the file or camera."""
        self.capture.release()


class VideoFile:
    """An mp4 file to write frames to; it has its name once it is closed."""

    def __init__(self, path: Path, rate: float) -> None:
        self.path, self.rate = path, rate
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
            code = cv2.VideoWriter.fourcc(*"mp4v")
            writer = cv2.VideoWriter(str(draft_path(self.path)), code, self.rate, (width, height))
            if not writer.isOpened():
                raise DataError(f"{self.path}: OpenCV cannot write an mp4 video there")
            self._draft.enter_context(draft(self.path))
            self.writer, self.size = writer, (width, height)
        elif (width, height) != self.size:
            raise DataError(
                f"{self.path}: a frame of {width} x {height}, expected {self.size[0]} x "
                f"{self.size[1]} like the first"
            )
        self.writer.write(cv2.cvtColor(image_HW3, cv2.COLOR_RGB2BGR))

    def close(self) -> None:
        """Finish the file."""
        if self.writer is not None:
            self.writer.release()
            self._draft.close()
