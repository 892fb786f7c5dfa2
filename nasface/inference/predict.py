"""From images to detections with a trained detector."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from nasface.arrays import Image
from nasface.data.tensors import to_batch
from nasface.detection.boxes import clip, decode, iou, non_maximum_suppression
from nasface.device import use_one_thread_after_fork
from nasface.errors import ConfigError
from nasface.inference.tta import (
    Preset,
    View,
    box_voting,
    concatenate,
    describe,
    filter_by_size,
    views_of,
)
from nasface.kinds import Settings
from nasface.nn.blocks import memory_format
from nasface.structures import Candidates, Detections, Predictions

VOTER_SHARE = 0.25
"""Score of the weakest candidate that votes for a detection's box, as a share of its score."""

_VOTED_AT_ONCE = 64
_BELOW_ONE = math.nextafter(1, 0)


@dataclass(frozen=True, kw_only=True)
class SuppressionConfig(Settings):
    """From candidates to detections (ASFD section 4.1: 5000 -> NMS 0.3 -> 750)."""

    score_threshold: float = 0.02
    """Detections below this score are dropped before suppression."""
    pre_nms_top_k: int = 5000
    """Detections that enter non-maximum suppression, best first."""
    nms_iou: float = 0.3
    """Intersection over union above which the weaker of two detections is dropped."""
    max_detections: int = 750
    """Detections kept per image."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.score_threshold < 1 or not 0 < self.nms_iou <= 1:
            raise ConfigError(
                f"score_threshold {self.score_threshold}, nms_iou {self.nms_iou}: "
                "expected [0, 1) and (0, 1]"
            )
        if self.max_detections < 1 or self.pre_nms_top_k < 1:
            raise ConfigError(
                f"max_detections {self.max_detections}, pre_nms_top_k {self.pre_nms_top_k}: "
                "expected 1 or more"
            )


@dataclass(frozen=True, kw_only=True)
class InferenceConfig(SuppressionConfig):
    """Settings of inference: how a detector is applied to an image."""

    __test__ = False  # not a test class, whatever pytest thinks of its name

    preset: Preset = "original"
    """Sizes at which an image is shown to the detector. original: once, at its size or with the
    longer side below; octaves: also at half of it, a quarter and so on, until the longer side is at
    most 640, so that faces of any size are found; vga: once, longer side 640; flip: also mirrored,
    with box voting; pyramid: the scales of DSFD, with box voting."""
    longer_side: int | None = None
    """Resize so that the longer side has this many pixels; null keeps the original size. For
    presets original, octaves and flip."""
    vote_iou: float | None = None
    """Box voting: the box of a detection becomes the mean of all boxes that overlap it by this much
    before suppression, weighted by score; null keeps its own box."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.preset in ("vga", "pyramid") and self.longer_side is not None:
            raise ConfigError(f"longer_side: not together with preset {self.preset}")
        if self.longer_side is not None and self.longer_side < 32:
            raise ConfigError(f"longer_side: {self.longer_side} is below 32 pixels")
        if self.vote_iou is not None and not 0 < self.vote_iou <= 1:
            raise ConfigError(f"vote_iou: {self.vote_iou}, expected (0, 1] or null")

    def describe(self) -> str:
        """Return the test sizes in words."""
        return describe(self.preset, self.longer_side)

    def finding_from(self, score: float) -> Self:
        """Return the settings that find the same detections from ``score`` on, for less time.

        No weaker detection removes or moves a better one, but for box voting: that over views takes
        all, that of ``vote_iou`` all from a share of the score on.
        """
        if self.preset in ("flip", "pyramid"):
            return self
        score *= 1 if self.vote_iou is None else VOTER_SHARE
        least = min(max(self.score_threshold, score), _BELOW_ONE)
        return replace(self, score_threshold=least)


def octaves() -> InferenceConfig:
    """Return the settings by which pictures of any size are looked at where none are given."""
    return InferenceConfig(preset="octaves")


def check_network(detector: nn.Module, config: InferenceConfig) -> None:
    """Raise ConfigError for settings that cannot be applied to what a network gives."""
    if config.vote_iou is not None and getattr(detector, "suppressed", False):
        raise ConfigError(
            "vote_iou: the file's own suppression has dropped the boxes that would vote, expected "
            "null or a file with other outputs"
        )


def detect(detector: nn.Module, image_HW3: Image, config: InferenceConfig) -> Detections:
    """Return the faces of one RGB image, in its own pixels.

    ``detector`` maps images (B, 3, H, W) to :class:`Predictions` or :class:`Candidates`, in
    evaluation mode.
    """
    return detect_batch(detector, [image_HW3], config)[0]


def detect_batch(
    detector: nn.Module, images: Sequence[Image], config: InferenceConfig
) -> list[Detections]:
    """Return the faces of RGB images of one size, seen as a batch.

    Raises:
        ConfigError: as :func:`check_network`.
    """
    check_network(detector, config)
    use_one_thread_after_fork()
    height, width = images[0].shape[:2]
    views = views_of(config.preset, height, width, config.longer_side)
    if config.preset == "octaves" and getattr(detector, "only", None) is not None:
        views = [replace(views[0], below=math.inf)]  # a file of a single size
    by_view = [_detect_view(detector, images, view, config) for view in views]
    if len(views) == 1:
        return by_view[0]
    return [_merged(concatenate(list(found)), config) for found in zip(*by_view, strict=True)]


