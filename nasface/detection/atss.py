"""Adaptive assignment of anchors to faces (ATSS, Zhang et al., CVPR 2020, arXiv 1912.02424).

It takes whole batches of padded targets without a loop, so that a GPU need not wait for the CPU.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from nasface.detection.boxes import paired_iou
from nasface.detection.matching import IGNORED, MatchConfig, Matches
from nasface.structures import Predictions, Targets

NEAREST = 9
"""Candidates of a face on each level (paper, section 3.2)."""

_REACH = {1: 5, 2: 3}
"""Anchors at a position -> side of the square of positions among which the nearest nine lie."""


def assign_by_atss(
    predictions: Predictions, targets: Sequence[Targets], config: MatchConfig
) -> list[Matches]:
    """Run :func:`assign_adaptively` for each image of a batch; anchors of ignored faces are
    ignored.

    The rule has no settings: it finds its own bound for each face.
    """
    grid = predictions.grid
    boxes_BM4 = pad_sequence([each.boxes_M4 for each in targets], batch_first=True)
    ignore_BM = pad_sequence([each.ignore_M for each in targets], batch_first=True)
    if not boxes_BM4.shape[1]:
        boxes_BM4, ignore_BM = boxes_BM4.new_zeros(len(targets), 1, 4), ignore_BM.new_zeros(1, 1)
    owner_BA = assign_adaptively(
        predictions.anchors_A4,
        [(each.rows, each.columns) for each in grid],
        [each.stride for each in grid],
        boxes_BM4,
        # Padding has no area, as have faces that ask for nothing.
        (boxes_BM4[..., 2:] > boxes_BM4[..., :2]).all(2),
    )
    ignored_BA = (owner_BA >= 0) & ignore_BM.expand(len(targets), -1).gather(
        1, owner_BA.clamp(min=0)
    )
    return [Matches(each) for each in owner_BA.masked_fill(ignored_BA, IGNORED)]


def assign_adaptively(
    anchors_A4: Tensor,
    sizes: Sequence[tuple[int, int]],
    strides: Sequence[int],
    boxes_BM4: Tensor,
    exists_BM: Tensor,
    nearest: int = NEAREST,
) -> Tensor:
    """Return the face that each anchor belongs to, or -1: (B, A) int64.

    ``anchors_A4`` are those of :func:`make_anchors` for maps of ``sizes`` (rows, columns);
    ``exists_BM`` tells faces from padding. On each level, the ``nearest`` anchors by their centres
    are candidates; those are positive whose IoU is at least the mean of the candidates' plus their
    standard deviation and whose centre lies in the face. An anchor of several faces belongs to the
    one it overlaps most.

    Deviation: a face without such an anchor has its candidate of greatest IoU, so that faces
    between the centres of a coarse grid teach, too.
    """
    batch, faces = exists_BM.shape
    index_BMK = _candidates(anchors_A4, sizes, strides, boxes_BM4, nearest)
    candidates = anchors_A4[index_BMK]
    boxes = boxes_BM4[:, :, None].expand_as(candidates)
    overlap_BMK = paired_iou(candidates, boxes)
    bound_BM1 = overlap_BMK.mean(2, keepdim=True) + overlap_BMK.std(2, keepdim=True)
    centre = (candidates[..., :2] + candidates[..., 2:]) / 2
    inside_BMK = ((centre > boxes[..., :2]) & (centre < boxes[..., 2:])).all(3)
    positive_BMK = (overlap_BMK >= bound_BM1) & inside_BMK
    best_BMK = torch.zeros_like(positive_BMK).scatter_(
        2, overlap_BMK.argmax(2, keepdim=True), value=True
    )
    positive_BMK |= best_BMK & ~positive_BMK.any(2, keepdim=True) & (overlap_BMK > 0)
    positive_BMK &= exists_BM[:, :, None]
    worth_BN = torch.where(positive_BMK, overlap_BMK, -1.0).flatten(1)
    index_BN = index_BMK.flatten(1)
    best_BA = worth_BN.new_full((batch, len(anchors_A4)), -1.0)
    best_BA = best_BA.scatter_reduce(1, index_BN, worth_BN, "amax")
    wins_BN = positive_BMK.flatten(1) & (worth_BN == best_BA.gather(1, index_BN))
    face_BN = torch.arange(faces, device=anchors_A4.device)[None, :, None].expand_as(index_BMK)
    owner_BN = torch.where(wins_BN, face_BN.flatten(1), -1)
    owner_BA = torch.full_like(best_BA, -1, dtype=torch.int64)
    return owner_BA.scatter_reduce(1, index_BN, owner_BN, "amax")


def _candidates(
    anchors_A4: Tensor,
    sizes: Sequence[tuple[int, int]],
    strides: Sequence[int],
    boxes_BM4: Tensor,
    nearest: int,
) -> Tensor:
    """Return the indices (B, M, K) of the anchors with the centres nearest to each face's.

    Level by level; they lie in a square of positions around the face, moved into the map where it
    would leave it.
    """
    centre_BM2 = (boxes_BM4[..., :2] + boxes_BM4[..., 2:]) / 2
    positions = sum(rows * columns for rows, columns in sizes)
    at_position = len(anchors_A4) // positions
    window = _REACH[min(2, at_position)]
    device = anchors_A4.device
    found, first = [], 0
    for (rows, columns), stride in zip(sizes, strides, strict=True):
        cell_BM2 = (centre_BM2 / stride).floor().long()
        across, down = min(window, columns), min(window, rows)
        left_BM = (cell_BM2[..., 0] - across // 2).clamp(0, columns - across)
        top_BM = (cell_BM2[..., 1] - down // 2).clamp(0, rows - down)
        x = left_BM[..., None, None] + torch.arange(across, device=device)
        y = top_BM[..., None, None] + torch.arange(down, device=device)[:, None]
        dx = (x + 0.5) * stride - centre_BM2[..., 0, None, None]
        dy = (y + 0.5) * stride - centre_BM2[..., 1, None, None]
        distance = (dx.square() + dy.square()).flatten(2).repeat_interleave(at_position, 2)
        position = (y * columns + x).flatten(2)[..., None] * at_position
        index = (first + position + torch.arange(at_position, device=device)).flatten(2)
        order = distance.sort(dim=2, stable=True).indices[..., :nearest]
        found.append(index.gather(2, order))
        first += rows * columns * at_position
    return torch.cat(found, dim=2)
