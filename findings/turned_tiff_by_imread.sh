#!/usr/bin/env bash
# cv2.imread finds nothing in a turned TIFF that cv2.imdecode reads
#
# opencv-python-headless 5.0.0.93, Pillow 13.0.0.
#
# Expected: imread(path) and imdecode(the bytes of that file) give the same picture.
# Seen: for EXIF orientations 1 to 4 they do. For 5 to 8, which exchange width and height, imread logs an
# internal error and returns None, and imdecode returns the turned picture. JPEG, PNG and WebP are read by both.
#
# Why it matters: scanners and cameras write such files, and None is also the answer to a file that is
# damaged or not there.
# nasface: reads the bytes itself and decodes them.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet opencv-python-headless==5.0.0.93 pillow==13.0.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'END'
import cv2
import numpy as np
from PIL import ExifTags, Image

stored = np.zeros((40, 60, 3), np.uint8)
stored[:10] = 255
found = []
for orientation in range(1, 9):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.fromarray(stored).save("a.tif", exif=exif)
    read = cv2.imread("a.tif")
    decoded = cv2.imdecode(np.fromfile("a.tif", np.uint8), cv2.IMREAD_COLOR)
    sizes = [None if each is None else each.shape[:2] for each in (read, decoded)]
    print("orientation", orientation, "imread", sizes[0], "imdecode", sizes[1])
    found.append((sizes[0] is None, sizes[1]))
assert found == [(False, (40, 60))] * 4 + [(True, (60, 40))] * 4
END
