#!/usr/bin/env bash
# 0.1 in bfloat16 is 15820
#
# OpenCV 5.0.0 (opencv-python-headless 5.0.0.93), onnx 1.23.2, onnxruntime 1.32.0, CPU.
#
# Expected: a Cast to bfloat16 and back to float32 rounds to eight binary digits, or is refused.
# Seen: it gives the upper 16 bits of each number, cut off and taken for an integer: 0.1 becomes 15820, 1
# becomes 16256, -3.3333 becomes 49237. Reading and running say nothing. The same with float16 is right. tract
# 0.23.9 refuses bfloat16; OpenVINO 2026.4.1 and onnxruntime round.
#
# Why it matters: networks exported under autocast, which is bfloat16 on a CPU, hold such pairs around single
# layers; all values after them are large, positive and plausible as the order of exponents.
# nasface: writes float32 and float16 alone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet opencv-python-headless==5.0.0.93 onnx==1.23.2 onnxruntime==1.32.0 \
    numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python -W ignore - <<'END'
import cv2
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, parser

X = np.array([[0.1, 1, 2049, -3.3333, 0, 70000]], np.float32)


def outputs(kind, absolute):
    """Of onnxruntime and of OpenCV: there and back, of absolute values if asked for."""
    text = f"""
        <ir_version: 9, opset_import: ["" : 18]>
        network (float[1, 6] x) => (float[1, 6] y) {{
            value = {"Abs" if absolute else "Identity"} (x)
            short = Cast <to = {kind}> (value)
            y = Cast <to = {TensorProto.FLOAT}> (short)
        }}"""
    model = parser.parse_model(text)
    onnx.checker.check_model(model)
    file = model.SerializeToString()
    network = cv2.dnn.readNetFromONNX(np.frombuffer(file, np.uint8))
    network.setInput(X, "x")
    return onnxruntime.InferenceSession(file).run(None, {"x": X})[0], network.forward()


for absolute in (False, True):
    value = np.abs(X) if absolute else X
    bits = value.view(np.uint32).astype(np.int64)
    nearest = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16  # the upper half, rounded to nearest, ties to even
    by_hand = (nearest << 16).astype(np.uint32).view(np.float32)
    by_runtime, by_opencv = outputs(TensorProto.BFLOAT16, absolute)
    print(f"{value[0]}: onnxruntime {by_runtime[0]}, OpenCV {by_opencv.ravel()}")
    assert np.array_equal(by_runtime, by_hand)
    assert np.array_equal(by_opencv.reshape(1, 6), bits >> 16)
    by_runtime, by_opencv = outputs(TensorProto.FLOAT16, absolute)
    with np.errstate(over="ignore"):
        assert np.array_equal(by_runtime, value.astype(np.float16))
    assert np.array_equal(by_runtime, by_opencv.reshape(1, 6))
END
