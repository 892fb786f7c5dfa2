#!/usr/bin/env bash
# IMREAD_COLOR returns a picture without colours, of numbers that were cut
#
# opencv-python-headless 5.0.0.93.
#
# Expected: with IMREAD_COLOR, cv2.imdecode gives uint8 (H, W, 3) or None, whatever the file, as its
# documentation says ("always convert image to the 3 channel BGR color image"); floats from 0 to 1 are
# scaled to 0 to 255, as those of a Radiance file (.hdr) are.
# Seen: a grey PFM file comes back as (H, W) (cv2.imread fails on it). Its floats are cut to whole numbers, so that a picture
# from 0 to 1 is 0 nearly everywhere and 1 at white; that of a .hdr is 255 there.
#
# Why it matters: what indexes the third axis raises IndexError far from the file, and a colour PFM,
# whose shape is right, is a black picture in which nothing is found.
# nasface: refuses PFM files by name.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet opencv-python-headless==5.0.0.93 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'END'
import cv2
import numpy as np

grey = np.linspace(0, 1, 20, dtype=np.float32).reshape(4, 5)
colour = np.repeat(grey[..., None], 3, axis=2)
for name, picture in (("grey.pfm", grey), ("colour.pfm", colour), ("colour.hdr", colour)):
    cv2.imwrite(name, picture)
    read = cv2.imdecode(np.fromfile(name, np.uint8), cv2.IMREAD_COLOR)
    print(name, read.dtype, read.shape, "values", read.min(), "to", read.max())
    assert read.dtype == np.uint8
    assert read.max() == (255 if name.endswith("hdr") else 1)
    assert read.ndim == (2 if name == "grey.pfm" else 3)
END
