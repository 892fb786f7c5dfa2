#!/usr/bin/env bash
# The mean of the points in a cell is the last of them after export
#
# torch 2.13.0, onnx 1.23.2, onnxscript 0.7.2, onnxruntime 1.32.0.
#
# Expected: scatter_reduce with reduce="mean", which ONNX has no operator for, is written as a sum and
# a count, or refused.
# Seen: torch.onnx.export with dynamo=True (the default) writes a ScatterElements without a reduction.
# Of several points that go to one cell the last stays, in place of their mean, with
# include_self=True as with False. ONNX leaves open which of them it is, so another runtime may keep
# another. Exporter and checker are silent; reduce="sum", "prod", "amax" and "amin" are right. The older
# exporter (dynamo=False) and OpenVINO refuse the same program.
#
# Why it matters: means by index are how points are gathered in cells, votes in clusters, features in
# superpixels. Cells with one point agree, and the last point is a plausible value where there are
# more. Divide by hand: a sum by scatter_add over a count by scatter_add of ones.
# nasface: takes maxima this way alone, in training.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 onnx==1.23.2 onnxscript==0.7.2 \
    onnxruntime==1.32.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python -W ignore - <<'END'
import io
import logging

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

logging.disable(logging.ERROR)


class Reduced(nn.Module):
    def __init__(self, reduce, include_self):
        super().__init__()
        self.options = {"reduce": reduce, "include_self": include_self}

    def forward(self, cells, index, points):
        return cells.scatter_reduce(0, index, points, **self.options)


class Divided(nn.Module):
    def forward(self, cells, index, points):
        total = cells.scatter_add(0, index, points)
        return total / torch.ones_like(cells).scatter_add(0, index, torch.ones_like(points))


def exported(model, inputs):
    buffer = io.BytesIO()
    torch.onnx.export(model, inputs, buffer, dynamo=True, verbose=False)
    onnx.checker.check_model(onnx.load_from_string(buffer.getvalue()), full_check=True)
    session = onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    return session.run(None, dict(zip(names, [each.numpy() for each in inputs])))[0]


cells = torch.tensor([1.0, 2.0, 3.0, 4.0])
index = torch.tensor([0, 2, 2, 1, 0])
points = torch.tensor([50.0, 30.0, 20.0, 40.0, 10.0])
last = cells.scatter(0, index, points).numpy()
assert last.tolist() == [10, 40, 20, 4]

for label, model, right in (
    ("mean", Reduced("mean", True), False),
    ("mean, without self", Reduced("mean", False), False),
    ("sum", Reduced("sum", True), True),
    ("amax, without self", Reduced("amax", False), True),
    ("mean by hand", Divided(), True),
):
    eager = model(cells, index, points).numpy()
    found = exported(model, (cells, index, points))
    print(f"{label}: torch {eager.round(2)}, exported {found.round(2)}")
    assert np.allclose(found, eager if right else last)

try:
    torch.onnx.export(
        Reduced("mean", True), (cells, index, points), io.BytesIO(), dynamo=False, opset_version=18
    )
except torch.onnx.errors.OnnxExporterError as error:
    print("older exporter:", str(error).splitlines()[0])
else:
    raise AssertionError("the older exporter took it")
END
