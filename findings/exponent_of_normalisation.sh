#!/usr/bin/env bash
# A normalisation by the fourth power becomes one by the square
#
# onnxruntime 1.32.0, onnx 1.23.2, numpy 2.4.6, CPU.
#
# Expected: the runtime writes (x - mean) / sqrt(mean((x - mean)^2) + epsilon) as a LayerNormalization, and
# leaves it as it is with another exponent than 2.
# Seen: the exponent is not looked at. With 4, 3, 1 or 0.5, and with a list of exponents, the session computes
# the square, at the lowest level of optimisation (ORT_ENABLE_BASIC) as at the default. 0.5, which is no
# number for what lies below the mean, becomes finite. Without optimisation all is right. The form without a
# mean (x / sqrt(mean(x^p) + epsilon)) is looked at, and right.
#
# Why it matters: an operator space with other normalisations (by the fourth moment, by the mean deviation) has
# all of them measured as one. The file is right, and other runtimes give other scores for it.
# nasface: its own operators hold no power.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python -W ignore - <<'END'
import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper, parser

draw = np.random.default_rng(0).normal
X = draw(size=(3, 8)).astype(np.float32)
SCALE, BIAS = draw(size=(2, 8)).astype(np.float32)
EPSILON = np.float32(1e-3)
CENTRED = "mean = ReduceMean (x, last) centred = Sub (x, mean)"
PLAIN = "centred = Identity (x)"


def outputs(x, exponent, centre):
    """Of the file without optimisation, at the lowest level and at the default."""
    text = f"""
        <ir_version: 9, opset_import: ["" : 18]>
        network (float[3, 8] x) => (float[3, 8] y) {{
            {centre}
            power = Pow (centred, exponent)
            moment = ReduceMean (power, last)
            positive = Add (moment, epsilon)
            root = Sqrt (positive)
            normalised = Div (centred, root)
            scaled = Mul (normalised, scale)
            y = Add (scaled, bias)
        }}"""
    model = parser.parse_model(text)
    arrays = {"last": np.array([-1]), "epsilon": EPSILON, "scale": SCALE, "bias": BIAS, "exponent": exponent}
    for name, array in arrays.items():
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(array), name))
    onnx.checker.check_model(model)
    results = []
    for level in ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_ALL"):
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        results.append(session.run(None, {"x": x})[0])
    return results


def by_hand(x, exponent, centred):
    """The formula, in double precision."""
    x = np.float64(x)
    rest = x - x.mean(-1, keepdims=True) if centred else x
    with np.errstate(invalid="ignore"):
        moment = (rest**exponent).mean(-1, keepdims=True)
        return rest / np.sqrt(moment + EPSILON) * SCALE + BIAS


def same(first, second):
    return np.allclose(first, second, atol=1e-3, equal_nan=True)


for exponent in (2, 4, 3, 1, 0.5, [2, 4] * 4):
    plain, basic, default = outputs(X, np.float32(exponent), CENTRED)
    square = by_hand(X, 2, True)
    right = same(default, by_hand(X, exponent, True))
    print(f"exponent {exponent}: {'right' if right else 'the square'}, {plain[0, :3]} {default[0, :3]}")
    assert same(plain, by_hand(X, exponent, True)) and right == (exponent == 2)
    assert same(basic, square) and same(default, square)
    positive = np.abs(X)
    for result in outputs(positive, np.float32(exponent), PLAIN):
        assert same(result, by_hand(positive, exponent, False))
END
