#!/usr/bin/env bash
# The mean of three channels of a white pixel is 84
#
# polars 2.1.0.
#
# Expected: a mean is taken in floating point, or in integers that are wide enough. The mean of a column of bytes
# is right, as is the mean of a list of bytes; so is the one across columns.
# Seen: mean_horizontal, as a function and as a method of a frame, adds in the type of the columns, and divides what is
# left of the sum: the mean of the bytes 255, 255 and 255 is 84.33, of 100 three times 14.67. Two numbers of 8 bits
# that are 100 have the mean -28, two of 16 bits that are 30000 have -2768, and two that are the largest of 32 bits
# have -1. The type of the result is a 64-bit float, and nothing warns. sum_horizontal and the product of two columns,
# dot, wrap as well, in integers at least. One column of a wider type is enough for the right mean.
#
# Why it matters: grey values from channels, or a mean over the three seeds of an experiment kept in small types,
# stay in range and look like data; dark pixels are right. Cast to float first.
# nasface: does not use polars.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet polars==2.1.0
cd "$folder"
venv/bin/python - <<'END'
import polars
from polars import Float32, Int8, Int16, Int32, UInt8


def columns(kind, *values):
    """A frame of one row."""
    return polars.DataFrame({f"column{k}": polars.Series([value], dtype=kind) for k, value in enumerate(values)})


for kind, values, seen in (
    (UInt8, (255, 255, 255), 253 / 3),
    (UInt8, (100, 100, 100), 44 / 3),
    (UInt8, (10, 20, 30), 20),
    (Int8, (100, 100), -28),
    (Int16, (30000, 30000), -2768),
    (Int32, (2**31 - 1, 2**31 - 1), -1),
    (Float32, (255, 255, 255), 255),
):
    frame = columns(kind, *values)
    mean, total = frame.mean_horizontal(), frame.sum_horizontal()
    print(f"{kind}, {values}: mean {mean[0]:.2f} as {mean.dtype}, sum {total[0]}")
    assert abs(mean[0] - seen) < 1e-6 and mean.dtype == (Float32 if kind == Float32 else polars.Float64)
    assert frame.select(polars.mean_horizontal(polars.all())).item() == mean[0]
    down = polars.Series(values, dtype=kind)
    right = sum(values) / len(values)
    assert down.mean() == right
    assert frame.select(polars.concat_list(polars.all()).list.mean()).item() == right

wider = polars.DataFrame({"a": [100], "b": [100]}, schema={"a": Int8, "b": Int32})
print("8 and 32 bits:", wider.mean_horizontal()[0])
assert wider.mean_horizontal()[0] == 100
two = polars.Series([100, 100], dtype=UInt8)
print("100 * 100 + 100 * 100 by dot:", two.dot(two))
assert two.dot(two) == 20000 % 256
END
