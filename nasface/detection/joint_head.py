"""A light head: one branch of dense layers for both classes and boxes, as in SCRFD."""

import math
from typing import cast

import torch
from torch import Tensor, nn

from nasface.nn.blocks import conv_norm_relu


class JointHead(nn.Module):
    """Layers over one level, then one 3x3 convolution for the logits and offsets of its anchors.

    SCRFD (arXiv 2105.04714) shares the layers between classes and boxes in the same way, which
    costs half of what two branches do.
    """

    def __init__(self, channels: int, width: int, layers: int, anchors: int) -> None:
        super().__init__()
        body: list[nn.Module] = []
        for _ in range(layers):
            body.append(conv_norm_relu(channels, width, 3))
            channels = width
        self.body = nn.Sequential(*body)
        self.anchors = anchors
        self.last = nn.Conv2d(channels, 6 * anchors, 3, 1, 1)
        nn.init.normal_(self.last.weight, std=0.01)
        bias = cast(Tensor, self.last.bias)
        with torch.no_grad():
            bias.zero_()
            # Faces are rare: start from a probability of 0.01.
            bias[anchors : 2 * anchors] = math.log(0.01 / 0.99)

    def forward(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, C, H, W) to logits (B, H * W * n, 2) and offsets (B, H * W * n, 4) of n anchors.

        The channels of the last layer are background of each anchor, face of each, then the four
        offsets of each.
        """
        return self.predict(self.body(x_BCHW))

    def predict(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the last convolution makes of the features of the layers; see
        :meth:`forward`."""
        n = self.anchors
        x_BKHW = self.last(x_BCHW)
        batch, _, height, width = x_BKHW.shape
        x = x_BKHW.permute(0, 2, 3, 1)
        logits, deltas = x[..., : 2 * n], x[..., 2 * n :]
        return (
            logits.unflatten(3, (2, n)).transpose(3, 4).reshape(batch, height * width * n, 2),
            deltas.reshape(batch, height * width * n, 4),
        )
