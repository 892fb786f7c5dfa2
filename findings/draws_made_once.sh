#!/usr/bin/env bash
# Two independent draws of a network become one
#
# onnxruntime 1.32.0, onnxscript 0.7.2, onnxsim 0.8.1, onnxslim 0.1.98, onnxoptimizer 0.4.2, onnx 1.23.2.
#
# Expected: whoever leaves out one of two equal nodes leaves those alone that draw random numbers.
# Seen: the runtime does so for RandomNormalLike, RandomUniformLike, Multinomial and Dropout in training mode, and
# makes two Bernoulli nodes of one input into one, in its default optimisation. onnxscript.optimizer merges
# Bernoulli and Dropout, and keeps the other three; onnxsim, onnxslim and onnxoptimizer merge all five. The
# difference of both draws is then 0 everywhere. Without optimisation, and with different seeds given in the
# file, they stay apart.
#
# Why it matters: an ensemble by dropout in one file has a spread of zero, and two sampled paths of a stochastic
# network are the same one. Each draw still has the right distribution, so its mean shows nothing.
# nasface: its files draw nothing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.32.0 onnxscript==0.7.2 onnxsim==0.8.1 onnxslim==0.1.98 \
    onnxoptimizer==0.4.2 onnx==1.23.2 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python -W ignore - <<'END'
import logging

import numpy as np
import onnx
import onnxoptimizer
import onnxruntime
import onnxscript.optimizer
import onnxsim
import onnxslim
from onnx import numpy_helper, parser

logging.disable()
DRAWS = {
    "Bernoulli": ("Bernoulli", ""),
    "Dropout": ("Dropout", ", ratio, training"),
    "RandomNormalLike": ("RandomNormalLike", ""),
    "RandomUniformLike": ("RandomUniformLike", ""),
    "Multinomial": ("Multinomial <sample_size = 64, dtype = 6>", ""),
}
TOOLS = {
    "onnxscript": onnxscript.optimizer.optimize,
    "onnxsim": lambda model: onnxsim.simplify(model)[0],
    "onnxslim": onnxslim.slim,
    "onnxoptimizer": onnxoptimizer.optimize,
}


def network(draw, seeds=(None, None)):
    """The difference of two draws."""
    operator, more = DRAWS[draw]
    lines = []
    for place, seed in enumerate(seeds):
        seeded = operator if seed is None else f"{operator} <seed = {seed}>"
        lines.append(f"draw{place} = {seeded} (x{more})")
    text = f"""
        <ir_version: 9, opset_import: ["" : 18]>
        network (float[1, 64] x) => (float[1, 64] y) {{
            {" ".join(lines)}
            difference = Sub (draw0, draw1)
            y = Cast <to = 1> (difference)
        }}"""
    model = parser.parse_model(text)
    if draw == "Dropout":
        for name, value in {"ratio": np.float32(0.5), "training": np.array(True)}.items():
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    onnx.checker.check_model(model)
    return model


def merged(model, optimised=False):
    """Whether both draws are the same, of 64."""
    level = "ORT_ENABLE_ALL" if optimised else "ORT_DISABLE_ALL"
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return not session.run(None, {"x": np.full((1, 64), 0.5, np.float32)})[0].any()


for draw in DRAWS:
    assert not merged(network(draw))
    by = ["onnxruntime"] if merged(network(draw), True) else []
    by += [name for name, tool in TOOLS.items() if merged(tool(network(draw)))]
    print(f"{draw}: merged by {', '.join(by)}")
    expected = ["onnxsim", "onnxslim", "onnxoptimizer"]
    if draw in ("Bernoulli", "Dropout"):
        expected.insert(0, "onnxscript")
    if draw == "Bernoulli":
        expected.insert(0, "onnxruntime")
    assert by == expected
assert not merged(network("Bernoulli", (1.0, 2.0)), True)
for tool in TOOLS.values():
    assert not merged(tool(network("Bernoulli", (1.0, 2.0))))
END
