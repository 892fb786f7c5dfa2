#!/usr/bin/env bash
# The epsilon that keeps a quotient finite is optimised away
#
# torch 2.13.0, onnx 1.23.2, onnxscript 0.7.2, onnxruntime 1.32.0.
#
# Expected: torch.onnx.export folds constants and drops the addition of 0 and the multiplication by 1,
# and leaves the addition of 1e-9 as it is. (1e-12 was meant as a remedy in half_turn_after_export.)
# Seen: its optimiser (dynamo=True, optimize=True, the defaults) takes a constant of up to 1e-8 for 0
# and one of 1.000001 for 1. Of log(x + e) at x = 0 the file gives -inf for e = 1e-12, 1e-9 and 1e-8,
# where torch has -27.6, -20.7 and -18.4; 1e-7 and 1e-6 are right. a / (b + 1e-9) of zeros is NaN where
# torch has 0. x * 1.000001 is x. With optimize=False all is right, and so is what torch writes with
# clamp_min. No warning is given.
#
# Why it matters: 1e-8, 1e-9 and 1e-12 are what everybody adds before a logarithm, a root or a division: an
# IoU of empty boxes, a normalised feature of a black region, an entropy. The guard is gone in the file
# alone and only its case shows it; a parity check on a photograph passes. Use clamp_min, or 1e-7.
# nasface: adds no such constant in what it exports.
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
SMALL = (1e-12, 1e-9, 1e-8, 1e-7, 1e-6)
FACTORS = (1.000001, 1.0001)


class Guarded(nn.Module):
    """Logarithms, a quotient guarded in two ways, and products."""

    def forward(self, zeros, ones):
        logarithms = torch.stack([torch.log(zeros + each) for each in SMALL])
        quotients = torch.stack([zeros / (zeros + 1e-9), zeros / zeros.clamp_min(1e-9)])
        products = torch.stack([ones * each for each in FACTORS])
        return logarithms, quotients, products


def exported(model, inputs, **options):
    buffer = io.BytesIO()
    torch.onnx.export(model, inputs, buffer, dynamo=True, verbose=False, **options)
    session = onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    found = session.run(None, dict(zip(names, [each.numpy() for each in inputs])))
    return [each[:, 0] for each in found]


inputs = torch.zeros(2), torch.ones(2)
eager = [each.numpy()[:, 0] for each in Guarded()(*inputs)]
default = exported(Guarded(), inputs)
plain = exported(Guarded(), inputs, optimize=False)
for label, numbers in (("torch", eager), ("exported", default), ("optimize=False", plain)):
    print(f"{label}:")
    print("    log(0 + e) for e =", *SMALL, "is", numbers[0].round(1))
    print("    0 / (0 + 1e-9) and 0 / clamp_min(0, 1e-9):", numbers[1])
    print("    1 *", *FACTORS, "is", numbers[2])
assert all(np.allclose(each, right, rtol=1e-7) for each, right in zip(plain, eager, strict=True))
assert np.isneginf(default[0][:3]).all() and np.isfinite(eager[0]).all()
assert np.allclose(default[0][3:], eager[0][3:])
assert np.isnan(default[1][0]) and default[1][1] == 0 and (eager[1] == 0).all()
assert default[2][0] == 1 < eager[2][0] and default[2][1] == eager[2][1]
END
