#!/usr/bin/env bash
# One minus a convolution is one plus the convolution
#
# tract 0.23.9, onnx 1.23.2, onnxruntime 1.32.0, numpy 2.4.6; CPU, x86-64.
#
# Expected: a constant minus a map is what it is, wherever the map comes from.
# Seen: where it comes straight from a convolution, and the constant has as many axes as the map, tract takes it
# for the bias and forgets the minus: c - conv(x) is conv(x) + c. A constant divided by a convolution becomes
# infinite without a bias, and something else with one. conv(x) - c and conv(x) / c are right, as are
# constants that are single numbers, sums, products, maxima, minima, matrix products in the place of the
# convolution, and a ReLU in between. Loading and optimising say nothing.
#
# Why it matters: "1 - background", "largest distance minus distance" and white minus an edge map are written so,
# and only constants of four axes, as a parameter of a channel has, go wrong. The result is a plausible map.
# nasface: its heads subtract nothing from what a convolution gives.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet tract==0.23.9 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python -W ignore - <<'END'
import numpy as np
import onnx
import onnxruntime
import tract
from onnx import numpy_helper, parser

onnxruntime.set_default_logger_severity(3)
draw = np.random.default_rng(0).normal
IMAGE = draw(size=(1, 3, 6, 6)).astype(np.float32)
WEIGHTS = draw(size=(4, 3, 3, 3)).astype(np.float32)
BIAS = draw(size=4).astype(np.float32)


def network(formula, constant, biased):
    """The formula of c, the constant, and map, the output of a convolution."""
    text = f"""
        <ir_version: 9, opset_import: ["" : 18]>
        network (float[1, 3, 6, 6] x) => (float[1, 4, 4, 4] y) {{
            map = Conv (x, weights{", bias" if biased else ""})
            {formula}
        }}"""
    model = parser.parse_model(text)
    arrays = {"weights": WEIGHTS, "c": constant} | ({"bias": BIAS} if biased else {})
    for name, array in arrays.items():
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    onnx.checker.check_model(model)
    return model


def by_runtime(model):
    """What onnxruntime gives."""
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"x": IMAGE})[0]


def by_tract(model):
    """What tract gives."""
    onnx.save(model, "network.onnx")
    runnable = tract.onnx().load("network.onnx").into_model().into_runnable()
    return runnable.run([IMAGE])[0].to_numpy()


FORMULAS = {
    "c - map": "y = Sub (c, map)",
    "c / map": "y = Div (c, map)",
    "map - c": "y = Sub (map, c)",
    "map / c": "y = Div (map, c)",
    "c + map": "y = Add (c, map)",
    "c * map": "y = Mul (c, map)",
    "max(c, map)": "y = Max (c, map)",
    "c - relu(map)": "positive = Relu (map) y = Sub (c, positive)",
}
channels = np.full((1, 4, 1, 1), 1.5, np.float32)
for constant in (channels, np.float32(1.5)):
    for biased in (False, True):
        for name, formula in FORMULAS.items():
            model = network(formula, constant, biased)
            right, seen = by_runtime(model), by_tract(model)
            same = np.allclose(right, seen, rtol=1e-3, atol=1e-3)
            shape = np.shape(constant)
            print(f"{name}, c of shape {shape}, {'with' if biased else 'no'} bias: {'right' if same else 'wrong'}")
            assert same == (shape == () or name not in ("c - map", "c / map"))
        if shape:
            model = network(FORMULAS["c - map"], constant, biased)
            plain = by_runtime(network("y = Identity (map)", constant, biased))
            assert np.allclose(by_runtime(model), 1.5 - plain, atol=1e-4)
            if not biased:
                print("c - map is map + c:", np.allclose(by_tract(model), plain + 1.5, atol=1e-4))
                assert np.allclose(by_tract(model), plain + 1.5, atol=1e-4)
                quotient = network(FORMULAS["c / map"], constant, biased)
                assert np.isinf(by_tract(quotient)).all()
END
