"""Detection on images and videos without annotations: drawn pictures and lists of faces."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from nasface.data.images import read_image, write_image
from nasface.data.video import Video, VideoFile
from nasface.engine.config import DetectConfig
from nasface.errors import DataError
from nasface.inference.predict import detect, detections_as_rows
from nasface.io.files import write_text
from nasface.plots.boxes import contact_sheet, draw_boxes
from nasface.progress import Progress, StopRequest
from nasface.runs.folder import RunFolder
from nasface.structures import Detections

Image = NDArray[np.uint8]

#: images on the sheet that shows the first ones at a glance
OVERVIEW = 24


@dataclass
class Found:
    """Faces by image, in the order in which they were looked at; ``unread`` says what could not be
    read, and why.

    A frame of a video is named ``file#number``, from 0.
    """

    faces: dict[str, Detections] = field(default_factory=dict)
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    shown: list[Image] = field(default_factory=list)

    @property
    def total(self) -> int:
        """The number of faces."""
        return sum(len(each) for each in self.faces.values())

    def rows(self) -> list[dict[str, Any]]:
        """Per image its name, size, boxes ``x1 y1 x2 y2`` in pixels and scores."""
        found = detections_as_rows(self.faces, self.faces.values())
        sizes = ({"height": height, "width": width} for height, width in self.sizes.values())
        return [row | size for row, size in zip(found, sizes, strict=True)]

    def coco(self) -> dict[str, Any]:
        """The same in the form of COCO: boxes ``x y width height`` with their score."""
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for number, row in enumerate(self.rows(), 1):
            size = {"width": row["width"], "height": row["height"]}
            images.append({"id": number, "file_name": row["image"], **size})
            for (x1, y1, x2, y2), score in zip(row["boxes"], row["scores"], strict=True):
                width, height = round(x2 - x1, 2), round(y2 - y1, 2)
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": number,
                        "category_id": 1,
                        "bbox": [x1, y1, width, height],
                        "area": round(width * height, 2),
                        "iscrowd": 0,
                        "score": score,
                    }
                )
        categories = [{"id": 1, "name": "face"}]
        return {"images": images, "annotations": annotations, "categories": categories}


class Finder:
    """Looks for faces and draws them into a folder."""

    def __init__(self, detector: nn.Module, config: DetectConfig, folder: RunFolder) -> None:
        self.detector, self.config, self.folder = detector, config, folder
        self.found = Found()

    def images(self, paths: list[Path], progress: Progress, stop: StopRequest) -> None:
        """Go through image files; one that cannot be read is noted and left out."""
        if not paths:
            return
        progress.start("detect", len(paths))
        for at, path in enumerate(paths):
            if stop.asked:
                return
            try:
                drawn = self._look(str(path), read_image(path))
            except DataError as error:
                self._leave_out(error, progress)
                progress.advance()
                continue
            write_image(self.folder.path / f"{at:05d}_{path.stem}.jpg", drawn)
            progress.advance({"faces": len(self.found.faces[str(path)])})

    def video(self, name: str, progress: Progress, stop: StopRequest) -> None:
        """Go through a video or a camera, and write it with its faces drawn; one that cannot be
        opened is noted and left out.
        """
        try:
            video = Video(name)
        except DataError as error:
            self._leave_out(error, progress)
            return
        stem = Path(name).stem.replace(":", "")
        file = VideoFile(self.folder.path / f"{stem}.mp4", video.rate)
        most = self.config.frames
        progress.start(f"detect {stem}", most or video.frames)
        try:
            for at, frame in enumerate(_limited(video, most)):
                if stop.asked:
                    break
                file.append(self._look(f"{name}#{at}", frame))
                progress.advance({"faces": len(self.found.faces[f"{name}#{at}"])})
        finally:
            video.close()
            file.close()

    def finish(self) -> None:
        """Write the lists, and the sheet of the first images."""
        if self.found.shown:
            sheet = contact_sheet(self.found.shown, 6, (240, 280))
            write_image(self.folder.path / "overview.jpg", sheet)
        if self.found.unread:
            write_text(self.folder.path / "left_out.txt", "\n".join([*self.found.unread, ""]))
        self.folder.write_json("detections.json", self.found.rows())
        self.folder.write_json("coco.json", self.found.coco())

    def _leave_out(self, error: DataError, progress: Progress) -> None:
        progress.note(f"left out: {error}")
        self.found.unread.append(str(error))

    def _look(self, name: str, image: Image) -> Image:
        every = detect(self.detector, image, self.config.inference)
        kept = every.scores_N >= self.config.score_threshold
        faces = Detections(every.boxes_N4[kept], every.scores_N[kept])
        self.found.faces[name] = faces
        self.found.sizes[name] = (image.shape[0], image.shape[1])
        drawn = draw_boxes(image, faces.boxes_N4.numpy(), faces.scores_N.numpy())
        if len(self.found.shown) < OVERVIEW:
            self.found.shown.append(drawn)
        return drawn


def _limited(video: Video, most: int) -> Iterator[Image]:
    return islice(video, most) if most else iter(video)
