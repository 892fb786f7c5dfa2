"""Training crops, drawn and rendered in batches on the device.

A crop is a square of a photograph at a scale of its own, or a mosaic of four (Bochkovskiy et al.,
arXiv 2004.10934). Part of the crops bring a face to a size drawn evenly on a scale of octaves, as
data-anchor sampling does (PyramidBox, arXiv 1803.07737), so that faces of 10 to 50 pixels are
frequent; the others have a scale drawn in the same way.
"""

import math
from dataclasses import dataclass
from functools import cache

import torch
from photographs import LEVELS, Photographs
from torch import Tensor

from nasface.data.images import MEAN_COLOUR

TILES = 4


@dataclass(frozen=True)
class CropConfig:
    """How crops are drawn."""

    size: int = 512
    """Side in pixels."""
    faces: int = 160
    """Most faces of a crop; the largest are kept."""
    mosaic: float = 0.3
    """Probability of four tiles."""
    by_face: float = 0.45
    """Probability of a scale that follows a face."""
    face_sides: tuple[float, float] = (8.0, 280.0)
    """Range of the side that such a face gets."""
    scales: tuple[float, float] = (0.35, 2.2)
    """Range of the other scales."""
    all_scales: tuple[float, float] = (0.22, 3.0)
    """Limits of every scale."""
    near_face: float = 0.75
    """Probability of a crop around a face, wherever it comes to lie in it."""
    aspect: float = 0.12
    """Greatest log of the ratio of the two sides' scales."""
    colour: float = 0.6
    """Probability of each change of colour."""
    grey: float = 0.05
    """Probability of a grey crop."""
    least_face: float = 6.0
    """Shorter side below which a face is ignored."""
    least_visible: float = 0.3
    """Share of a face without its centre that must be in view for it to be ignored."""


@dataclass(frozen=True, eq=False)
class Batch:
    """B crops: images (B, 3, S, S) float32 from 0 to 255, and at most M faces of each."""

    images: Tensor
    boxes_BM4: Tensor
    ignore_BM: Tensor
    exists_BM: Tensor


@dataclass(frozen=True, eq=False)
class _Tiles:
    """Of each of T tiles of B crops: photograph, region of the crop (x1 y1 x2 y2), and the linear
    map ``source = first + step * crop`` in x and y."""

    photograph_BT: Tensor
    region_BT4: Tensor
    first_BT2: Tensor
    step_BT2: Tensor
    split_B2: Tensor


def draw_batch(photographs: Photographs, batch: int, config: CropConfig, mosaic: float) -> Batch:
    """A batch of crops, ``mosaic`` of them with four tiles."""
    tiles = _draw_tiles(photographs, batch, config, mosaic)
    boxes, ignore, exists = _faces(photographs, tiles, config)
    return Batch(_render(photographs, tiles, config), boxes, ignore, exists)


def _between(low: float, high: float, *shape: int, device: torch.device) -> Tensor:
    return low + (high - low) * torch.rand(*shape, device=device)


def _octaves(limits: tuple[float, float], *shape: int, device: torch.device) -> Tensor:
    """Evenly on a logarithmic scale."""
    low, high = (math.log(each) for each in limits)
    return _between(low, high, *shape, device=device).exp()


