#!/usr/bin/env bash
# A column added to a matrix product is added as a row
#
# OpenCV 5.0.0 (opencv-python-headless 5.0.0.93), onnx 1.23.2, onnxruntime 1.32.0, CPU.
#
# Expected: what is added to a matrix product follows the rules of broadcasting: one value per row for a
# column, one per column for a row.
# Seen: a constant column of as many values as the product has columns is added as a row. Of a product of 4 x 4
# the column (4, 1) goes along each row, also for a batch of products. A column of 3 to a product of 3 x 4, a
# row, a single number, a full matrix, a column that is no constant, and a column as the third input of Gemm
# are right. Reading and running say nothing.
#
# Why it matters: one value per row is a bias of positions, of classes against prototypes, of queries, and square
# products are what attention and comparisons of a set with itself make. On the diagonal the sums are right.
# nasface: its networks hold no matrix product; a backbone from outside may.
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
from onnx import numpy_helper, parser

draw = np.random.default_rng(0).normal
FORMULAS = {
    "product + bias": "product = MatMul (x, weights) y = Add (product, bias)",
    "bias + product": "product = MatMul (x, weights) y = Add (bias, product)",
    "Gemm": "y = Gemm (x, weights, bias)",
}


def outputs(formula, shape, bias_shape, constant=True):
    """By hand, of onnxruntime and of OpenCV, and the bias."""
    x, weights, bias = (draw(size=each).astype(np.float32) for each in (shape, (4, 4), bias_shape))
    bias_input = "" if constant else f", float[{', '.join(map(str, bias_shape))}] bias"
    text = f"""
        <ir_version: 9, opset_import: ["" : 18]>
        network (float[{", ".join(map(str, shape))}] x{bias_input}) => (float[{", ".join(map(str, shape))}] y) {{
            {FORMULAS[formula]}
        }}"""
    model = parser.parse_model(text)
    arrays, inputs = {"weights": weights}, {"x": x}
    (arrays if constant else inputs)["bias"] = bias
    for name, array in arrays.items():
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    onnx.checker.check_model(model)
    file = model.SerializeToString()
    by_runtime = onnxruntime.InferenceSession(file).run(None, inputs)[0]
    network = cv2.dnn.readNetFromONNX(np.frombuffer(file, np.uint8))
    for name, array in inputs.items():
        network.setInput(array, name)
    return x @ weights + bias, by_runtime, network.forward(), bias


for formula in FORMULAS:
    for shape, bias_shape in (
        ((4, 4), (4, 1)),
        ((3, 4), (3, 1)),
        ((4, 4), (1, 4)),
        ((4, 4), (1, 1)),
        ((4, 4), (4, 4)),
        ((2, 4, 4), (4, 1)),
    ):
        if formula == "Gemm" and len(shape) == 3:
            continue
        right, by_runtime, by_opencv, bias = outputs(formula, shape, bias_shape)
        assert np.allclose(right, by_runtime, atol=1e-5)
        same = np.allclose(right, by_opencv.reshape(right.shape), atol=1e-5)
        print(f"{formula}, {shape} and {bias_shape}: {'right' if same else 'wrong'}")
        assert same == (formula == "Gemm" or bias_shape != (4, 1))
        if not same:
            as_row = right - bias + bias.T
            assert np.allclose(as_row, by_opencv.reshape(right.shape), atol=1e-5)
right, _, by_opencv, _ = outputs("product + bias", (4, 4), (4, 1), constant=False)
assert np.allclose(right, by_opencv, atol=1e-5)
END
