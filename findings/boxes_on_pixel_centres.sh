#!/usr/bin/env bash
# Boxes leave their faces in the augmentations of kornia
#
# kornia 0.9.0, torch 2.13.0.
#
# Expected: AugmentationSequential moves a "bbox_xyxy" with its pixels: the box of a face stays the
# box of the face.
# Seen: the coordinates of box edges are treated as those of pixel centres. In a picture 60 wide a
# horizontal flip sends x to 59 - x where the pixels' edges go to 60 - x: each flip pulls the box one
# pixel to the left (and a vertical one up). Resize by 1/2 gives [0.86, 0.86, 2.57, 1.71] for a
# painted rectangle at [2, 2, 6, 4] of an 8x8 picture; in the small picture it fills exactly
# [1, 1, 3, 2]. Crop and padding keep boxes right.
#
# Why it matters: a face 4 px wide has an IoU of 0.60 with its own place after one flip; on average
# half of all targets are off, always to the same side, and the smallest faces of a WIDER-like set no
# longer match their anchors. Add the pixel back after a flip, or flip boxes yourself.
# nasface: has its own transforms of boxes, on edges.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 kornia==0.9.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python - <<'END'
import torch
from kornia.augmentation import AugmentationSequential, RandomHorizontalFlip, RandomVerticalFlip
from kornia.augmentation import Resize


def extent(picture):
    """Edges of the painted rectangle: x from, y from, x to, y to."""
    rows, columns = picture[0, 0].gt(0.5).nonzero().T
    first = columns.min(), rows.min()
    last = columns.max() + 1, rows.max() + 1
    return [float(each) for each in (*first, *last)]


def moved(step, picture, box):
    both = AugmentationSequential(step, data_keys=["input", "bbox_xyxy"])
    picture, boxes = both(picture, torch.tensor([[box]]))
    return extent(picture), boxes[0, 0].tolist()


face = torch.zeros(1, 1, 40, 60)
face[..., 10:14, 20:24] = 1
for step in (RandomHorizontalFlip(p=1.0), RandomVerticalFlip(p=1.0)):
    pixels, box = moved(step, face, [20.0, 10.0, 24.0, 14.0])
    shift = [there - here for there, here in zip(box, pixels, strict=True)]
    shared = 4 * 3
    print(type(step).__name__, "pixels", pixels, "box", box, "IoU", shared / (2 * 16 - shared))
    assert sorted(shift) == [-1, -1, 0, 0]

face = torch.zeros(1, 1, 8, 8)
face[..., 2:4, 2:6] = 1
pixels, box = moved(Resize((4, 4)), face, [2.0, 2.0, 6.0, 4.0])
print("Resize pixels", pixels, "box", [round(each, 2) for each in box])
assert pixels == [1, 1, 3, 2]
assert torch.allclose(torch.tensor(box), torch.tensor([2.0, 2, 6, 4]) * 3 / 7)
END
