#!/usr/bin/env bash
# What lies to the right lies to the left after export
#
# torch 2.13.0, onnx 1.23.2, onnxscript 0.7.2, onnxruntime 1.32.0.
#
# Expected: atan2, which ONNX writes as an arctangent of a quotient and a choice of the quadrant, has
# the values of torch also on the axes.
# Seen: it looks at the sign of x by x < 0 alone. For x = -0, which is what -d or d * -1 gives of a
# difference d of 0, the quotient has the other sign, and the angle is off by half a turn: the point
# (1, 0) seen from straight up, atan2(1, -0), is +90 degrees in torch and -90 in the file. For y = 0 and
# x < 0 it is -180 instead of +180. The older exporter (dynamo=False) does the same, and gives NaN for
# the origin. OpenVINO, which reads the program of torch.export, is right. Off the axes all agree.
#
# Why it matters: the roll of a face from its eyes, and the angle of a rotated box from an edge, are such
# angles, and on the axes are the faces that are upright and the boxes that are level: those that a
# detector on whole pixels sees most. A difference of 0 in another argument order is right, and a check on
# random numbers passes. Adding 0.0 or 1e-12 to x does not help, both are optimised away; taking
# torch.where(x == 0, 0, x) does. Mind that +180 may still be -180.
# nasface: exports no angles.
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
import onnxruntime
import torch
from torch import nn

logging.disable(logging.ERROR)


class FromUp(nn.Module):
    """Degrees clockwise from straight up, in an image whose y axis points down."""

    def __init__(self, change=lambda up: up):
        super().__init__()
        self.change = change

    def forward(self, across, down):
        return torch.atan2(across, self.change(-down)) * (180 / torch.pi)


def exported(model, inputs, newer):
    buffer = io.BytesIO()
    options = {"dynamo": True} if newer else {"dynamo": False, "opset_version": 18}
    torch.onnx.export(model, inputs, buffer, verbose=False, **options)
    session = onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    return session.run(None, dict(zip(names, [each.numpy() for each in inputs])))[0]


places = ["right", "left", "above", "below", "above right", "below left"]
inputs = torch.tensor([[1.0, -1, 0, 0, 1, -1], [0.0, 0, -1, 1, -1, 1]])
across, down = inputs
eager = FromUp()(across, down).numpy()
assert np.allclose(eager, [90, -90, 0, 180, 45, -135])
for newer in (True, False):
    found = exported(FromUp(), (across, down), newer)
    print("newer exporter" if newer else "older exporter")
    for row in zip(places, eager, found, strict=True):
        print("    {}: torch {:.0f}, exported {:.0f}".format(*row))
    assert np.allclose(found, [-90, 90, 0, -180, 45, -135])

origin = torch.zeros(1), -torch.zeros(1)
origins = [float(exported(FromUp(), origin, newer)[0]) for newer in (True, False)]
print(f"the origin: torch {float(FromUp()(*origin)):.0f}, exported {origins[0]}, older {origins[1]}")
assert origins[0] == 0 and np.isnan(origins[1])

for label, change, sign in (
    ("0 added", lambda up: up + 0.0, -1),
    ("1e-12 added", lambda up: up + 1e-12, -1),
    ("0 chosen", lambda up: torch.where(up == 0, torch.zeros_like(up), up), 1),
):
    found = exported(FromUp(change), (across, down), True)
    print(f"{label}: exported {found.round()}")
    assert np.allclose(FromUp(change)(across, down).numpy()[:2], [90, -90])
    assert np.allclose(found, [90 * sign, -90 * sign, 0, -180, 45, -135])

random = torch.randn(2, 1000, generator=torch.Generator().manual_seed(0)).unbind()
assert np.allclose(FromUp()(*random).numpy(), exported(FromUp(), random, True), atol=1e-3)
END
