#!/usr/bin/env bash
# The complement of a mask of truth values holds everything
#
# OpenCV 5.0.0 (opencv-python-headless 5.0.0.93).
#
# Expected: bitwise_not of an array of bool is its complement, as numpy's `~` gives, or an error, as
# in OpenCV 4.13, which takes no such arrays.
# Seen: an array of bool in which every element is True: the bytes 0 and 1 were inverted bit by bit,
# to 255 and 254, which are both true. Nothing is said. As `mask=` of another function it lets every
# pixel through. compare, bitwise_and, bitwise_or, bitwise_xor and countNonZero take the same arrays
# and are right, and two bitwise_not in a row give the mask back, so that a test of that kind passes.
#
# Why it matters: OpenCV 5 is the first to take masks as numpy and torch write them, which invites to
# drop `.astype(np.uint8) * 255`. "All but the faces" is then the whole picture, in blurring,
# evaluation by region, and copying. Write `~mask`, or compare(mask, 0, CMP_EQ).
# nasface: has its masks complemented by numpy and torch.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet opencv-python-headless==5.0.0.93 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'END'
import cv2
import numpy as np

faces = np.zeros((6, 8), bool)
faces[1:4, 2:5] = True
picture = np.full((6, 8), 100, np.uint8)

complement = cv2.bitwise_not(faces)
print("OpenCV", cv2.__version__, "type", complement.dtype, "bytes", np.unique(complement.view("u1")))
print("faces", cv2.countNonZero(faces), "of", faces.size, "complement", np.count_nonzero(complement))
assert complement.dtype == bool and np.count_nonzero(complement) == faces.size
assert np.count_nonzero(~faces) == faces.size - 9

kept = cv2.bitwise_and(picture, picture, mask=complement)
right = cv2.bitwise_and(picture, picture, mask=~faces)
print("pixels let through:", np.count_nonzero(kept), "by numpy's complement", np.count_nonzero(right))
assert np.count_nonzero(kept) == 48 and np.count_nonzero(right) == 39

other = np.roll(faces, 1, axis=1)
assert np.array_equal(cv2.bitwise_and(faces, other), faces & other)
assert np.array_equal(cv2.bitwise_or(faces, other), faces | other)
assert np.array_equal(cv2.bitwise_xor(faces, other), faces ^ other)
assert np.array_equal(cv2.compare(faces, 0, cv2.CMP_EQ) > 0, ~faces)
assert np.array_equal(cv2.bitwise_not(complement), faces)
print("the other bitwise functions, and bitwise_not twice, are right")
END
