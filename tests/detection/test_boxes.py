import math
from fractions import Fraction
from functools import partial

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from nasface.detection.boxes import (
    OverlapLoss,
    area,
    clip,
    decode,
    encode,
    intersection,
    iou,
    non_maximum_suppression,
    overlap_loss,
)

Box = tuple[int, int, int, int]


@st.composite
def grid_boxes(draw: st.DrawFn, side: int = 9) -> Box:
    """Corners on a small grid: ties, touching and empty boxes are frequent, floats exact."""
    x1, x2 = sorted(draw(st.tuples(st.integers(0, side), st.integers(0, side))))
    y1, y2 = sorted(draw(st.tuples(st.integers(0, side), st.integers(0, side))))
    return x1, y1, x2, y2


def lists(most: int) -> st.SearchStrategy[list[Box]]:
    return st.lists(grid_boxes(), max_size=most)


def tensor(boxes: list[Box]) -> Tensor:
    return torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)


def cells(box: Box) -> set[tuple[int, int]]:
    """The unit squares that a box covers."""
    x1, y1, x2, y2 = box
    return {(x, y) for x in range(x1, x2) for y in range(y1, y2)}


def exact_iou(a: Box, b: Box) -> Fraction:
    union = cells(a) | cells(b)
    return Fraction(len(cells(a) & cells(b)), len(union)) if union else Fraction(0)


def naive_suppression(
    boxes: list[Box], scores: list[float], threshold: Fraction, before: int, keep: int
) -> list[int]:
    waiting = sorted(range(len(boxes)), key=lambda at: (-scores[at], at))[:before]
    kept: list[int] = []
    for at in waiting:
        if all(exact_iou(boxes[at], boxes[other]) <= threshold for other in kept):
            kept.append(at)
    return kept[:keep]


@settings(deadline=None)
@given(lists(5), lists(5))
def test_pairwise_measures_count_unit_squares(some: list[Box], others: list[Box]) -> None:
    assert area(tensor(some)).tolist() == [len(cells(box)) for box in some]
    shared = [[len(cells(a) & cells(b)) for b in others] for a in some]
    assert torch.equal(
        intersection(tensor(some), tensor(others)),
        torch.tensor(shared, dtype=torch.float32).reshape(len(some), len(others)),
    )
    expected = [[float(exact_iou(a, b)) for b in others] for a in some]
    torch.testing.assert_close(
        iou(tensor(some), tensor(others)),
        torch.tensor(expected, dtype=torch.float32).reshape(len(some), len(others)),
    )


def test_inverted_boxes_have_no_area() -> None:
    inverted = torch.tensor([[5.0, 5.0, 1.0, 1.0], [5.0, 1.0, 1.0, 5.0]])
    assert area(inverted).tolist() == [0, 0]
    assert iou(inverted, inverted).tolist() == [[0, 0], [0, 0]]