def _merged(found: Detections, config: InferenceConfig) -> Detections:
    """Return the detections of all views of an image as one list, best score first."""
    if config.preset != "octaves":
        return box_voting(found, config.max_detections)
    kept = non_maximum_suppression(
        found.boxes_N4,
        found.scores_N,
        config.nms_iou,
        before=config.pre_nms_top_k,
        keep=config.max_detections,
    )
    return Detections(found.boxes_N4[kept], found.scores_N[kept])


def _detect_view(
    detector: nn.Module, images: Sequence[Image], view: View, config: InferenceConfig
) -> list[Detections]:
    """Return what a view shows of each image, in pixels of the image."""
    height, width = images[0].shape[:2]
    scaled = [resize_by(image, view.scale) for image in images]
    rows, columns = scaled[0].shape[:2]
    weight = next((each for each in detector.parameters() if each.is_floating_point()), None)
    with torch.inference_mode():
        batch = to_batch(scaled)
        batch = batch.flip(3) if view.flip else batch
        # A detector of another runtime, which has no parameters, takes its images as they are.
        if weight is not None:
            batch = batch.to(weight).contiguous(memory_format=memory_format(weight.device))
        output: Predictions | Candidates = detector(batch)
        found = [suppress(output, config, at, config.vote_iou) for at in range(len(images))]
    ratio = torch.tensor([width / columns, height / rows]).repeat(2)
    results = []
    for each in found:
        boxes_N4 = each.boxes_N4.cpu()
        if view.flip:
            x1, y1, x2, y2 = boxes_N4.unbind(1)
            boxes_N4 = torch.stack([columns - x2, y1, columns - x1, y2], dim=1)
        boxes_N4 = clip(boxes_N4 * ratio, height, width)
        results.append(filter_by_size(Detections(boxes_N4, each.scores_N.cpu()), view))
    return results


def suppress(
    output: Predictions | Candidates,
    config: SuppressionConfig,
    image: int = 0,
    vote_iou: float | None = None,
) -> Detections:
    """Return the detections of one image of a batch, in pixels of the network's input.

    With ``vote_iou`` their boxes are those of :func:`vote`.
    """
    if isinstance(output, Candidates):
        scores_A = output.scores_BA[image]
    else:
        scores_A = output.logits_BA2[image].float().softmax(dim=1)[:, 1]
    candidates = torch.nonzero(scores_A >= config.score_threshold).squeeze(1)
    if isinstance(output, Candidates):
        boxes = output.boxes_BA4[image, candidates]
    else:
        # Decoded only now: few anchors are candidates.
        deltas = output.deltas_BA4[image, candidates].float()
        boxes = decode(deltas, output.anchors_A4[candidates])
    kept = non_maximum_suppression(
        boxes,
        scores_A[candidates],
        config.nms_iou,
        before=config.pre_nms_top_k,
        keep=config.max_detections,
    )
    scores = scores_A[candidates]
    if vote_iou is not None:
        return Detections(vote(boxes, scores, kept, vote_iou), scores[kept])
    return Detections(boxes[kept], scores[kept])


def vote(boxes_N4: Tensor, scores_N: Tensor, kept_K: Tensor, least_iou: float) -> Tensor:
    """Return boxes (K, 4) of the detections ``kept_K`` (K,), moved by all that overlap them.

    Box voting of Gidaris and Komodakis (arXiv 1505.01749): the mean, weighted by score, of the
    boxes whose IoU with the detection is at least ``least_iou``. Deviation: boxes of less than
    :data:`VOTER_SHARE` of its score have no vote, so that the result is the same whatever lower
    score candidates start from.
    """
    voted = [boxes_N4[:0]]
    for kept in kept_K.split(_VOTED_AT_ONCE):
        least = VOTER_SHARE * scores_N[kept, None]
        votes = (iou(boxes_N4[kept], boxes_N4) >= least_iou) & (scores_N >= least)
        # A box without area overlaps nothing, itself included.
        votes[torch.arange(len(kept)), kept] = True
        weights = votes * scores_N
        voted.append((weights @ boxes_N4) / weights.sum(1, keepdim=True))
    return torch.cat(voted)


def resize_by(image_HW3: Image, scale: float) -> Image:
    """Return an image uint8 (H, W, 3) as the detector sees it at a scale, at least 1 x 1."""
    height, width = (max(1, round(side * scale)) for side in image_HW3.shape[:2])
    if (height, width) == image_HW3.shape[:2]:
        return image_HW3
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image_HW3, (width, height), interpolation=method), np.uint8)


def detections_as_rows(
    names: Iterable[str], detections: Iterable[Detections]
) -> list[dict[str, Any]]:
    """Return the detections as plain values: per image its name, boxes ``x1 y1 x2 y2`` and
    scores."""
    return [
        {
            "image": name,
            "boxes": [[round(v, 2) for v in box] for box in each.boxes_N4.tolist()],
            "scores": [round(score, 5) for score in each.scores_N.tolist()],
        }
        for name, each in zip(names, detections, strict=True)
    ]
