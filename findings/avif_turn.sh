#!/usr/bin/env bash
# A turned AVIF photograph is read on its side
#
# opencv-python-headless 5.0.0.93, Pillow 13.0.0.
#
# Expected: cv2.imdecode turns every picture the way its file asks for, unless
# IMREAD_IGNORE_ORIENTATION is given; so an AVIF file is turned like a JPEG, PNG, WebP or TIFF of the
# same picture.
# Seen: four of the five are turned, the AVIF is not. Its turn is no EXIF tag but a property of the
# container ("irot" and "imir"), which browsers and Pillow follow; OpenCV passes over it.
#
# Why it matters: phones and image services write AVIF. A detector of faces finds little in a
# photograph on its side, and boxes that were drawn in a browser lie elsewhere.
# nasface: reads AVIF as stored, and turns it by what Pillow says.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet opencv-python-headless==5.0.0.93 pillow==13.0.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'END'
import cv2
import numpy as np
from PIL import ExifTags, Image, ImageOps

stored = np.zeros((40, 60, 3), np.uint8)
stored[:10] = 255
exif = Image.Exif()
exif[ExifTags.Base.Orientation] = 6  # to be turned by 90 degrees, clockwise
turned = []
for suffix in ("jpg", "png", "webp", "tif", "avif"):
    Image.fromarray(stored).save(f"a.{suffix}", exif=exif)
    with Image.open(f"a.{suffix}") as file:
        shown = ImageOps.exif_transpose(file).size[::-1]
    data = np.fromfile(f"a.{suffix}", np.uint8)
    read = cv2.imdecode(data, cv2.IMREAD_COLOR).shape[:2]
    print(suffix, "stored", stored.shape[:2], "shown by Pillow", shown, "read by OpenCV", read)
    assert shown == (60, 40)
    turned.append(read == shown)
assert turned == [True, True, True, True, False]
END
