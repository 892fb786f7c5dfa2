"""Photographs of packs, decoded once into the memory of the device, with their faces."""

import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

LEVELS = 3
"""Sizes that are kept of each photograph: whole, half, quarter."""

_MOST_PIXELS = 1_350_000
"""Larger photographs are shrunk, which keeps the index of the last pixel of 1798 below 2**31."""

_LEAST_FACE = 6.0
"""Height in pixels of the photograph from which a face may be chosen for a crop."""

_FEW_EVENTS = ("1--", "4--", "13--", "19--", "20--")
"""Events of the larger, less varied part of the data, whose photographs are drawn half as often."""


@dataclass(frozen=True, eq=False)
class Photographs:
    """N photographs, each in L sizes, and at most F faces of each.

    ``pixels`` int32, red in the lowest byte, one photograph's rows behind the other's; ``start_NL``
    is where each begins, ``size_NL2`` its width and height. ``boxes_NF4`` are in pixels of the
    whole size; the first ``clear_N`` of the ``faces_N`` are those to learn from. ``weight_N`` says
    how often each is drawn.
    """

    pixels: Tensor
    start_NL: Tensor
    size_NL2: Tensor
    boxes_NF4: Tensor
    ignore_NF: Tensor
    faces_N: Tensor
    clear_N: Tensor
    weight_N: Tensor


def load_photographs(
    folders: Sequence[Path], device: torch.device, threads: int, limit: int | None = None
) -> Photographs:
    """All photographs of some packs."""
    started = time.perf_counter()
    entries = [(about, data) for folder in folders for about, data in _entries(folder)][:limit]
    sizes = np.array([_sizes(*_limited(*about["size"])) for about, _ in entries])
    areas = sizes.prod(2)
    starts = np.concatenate([[0], areas.flatten().cumsum()])
    pixels = torch.empty(int(starts[-1]), dtype=torch.int32, device=device)
    cv2.setNumThreads(1)
    with ThreadPoolExecutor(threads) as pool:
        decoded = pool.map(_decode, (data for _, data in entries))
        for at, whole in enumerate(decoded):
            first = starts[at * LEVELS]
            pixels[first : first + len(whole)].copy_(torch.from_numpy(whole))
    print(
        f"{len(entries)} photographs, {starts[-1] * 4 / 2**30:.1f} GiB, "
        f"{time.perf_counter() - started:.1f} s",
        flush=True,
    )
    start_NL = torch.from_numpy(starts[:-1].reshape(-1, LEVELS)).to(device)
    faces = [_faces(about["boxes"], about["ignore"]) for about, _ in entries]
    for at, (boxes, _) in enumerate(faces):
        boxes *= np.tile(sizes[at, 0] / entries[at][0]["size"], 2).astype(np.float32)
    most = max(len(boxes) for boxes, _ in faces)
    boxes_NF4 = np.zeros((len(faces), most, 4), np.float32)
    ignore_NF = np.ones((len(faces), most), bool)
    for at, (boxes, ignore) in enumerate(faces):
        boxes_NF4[at, : len(boxes)], ignore_NF[at, : len(boxes)] = boxes, ignore
    clear = np.array([int((~ignore).sum()) for _, ignore in faces])
    varied = np.array([not about["name"].startswith(_FEW_EVENTS) for about, _ in entries])
    weight = np.sqrt(1 + np.minimum(clear, 20)) * (1 + varied)
    return Photographs(
        pixels,
        start_NL,
        torch.from_numpy(sizes).to(device),
        torch.from_numpy(boxes_NF4).to(device),
        torch.from_numpy(ignore_NF).to(device),
        torch.tensor([len(boxes) for boxes, _ in faces], device=device),
        torch.from_numpy(clear).to(device),
        torch.from_numpy(weight.astype(np.float32)).to(device),
    )


def _entries(folder: Path) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Each photograph's entry in the index and its file."""
    with (folder / "photographs.bin").open("rb") as file:
        for about in json.loads((folder / "index.json").read_text()):
            yield about, file.read(about["bytes"])


def _limited(width: int, height: int) -> tuple[int, int]:
    """Width and height of a photograph in memory."""
    scale = min(1.0, (_MOST_PIXELS / (width * height)) ** 0.5)
    return int(width * scale), int(height * scale)


def _sizes(width: int, height: int) -> list[tuple[int, int]]:
    return [(-(-width // 2**at), -(-height // 2**at)) for at in range(LEVELS)]


def _decode(data: bytes) -> NDArray[np.int32]:
    """All sizes of a photograph, one behind the other."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise ValueError("a photograph cannot be decoded")
    image = cv2.cvtColor(image, cv2.COLOR_BGR2RGBA)
    sizes = _sizes(*_limited(image.shape[1], image.shape[0]))
    if sizes[0] != (image.shape[1], image.shape[0]):
        image = cv2.resize(image, sizes[0], interpolation=cv2.INTER_AREA)
    levels = [image]
    for size in sizes[1:]:
        levels.append(cv2.resize(levels[-1], size, interpolation=cv2.INTER_AREA))
    return np.concatenate([level.reshape(-1, 4).view(np.int32)[:, 0] for level in levels])


def _faces(
    boxes: list[list[float]], ignore: list[bool]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Faces with those to learn from in front; those too small for it are ignored."""
    boxes_M4 = np.array(boxes, np.float32).reshape(-1, 4)
    small_M = boxes_M4[:, 3] - boxes_M4[:, 1] < _LEAST_FACE
    ignore_M = np.array(ignore, bool) | small_M
    order = np.argsort(ignore_M, kind="stable")
    return boxes_M4[order], ignore_M[order]
