"""Features of a backbone without normalisations, brought to one scale."""

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from nasface.detection.necks.handmade import Features


class L2NormLevels(nn.Module):
    """Each position of levels 2 to 4 divided by its length and multiplied by learned weights.

    S3FD (Zhang et al., ICCV 2017, section 3.1): the weights, one per channel, begin as 10, 8 and 5.
    Levels above stay as they are. Levels keep their widths.
    """

    STARTS: Mapping[int, float] = MappingProxyType({2: 10.0, 3: 8.0, 4: 5.0})

    def __init__(self, widths: Mapping[int, int], channels: int) -> None:
        super().__init__()
        self.widths = dict(widths)
        self.weights = nn.ParameterDict(
            {
                str(level): nn.Parameter(torch.full((width, 1, 1), self.STARTS[level]))
                for level, width in sorted(widths.items())
                if level in self.STARTS
            }
        )

    def forward(self, features: Features) -> dict[int, Tensor]:
        """Map level -> map to the same."""
        found = dict(features)
        for key, weight_C11 in self.weights.items():
            found[int(key)] = weight_C11 * normalize(features[int(key)], dim=1, eps=1e-6)
        return found