@settings(deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1e-3, 1.0, 1e4, 1e8]))
def test_iou_is_symmetric_bounded_and_one_with_itself(seed: int, size: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(6, 2, generator=generator)
    boxes = torch.cat([corner, corner + torch.rand(6, 2, generator=generator)], dim=1) * size
    overlap = iou(boxes, boxes)
    assert torch.equal(overlap, overlap.T)
    assert overlap.min() >= 0
    assert overlap.max() <= 1
    assert torch.equal(overlap.diagonal(), torch.ones(6))


def test_iou_of_boxes_far_below_a_pixel() -> None:
    boxes = torch.tensor([[0, 0, 1e-8, 1e-8], [0, 0, 5e-9, 1e-8]])
    torch.testing.assert_close(iou(boxes, boxes), torch.tensor([[1, 0.5], [0.5, 1]]))


def test_clip_cuts_at_the_four_borders() -> None:
    boxes = torch.tensor([[-3.0, -4.0, 50.0, 60.0], [1.0, 2.0, 3.0, 4.0], [90.0, 90.0, 95.0, 99.0]])
    assert clip(boxes, height=20, width=30).tolist() == [
        [0, 0, 30, 20],
        [1, 2, 3, 4],
        [30, 20, 30, 20],
    ]
    assert clip(boxes[:0], 20, 30).shape == (0, 4)


def test_encode_is_the_ssd_code() -> None:
    anchor = torch.tensor([[10.0, 20.0, 30.0, 60.0]])  # 20 x 40 around (20, 40)
    box = torch.tensor([[19.0, 34.0, 29.0, 54.0]])  # 10 x 20 around (24, 44)
    expected = [4 / 20 / 0.1, 4 / 40 / 0.1, math.log(0.5) / 0.2, math.log(0.5) / 0.2]
    torch.testing.assert_close(encode(box, anchor), torch.tensor([expected]))
    assert decode(torch.zeros(1, 4), anchor).tolist() == anchor.tolist()


@settings(deadline=None)
@given(grid_boxes(), grid_boxes())
def test_decode_inverts_encode(box: Box, anchor: Box) -> None:
    assume(cells(anchor))
    boxes, anchors = tensor([box]), tensor([anchor])
    assert encode(boxes, anchors).isfinite().all()
    torch.testing.assert_close(decode(encode(boxes, anchors), anchors), boxes, atol=1e-4, rtol=0)


def test_decode_does_not_overflow() -> None:
    anchor = torch.tensor([[0.0, 0.0, 16.0, 16.0]])
    deltas = torch.tensor([[0.0, 0.0, 1e30, 1e4]], requires_grad=True)
    box = decode(deltas, anchor)
    torch.testing.assert_close(box, torch.tensor([[-7992.0, -7992.0, 8008.0, 8008.0]]))
    box.sum().backward()
    assert deltas.grad is not None
    assert deltas.grad.isfinite().all()
    assert decode(torch.full((1, 4), -1e4), anchor).isfinite().all()


def test_coding_without_boxes() -> None:
    empty = torch.empty(0, 4)
    assert encode(empty, empty).shape == decode(empty, empty).shape == (0, 4)


@settings(deadline=None)
@given(
    st.lists(st.tuples(grid_boxes(), st.sampled_from([0.1, 0.5, 0.9])), max_size=25),
    st.sampled_from([Fraction(0), Fraction(3, 10), Fraction(1, 2), Fraction(1)]),
    st.integers(0, 30),
    st.integers(0, 30),
)
def test_suppression_equals_the_naive_loop(
    scored: list[tuple[Box, float]], threshold: Fraction, before: int, keep: int
) -> None:
    boxes, scores = [box for box, _ in scored], [score for _, score in scored]
    kept = non_maximum_suppression(
        tensor(boxes), torch.tensor(scores), float(threshold), before=before, keep=keep
    )
    assert kept.dtype == torch.int64
    assert kept.tolist() == naive_suppression(boxes, scores, threshold, before, keep)


@pytest.mark.parametrize("keep", [20, 150, 750])
def test_suppression_over_many_boxes_equals_the_naive_loop(keep: int) -> None:
    generator = torch.Generator().manual_seed(keep)
    corner = torch.randint(0, 60, (500, 2), generator=generator)
    size = torch.randint(0, 12, (500, 2), generator=generator)
    boxes = [tuple(row) for row in torch.cat([corner, corner + size], dim=1).tolist()]
    scores = (torch.randint(0, 50, (500,), generator=generator) / 50).tolist()
    kept = non_maximum_suppression(tensor(boxes), torch.tensor(scores), 0.3, before=450, keep=keep)
    expected = naive_suppression(boxes, scores, Fraction(3, 10), 450, keep)
    assert kept.tolist() == expected
    assert 128 * (keep > 128) < len(expected) <= keep  # more than one block


def test_so_many_boxes_enter_and_stay_where_nothing_is_said() -> None:
    left = torch.arange(5002.0) * 3
    boxes = torch.stack([left, torch.zeros(5002), left + 2, torch.ones(5002)], dim=1)
    scores = torch.linspace(1, 0, 5002)
    assert non_maximum_suppression(boxes, scores, 0.5).tolist() == list(range(750))
    assert len(non_maximum_suppression(boxes, scores, 0.5, keep=6000)) == 5000


def test_suppression_follows_a_chain_of_overlaps() -> None:
    # Each box overlaps its neighbours only, so that every second one stays.
    left = torch.arange(300.0) * 5
    boxes = torch.stack([left, torch.zeros(300), left + 10, torch.full((300,), 10.0)], dim=1)
    scores = torch.linspace(1, 0, 300)
    kept = non_maximum_suppression(boxes, scores, 0.3)
    assert kept.tolist() == list(range(0, 300, 2))


def exact_overlap_loss(box: Box, target: Box, kind: str) -> float:
    """By the definitions, number by number; aspect ratios and enclosing areas with care for 0."""
    width = max(box[2], target[2]) - min(box[0], target[0])
    height = max(box[3], target[3]) - min(box[1], target[1])
    overlap = float(exact_iou(box, target))
    if kind == "giou":
        areas = [(each[2] - each[0]) * (each[3] - each[1]) for each in (box, target)]
        shared = max(0, min(box[2], target[2]) - max(box[0], target[0]))
        shared *= max(0, min(box[3], target[3]) - max(box[1], target[1]))
        union, outer = sum(areas) - shared, width * height
        return 1 - overlap + ((outer - union) / outer if outer else 0)
    across = (box[0] + box[2] - target[0] - target[2]) / 2
    down = (box[1] + box[3] - target[1] - target[3]) / 2
    diagonal = width**2 + height**2
    loss = 1 - overlap + ((across**2 + down**2) / diagonal if diagonal else 0)
    if kind == "diou":
        return loss
    angles = [math.atan2(max(e[3] - e[1], 1e-6), max(e[2] - e[0], 1e-6)) for e in (box, target)]
    shape = 4 / math.pi**2 * (angles[1] - angles[0]) ** 2
    return loss + (shape**2 / (1 - overlap + shape) if shape else 0)


@settings(deadline=None)
@given(
    st.lists(st.tuples(grid_boxes(), grid_boxes()), max_size=6),
    st.sampled_from(["giou", "diou", "ciou"]),
)
def test_overlap_losses_equal_their_definitions(
    pairs: list[tuple[Box, Box]], kind: OverlapLoss
) -> None:
    loss = overlap_loss(
        tensor([box for box, _ in pairs]), tensor([other for _, other in pairs]), kind
    )
    expected = torch.tensor([exact_overlap_loss(*pair, kind) for pair in pairs]).reshape(-1)
    torch.testing.assert_close(loss, expected)
    assert bool(((loss >= 0) & (loss <= (3 if kind == "ciou" else 2))).all())


def test_distance_iou_of_worked_examples() -> None:
    square = torch.tensor([[0.0, 0.0, 2.0, 2.0]])
    beside = torch.tensor([[2.0, 0.0, 4.0, 2.0]])
    torch.testing.assert_close(overlap_loss(square, square), torch.tensor([0.0]))
    # No overlap, centres 2 apart, enclosing box 4 x 2.
    torch.testing.assert_close(overlap_loss(square, beside), torch.tensor([1 + 4 / 20]))
    # Twice as tall with the same centre: half is shared, and the aspect ratio costs nothing.
    tall = torch.tensor([[0.0, -1.0, 2.0, 3.0]])
    torch.testing.assert_close(overlap_loss(square, tall), torch.tensor([0.5]))


@pytest.mark.parametrize("kind", ["giou", "diou", "ciou"])
def test_overlap_losses_do_not_depend_on_the_unit(kind: OverlapLoss) -> None:
    """Faces of a few thousandths of a pixel are still told from those without area."""
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(2, 8, 2, generator=generator) * 4
    size = torch.rand(2, 8, 2, generator=generator) * 4 + 1
    boxes, targets = torch.cat([corner, corner + size], dim=2)
    small = overlap_loss(boxes / 1000, targets / 1000, kind)
    torch.testing.assert_close(small, overlap_loss(boxes, targets, kind), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", ["giou", "diou"])
def test_gradient_of_overlap_losses(seed: int, kind: OverlapLoss) -> None:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(2, 8, 2, generator=generator, dtype=torch.float64) * 4
    size = torch.rand(2, 8, 2, generator=generator, dtype=torch.float64) * 4 + 0.5
    boxes, targets = torch.cat([corner, corner + size], dim=2)
    overlaps = iou(boxes, targets).diagonal() > 0
    assert 0 < int(overlaps.sum()) < 8  # both kinds are checked
    loss = partial(overlap_loss, kind=kind)
    assert torch.autograd.gradcheck(loss, (boxes.requires_grad_(), targets))


@settings(deadline=None)
@given(
    grid_boxes(2),
    grid_boxes(2),
    st.sampled_from([1.0, 1e-4, 1e-20, 1e6]),
    st.sampled_from(["giou", "diou", "ciou"]),
)
def test_gradients_of_overlap_losses_are_finite(
    box: Box, target: Box, size: float, kind: OverlapLoss
) -> None:
    boxes = (tensor([box]) * size).requires_grad_()
    loss = overlap_loss(boxes, tensor([target]) * size, kind)
    loss.sum().backward()
    assert loss.isfinite().all()
    assert boxes.grad is not None
    assert boxes.grad.isfinite().all()
