"""Which anchor answers for which face (S3FD, DSFD)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nasface.errors import ConfigError
from nasface.faces.boxes import area, intersection, iou
from nasface.faces.types import Targets

BACKGROUND = -1
IGNORED = -2


@dataclass(frozen=True)
class MatchConfig:
    """When an anchor belongs to a face."""

    positive: float = 0.4
    """IoU from which an anchor belongs to the face it overlaps most."""
    compensate: int = 0
    """A face with fewer anchors than this takes its next best ones, as in S3FD; 0 switches it off
    (DSFD)."""
    compensation_iou: float = 0.1
    """Least IoU of an anchor taken in this way."""

    def __post_init__(self) -> None:
        if not 0 < self.compensation_iou <= self.positive <= 1 or self.compensate < 0:
            raise ConfigError(
                f"positive {self.positive}, compensation_iou {self.compensation_iou}, compensate "
                f"{self.compensate}: expected 0 < compensation_iou <= positive <= 1 and 0 or more"
            )


@dataclass(frozen=True)
class Matches:
    """``face_A``: index of the face an anchor belongs to, else BACKGROUND or IGNORED."""

    face_A: Tensor


def match(anchors_A4: Tensor, targets: Targets, config: MatchConfig) -> Matches:
    """Assign the anchors of one image."""
    face = torch.full((len(anchors_A4),), BACKGROUND, device=anchors_A4.device)
    asked = torch.nonzero(~targets.ignore_M & (area(targets.boxes_M4) > 0)).squeeze(1)
    if len(asked):
        overlap = iou(anchors_A4, targets.boxes_M4[asked])
        best, owner = overlap.max(dim=1)
        face = torch.where(best >= config.positive, asked[owner], face)
        if config.compensate:
            _compensate(face, overlap, asked, config)
        _force_best(face, overlap, asked)
    ignored = targets.boxes_M4[targets.ignore_M]
    if len(ignored):
        inside = intersection(anchors_A4, ignored) / area(anchors_A4)[:, None].clamp(min=1e-7)
        covered = (inside >= 0.5) | (iou(anchors_A4, ignored) >= config.positive)
        face[(face == BACKGROUND) & covered.any(dim=1)] = IGNORED
    return Matches(face)


def _force_best(face_A: Tensor, overlap_AM: Tensor, asked: Tensor) -> None:
    """Give each face its best anchor; where two want the same, the later takes its next best."""
    taken: set[int] = set()
    depth = min(len(overlap_AM), 1 + len(asked), 16)
    values, ranked = overlap_AM.topk(depth, dim=0)
    order = values[0].argsort(descending=True, stable=True)
    wishes, worth = ranked.T.tolist(), values.T.tolist()
    for column in order.tolist():
        for anchor, value in zip(wishes[column], worth[column], strict=True):
            if anchor not in taken and value > 0:
                taken.add(anchor)
                face_A[anchor] = asked[column]
                break


def _compensate(face_A: Tensor, overlap_AM: Tensor, asked: Tensor, config: MatchConfig) -> None:
    depth = min(len(overlap_AM), config.compensate)
    values, ranked = overlap_AM.topk(depth, dim=0)
    for column, index in enumerate(asked.tolist()):
        missing = config.compensate - int((face_A == index).sum())
        free = (face_A[ranked[:, column]] == BACKGROUND) & (
            values[:, column] > config.compensation_iou
        )
        if missing > 0:
            face_A[ranked[free, column][:missing]] = index
