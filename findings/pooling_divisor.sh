#!/usr/bin/env bash
# The divisor of an average pooling is left out of the exported file
#
# torch 2.13.0, onnxscript 0.7.2, onnxruntime 1.32.0.
#
# Expected: avg_pool2d with divisor_override is exported with a multiplication, or refused as not
# supported.
# Seen: torch.onnx.export writes a plain AveragePool. With a window of 3 x 3 and a divisor of 1, which
# is how a sum over a window is written, every value comes out a ninth of what it should be;
# avg_pool3d likewise, a 27th. Neither the exporter nor the checker of onnx says a word, and the older
# exporter (dynamo=False), which once refused it, does the same for 2d. OpenVINO refuses the same
# program.
#
# Why it matters: sums over windows are counts of neighbours, box filters, local contrast. A constant
# factor before a normalisation or a convolution leaves detections that look plausible. Divide by
# hand: avg_pool2d(x, 3) * 9.
# nasface: uses no such divisor.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 onnx==1.23.2 onnxscript==0.7.2 \
    onnxruntime==1.32.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python -W ignore - <<'END'
import io

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn


class Scaled(nn.Module):
    def forward(self, images):
        return nn.functional.avg_pool2d(images, 3, 2, 1) * 9


def exported(model, batch, newer):
    buffer = io.BytesIO()
    if newer:
        torch.onnx.export(model, (batch,), dynamo=True, verbose=False).save(buffer)
    else:
        torch.onnx.export(model, (batch,), buffer, dynamo=False)
    onnx.checker.check_model(onnx.load_from_string(buffer.getvalue()), full_check=True)
    session = onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: batch.numpy()})[0]


images = torch.rand(1, 2, 9, 9, generator=torch.Generator().manual_seed(0))
volumes = torch.rand(1, 2, 9, 9, 9, generator=torch.Generator().manual_seed(0))
window = nn.functional.unfold(images[:, :1], 3, padding=1, stride=2).sum(1).reshape(5, 5)
for name, model, batch, factor in (
    ("no divisor", nn.AvgPool2d(3, 2, 1), images, 1),
    ("divisor 1", nn.AvgPool2d(3, 2, 1, divisor_override=1), images, 9),
    ("divisor 7", nn.AvgPool2d(3, 2, 1, divisor_override=7), images, 9 / 7),
    ("times 9", Scaled(), images, 1),
    ("volume, divisor 1", nn.AvgPool3d(3, 2, 1, divisor_override=1), volumes, 27),
):
    eager = model(batch).numpy()
    after = exported(model, batch, newer=True)
    print(f"{name}: torch {eager.flat[0]:.4f}, exported {after.flat[0]:.4f}")
    assert np.allclose(eager, factor * after, rtol=1e-4)
    if batch is images:
        assert np.allclose(after, exported(model, batch, newer=False), rtol=1e-4)
    if name in ("divisor 1", "times 9"):
        assert np.allclose(eager[0, 0], window.numpy(), rtol=1e-4)
END
