#!/usr/bin/env bash
# Lossless JPEG 2000 loses large integers, and brings two channels back as two pictures
#
# imagecodecs 2026.3.6, numpy 2.4.6.
#
# Expected: what is coded without loss comes back as it was, or is refused.
# Seen: jpeg2k_encode takes arrays of 32-bit integers with reversible=True, and they come back wrong from about the 25th
# bit on: of noise between plus and minus 2^23 nothing changes, of 2^25 nearly every value of 64x48 does, by up to
# 67 million, and of a slope from 625000 to 40 million 528 values do. Both coding and decoding say nothing. The other
# coder of the package, htj2k_encode, keeps every bit of the same arrays. That one has something else: a picture
# of two channels, 7x13x2, is decoded as 2x7x13, while jpeg2k_decode reads the same bytes as 7x13x2; with three and
# four channels both agree.
#
# Why it matters: depth in micrometres, identities of a panoptic picture beside flags, or indices are such integers;
# a codec that is chosen since it is lossless changes some of them by millions. Two channels are optical flow, or
# grey and opacity.
# nasface: writes no JPEG 2000.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet imagecodecs==2026.3.6 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python - <<'END'
import numpy as np
from imagecodecs import htj2k_decode, htj2k_encode, jpeg2k_decode, jpeg2k_encode

generator = np.random.default_rng(0)
pictures = {f"noise to 2^{k}": generator.integers(-(2**k), 2**k, (64, 48)) for k in (15, 20, 23, 25, 28, 30)}
pictures["slope to 40 million"] = np.repeat(np.arange(1, 65)[:, None] * 625_000, 48, axis=1)
for name, picture in pictures.items():
    picture = picture.astype(np.int32)
    usual = jpeg2k_decode(jpeg2k_encode(picture, level=0, reversible=True))
    other = htj2k_decode(htj2k_encode(picture, reversible=True))
    wrong = usual != picture
    largest = np.abs(usual.astype(np.int64) - picture).max()
    print(f"{name}: jpeg2k {wrong.sum()} of {wrong.size} wrong, by up to {largest}; htj2k {(other != picture).sum()}")
    assert usual.dtype == other.dtype == np.int32 and np.array_equal(other, picture)
    small = name in ("noise to 2^15", "noise to 2^20", "noise to 2^23")
    assert not wrong.any() if small else wrong.sum() > 400 and largest > 10**6

for channels in (2, 3, 4):
    picture = generator.integers(0, 256, (7, 13, channels)).astype(np.uint8)
    coded = htj2k_encode(picture, reversible=True)
    usual, other = jpeg2k_decode(coded), htj2k_decode(coded)
    print(f"{picture.shape}: jpeg2k_decode {usual.shape}, htj2k_decode {other.shape}")
    assert np.array_equal(usual, picture)
    if channels == 2:
        assert other.shape == (2, 7, 13) and np.array_equal(np.moveaxis(other, 0, -1), picture)
    else:
        assert np.array_equal(other, picture)
END
