"""The values that pass between the parts of a face detector.

Shape letters: B image of a batch, A anchor, N detection, M annotated face.
Boxes are ``x1 y1 x2 y2`` in pixels, ``x1 <= x2`` and ``y1 <= y2``.
"""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


@dataclass(frozen=True)
class Targets:
    """The annotated faces of one image.

    ``boxes_M4`` float32; ``ignore_M`` bool marks faces that are neither asked for nor counted as
    background (WIDER FACE's ``invalid`` flag, faces too small to learn from).
    """

    boxes_M4: Tensor
    ignore_M: Tensor

    def __post_init__(self) -> None:
        _check_boxes("Targets.boxes_M4", self.boxes_M4, "ignore_M", self.ignore_M)


@dataclass(frozen=True, repr=False)
class Detections:
    """The faces found in one image, boxes in pixels of the original image, best score first.

    ``boxes_N4`` float32; ``scores_N`` float32 in [0, 1]. ``boxes`` and ``scores`` are the same.
    """

    boxes_N4: Tensor
    scores_N: Tensor

    def __post_init__(self) -> None:
        _check_boxes("Detections.boxes_N4", self.boxes_N4, "scores_N", self.scores_N)

    @property
    def boxes(self) -> Tensor:
        """Boxes ``x1 y1 x2 y2`` in pixels, float32 (N, 4)."""
        return self.boxes_N4

    @property
    def scores(self) -> Tensor:
        """Scores in [0, 1], float32 (N,), falling."""
        return self.scores_N

    def __len__(self) -> int:
        return len(self.boxes_N4)

    def __repr__(self) -> str:
        scores = ""
        if len(self):
            low, high = (float(each) for each in self.scores_N.aminmax())
            scores = f", scores {high:.2f} to {low:.2f}" if len(self) > 1 else f", score {high:.2f}"
        faces = "1 face" if len(self) == 1 else f"{len(self)} faces"
        return f"{type(self).__name__}({faces}{scores})"


class GridLevel(NamedTuple):
    """A level of a pyramid: ``rows`` x ``columns`` positions that lie ``stride`` pixels apart, each
    with as many ``anchors``."""

    rows: int
    columns: int
    stride: int
    anchors: int


class Predictions(NamedTuple):
    """The raw output of one shot of a detector for a batch, all levels concatenated.

    ``logits_BA2``: background and face; ``deltas_BA4``: SSD offsets from ``anchors_A4``, which are
    ``x1 y1 x2 y2`` in pixels of the network input. ``scale`` is what the logits are multiples of:
    1, or that of cosines. ``grid`` lists the levels that the anchors stand on, in their order;
    detectors from files know none.
    """

    logits_BA2: Tensor
    deltas_BA4: Tensor
    anchors_A4: Tensor
    scale: float = 1.0
    grid: tuple[GridLevel, ...] = ()


class ShotPair(NamedTuple):
    """What a detector predicts in training; ``first`` is None where only the second shot was
    asked for."""

    first: Predictions | None
    second: Predictions


class Candidates(NamedTuple):
    """A batch of predictions decoded, before suppression.

    ``boxes_BA4`` in pixels of the network input; ``scores_BA`` of a face, in [0, 1].
    """

    boxes_BA4: Tensor
    scores_BA: Tensor


def _check_boxes(name: str, boxes: Tensor, other_name: str, other: Tensor) -> None:
    if boxes.ndim != 2 or boxes.shape[1] != 4 or len(boxes) != len(other):
        raise ValueError(
            f"{name} must be (N, 4) and as long as {other_name}, "
            f"got {tuple(boxes.shape)} and {tuple(other.shape)}"
        )
