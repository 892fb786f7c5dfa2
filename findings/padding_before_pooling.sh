#!/usr/bin/env bash
# Zeros around a map are lost before a pooling, or no longer count
#
# onnxoptimizer 0.4.2, onnx 1.23.2, onnxruntime 1.32.0.
#
# Expected: a Pad goes into the pooling after it only where that means the same: never with zeros into a
# maximum, whose own padding stands for nothing, and into a mean only if that counts its padding too.
# Seen: with its default passes onnxoptimizer.optimize puts zeros (given, or left out, which means 0) into both.
# The maximum of a map below zero is negative at the border, where it was 0. A mean that has padding of its
# own, which does not count, has none that does not count afterwards: the divisor becomes 9 everywhere, and
# corners shrink to four ninths. Padding with another value than zero stays and is right, as it is before a
# convolution. (The maximum is known: issue 290 of onnxsim, of 2023; a change was proposed in July 2026, as
# pull request 318 of the optimizer.)
#
# Why it matters: "zeros, then maximum without padding" is how networks of other frameworks are written, also
# the stem of many backbones. After a ReLU the maximum is the same, before one or after a normalisation it is
# not, and the error sits at the border alone, where faces are cut.
# nasface: does not use onnxoptimizer.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxoptimizer==0.4.2 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python -W ignore - <<'END'
import numpy as np
import onnx
import onnxoptimizer
import onnxruntime
from onnx import numpy_helper, parser
from onnx.reference import ReferenceEvaluator

POOLINGS = {
    "maximum": "MaxPool <kernel_shape = [3, 3], strides = [2, 2]>",
    "mean": "AveragePool <kernel_shape = [3, 3], strides = [2, 2]>",
    "mean that counts its padding": "AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1>",
    "mean that does not": "AveragePool <kernel_shape = [3, 3], pads = [1, 1, 1, 1]>",
}


def network(pooling, value):
    """A pooling after a border of one pixel with the value; None leaves it out."""
    given = "" if value is None else ", value"
    text = f"""
        <ir_version: 9, opset_import: ["" : 18]>
        network (float[1, 1, 5, 5] x) => (float[1, 1, h, w] y) {{
            map = Pad (x, border{given})
            y = {POOLINGS[pooling]} (map)
        }}"""
    model = parser.parse_model(text)
    border = np.array([0, 0, 1, 1, 0, 0, 1, 1])
    model.graph.initializer.append(numpy_helper.from_array(border, "border"))
    if value is not None:
        model.graph.initializer.append(numpy_helper.from_array(np.float32(value), "value"))
    return model


def run(model, image):
    """The output without any optimisation of the runtime."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return session.run(None, {"x": image})[0][0, 0]


image = -np.arange(1, 26, dtype=np.float32).reshape(1, 1, 5, 5)
for pooling in POOLINGS:
    for value in (None, 0, -1):
        model = network(pooling, value)
        before = run(model, image)
        assert np.allclose(before, ReferenceEvaluator(model).run(None, {"x": image})[0][0, 0])
        optimised = onnxoptimizer.optimize(model)
        onnx.checker.check_model(optimised)
        after = run(optimised, image)
        same = before.shape == after.shape and np.allclose(before, after)
        print(f"{pooling}, border of {value}: {'the same' if same else 'changed'}")
        assert same == (value == -1 or pooling in ("mean", "mean that counts its padding"))
        if not same:
            print("  first row before:", before[0].round(2), "after:", after[0].round(2))
END
