#!/usr/bin/env bash
# A converted network counts in another arithmetic
#
# OpenVINO 2026.4.1 (which needs packaging and does not install it), torch 2.13.0, CPU.
#
# Expected: convert_model of a program of torch.export gives the numbers of torch, or refuses.
# Seen: three functions give others, in silence. torch.cdist with p=1 (Manhattan) is NaN for most
# pairs and wrong for the rest, with p=inf it is 1 for all, with p=2 right. Floor division of integers
# rounds towards zero (-7 // 2 is -3 where torch has -4; known as issue 38248), while % is right, so
# that x // 4 * 4 + x % 4 is no longer x. Numbers of uint8 stop at 0 and 255 where torch goes round:
# the difference 3 - 5 is 0 instead of 254. A traced module instead of an exported one does the same.
#
# Why it matters: // is how anchors, cells and offsets from a centre become indices; a network that
# does its own matching or tracking measures distances. Positive numbers, on which a conversion is
# usually tried, agree. Divide as floats and take the floor; write p=1 as a sum of absolute
# differences.
# nasface: its networks hold integers for sizes alone, which are positive.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet openvino==2026.4.1 torch==2.13.0 numpy==2.4.6 packaging==26.4
cd "$folder"
export OPENVINO_TELEMETRY_OPT_OUT=1
OMP_NUM_THREADS=1 venv/bin/python -W ignore - <<'END'
import numpy as np
import openvino
import torch
from torch import nn

core = openvino.Core()


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


def both(name, function, *inputs):
    """The numbers of torch, and of OpenVINO by both ways of conversion."""
    module = Function(function)
    exported = openvino.convert_model(torch.export.export(module, inputs))
    traced = openvino.convert_model(torch.jit.trace(module, inputs), example_input=inputs)
    arrays = [each.numpy() for each in inputs]
    hint = {"INFERENCE_PRECISION_HINT": "f32"}
    found = [core.compile_model(each, "CPU", hint)(arrays)[0] for each in (exported, traced)]
    assert np.array_equal(found[0], found[1], equal_nan=True)
    eager = function(*inputs).numpy()
    for library, numbers in (("torch", eager), ("OpenVINO", found[0])):
        print(name, library, np.asarray(numbers, float).round(3).tolist())
    return eager, found[0]


one = torch.tensor([[0.0, 0.0], [1.0, 3.0]])
other = torch.tensor([[2.0, 1.0], [0.5, 5.0]])
for p, right in ((2.0, True), (1.0, False), (float("inf"), False)):
    eager, found = both(f"cdist, p={p}", lambda x, y, p=p: torch.cdist(x, y, p), one, other)
    assert np.allclose(eager, found, atol=1e-5) == right
written = both("p=1 by hand", lambda x, y: (x[:, None] - y).abs().sum(-1), one, other)
assert np.allclose(*written) and np.allclose(written[0], [[3, 5.5], [3, 2.5]])

whole = torch.tensor([-7, -4, -1, 1, 4, 7])
parts = torch.tensor([2, 3, 4, 4, 3, 2])
eager, found = both("floor division", torch.floor_divide, whole, parts)
assert eager.tolist() == [-4, -2, -1, 0, 1, 3] and found.tolist() == [-3, -1, 0, 0, 1, 3]
assert np.array_equal(*both("remainder", torch.remainder, whole, parts))
eager, found = both("x // 4 * 4 + x % 4", lambda x: x // 4 * 4 + x % 4, whole)
assert np.array_equal(eager, whole) and not np.array_equal(found, whole)
assert np.array_equal(*both("floor of floats", lambda x, y: (x / y).floor().long(), whole, parts))

small = torch.tensor([200, 3], dtype=torch.uint8), torch.tensor([100, 5], dtype=torch.uint8)
eager, found = both("sum of uint8", torch.add, *small)
assert eager.tolist() == [44, 8] and found.tolist() == [255, 8]
eager, found = both("difference of uint8", torch.sub, *small)
assert eager.tolist() == [100, 254] and found.tolist() == [100, 0]
END
