"""Detection on images and videos without annotations: drawn pictures and lists of faces."""

import re
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from threading import BoundedSemaphore, Lock
from typing import Any

from torch import nn

from nasface.arrays import Image
from nasface.data.check import BadImages
from nasface.data.images import pictures_in, read_image, write_image
from nasface.data.video import Video, VideoFile, is_stream, shown_name
from nasface.engine.pipeline import ahead, in_order
from nasface.errors import ConfigError, DataError, NasfaceError, OutputError
from nasface.inference.annotate import contact_sheet, draw_boxes
from nasface.inference.onnx_runtime import Engine
from nasface.inference.predict import InferenceConfig, detect, detections_as_rows, octaves
from nasface.io.files import write_text
from nasface.kinds import Settings
from nasface.models import DEFAULT_MODEL, ReleasedPrecision
from nasface.progress import Progress, StopRequest
from nasface.runs.folder import RunFolder
from nasface.structures import Detections

OVERVIEW = 24
"""Images on the sheet that shows the first ones at a glance."""
LEFT_OUT, SHEET, FOUND = "left_out.txt", "overview.jpg", "detections.json"

_CELL = (240, 280)
_LONGEST_STEM = 200
_MIN_SHARE_READ = 0.9
_LARGE = 2_500_000
"""Pixels of a picture above which the network needs so much memory, and keeps so many threads busy
by itself, that no second one is looked at beside it."""
_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]+')


