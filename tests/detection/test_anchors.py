import math

import pytest
import torch
from torch import Tensor, nn

from nasface.detection.anchors import AnchorConfig, make_anchors
from nasface.errors import ConfigError

SIZES = [(3, 5), (2, 3), (1, 1)]
STRIDES = [4, 8, 16]


def naive_anchors(config: AnchorConfig, scale: float) -> Tensor:
    anchors = []
    for (rows, columns), stride in zip(SIZES, STRIDES, strict=True):
        side = stride * config.scale * scale
        width = side / math.sqrt(config.aspect)
        height = side**2 / width
        for row in range(rows):
            for column in range(columns):
                x, y = (column + 0.5) * stride, (row + 0.5) * stride
                anchors.append([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
    return torch.tensor(anchors)


@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("config", [AnchorConfig(), AnchorConfig(scale=3, aspect=1)])
def test_anchors_equal_the_loop_over_cells(config: AnchorConfig, scale: float) -> None:
    anchors = make_anchors(SIZES, STRIDES, config, scale=scale)
    assert anchors.dtype == torch.float32
    torch.testing.assert_close(anchors, naive_anchors(config, scale))


def test_default_sizes_are_those_of_dsfd() -> None:
    strides = [4, 8, 16, 32, 64, 128]
    anchors = make_anchors([(1, 1)] * 6, strides, AnchorConfig())
    width, height = (anchors[:, 2:] - anchors[:, :2]).unbind(dim=1)
    torch.testing.assert_close(
        (width * height).sqrt(), torch.tensor([16.0, 32.0, 64.0, 128.0, 256.0, 512.0])
    )
    torch.testing.assert_close(height / width, torch.full((6,), 1.5))


def test_a_vga_image_has_25600_anchors() -> None:
    sizes = [(math.ceil(480 / 2**level), math.ceil(640 / 2**level)) for level in range(2, 8)]
    anchors = make_anchors(sizes, [2**level for level in range(2, 8)], AnchorConfig())
    assert len(anchors) == sum(rows * columns for rows, columns in sizes) == 25600


def test_order_is_that_of_a_flattened_head_output() -> None:
    rows, columns = 3, 5
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    output_BKHW = torch.stack([x, y])[None]  # a head that says where it stands
    flat_A2 = output_BKHW.permute(0, 2, 3, 1).reshape(1, rows * columns, 2)[0]
    anchors = make_anchors([(rows, columns)], [4], AnchorConfig())
    torch.testing.assert_close((anchors[:, :2] + anchors[:, 2:]) / 2, (flat_A2 + 0.5) * 4)


class _Anchored(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        size = (x.shape[-2], x.shape[-1])
        return make_anchors([size], [4], AnchorConfig(), device=x.device) + x.mean()


def test_nothing_leaks_from_inference_or_export() -> None:
    image = torch.rand(1, 3, 6, 7)
    with torch.inference_mode():
        expected = _Anchored()(image).clone()
    exported = torch.export.export(_Anchored(), (image,)).module()
    torch.testing.assert_close(exported(image), expected.clone())
    after = make_anchors([(6, 7)], [4], AnchorConfig())
    assert type(after) is Tensor
    assert not after.is_inference()


def test_device_is_that_asked_for() -> None:
    assert make_anchors(SIZES, STRIDES, AnchorConfig(), device="meta").device.type == "meta"


@pytest.mark.parametrize("values", [(0, 1.5), (4, 0), (-1, 1.5)])
def test_sizes_must_be_positive(values: tuple[float, float]) -> None:
    with pytest.raises(ConfigError, match="expected positive numbers"):
        AnchorConfig(*values)


def test_one_stride_per_level() -> None:
    with pytest.raises(ValueError, match="zip"):
        make_anchors(SIZES, [4, 8], AnchorConfig())


def test_several_sides_stand_at_each_position_one_behind_the_other() -> None:
    sides = ((8.0, 16.0), (20.0, 30.0), (40.0, 50.0))
    found = make_anchors(SIZES, STRIDES, AnchorConfig(aspect=1.25, sides=sides))
    for at in range(2):
        one = tuple((each[at],) for each in sides)
        alone = make_anchors(SIZES, STRIDES, AnchorConfig(aspect=1.25, sides=one))
        torch.testing.assert_close(found[at::2], alone)
        side = torch.cat(
            [torch.full((r * c,), each[0]) for (r, c), each in zip(SIZES, one, strict=True)]
        )
        torch.testing.assert_close((alone[:, 2:] - alone[:, :2]).prod(1).sqrt(), side)


@pytest.mark.parametrize("sides", [((),), ((8.0,), (8.0, 9.0)), ((0.0,),), ((math.inf,),)])
def test_strange_sides_are_refused(sides: tuple[tuple[float, ...], ...]) -> None:
    with pytest.raises(ConfigError):
        AnchorConfig(sides=sides)
