#!/usr/bin/env bash
# Logarithms of scores are infinite after export
#
# torch 2.13.0, onnxscript 0.7.2, onnxruntime 1.32.0.
#
# Expected: logsigmoid, logaddexp, logcumsumexp and binary_cross_entropy_with_logits, which exist so
# that nothing overflows, give the same finite numbers after torch.onnx.export.
# Seen: the exporter writes them as they stand in a textbook. logsigmoid becomes Log(Sigmoid(x)),
# which onnxruntime gives as -inf from -18 down, where torch gives x. The loss of a background anchor
# with the logit -20, which is 2e-9, becomes infinite; with -10 it is 2.4e-4 where 4.5e-5 is right.
# logaddexp becomes Log(Exp(a) + Exp(b)): infinite from 89 up, -inf for two values of -1000.
# logcumsumexp is -inf for what stands 150 below the largest. logsumexp, log_softmax and softplus are
# right. No warning is given. OpenVINO, which reads the program of torch.export, is right for
# logaddexp.
#
# Why it matters: logits of -20 are common for background. What is exported for training on a device,
# for fusing scores in the log domain, or for a calibration, is right on the pictures that were tried
# and infinite on others. Write them yourself: -softplus(-x) for logsigmoid, logsumexp of a stack for
# logaddexp.
# nasface: exports none of them; its scores are a softmax.
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
import onnxruntime
import torch
from torch import nn
from torch.nn import functional as F


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


def loss(logits, targets):
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="none")


def log_sum(one, other):
    return torch.logsumexp(torch.stack([one, other]), 0)


logits = torch.tensor([-1000.0, -100.0, -20.0, -10.0, 0.0, 20.0, 100.0])
same = logits.clone()
wrong = {}
for name, function, inputs in (
    ("logsigmoid", F.logsigmoid, [logits]),
    ("-softplus(-x)", lambda x: -F.softplus(-x), [logits]),
    ("loss of background", loss, [logits, torch.zeros_like(logits)]),
    ("logaddexp", torch.logaddexp, [logits, same]),
    ("logsumexp of a stack", log_sum, [logits, same]),
    ("logcumsumexp", lambda x: torch.logcumsumexp(x, 0), [torch.tensor([0.0, 50.0, 200.0])]),
    ("log_softmax", lambda x: F.log_softmax(x, 0), [logits]),
):
    program = torch.onnx.export(Function(function), tuple(inputs), dynamo=True, verbose=False)
    buffer = io.BytesIO()
    program.save(buffer)
    session = onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    feed = {key: each.numpy() for key, each in zip(names, inputs, strict=True)}
    exported = session.run(None, feed)[0]
    eager = function(*inputs).numpy()
    print(f"{name}\n    torch       {eager}\n    onnxruntime {exported}")
    assert np.isfinite(eager).all()
    wrong[name] = inputs[0].numpy()[~np.isfinite(exported)].tolist()
    if not wrong[name]:
        assert np.allclose(eager, exported, rtol=1e-3, atol=1e-5)

assert wrong["logsigmoid"] == [-1000, -100, -20]
assert wrong["loss of background"] == [-1000, -100, -20]
assert wrong["logaddexp"] == [-1000, 100]
assert wrong["logcumsumexp"] == [0, 50]
for name in ("-softplus(-x)", "logsumexp of a stack", "log_softmax"):
    assert not wrong[name]
END