def _draw_tiles(photographs: Photographs, batch: int, config: CropConfig, mosaic: float) -> _Tiles:
    device, size = photographs.pixels.device, config.size
    shape = (batch, TILES)
    chosen = torch.multinomial(photographs.weight_N, batch * TILES, replacement=True).view(shape)
    is_mosaic_B1 = torch.rand(batch, 1, device=device) < mosaic
    split_B2 = torch.where(is_mosaic_B1, _between(0.3, 0.7, batch, 2, device=device) * size, size)
    split_B2 = split_B2.round()
    middle_x, middle_y = split_B2[:, 0], split_B2[:, 1]
    zero, full = torch.zeros_like(middle_x), torch.full_like(middle_x, size)
    region_BT4 = torch.stack(
        [
            torch.stack([zero, zero, middle_x, middle_y], 1),
            torch.stack([middle_x, zero, full, middle_y], 1),
            torch.stack([zero, middle_y, middle_x, full], 1),
            torch.stack([middle_x, middle_y, full, full], 1),
        ],
        dim=1,
    )
    clear_BT = photographs.clear_N[chosen]
    face_BT = (torch.rand(shape, device=device) * clear_BT).long()
    box_BT4 = photographs.boxes_NF4[chosen, face_BT]
    sides_BT2 = (box_BT4[..., 2:] - box_BT4[..., :2]).clamp(min=1)
    side_BT = sides_BT2.prod(2).sqrt()
    by_face_BT = (torch.rand(shape, device=device) < config.by_face) & (clear_BT > 0)
    scale_BT = torch.where(
        by_face_BT,
        _octaves(config.face_sides, *shape, device=device) / side_BT,
        _octaves(config.scales, *shape, device=device),
    ).clamp(*config.all_scales)
    aspect_BT = _between(-config.aspect, config.aspect, *shape, device=device) / 2
    scale_BT2 = scale_BT[..., None] * torch.stack([aspect_BT, -aspect_BT], 2).exp()
    # Of the source: extent of the tile, and where it starts.
    extent_BT2 = (region_BT4[..., 2:] - region_BT4[..., :2]) / scale_BT2
    whole_BT2 = photographs.size_NL2[chosen, 0].float()
    room_BT2 = whole_BT2 - extent_BT2
    low_BT2, high_BT2 = room_BT2.clamp(max=0), room_BT2.clamp(min=0)
    anywhere_BT2 = low_BT2 + (high_BT2 - low_BT2) * torch.rand(*shape, 2, device=device)
    centre_BT2 = (box_BT4[..., :2] + box_BT4[..., 2:]) / 2
    share_BT2 = _between(0.08, 0.92, *shape, 2, device=device)
    around_BT2 = torch.maximum(
        torch.minimum(centre_BT2 - share_BT2 * extent_BT2, high_BT2), low_BT2
    )
    near_BT = (torch.rand(shape, device=device) < config.near_face) & (clear_BT > 0)
    origin_BT2 = torch.where(near_BT[..., None], around_BT2, anywhere_BT2)
    step_BT2 = 1 / scale_BT2
    first_BT2 = origin_BT2 - region_BT4[..., :2] * step_BT2
    # A mirror image runs through its source from the far end.
    flip_BT = torch.rand(shape, device=device) < 0.5
    far_BT = origin_BT2[..., 0] + region_BT4[..., 2] * step_BT2[..., 0]
    first_BT2 = torch.stack(
        [torch.where(flip_BT, far_BT, first_BT2[..., 0]), first_BT2[..., 1]], dim=2
    )
    step_BT2 = torch.stack(
        [torch.where(flip_BT, -step_BT2[..., 0], step_BT2[..., 0]), step_BT2[..., 1]], dim=2
    )
    return _Tiles(chosen, region_BT4, first_BT2, step_BT2, split_B2)


