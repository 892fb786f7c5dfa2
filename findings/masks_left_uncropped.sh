#!/usr/bin/env bash
# Masks that stay behind when the picture is cropped
#
# albumentationsx 2.5.1, torch 2.13.0.
#
# Expected: a crop treats `image`, `mask` and `masks` alike; all three are listed among its targets.
# Seen: RandomSizedBBoxSafeCrop crops and enlarges the picture, the boxes and `mask`, and only crops
# `masks` and `images`: they come back in another size. CropNonEmptyMaskIfExists crops the picture,
# the boxes and `mask`, and gives `masks` and `images` back whole. The mask of a face in the picture at
# [37, 16, 57, 56] is at [44, 7, 68, 25]. No error is raised; RandomCrop and six other crops are right.
#
# Why it matters: `masks` is how the masks of several faces, and `images` how the frames of a video,
# are handed over. Where the sizes are brought together later, by resizing or padding a batch, the
# masks lie beside their faces. Use `mask` with numbered regions, or check that the sizes agree.
# nasface: has its own augmentation, and no masks.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet albumentationsx==2.5.1 opencv-python-headless==5.0.0.93 \
    torch==2.13.0 numpy==2.4.6
cd "$folder"
export NO_ALBUMENTATIONS_UPDATE=1
OMP_NUM_THREADS=1 venv/bin/python -W ignore - <<'END'
import albumentations
import numpy as np

box = (50, 40, 74, 58)
picture = np.zeros((120, 160, 3), np.uint8)
picture[box[1] : box[3], box[0] : box[2]] = 255
painted = picture[..., 0]


def extent(mask):
    rows, columns = np.nonzero(mask > 127)
    return [int(each) for each in (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)]


def close(one, other):
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= 1.5


wrong = []
for step in (
    albumentations.RandomSizedBBoxSafeCrop(90, 111, p=1),
    albumentations.CropNonEmptyMaskIfExists(90, 110, p=1),
    albumentations.AtLeastOneBBoxRandomCrop(90, 110, p=1),
    albumentations.BBoxSafeRandomCrop(p=1),
    albumentations.CenterCrop(90, 110, p=1),
    albumentations.CropAndPad(px=(-20, -10), p=1),
    albumentations.RandomCrop(90, 110, p=1),
    albumentations.RandomCropFromBorders(p=1),
    albumentations.RandomResizedCrop((90, 111), scale=(0.5, 0.8), p=1),
):
    boxes = albumentations.BboxParams(coord_format="pascal_voc", label_fields=["labels"])
    out = albumentations.Compose([step], bbox_params=boxes, seed=1)(
        image=picture,
        images=np.stack([picture] * 2),
        mask=painted,
        masks=np.stack([painted] * 2),
        bboxes=[box],
        labels=[0],
    )
    name = type(step).__name__
    places = {
        "image": extent(out["image"][..., 0]),
        "box": [round(float(each)) for each in out["bboxes"][0]],
        "mask": extent(out["mask"]),
        "masks": extent(out["masks"][1]),
        "images": extent(out["images"][1][..., 0]),
    }
    print(name, places, "sizes", out["image"].shape[:2], out["masks"].shape[1:3])
    assert close(places["image"], places["mask"]) and close(places["image"], places["box"])
    if not close(places["image"], places["masks"]):
        wrong.append(name)
        assert out["image"].shape[:2] != out["masks"].shape[1:3] == out["images"].shape[1:3]
assert wrong == ["RandomSizedBBoxSafeCrop", "CropNonEmptyMaskIfExists"]
END
