#!/usr/bin/env bash
# One score that is missing makes a sort lose other scores and give some twice
#
# tinygrad 0.14.0, on its Python device.
#
# Expected: a NaN comes to one end of a sorted list, or stays somewhere; the other scores are all there, in order but
# for it, and the indices are those of the list, each once.
# Seen: of 0.1, 0.9, 0.5 and NaN the sorted list is 0.9, 0.1, 0.9, 0.1, and the two best are 0.9 and 0.1, with the
# indices 1 and 0. Of 0.9, NaN, 0.7, 0.6 ... the two best are the first twice. With NaN in front all is
# NaN, with the index 0 everywhere. argsort gives the same indices, so that it is no permutation, and argmax of
# NaN, NaN and 0.5 is 3, one past the end. max is 0.9 for the first of these lists, and NaN where the NaN stands in
# front. Besides, the mean of three 32-bit integers of 2^30 is -357913952, as sums of 32-bit integers wrap.
#
# Why it matters: the best detections are taken so before suppression. One box whose score is NaN, from a layer that
# overflowed, lets the picture keep one face several times and lose others, which looks like bad detection.
# nasface: sorts by PyTorch and NumPy, which put NaN at one end.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tinygrad==0.14.0
cd "$folder"
XDG_CACHE_HOME="$folder" DEV=PYTHON venv/bin/python -W ignore - <<'END'
from math import nan

from tinygrad import Tensor


def text(values):
    """Numbers as text, where NaN equals itself."""
    return " ".join(f"{value:.1f}" for value in values)


for scores, ordered, indices in (
    ([0.1, 0.9, 0.5, 0.3], "0.9 0.5 0.3 0.1", [1, 2, 3, 0]),
    ([0.1, 0.9, 0.5, nan], "0.9 0.1 0.9 0.1", [1, 0, 0, 0]),
    ([0.9, nan, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2], "0.9 0.9 0.7 0.6 0.5 0.4 0.3 0.2", [0, 0, 2, 3, 4, 5, 6, 7]),
    ([nan, 0.1, 0.9, 0.5], "nan nan nan nan", [0, 0, 0, 0]),
    ([nan, nan, 0.5], "nan nan nan", [0, 0, 0]),
):
    tensor = Tensor(scores)
    values, places = tensor.sort(descending=True)
    best, best_places = tensor.topk(2)
    print(f"{text(scores)}: sorted {text(values.tolist())}, indices {places.tolist()},", end=" ")
    print(f"best two {text(best.tolist())} at {best_places.tolist()}, argmax {tensor.argmax().item()}")
    assert text(values.tolist()) == ordered and places.tolist() == indices
    assert text(best.tolist()) == text(values.tolist()[:2]) and best_places.tolist() == indices[:2]
    assert tensor.argsort(descending=True).tolist() == indices
assert Tensor([nan, nan, 0.5]).argmax().item() == 3
assert text([Tensor([0.1, 0.9, 0.5, nan]).max().item(), Tensor([nan, 0.1, 0.9, 0.5]).max().item()]) == "0.9 nan"
mean = Tensor([2**30] * 3).mean().item()
print("mean of three times 2^30:", mean)
assert mean < -(10**8)
END
