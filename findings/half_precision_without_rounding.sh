#!/usr/bin/env bash
# A network in half precision neither rounds nor overflows
#
# OpenVINO 2026.4.1, onnxruntime 1.32.0, onnx 1.23.2, numpy 2.4.6, CPU, x86-64.
#
# Expected: a Cast to float16 rounds to eleven binary digits, and 70000 becomes infinite. A runtime drops it only
# if it is asked to optimise, and asked for float32 a runtime does what the file says.
# Seen: OpenVINO, with the precision hint f32, leaves out a pair of Casts to float16 and back: 2049 stays 2049
# and 70000 stays 70000, also between other operators, and x minus its rounded value is 0. onnxruntime keeps
# such a pair, even in its default optimisation; but where a node in between has no kernel for float16 (Abs,
# here) it computes that one in float32 and leaves out both Casts, also with all optimisation disabled.
#
# Why it matters: whether a network survives half precision is tried on the CPU before it goes to a phone or an
# accelerator. Neither runtime shows the overflow, and a parity check in half precision passes exactly.
# nasface: compares a float16 file with the float32 detector, through onnxruntime, within a bound.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet openvino==2026.4.1 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python -W ignore - <<'END'
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import TensorProto, parser

X = np.array([0.1, 1.0004, 2049, 1e-8, -3.3333, 70000], np.float32)
with np.errstate(over="ignore"):
    ROUNDED = X.astype(np.float16).astype(np.float32)
HALF = f"Cast <to = {TensorProto.FLOAT16}>"
SINGLE = f"Cast <to = {TensorProto.FLOAT}>"
NETWORKS = {
    "there and back": (f"h = {HALF} (x) y = {SINGLE} (h)", X, ROUNDED),
    "after a ReLU": (f"r = Relu (x) h = {HALF} (r) y = {SINGLE} (h)", X.clip(0), ROUNDED.clip(0)),
    "x minus it": (f"h = {HALF} (x) s = {SINGLE} (h) y = Sub (x, s)", X - X, X - ROUNDED),
    "Abs in between": (f"h = {HALF} (x) a = Abs (h) y = {SINGLE} (a)", np.abs(X), np.abs(ROUNDED)),
}
core = openvino.Core()


def by_runtime(file, level):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    return onnxruntime.InferenceSession(file, options).run(None, {"x": X})[0]


def by_openvino(file):
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    return core.compile_model(core.read_model(file, b""), "CPU", options)([X])[0]


for name, (formula, unrounded, rounded) in NETWORKS.items():
    text = f'<ir_version: 9, opset_import: ["" : 18]> network (float[6] x) => (float[6] y) {{ {formula} }}'
    model = parser.parse_model(text)
    onnx.checker.check_model(model)
    file = model.SerializeToString()
    results = {level: by_runtime(file, level) for level in ("ORT_DISABLE_ALL", "ORT_ENABLE_ALL")}
    results["OpenVINO"] = by_openvino(file)
    for runtime, result in results.items():
        exact, right = np.array_equal(result, unrounded), np.array_equal(result, rounded)
        print(f"{name}, {runtime}: {'not rounded' if exact else 'right' if right else result}")
        assert exact == (runtime == "OpenVINO" or name == "Abs in between") and exact != right
END
