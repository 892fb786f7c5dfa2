"""A small data set in WIDER FACE layout, made from what comes with scikit-image.

Real face crops (100 of ``lfw_subset``, 25 x 25 grey) are placed on photographs, varied in scale,
rotation, light, blur and occlusion; crops that are no faces are placed in the same way, so that the
placing itself gives nothing away. Training and validation share neither faces nor photographs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from nasface.annotations.widerface import write_wider_annotations
from nasface.arrays import Image
from nasface.data.images import write_image
from nasface.errors import ConfigError, DataError
from nasface.io.files import draft_folder
from nasface.kinds import Settings
from nasface.optional import need
from nasface.random_streams import Purpose, stream
from nasface.synthetic.paste import Pasted, paste, rotated_extent

Crops = NDArray[np.float32]

PHOTOGRAPHS = MappingProxyType(
    {
        "train": (
            "chelsea",
            "coffee",
            "motorcycle",
            "brick",
            "gravel",
            "hubble_deep_field",
            "coins",
            "immunohistochemistry",
            "text",
            "cell",
            "clock",
        ),
        "val": ("rocket", "grass", "moon", "retina", "page"),
    }
)
"""Photographs that scikit-image's wheel contains, by part; none shows a face."""
EVENT = "0--Sample"
_FACES = 100
_VALIDATION_FACES = 25
_SAME_PERSON = 0.8


@dataclass(frozen=True, kw_only=True)
class SampleConfig(Settings):
    """Size and variety of the sample."""

    train: int = 400
    """Training images."""
    val: int = 100
    """Validation images."""
    min_side: int = 224
    """Smallest side of an image in pixels."""
    max_side: int = 320
    """Largest side of an image in pixels."""
    min_face: int = 12
    """Smallest height of a face in pixels."""
    max_face: int = 160
    """Largest height of a face in pixels."""
    seed: int = 0
    """The same seed gives the same files."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.train < 1 or self.val < 1 or self.seed < 0:
            raise ConfigError(
                f"train {self.train}, val {self.val}, seed {self.seed}: expected at least 1, 1, 0"
            )
        if not 64 <= self.min_side <= self.max_side or not 8 <= self.min_face <= self.max_face:
            raise ConfigError(
                f"sides {self.min_side} to {self.max_side}, faces {self.min_face} to "
                f"{self.max_face}: expected from at least 64 and 8 pixels upwards"
            )


def write_sample(
    folder: Path, config: SampleConfig, progress: Callable[[int, int], None] | None = None
) -> None:
    """Write the data set; ``progress`` is called with (images written, images in all).

    It is made beside ``folder`` and moved there when whole. The same seed (and OpenCV) gives the
    same bytes.

    Raises:
        DataError: if the folder exists and is not empty. MissingPackageError: without the extra
            ``sample``.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder}: exists and is not empty; choose another folder")
    parts = _load_parts()
    with draft_folder(folder) as making:
        done, total = 0, config.train + config.val
        for at, (part, count) in enumerate((("train", config.train), ("val", config.val))):
            entries = []
            for index in range(count):
                generator = stream(config.seed, Purpose.SAMPLE_DATA, at, index)
                image, faces = compose(parts[part], config, generator)
                name = f"{EVENT}/{part}_{index:05d}.jpg"
                write_image(_made(making / f"WIDER_{part}" / "images" / name), image)
                entries.append((name, np.array([f.row() for f in faces], np.int64).reshape(-1, 10)))
                done += 1
                if progress is not None:
                    progress(done, total)
            annotations = making / "wider_face_split" / f"wider_face_{part}_bbx_gt.txt"
            write_wider_annotations(_made(annotations), entries)


@dataclass(frozen=True)
class Part:
    """What the images of one part are made of: grey crops in [0, 1] and photographs."""

    faces: Crops
    others: Crops
    photographs: tuple[Image, ...]


def compose(
    part: Part, config: SampleConfig, generator: np.random.Generator
) -> tuple[Image, list[Pasted]]:
    """Return one image and its annotated faces; about one image in sixteen has none."""
    height, width = generator.integers(config.min_side, config.max_side + 1, 2)
    canvas = _background(part.photographs, int(height), int(width), generator)
    count = 0 if generator.random() < 1 / 16 else int(generator.integers(2, 11))
    wanted = [True] * count + [False] * int(generator.integers(0, 4))
    placed: list[Pasted] = []
    for is_face in generator.permutation(np.array(wanted, dtype=bool)):
        crops = part.faces if is_face else part.others
        crop = crops[generator.integers(len(crops))]
        largest = min(config.max_face, 0.7 * min(height, width))
        side = float(np.exp(generator.uniform(np.log(config.min_face), np.log(largest))))
        angle = float(np.clip(generator.normal(0, 12), -30, 30))
        spot = _free_spot(canvas.shape, side, angle, placed, generator)
        if spot is not None:
            placed.append(paste(canvas, crop, spot, side, angle, bool(is_face), generator))
    return canvas, [each for each in placed if each.is_face]