def _faces(
    photographs: Photographs, tiles: _Tiles, config: CropConfig
) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes (B, M, 4) in view, whether they are ignored, and whether there are so many."""
    boxes = photographs.boxes_NF4[tiles.photograph_BT]
    batch, _, most, _ = boxes.shape
    corners = (boxes.view(batch, TILES, most, 2, 2) - tiles.first_BT2[:, :, None, None]) / (
        tiles.step_BT2[:, :, None, None]
    )
    boxes = torch.cat([corners.amin(3), corners.amax(3)], dim=3)
    region = tiles.region_BT4[:, :, None]
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2
    has_centre = ((centre >= region[..., :2]) & (centre < region[..., 2:])).all(3)
    clipped = torch.minimum(
        torch.maximum(boxes, region[..., :2].repeat(1, 1, 1, 2)),
        region[..., 2:].repeat(1, 1, 1, 2),
    )
    sides = (clipped[..., 2:] - clipped[..., :2]).clamp(min=0)
    visible = sides.prod(3)
    share = visible / (boxes[..., 2:] - boxes[..., :2]).prod(3).clamp(min=1e-6)
    number = torch.arange(most, device=boxes.device)
    real = number < photographs.faces_N[tiles.photograph_BT][..., None]
    stays = real & (visible > 0) & (has_centre | (share > config.least_visible))
    ignore = photographs.ignore_NF[tiles.photograph_BT] | ~has_centre
    ignore |= sides.amin(3) < config.least_face
    worth_BK = torch.where(stays, visible, -1.0).flatten(1)
    best = worth_BK.topk(min(config.faces, worth_BK.shape[1]), dim=1)
    kept = clipped.flatten(1, 2).gather(1, best.indices[..., None].expand(-1, -1, 4))
    return kept, ignore.flatten(1).gather(1, best.indices), best.values > 0


def _render(photographs: Photographs, tiles: _Tiles, config: CropConfig) -> Tensor:
    """Images (B, 3, S, S), bilinear from the size of the photograph that fits best."""
    device, size = photographs.pixels.device, config.size
    batch = len(tiles.photograph_BT)
    octave_BT = tiles.step_BT2.abs().amax(2).log2()
    # Now and then the next coarser size, which blurs, or the next finer one, which aliases.
    octave_BT = octave_BT + _between(-0.75, 0.75, batch, 1, device=device) ** 3 * 2
    level_BT = octave_BT.round().long().clamp(0, LEVELS - 1)
    start_BT = photographs.start_NL[tiles.photograph_BT, level_BT]
    size_BT2 = photographs.size_NL2[tiles.photograph_BT, level_BT]
    shrunk_BT2 = size_BT2 / photographs.size_NL2[tiles.photograph_BT, 0]
    first_BT2, step_BT2 = tiles.first_BT2 * shrunk_BT2, tiles.step_BT2 * shrunk_BT2
    at = torch.arange(size, device=device) + 0.5
    right = (at > tiles.split_B2[:, :1]).long()[:, None, :]
    below = (at > tiles.split_B2[:, 1:]).long()[:, :, None]
    tile_BP = (right + 2 * below).flatten(1)

    images, inside = _rendering(
        photographs.pixels,
        torch.cat([first_BT2, step_BT2], 2),
        torch.cat([size_BT2, start_BT[..., None]], 2),
        tile_BP,
        size,
    )
    images = _change_colours(images, config)
    border = constant(MEAN_COLOUR, device)
    return torch.where(inside[:, None], images, border.view(1, 3, 1, 1))


def _bilinear(
    pixels: Tensor, map_BT4: Tensor, place_BT3: Tensor, tile_BP: Tensor, size: int
) -> tuple[Tensor, Tensor]:
    """Images (B, 3, S, S) and whether a pixel lies in its photograph (B, S, S).

    ``map_BT4`` are first and step in x and y, ``place_BT3`` width, height and start of the
    photograph's pixels.
    """
    batch, device = len(tile_BP), tile_BP.device
    at = torch.arange(size, device=device) + 0.5

    def of_pixel(value_BT: Tensor) -> Tensor:
        return value_BT.gather(1, tile_BP).view(batch, size, size)

    first_BT2, step_BT2 = map_BT4[..., :2], map_BT4[..., 2:]
    x = of_pixel(first_BT2[..., 0]) + of_pixel(step_BT2[..., 0]) * at - 0.5
    y = of_pixel(first_BT2[..., 1]) + of_pixel(step_BT2[..., 1]) * at[:, None] - 0.5
    width, height, start = (of_pixel(place_BT3[..., each]) for each in range(3))
    inside = (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
    left, top = x.floor(), y.floor()
    across, down = (x - left)[:, None], (y - top)[:, None]
    left, top = left.long(), top.long()

    def colours(columns: Tensor, rows: Tensor) -> Tensor:
        columns = torch.minimum(columns.clamp(min=0), width - 1)
        rows = torch.minimum(rows.clamp(min=0), height - 1)
        packed = pixels[start + rows * width + columns]
        return torch.stack([(packed >> shift) & 255 for shift in (0, 8, 16)], dim=1).float()

    upper = torch.lerp(colours(left, top), colours(left + 1, top), across)
    lower = torch.lerp(colours(left, top + 1), colours(left + 1, top + 1), across)
    return torch.lerp(upper, lower, down), inside


_rendering = _bilinear


def compile_rendering() -> None:
    """Render by a compiled function from now on."""
    global _rendering
    _rendering = torch.compile(_bilinear, dynamic=False)


@cache
def constant(values: tuple[float, ...], device: torch.device) -> Tensor:
    """A vector float32 on the device, made once."""
    return torch.tensor(values, dtype=torch.float32, device=device)


def _change_colours(images_B3HW: Tensor, config: CropConfig) -> Tensor:
    """Brightness, contrast, saturation, hue and balance: one linear map of the colours each."""
    batch, device = len(images_B3HW), images_B3HW.device

    def maybe(value_B: Tensor, neutral: float) -> Tensor:
        return torch.where(torch.rand(batch, device=device) < config.colour, value_B, neutral)

    grey_3 = constant((0.299, 0.587, 0.114), device)
    saturation_B = maybe(_between(0.5, 1.5, batch, device=device), 1.0)
    is_grey_B = torch.rand(batch, device=device) < config.grey
    saturation_B = torch.where(is_grey_B, 0.0, saturation_B)
    angle_B = maybe(_between(-0.3, 0.3, batch, device=device), 0.0)
    contrast_B = maybe(_between(0.6, 1.4, batch, device=device), 1.0)
    shift_B = maybe(_between(-32.0, 32.0, batch, device=device), 0.0)
    balance_B3 = _between(0.92, 1.08, batch, 3, device=device)
    # Hue turns colours about the axis of greys (Rodrigues' formula).
    cosine, sine = angle_B.cos()[:, None, None], angle_B.sin()[:, None, None]
    third = torch.full((3, 3), 1 / 3, device=device)
    identity = torch.eye(3, device=device)
    cross = torch.roll(identity, 1, 0) - torch.roll(identity, -1, 0)
    turn_B33 = cosine * identity + (1 - cosine) * third + sine / math.sqrt(3) * cross
    saturate_B33 = saturation_B[:, None, None] * identity + (1 - saturation_B)[:, None, None] * (
        grey_3.expand(3, 3)
    )
    matrix_B33 = contrast_B[:, None, None] * (saturate_B33 @ turn_B33) * balance_B3[:, :, None]
    offset_B3 = (112 * (1 - contrast_B) + shift_B)[:, None].expand(-1, 3)
    flat = torch.baddbmm(offset_B3[:, :, None], matrix_B33, images_B3HW.flatten(2))
    return flat.clamp(0, 255).view_as(images_B3HW)
