#!/usr/bin/env bash
# A scale for the columns of a map becomes one for its channels
#
# onnxslim 0.1.98, onnx 1.23.2, onnxruntime 1.32.0.
#
# Expected: a factor is folded into the weights of the convolution before it only where it stands for the
# channels, and a window over the columns or rows of a map stays a multiplication.
# Seen: onnxslim.slim removes the axes of length 1 from the factor and, if as many values are left as the
# convolution has output channels, takes them for one per channel. Of 8 channels and 8 columns the factor
# goes to the channels, whether it is written with the shape (8), (8, 1), (1, 1, 8, 1) or (1, 1, 1, 8); with
# 9 columns it stays where it was. Rows and columns alike, also after a transposed convolution; addition is
# right. Shapes stay the same, the checker passes, and nothing is said.
#
# Why it matters: cosine windows, weights of rows and centre priors are such factors, and networks for small
# inputs do have as many channels as columns. The same network at another input size is converted rightly,
# so a check at one size says nothing about the others.
# nasface: exports no such factor, and does not use onnxslim.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxslim==0.1.98 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python -W ignore - <<'END'
import numpy as np
import onnx
import onnxruntime
import onnxslim
from onnx import numpy_helper, parser
from onnx.reference import ReferenceEvaluator

CHANNELS = 8
draw = np.random.default_rng(0).normal
OPERATORS = {"Conv": "Conv <pads = [1, 1, 1, 1]>", "ConvTranspose": "ConvTranspose <pads = [1, 1, 1, 1]>"}


def network(convolution, combine, shape, size):
    """A convolution of 3 x 3 and after it a factor (or summand) of the shape."""
    weights = draw(size=(CHANNELS, CHANNELS, 3, 3)).astype(np.float32)
    factor = np.linspace(0.1, 2, int(np.prod(shape)), dtype=np.float32).reshape(shape)
    text = f"""
        <ir_version: 9, opset_import: ["" : 18]>
        network (float[1, {CHANNELS}, {size}, {size}] x) => (float[1, {CHANNELS}, {size}, {size}] y) {{
            map = {OPERATORS[convolution]} (x, weights)
            y = {combine} (map, factor)
        }}"""
    model = parser.parse_model(text)
    for name, array in {"weights": weights, "factor": factor}.items():
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    return model


def run(model, image):
    """The output without any optimisation of the runtime."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return session.run(None, {"x": image})[0]


def distance(convolution, combine, shape, size):
    """The largest difference that onnxslim makes."""
    model = network(convolution, combine, shape, size)
    image = draw(size=(1, CHANNELS, size, size)).astype(np.float32)
    before = run(model, image)
    assert np.allclose(before, ReferenceEvaluator(model).run(None, {"x": image})[0], atol=1e-4)
    slim = onnxslim.slim(model)
    onnx.checker.check_model(slim)
    after = run(slim, image)
    print(f"{convolution}, {combine} {shape}, map of {size} x {size}: {np.abs(after - before).max():.2g}")
    return np.abs(after - before).max()


for convolution in OPERATORS:
    assert distance(convolution, "Mul", (8, 1, 1), 8) < 1e-4
    for shape in ((8,), (8, 1), (1, 1, 8, 1), (1, 1, 1, 8)):
        assert distance(convolution, "Mul", shape, 8) > 1
        assert distance(convolution, "Add", shape, 8) < 1e-4
    for shape in ((9,), (9, 1)):
        assert distance(convolution, "Mul", shape, 9) < 1e-4
END
