"""The two released detectors, and the form in which they are trained."""

from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn

from nasface.detection.anchors import AnchorConfig, make_anchors
from nasface.detection.config import DetectorConfig
from nasface.detection.detector import Detector
from nasface.detection.joint_head import JointHead
from nasface.structures import Predictions

_NANO = DetectorConfig(
    backbone="thin_resnet_n",
    levels=(3, 4, 5),
    channels=32,
    neck="pan",
    head="dense",
    head_branches="joint",
    head_layers=1,
    head_channels=48,
    anchors=AnchorConfig(aspect=1.25, sides=((16, 32), (64, 128), (256, 512))),
)

CONFIGS = {
    "asfd-nano": _NANO,
    "asfd-small": replace(_NANO, backbone="thin_resnet_s", head_layers=2),
}


@dataclass(frozen=True, eq=False)
class Grid:
    """The anchors of crops of one size, and the maps that they stand on, finest first."""

    anchors_A4: Tensor
    sizes: list[tuple[int, int]]
    strides: list[int]


def make_grid(config: DetectorConfig, size: int, device: torch.device) -> Grid:
    """The grid of square crops, whose side is a multiple of the greatest stride."""
    strides = [2**level for level in config.levels]
    sizes = [(size // stride, size // stride) for stride in strides]
    return Grid(make_anchors(sizes, strides, config.anchors, device=device), sizes, strides)


class Student(nn.Module):
    """A detector with what a teacher's scores are learned by, which it loses after training.

    Images -> (logits (B, A, 2), offsets (B, A, 4), and for each level the logits (B, 1, H, W) of
    "a face of this level's size is centred here").
    """

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector
        heads = [each for each in detector.trunk.heads if isinstance(each, JointHead)]
        self.notes = nn.ModuleList(nn.Conv2d(head.last.in_channels, 1, 1) for head in heads)
        for note in self.notes:
            nn.init.constant_(cast(Tensor, cast(nn.Conv2d, note).bias), -4.0)

    def forward(self, images_B3HW: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """See the class."""
        trunk = self.detector.trunk
        features = self.detector.neck(trunk.pyramid(images_B3HW))
        logits, deltas, notes = [], [], []
        for level, head, note in zip(trunk.config.levels, trunk.heads, self.notes, strict=True):
            joint = cast(JointHead, head)
            x = joint.body(features[level])
            of_class, of_box = joint.predict(x)
            logits.append(of_class)
            deltas.append(of_box)
            notes.append(note(x))
        return torch.cat(logits, dim=1), torch.cat(deltas, dim=1), notes


def as_predictions(logits_BA2: Tensor, deltas_BA4: Tensor, grid: Grid) -> Predictions:
    """What the loss takes."""
    return Predictions(logits_BA2, deltas_BA4, grid.anchors_A4)
