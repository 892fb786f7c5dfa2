"""From 8-bit RGB arrays to the normalised tensors that a detector takes."""

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nasface.data.images import check_image

IMAGE_MEAN = (0.485, 0.456, 0.406)
"""Mean of R, G, B over ImageNet, on the scale where white is 1."""

IMAGE_STD = (0.229, 0.224, 0.225)
"""Standard deviation of R, G, B over ImageNet, on the scale where white is 1."""

MEAN_COLOUR = (124, 116, 104)
"""``IMAGE_MEAN`` as 8-bit RGB: the colour of padding, which ``to_tensor`` maps to nearly zero."""


def to_tensor(image_HW3: NDArray[np.uint8]) -> Tensor:
    """Turn uint8 (H, W, 3) RGB into the float32 (3, H, W) RGB that every detector here takes.

    Each channel is ``(value / 255 - IMAGE_MEAN) / IMAGE_STD``, the ImageNet convention of
    torchvision's pretrained backbones. The result shares no memory with the input.
    """
    return to_batch([image_HW3])[0]


def to_batch(images: Sequence[NDArray[np.uint8]]) -> Tensor:
    """Turn images of one size into float32 (B, 3, H, W), as :func:`to_tensor` does with one."""
    for image in images:
        check_image(image)
    height, width = images[0].shape[:2]
    batch_B3HW = np.empty((len(images), 3, height, width), np.float32)
    # Values are looked up, channel by channel: half the time of computing them.
    for image, values_3HW in zip(images, batch_B3HW, strict=True):
        channels = cv2.split(np.ascontiguousarray(image))
        for channel_HW, table, values_HW in zip(channels, _table(), values_3HW, strict=True):
            cv2.LUT(channel_HW, table, values_HW)
    return torch.from_numpy(batch_B3HW)


@cache
def _table() -> NDArray[np.float32]:
    """Return what each value of each channel becomes, (3, 256)."""
    mean, std = (torch.tensor(each).mul(255)[:, None] for each in (IMAGE_MEAN, IMAGE_STD))
    found: NDArray[np.float32] = torch.arange(256.0).sub(mean).div(std).numpy()
    return found