@dataclass(frozen=True, kw_only=True)
class DetectConfig(Settings):
    """Detection on images without annotations."""

    weights: str = DEFAULT_MODEL
    """A released detector by name (`nasface models` lists them), weights that `nasface train`
    wrote, or a file of `nasface export`, .onnx or .xml."""
    precision: ReleasedPrecision = "float32"
    """int8: the 8-bit file of a released detector, by ONNX Runtime on the CPU; takes about half of
    the time where the processor has VNNI. `nasface quantize` makes one of other weights."""
    score_threshold: float = 0.5
    """Score from which a detection is written and drawn; below 0.02 it is also that of inference,
    unless inference.score_threshold is set to another."""
    bad_images: BadImages = "skip"
    """skip: images and videos that cannot be read are left out and reported; stop: one of them ends
    the command. Files are checked before it begins. Other commands stop by default, since a figure
    or weights depend on every image there; here the others lose nothing."""
    frames: int = 0
    """Frames to take of each video or camera; 0 takes all."""
    device: str = "auto"
    """cpu, cuda, mps (Apple), or auto: a CUDA GPU where there is one."""
    engine: Engine = "auto"
    """What runs the network: torch, onnxruntime (CPU), or auto, which is onnxruntime where it is
    installed and there are enough pictures that it saves time."""
    inference: InferenceConfig = field(default_factory=octaves)
    """How the detector is applied; unless set, by preset octaves."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.score_threshold <= 1 or self.frames < 0:
            raise ConfigError(
                f"score_threshold {self.score_threshold}, frames {self.frames}: "
                "expected 0 to 1 and 0 or more"
            )


@dataclass
class Found:
    """The faces of images and videos. A frame of a video is named ``file#number``, from 0."""

    faces: dict[str, Detections] = field(default_factory=dict)
    """By image, in the order in which the images were looked at."""
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Height and width of each image in pixels."""
    unread: list[str] = field(default_factory=list)
    """What could not be read, and why."""
    notes: list[str] = field(default_factory=list)
    """What else was wrong."""
    shown: list[Image] = field(default_factory=list)
    """Small pictures of the first images, for the overview."""
    stopped: bool = False
    """Whether Ctrl-C ended the command."""
    engine: str = ""
    """What ran the network."""

    @property
    def total(self) -> int:
        """The number of faces."""
        return sum(len(each) for each in self.faces.values())

    def rows(self) -> list[dict[str, Any]]:
        """Return each image's name, size, boxes ``x1 y1 x2 y2`` in pixels and scores."""
        found = detections_as_rows(self.faces, self.faces.values())
        sizes = ({"height": height, "width": width} for height, width in self.sizes.values())
        return [row | size for row, size in zip(found, sizes, strict=True)]

    def coco(self) -> dict[str, Any]:
        """Return the same in the form of COCO: boxes ``x y width height`` with their score."""
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
    """Looks for faces and draws them into a folder.

    What is wrong with a single picture or video does no harm to the others: it is noted. Call
    ``finish`` in any case, so that the lists of what was found are written; ``has_results`` says
    that they are, of anything. Pictures are looked at by as many threads as the detector takes
    ``callers``, large ones by one at a time, while others are read, drawn and written.
    """

    def __init__(self, detector: nn.Module, config: DetectConfig, folder: RunFolder) -> None:
        self.detector, self.config, self.folder = detector, config, folder
        self.found = Found()
        self.has_results = False
        self._names: set[str] = set()
        self._labels: set[str] = set()
        self._inference = _inference_of(config)
        callers = int(getattr(detector, "callers", 1))
        self._threads = callers + 1
        self._calls = BoundedSemaphore(callers)
        self._large_call = Lock()

    def images(self, paths: Sequence[Path], progress: Progress, stop: StopRequest) -> None:
        """Go through image files; one that cannot be read is noted and left out."""
        if not paths:
            return
        progress.start("detect", len(paths))
        named = (
            (path, self.folder.path / f"{self._free_name(f'{at:05d}_{path.stem}')}.jpg")
            for at, path in enumerate(paths)
        )
        # Each thread silences Pillow for a moment; what they leave of the filters ends here.
        with (
            warnings.catch_warnings(),
            closing(
                in_order(self._look_at_file, named, self._threads, lambda: stop.asked)
            ) as pictures,
        ):
            for each in pictures:
                if isinstance(each, DataError):
                    self._leave_out(each, progress)
                else:
                    self._keep(each, progress)
                progress.advance({"faces": self.found.total})

    def video(self, name: str, progress: Progress, stop: StopRequest) -> None:
        """Go through a video, camera or stream, and write it with its faces drawn; one that cannot
        be opened is noted and left out.
        """
        label = _distinct(_text(shown_name(name)), self._labels)
        try:
            video = Video(name)
        except DataError as error:
            self._leave_out(error, progress)
            return
        stem = self._free_name(_stem(label))
        file = _Drawing(VideoFile(self.folder.path / f"{stem}.mp4", video.rate))
        wanted = min(video.frames or self.config.frames, self.config.frames or video.frames)
        progress.start(f"detect {stem}", wanted)
        frames = 0
        try:
            with closing(ahead(_limited(video, self.config.frames))) as images:
                named = ((f"{label}#{at}", image) for at, image in enumerate(images))
                looks = in_order(self._look, named, self._threads, lambda: stop.asked)
                with closing(looks) as pictures:
                    for looked, drawn in pictures:
                        file.append(drawn)
                        self._keep(looked, progress)
                        frames += 1
                        progress.advance({"faces": len(looked.faces)})
        finally:
            video.close()
            file.close()
            if file.error is not None:
                self._note_undrawn(label, file.error, progress)
        if not frames and not stop.asked:
            self._leave_out(DataError(f"{label}: holds no frame that can be read"), progress)
        elif frames < _MIN_SHARE_READ * wanted and not stop.asked and _is_cut(video):
            self._note(
                f"{label}: ends after {frames} frames, at {video.position:.1f} s of the "
                f"{video.duration:.1f} s that it states",
                progress,
            )

    def finish(self, progress: Progress) -> None:
        """Write the lists, then the sheet of the first images.

        Raises:
            OutputError: if a list cannot be written.
        """
        self.folder.write_json(FOUND, self.found.rows())
        self.has_results = bool(self.found.faces or self.found.unread)
        self.folder.write_json("coco.json", self.found.coco())
        lines = [*self.found.unread, *self.found.notes]
        if lines:
            write_text(self.folder.path / LEFT_OUT, "\n".join([*lines, ""]))
        if self.found.shown:
            try:
                write_image(self.folder.path / SHEET, contact_sheet(self.found.shown, 6, _CELL))
            except OutputError as error:
                self.found.shown.clear()
                progress.note(_text(error))

    def _leave_out(self, error: DataError, progress: Progress) -> None:
        if self.config.bad_images == "stop":
            raise error
        self.found.unread.append(_text(error))
        progress.note(f"left out: {self.found.unread[-1]}")

    def _note_undrawn(self, name: str, error: NasfaceError, progress: Progress) -> None:
        self._note(f"{name}: is in the lists, but not drawn: {_text(error)}", progress)

    def _note(self, text: str, progress: Progress) -> None:
        progress.note(text)
        self.found.notes.append(text)

    def _free_name(self, stem: str) -> str:
        """Return a name for a picture or video that no other has, also where case does not
        count."""
        short = _UNSAFE.sub("_", _text(stem)).encode()[:_LONGEST_STEM].decode("utf-8", "ignore")
        return _distinct(short.rstrip(". ") or "video", self._names)

    def _look_at_file(self, what: tuple[Path, Path]) -> "_Looked | DataError":
        """Look at a photograph and write it, drawn, to a second path."""
        source, target = what
        try:
            image, pictures = read_image(source), pictures_in(source)
        except DataError as error:
            return error
        looked, drawn = self._look((_text(source), image))
        note = f"the first of its {pictures} pictures was looked at" if pictures > 1 else ""
        try:
            write_image(target, drawn)
        except NasfaceError as error:
            return replace(looked, note=note, error=error)
        return replace(looked, note=note)

    def _look(self, what: tuple[str, Image]) -> "tuple[_Looked, Image]":
        """Find the faces of a named image; return them, and the image with them drawn."""
        name, image = what
        height, width = image.shape[:2]
        large = self._large_call if height * width > _LARGE else nullcontext()
        with large, self._calls:
            every = detect(self.detector, image, self._inference)
        kept = every.scores_N >= self.config.score_threshold
        faces = Detections(every.boxes_N4[kept], every.scores_N[kept])
        drawn = draw_boxes(image, faces.boxes_N4.numpy(), faces.scores_N.numpy())
        # Perhaps for nothing, but the first ones always have one.
        small = contact_sheet([drawn], 1, _CELL) if len(self.found.shown) < OVERVIEW else None
        return _Looked(name, (height, width), faces, small), drawn

    def _keep(self, looked: "_Looked", progress: Progress) -> None:
        self.found.faces[looked.name] = looked.faces
        self.found.sizes[looked.name] = looked.size
        if looked.small is not None and len(self.found.shown) < OVERVIEW:
            self.found.shown.append(looked.small)
        if looked.note:
            self._note(f"{looked.name}: {looked.note}", progress)
        if looked.error is not None:
            self._note_undrawn(looked.name, looked.error, progress)


