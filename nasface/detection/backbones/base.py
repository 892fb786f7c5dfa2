"""Base classes of backbones."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor, nn


class Backbone(nn.Module, ABC):
    """Images in, feature maps C2..C5 out; ``channels`` has the width of each level.

    A backbone may give levels 6 and 7 as well; the detector then makes none.
    """

    channels: Mapping[int, int]
    added: tuple[str, ...] = ()
    """What the names begin with of layers that published weights of the backbone do not have."""

    @abstractmethod
    def forward(self, images_B3HW: Tensor) -> dict[int, Tensor]:
        """Map images (B, 3, H, W) to level -> (B, channels[level], H / 2**level, W / 2**level)."""

    @abstractmethod
    def freezable_stages(self) -> list[list[nn.Module]]:
        """Return the modules of the stem and of each stage, as they can be frozen."""

    def named_by_files(self) -> nn.Module:
        """Return the module whose names files of pretrained weights have."""
        return self


class StagedBackbone(Backbone):
    """A stem, then one stage for each level, named after it."""

    stem: nn.Module
    stages: nn.ModuleDict

    def forward(self, images_B3HW: Tensor) -> dict[int, Tensor]:
        """Map images (B, 3, H, W) to level 2..5 -> (B, channels[level], H / 2**level, W /
        2**level)."""
        x = self.stem(images_B3HW)
        features = {}
        for level, stage in self.stages.items():
            x = stage(x)
            features[int(level)] = x
        return features

    def freezable_stages(self) -> list[list[nn.Module]]:
        """Return the modules of the stem and of each stage, as they can be frozen."""
        return [[self.stem], *([stage] for stage in self.stages.values())]
