"""Matching of anchors and faces (S3FD, DSFD)."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nasface.detection.assignment import ASSIGNERS
from nasface.detection.boxes import area, intersection, iou
from nasface.errors import ConfigError
from nasface.kinds import Settings
from nasface.structures import Predictions, Targets

BACKGROUND = -1
IGNORED = -2

_PAIRS_AT_ONCE = 2**21


@dataclass(frozen=True)
class MatchConfig(Settings):
    """When an anchor belongs to a face."""

    assignment: str = "overlap"
    """Rule of assignment. overlap: by IoU with the anchors, the paper's; atss: by the statistics of
    a face's nearest anchors, and simota: by the cost of the predictions. Of the settings below,
    both read only `positive`, for ignored faces."""
    positive: float = 0.4
    """IoU from which an anchor belongs to the face it overlaps most."""
    negative: float | None = None
    """IoU below which an anchor is background; one between this and ``positive`` is ignored. null
    is ``positive``, which leaves no gap (DSFD)."""
    min_anchors_per_face: int = 0
    """A face with fewer anchors than this takes its next best ones, as in S3FD (6 there); 0
    switches it off (DSFD)."""
    compensation_iou: float = 0.1
    """IoU above which an anchor can be taken in this way."""

    def __post_init__(self) -> None:
        super().__post_init__()
        ASSIGNERS.find(self.assignment, "match.assignment")
        if not 0 < self.compensation_iou <= self.positive <= 1 or self.min_anchors_per_face < 0:
            raise ConfigError(
                f"positive {self.positive}, compensation_iou {self.compensation_iou}, "
                f"min_anchors_per_face {self.min_anchors_per_face}: "
                f"expected 0 < compensation_iou <= positive <= 1 and 0 or more"
            )
        if self.negative is not None and not 0 < self.negative <= self.positive:
            raise ConfigError(
                f"negative: {self.negative} is not above 0 and at most positive {self.positive}"
            )


@dataclass(frozen=True, eq=False)
class Matches:
    """``face_A`` int64: index of the face an anchor belongs to, else BACKGROUND or IGNORED."""

    face_A: Tensor


def match(anchors_A4: Tensor, targets: Targets, config: MatchConfig) -> Matches:
    """Assign the anchors of one image, by these rules; the earlier ones win.

    1. Every face that is neither ignored nor without area gets its best anchor, whatever the IoU.
       Where several want the same one, the highest IoU (then the first face) has it and the others
       choose again among the rest; every face gets one if that is possible at all.
    2. An anchor with IoU ``positive`` or more belongs to the face it overlaps most.
    3. Faces with fewer than ``min_anchors_per_face`` anchors, in their order, take their best free
       ones above ``compensation_iou``.
    4. An anchor with IoU ``negative`` or more is ignored.
    5. An anchor is ignored if half of it or more lies in one ignored face, or IoU ``positive``.

    The other anchors are background. Ties go to the first anchor and the first face.
    """
    face = torch.full((len(anchors_A4),), BACKGROUND, device=anchors_A4.device)
    asked = torch.nonzero(~targets.ignore_M & (area(targets.boxes_M4) > 0)).squeeze(1)
    if len(asked) and len(anchors_A4):
        overlap = torch.cat(list(_compare(iou, targets.boxes_M4[asked], anchors_A4)))
        best, owner = overlap.max(dim=0)
        face = torch.where(best >= config.positive, asked[owner], face)
        anchor_of = _best_anchors(overlap)
        face[list(anchor_of.values())] = asked[list(anchor_of)]
        if config.min_anchors_per_face:
            _compensate(face, overlap, asked.tolist(), config)
        if config.negative is not None:
            face = face.masked_fill((face == BACKGROUND) & (best >= config.negative), IGNORED)
    return Matches(ignore_covered(face, anchors_A4, targets, config.positive))


def assign_by_overlap(
    predictions: Predictions, targets: Sequence[Targets], config: MatchConfig
) -> list[Matches]:
    """Run :func:`match` for each image of a batch; of the predictions only the anchors count."""
    return [match(predictions.anchors_A4, each, config) for each in targets]


def ignore_covered(face_A: Tensor, anchors_A4: Tensor, targets: Targets, positive: float) -> Tensor:
    """Apply rule 5 of :func:`match`: return ``face_A`` with IGNORED where background lies in an
    ignored face."""
    covered = _covered(anchors_A4, targets.boxes_M4[targets.ignore_M], positive)
    return face_A.masked_fill((face_A == BACKGROUND) & covered, IGNORED)


def _compare(
    measure: Callable[[Tensor, Tensor], Tensor], boxes_M4: Tensor, anchors_A4: Tensor
) -> Iterator[Tensor]:
    """Yield the rows (m, A) of a pairwise measure, few enough at a time to keep its temporaries
    small."""
    rows = max(1, _PAIRS_AT_ONCE // max(1, len(anchors_A4)))
    for some in torch.split(boxes_M4, rows):
        yield measure(some, anchors_A4)


def _best_anchors(overlap_MA: Tensor) -> dict[int, int]:
    """Apply rule 1 of :func:`match`: return face -> its anchor."""
    anchor_of: dict[int, int] = {}
    left_over: list[int] = []
    waiting = list(range(len(overlap_MA)))
    while waiting:
        free = overlap_MA[waiting]
        free[:, list(anchor_of.values())] = 0
        worth, wish = (each.tolist() for each in free.max(dim=1))
        taken: set[int] = set()
        again: list[int] = []
        for at in sorted(range(len(waiting)), key=lambda at: -worth[at]):
            if worth[at] <= 0:
                left_over.append(waiting[at])
            elif wish[at] in taken:
                again.append(waiting[at])
            else:
                taken.add(wish[at])
                anchor_of[waiting[at]] = wish[at]
        waiting = sorted(again)
    for face in sorted(left_over):
        _make_room(face, overlap_MA, anchor_of)
    return anchor_of


def _make_room(face: int, overlap_MA: Tensor, anchor_of: dict[int, int]) -> None:
    """Move other faces to anchors that they overlap less, if that frees one for this face.

    The shortest augmenting path of bipartite matching; nothing changes where there is none.
    """
    face_of = {anchor: holder for holder, anchor in anchor_of.items()}
    reached_from: dict[int, int] = {}
    queue = deque([face])
    while queue:
        asking = queue.popleft()
        for anchor in _ranked(overlap_MA[asking], overlap_MA[asking] > 0).tolist():
            if anchor in reached_from:
                continue
            reached_from[anchor] = asking
            if anchor in face_of:
                queue.append(face_of[anchor])
                continue
            step: int | None = anchor
            while step is not None:
                mover = reached_from[step]
                previous = anchor_of.get(mover)
                anchor_of[mover] = step
                step = previous
            return


def _compensate(face_A: Tensor, overlap_MA: Tensor, faces: list[int], config: MatchConfig) -> None:
    """Apply rule 3 of :func:`match` in place; ``faces`` are the indices that the rows of
    ``overlap_MA`` stand for."""
    for overlap_A, face in zip(overlap_MA, faces, strict=True):
        missing = config.min_anchors_per_face - int((face_A == face).sum())
        if missing > 0:
            free_A = (face_A == BACKGROUND) & (overlap_A > config.compensation_iou)
            face_A[_ranked(overlap_A, free_A)[:missing]] = face


def _ranked(overlap_A: Tensor, chosen_A: Tensor) -> Tensor:
    """Return chosen anchors, best first."""
    anchors = torch.nonzero(chosen_A).squeeze(1)
    return anchors[overlap_A[anchors].argsort(descending=True, stable=True)]


def _covered(anchors_A4: Tensor, ignored_M4: Tensor, positive: float) -> Tensor:
    """Return which anchors lie in an ignored face: (A,) bool."""
    half_A = area(anchors_A4) / 2
    covered = torch.zeros_like(half_A, dtype=torch.bool)
    for shared in _compare(intersection, ignored_M4, anchors_A4):
        covered |= ((shared >= half_A) & (shared > 0)).any(dim=0)
    for overlap in _compare(iou, ignored_M4, anchors_A4):
        covered |= (overlap >= positive).any(dim=0)
    return covered
