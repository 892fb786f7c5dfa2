#!/usr/bin/env bash
# Boxes of a random crop move by the other axis's offset
#
# keras 3.15.1 with torch 2.13.0 as its backend, CPU.
#
# Expected: RandomCrop moves the boxes of a picture as it moves the picture, as the other layers of Keras with
# boxes do (flips, translations, zooms, centre crops and resizing were tried, and are right within a pixel).
# Seen: the boxes move horizontally by the offset that the picture moves vertically, and vice versa, and are then
# cut off at the left and the upper side (not at the others). Only where both offsets are equal is it right.
# The code, which all backends share, takes them in the order of rows and columns. Nothing is said, and boxes
# keep their sizes while they lie inside.
#
# Why it matters: this is the layer for training a detector on parts of large pictures. Training goes on, with
# boxes beside their faces by up to the size of what was cut off, in all directions.
# nasface: cuts and moves boxes itself.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet keras==3.15.1 torch==2.13.0 numpy==2.4.6
cd "$folder"
KERAS_BACKEND=torch OMP_NUM_THREADS=1 venv/bin/python -W ignore - <<'END'
import keras
import numpy as np

HEIGHT, WIDTH = 60, 100
BOX = np.array([45, 28, 55, 32])  # x1, y1, x2, y2, in the middle


def crop(seed):
    """The offsets (x, y) of the picture, and of its box."""
    picture = np.zeros((1, HEIGHT, WIDTH, 3), np.float32)
    picture[:, BOX[1] : BOX[3], BOX[0] : BOX[2]] = 255
    boxes = {"boxes": BOX[None, None].astype(np.float32), "labels": np.zeros((1, 1))}
    layer = keras.layers.RandomCrop(45, 85, seed=seed, bounding_box_format="xyxy")
    cropped = layer({"images": picture, "bounding_boxes": boxes}, training=True)
    rows, columns = np.nonzero(keras.ops.convert_to_numpy(cropped["images"])[0, ..., 0] > 127)
    seen = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    box = keras.ops.convert_to_numpy(cropped["bounding_boxes"]["boxes"])[0, 0]
    assert np.array_equal(seen[2:] - seen[:2], BOX[2:] - BOX[:2])
    assert np.array_equal(box[2:] - box[:2], BOX[2:] - BOX[:2])
    return (BOX - seen)[:2].tolist(), (BOX - box)[:2].astype(int).tolist()


wrong = 0
for seed in range(12):
    picture, box = crop(seed)
    print(f"seed {seed}: the picture moves by x, y = {picture}, its box by {box}")
    assert box == picture[::-1]
    wrong += box != picture
assert wrong > 6
END