def same_person_groups(faces: Crops) -> list[list[int]]:
    """Return the indices of faces grouped so that near-duplicates (correlation above 0.8) stay
    together."""
    flat = faces.reshape(len(faces), -1)
    similar = np.corrcoef(flat) > _SAME_PERSON
    group = np.arange(len(faces))
    for first, second in np.argwhere(np.triu(similar, 1)):
        group[group == group[second]] = group[first]
    return [np.flatnonzero(group == each).tolist() for each in np.unique(group)]


def split_faces(faces: Crops) -> tuple[list[int], list[int]]:
    """Return the indices of training and validation faces; no group is divided."""
    train: list[int] = []
    val: list[int] = []
    for group in sorted(same_person_groups(faces), key=len):
        (val if len(val) + len(group) <= _VALIDATION_FACES else train).extend(group)
    return sorted(train), sorted(val)


def _load_parts() -> dict[str, Part]:
    data = need("skimage.data", "nasface[sample]")
    crops = np.asarray(data.lfw_subset(), dtype=np.float32)
    faces, others = crops[:_FACES], crops[_FACES:]
    train, val = split_faces(faces)
    chosen = {"train": (train, slice(None, 75)), "val": (val, slice(75, None))}
    return {
        part: Part(
            faces[indices],
            others[rest],
            tuple(_photograph(data, name) for name in PHOTOGRAPHS[part]),
        )
        for part, (indices, rest) in chosen.items()
    }


def _photograph(data: Any, name: str) -> Image:
    picture = data.stereo_motorcycle()[0] if name == "motorcycle" else getattr(data, name)()
    picture = np.asarray(picture)
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    return np.ascontiguousarray(picture[..., :3], dtype=np.uint8)


def _background(
    photographs: tuple[Image, ...], height: int, width: int, generator: np.random.Generator
) -> Image:
    picture = photographs[generator.integers(len(photographs))]
    # The photographs are few: windows of any size and direction make them go further.
    picture = np.rot90(picture, int(generator.integers(4)))
    fit = min(picture.shape[0] / height, picture.shape[1] / width)
    scale = fit * float(np.exp(generator.uniform(np.log(0.2), 0.0)))
    rows, columns = max(8, int(height * scale)), max(8, int(width * scale))
    top = generator.integers(0, picture.shape[0] - rows + 1)
    left = generator.integers(0, picture.shape[1] - columns + 1)
    window = picture[top : top + rows, left : left + columns]
    if generator.random() < 0.5:
        window = window[:, ::-1]
    method = cv2.INTER_AREA if scale > 1 else cv2.INTER_CUBIC
    resized = cv2.resize(np.ascontiguousarray(window), (width, height), interpolation=method)
    return _recoloured(np.asarray(resized, np.uint8), generator)


def _recoloured(image: Image, generator: np.random.Generator) -> Image:
    """Return the picture with other colours: channels swapped, some negatives, gain, tint and
    gamma."""
    level = image[..., generator.permutation(3)] / 255.0
    if generator.random() < 0.2:
        level = 1 - level
    level = level ** generator.uniform(0.6, 1.6)
    gains = generator.uniform(0.6, 1.3) * generator.uniform(0.85, 1.15, 3)
    return np.clip(255 * level * gains, 0, 255).astype(np.uint8)


def _free_spot(
    shape: tuple[int, ...],
    side: float,
    angle: float,
    placed: list[Pasted],
    generator: np.random.Generator,
) -> tuple[float, float] | None:
    """Return a centre (x, y) at which the box lies inside the image and barely touches another."""
    half_width, half_height = rotated_extent(side, angle)
    for _ in range(30):
        x = generator.uniform(half_width, shape[1] - half_width)
        y = generator.uniform(half_height, shape[0] - half_height)
        box = np.array([x - half_width, y - half_height, x + half_width, y + half_height])
        if all(_overlap(box, other.box) < 0.1 for other in placed):
            return float(x), float(y)
    return None


def _overlap(box: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the intersection over the area of the smaller box."""
    shared = np.clip(np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2]), 0, None)
    smaller = min(float((b[2:] - b[:2]).prod()) for b in (box, other))
    return float(shared.prod()) / smaller


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
