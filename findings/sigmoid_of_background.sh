#!/usr/bin/env bash
# A sigmoid that falls where it should rise
#
# onnxruntime 1.32.0 (CPU, 32 bits), beside OpenVINO 2026.4.1.
#
# Expected: Sigmoid rises with its input, and has a small relative error everywhere, as exp has.
# Seen: the error is some 1e-7 whatever the value. Scores below 1e-5 stand on a grid of 3e-8: between
# the logits -17.9 and -14, of 389 steps of 0.01 upwards 118 go down; -16.5 has a higher score than
# -16, and from -18 down every score is 0. Above -10 nothing falls. The same file is right to 1e-6 in
# OpenVINO, and so is torch. Reports to the project (issue 22557) tell of scores below 0 on other
# processors.
#
# Why it matters: average precision and TopK look at nothing but the order of scores. Among background
# anchors, by far the most, the order is another one, many are equal, and a logarithm is infinite.
# Sort by the logit where the tail counts. Above a score of 0.001 the relative error is below 1e-4.
# nasface: its scores are a softmax of two logits.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnx==1.23.2 onnxruntime==1.32.0 openvino==2026.4.1 \
    numpy==2.4.6
cd "$folder"
export OPENVINO_TELEMETRY_OPT_OUT=1
OMP_NUM_THREADS=1 venv/bin/python -W ignore - <<'END'
import io

import numpy as np
import onnxruntime
import openvino
from onnx import TensorProto, helper

graph = helper.make_graph(
    [helper.make_node("Sigmoid", ["logits"], ["scores"])],
    "sigmoid",
    [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n"])],
    [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n"])],
)
opsets = [helper.make_opsetid("", 20)]
file = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
core = openvino.Core()
compiled = core.compile_model(
    core.read_model(io.BytesIO(file)), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
)


def sigmoid(logits):
    logits = np.asarray(logits, np.float32)
    return session.run(None, {"logits": logits})[0], compiled([logits])[0]


def exact(logits):
    return 1 / (1 + np.exp(-np.asarray(logits, np.float32).astype(np.float64)))


few = [-20, -18, -17.5, -17, -16.5, -16, -15, -12, -10, -5]
for row in zip(few, exact(few), *sigmoid(few), strict=True):
    print("logit {:6}: score {:.3e}, onnxruntime {:.3e}, OpenVINO {:.3e}".format(*row))

for low, high in ((-17.9, -14), (-14, -12), (-12, -10), (-10, -7), (-7, -5), (-5, 0)):
    logits = np.arange(low, high, 0.01)
    ours, other = sigmoid(logits)
    wrong = [float(np.abs(each / exact(logits) - 1).max()) for each in (ours, other)]
    falls = [int((np.diff(each) < 0).sum()) for each in (ours, other)]
    print(f"{low} to {high}: relative error {wrong}, falls in {len(logits) - 1} steps: {falls}")
    assert wrong[1] < 1e-5 and falls[1] == 0
    if high == -14:
        assert wrong[0] > 0.5 and falls[0] > 20
    if low >= -7:
        assert wrong[0] < 2e-4 and falls[0] == 0
scores, other = sigmoid([-30, -20])
assert (scores <= 0).all() and (other > 0).all()
END
