"""Normalised tensors against values computed one by one."""

import numpy as np
import pytest
import torch

from nasface.data.tensors import IMAGE_MEAN, IMAGE_STD, MEAN_COLOUR, to_batch, to_tensor


def test_tensor_is_normalised_channel_by_channel() -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    before = image.copy()
    tensor = to_tensor(image)
    assert (tensor.dtype, tensor.shape) == (torch.float32, (3, 5, 7))
    for channel in range(3):
        for y, x in ((0, 0), (4, 6), (2, 3)):
            expected = (image[y, x, channel] / 255 - IMAGE_MEAN[channel]) / IMAGE_STD[channel]
            assert tensor[channel, y, x].item() == pytest.approx(expected, abs=1e-5)
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (9, 1), (2, 3), (640, 481)])
def test_a_batch_has_the_bits_of_computing_each_value(height: int, width: int) -> None:
    """Views of arrays, too, whose rows and channels lie in another order."""
    pixels = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    images = [pixels[0], pixels[1][::-1, :, ::-1]]
    values = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float()
    mean, std = (torch.tensor(each).mul(255).view(3, 1, 1) for each in (IMAGE_MEAN, IMAGE_STD))
    assert torch.equal(to_batch(images), (values - mean) / std)
    assert torch.equal(to_tensor(images[1]), to_batch(images)[1])


def test_padding_colour_is_nearly_zero() -> None:
    assert to_tensor(np.array([[MEAN_COLOUR]], np.uint8)).abs().max() < 0.02