@dataclass(frozen=True)
class _Looked:
    """What was found in a picture; ``small`` is for the overview, ``error`` says why the drawn
    picture could not be written."""

    name: str
    size: tuple[int, int]
    faces: Detections
    small: Image | None
    note: str = ""
    error: NasfaceError | None = None


class _Drawing:
    """A video that is written as long as that goes well; ``error`` says why it no longer did."""

    def __init__(self, file: VideoFile) -> None:
        self.file = file
        self.error: NasfaceError | None = None

    def append(self, frame: Image) -> None:
        self._try(lambda: self.file.append(frame))

    def close(self) -> None:
        first, self.error = self.error, None
        self._try(self.file.close)
        self.error = first or self.error

    def _try(self, act: Callable[[], None]) -> None:
        if self.error is None:
            try:
                act()
            except NasfaceError as error:
                self.error = error


def _inference_of(config: DetectConfig) -> InferenceConfig:
    """Return how the detector is applied, so that nothing from the score threshold on is lost."""
    inference, usual = config.inference, InferenceConfig().score_threshold
    if inference.score_threshold == usual:
        least = min(usual, config.score_threshold)
        inference = replace(inference, score_threshold=least)
    return inference.finding_from(config.score_threshold)


def _text(name: object) -> str:
    """Return a name as text for every program: bytes that are not UTF-8 are written as escapes."""
    return str(name).encode("utf-8", "backslashreplace").decode()


def _distinct(name: str, taken: set[str]) -> str:
    """Return ``name``, or the first of ``name_2``, ``name_3``, ... that is not taken, and take
    it."""
    found, number = name, 1
    while (key := unicodedata.normalize("NFC", found).casefold()) in taken:
        number += 1
        found = f"{name}_{number}"
    taken.add(key)
    return found


def _stem(label: str) -> str:
    """Return what the drawn video is called after: a file's name, or an address without its
    scheme."""
    if is_stream(label):
        return label.partition("?")[0].partition("://")[2].strip("/") or label
    return Path(label).stem


def _is_cut(video: Video) -> bool:
    """Whether its frames ended long before its time; where they are irregular, their number does
    not tell."""
    return video.position < _MIN_SHARE_READ * video.duration


def _limited(video: Video, most: int) -> Iterator[Image]:
    return islice(video, most) if most else iter(video)
