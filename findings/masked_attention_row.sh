#!/usr/bin/env bash
# A query that may look at nothing looks at everything after export
#
# torch 2.13.0, onnx 1.23.2, onnxscript 0.7.2, onnxruntime 1.32.0, CPU.
#
# Expected: scaled_dot_product_attention gives zeros for a query whose whole row of a boolean mask is
# False, as torch says it does, and so does the exported file; which opset it is written in makes no
# difference.
# Seen: with dynamo=True and opset 18 (the default) or 20 that query gets the mean of all values, in
# silence. The file holds IsNaN and Where for this case (onnxscript, pull request 2479), but masks by
# the least finite number, so that nothing becomes NaN and they never act. The older exporter gives
# the zeros. With the same mask as floats, 0 and -inf, torch has zeros too and both exporters NaN.
# Opset 23 gives the zeros for both masks. Rows with a True agree everywhere.
#
# Why it matters: images padded to one size in a batch, and windows shifted over a border, mask whole
# rows in detectors with attention; there the mean of foreign values comes in. A check on one image
# without padding sees nothing.
# nasface: its networks have no attention; a backbone from outside may have some.
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
from torch.nn import functional

logging.disable(logging.WARNING)


class Attention(nn.Module):
    def forward(self, query, key, value, mask):
        return functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)


def exported(inputs, **options):
    """The attention of the second query, by the exported file."""
    data = io.BytesIO()
    torch.onnx.export(Attention(), inputs, data, **options)
    session = onnxruntime.InferenceSession(data.getvalue(), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    found = session.run(None, dict(zip(names, [each.numpy() for each in inputs])))[0]
    eager = Attention()(*inputs).numpy()
    assert np.allclose(found[0, 0, [0, 2]], eager[0, 0, [0, 2]], atol=1e-6)
    return found[0, 0, 1]


missing = np.full(4, np.nan)
torch.manual_seed(0)
query, key, value = (torch.randn(1, 1, 3, 4) for _ in range(3))
allowed = torch.tensor([[True, True, False], [False, False, False], [True, False, True]])
added = torch.zeros(3, 3).masked_fill(~allowed, float("-inf"))
mean = value[0, 0].mean(0).numpy()
nothing = np.zeros(4)

for mask in (allowed, added):
    eager = Attention()(query, key, value, mask)[0, 0, 1].numpy()
    print("torch                     ", eager)
    assert np.array_equal(eager, nothing)
for label, mask, options, right in (
    ("default opset, bool mask  ", allowed, {"dynamo": True}, mean),
    ("opset 20, bool mask       ", allowed, {"dynamo": True, "opset_version": 20}, mean),
    ("opset 23, bool mask       ", allowed, {"dynamo": True, "opset_version": 23}, nothing),
    ("older exporter, bool mask ", allowed, {"dynamo": False, "opset_version": 18}, nothing),
    ("default opset, -inf added ", added, {"dynamo": True}, missing),
    ("opset 23, -inf added      ", added, {"dynamo": True, "opset_version": 23}, nothing),
    ("older exporter, -inf added", added, {"dynamo": False, "opset_version": 18}, missing),
):
    found = exported((query, key, value, mask), **options)
    print(label, found.round(3))
    assert np.allclose(found, right, atol=1e-6, equal_nan=True), label
END
