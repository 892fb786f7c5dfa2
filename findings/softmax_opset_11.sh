#!/usr/bin/env bash
# Softmax of files before opset 13 is computed by the rule of opset 13
#
# OpenVINO 2026.4.1, OpenCV 5.0.0 (opencv-python-headless 5.0.0.93), onnx 1.23.2 (its reference),
# onnxruntime 1.32.0.
#
# Expected: up to opset 12 Softmax takes all axes from `axis` on together (the sum over axes 1, 2 and
# 3 of a 4-D tensor is 1 with axis=1); all runtimes tell opsets apart.
# Seen: only onnxruntime does. OpenVINO, OpenCV and ONNX's own reference evaluator normalise axis 1
# alone in a file that says opset 11, without a word. Where `axis` is the last one both rules agree.
#
# Why it matters: in an old detector file the class scores of a map can be meant either way; read by
# the wrong rule, every score has another scale. Comparing against the reference evaluator does not
# show it, for it is wrong in the same way. Files of torch put Softmax on the last axis
# and are safe.
# nasface: exports opset 18 and later.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.32.0 openvino==2026.4.1 onnx==1.23.2 \
    opencv-python-headless==5.0.0.93
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python - <<'END'
import cv2
import numpy as np
import onnxruntime
import openvino
from onnx import TensorProto, checker, helper
from onnx.reference import ReferenceEvaluator

logits = np.random.default_rng(0).standard_normal((1, 2, 6, 5)).astype(np.float32)
shape = list(logits.shape)
graph = helper.make_graph(
    [helper.make_node("Softmax", ["logits"], ["scores"], axis=1)],
    "scores",
    [helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape)],
    [helper.make_tensor_value_info("scores", TensorProto.FLOAT, shape)],
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=6)
checker.check_model(model)
file = model.SerializeToString()
core = openvino.Core()
net = cv2.dnn.readNetFromONNX(np.frombuffer(file, np.uint8))
net.setInput(logits, "logits")
sums = {
    "onnxruntime": onnxruntime.InferenceSession(file).run(None, {"logits": logits})[0],
    "OpenVINO": next(iter(core.compile_model(core.read_model(file), "CPU")(logits).values())),
    "OpenCV": net.forward(),
    "onnx.reference": ReferenceEvaluator(model).run(None, {"logits": logits})[0],
}
for name, scores in sums.items():
    print(f"{name}: sum over the whole map {scores.sum():.4f}, opset 11 says 1")
    assert abs(scores.sum() - (1 if name == "onnxruntime" else 30)) < 1e-3
END
