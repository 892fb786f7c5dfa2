#!/usr/bin/env bash
# A ReLU gives values below zero after export
#
# torch 2.13.0, onnx 1.23.2, onnxscript 0.7.2, onnxruntime 1.32.0.
#
# Expected: of two limits in a row the second has the last word, also where their ranges do not meet. A ReLU of
# what is at most -0.5 is 0.
# Seen: torch.onnx.export with dynamo=True (the default) merges both to one Clip of the larger lower and the
# smaller upper limit. Where those are in the wrong order, ONNX takes the upper one: the ReLU gives -0.5, and
# a clamp to 3 to 5 after one to -1 to 1 gives 1. The other way round, and with ranges that meet, all is
# right. With optimize=False, and with the older exporter, it is right too.
#
# Why it matters: limits that are learned, or drawn by a search, cross sooner or later; there the network gives a
# constant, and the file another one, even of the wrong sign, on which a logarithm or a root is NaN.
# nasface: leaves files to this exporter that hold operators from outside; its own never limit twice in a row.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 onnx==1.23.2 onnxscript==0.7.2 onnxruntime==1.32.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python -W ignore - <<'END'
import io
import logging

import numpy as np
import onnxruntime
import torch

logging.disable()
X = torch.tensor([[-5.0, -1.0, 0.0, 2.0, 9.0]])


class Limits(torch.nn.Module):
    """A clamp and what follows."""

    def __init__(self, first, second):
        super().__init__()
        self.first = first
        self.second = second

    def forward(self, x):
        x = x.clamp(*self.first)
        return torch.relu(x) if self.second == "relu" else x.clamp(*self.second)


def run(file):
    session = onnxruntime.InferenceSession(file)
    return session.run(None, {session.get_inputs()[0].name: X.numpy()})[0]


def exported(module):
    """By the exporter, by it without optimisation, and by the older one."""
    files = []
    for optimize in (True, False):
        program = torch.onnx.export(module, (X,), dynamo=True, verbose=False, optimize=optimize)
        files.append(program.model_proto.SerializeToString())
    older = io.BytesIO()
    torch.onnx.export(module, (X,), older, dynamo=False)
    return [run(file) for file in (*files, older.getvalue())]


for first, second, seen in (
    ((None, -0.5), "relu", -0.5),
    ((-3.0, -0.5), "relu", -0.5),
    ((-1.0, 1.0), (3.0, 5.0), 1),
    ((3.0, 5.0), (-1.0, 1.0), 1),
    ((-3.0, 4.0), "relu", None),
    ((-1.0, 4.0), (1.0, 5.0), None),
):
    module = Limits(first, second).eval()
    right = module(X).numpy()
    default, plain, older = exported(module)
    print(f"{first}, then {second}: {right[0]}, exported {default[0]}")
    assert np.array_equal(right, plain) and np.array_equal(right, older)
    assert np.array_equal(default, right if seen is None else np.full_like(right, seen))
END
