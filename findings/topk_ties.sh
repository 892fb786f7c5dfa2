#!/usr/bin/env bash
# TopK of equal scores: which anchors stay depends on the runtime
#
# onnxruntime 1.32.0, OpenVINO 2026.4.1, onnx 1.23.2; CPU, x86-64.
#
# Expected: of equal values the one with the lower index comes first in both, as the definition of
# TopK in ONNX demands.
# Seen: so in onnxruntime. OpenVINO puts index 0 last of a row of 3000 equal scores ([1, 2, 3, ...]).
# Of 9000 scores at 16 levels it keeps, where the level of the 750th best is cut, others than
# onnxruntime, and the indices within a level are in no order. Values are equal throughout.
#
# Why it matters: scores that were quantised or saturated tie often. "The best 750 before
# suppression" then are other anchors, and the detections of two correct runtimes differ. Compare
# runtimes by the boxes of distinct scores.
# nasface: exported files with outputs `detections` hold a TopK before suppression; those with
# `boxes` leave the choice to the caller.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.32.0 openvino==2026.4.1 onnx==1.23.2
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python - <<'END'
import numpy as np
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper


def best(scores, count):
    graph = helper.make_graph(
        [helper.make_node("TopK", ["scores", "count"], ["values", "indices"])],
        "best",
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, scores.shape)],
        [
            helper.make_tensor_value_info("values", TensorProto.FLOAT, [1, count]),
            helper.make_tensor_value_info("indices", TensorProto.INT64, [1, count]),
        ],
        [numpy_helper.from_array(np.array([count]), "count")],
    )
    opset = [helper.make_opsetid("", 18)]
    file = helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()
    ours = onnxruntime.InferenceSession(file).run(None, {"scores": scores})
    core = openvino.Core()
    theirs = list(core.compile_model(core.read_model(file), "CPU")(scores).values())
    assert np.array_equal(ours[0], theirs[0])
    return ours[1][0], theirs[1][0]


equal = np.zeros((1, 3000), np.float32)
levels = (np.random.default_rng(0).integers(0, 16, (1, 9000)) / 16).astype(np.float32)
ours, theirs = best(equal, 100)
print("equal scores: onnxruntime", ours[:4], "OpenVINO", theirs[:4])
assert ours.tolist() == list(range(100))
assert theirs.tolist() != list(range(100))
ours, theirs = best(levels, 750)
lower_first = np.lexsort((np.arange(9000), -levels[0]))[:750]
print("16 levels, best 750: in both", len({*ours.tolist()} & {*theirs.tolist()}))
assert np.array_equal(ours, lower_first)
assert {*theirs.tolist()} != {*lower_first.tolist()}
END
