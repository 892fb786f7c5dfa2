#!/usr/bin/env bash
# NonMaxSuppression without a threshold: boxes far apart suppress each other
#
# OpenVINO 2026.4.1, onnxruntime 1.32.0, onnx 1.23.2.
#
# Expected: two boxes that do not touch are never suppressed; with iou_threshold left out (0), boxes
# that overlap at all are.
# Seen: OpenVINO suppresses from the threshold on (IoU >= threshold) where onnxruntime, as defined,
# does above it. With the default of 0 every pair qualifies, and of any number of boxes one is left.
# With a threshold of 0.5, of two boxes with an IoU of exactly 0.5 one goes in OpenVINO. At 1.0, which
# means "no suppression", OpenVINO drops equal boxes.
#
# Why it matters: "one face per picture" after moving a file to OpenVINO looks like a broken detector
# and is the threshold. Write one above 0; a threshold that boxes on a grid meet exactly (0.5, 0.25)
# makes the two differ by boxes.
# nasface: writes the threshold into its files.
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


def kept(boxes, threshold):
    """How many boxes onnxruntime and OpenVINO keep."""
    feeds = {
        "boxes": np.float32([boxes]),
        "scores": np.linspace(0.9, 0.5, len(boxes), dtype=np.float32)[None, None],
    }
    constants = [numpy_helper.from_array(np.array([100]), "count")]
    if threshold is not None:
        constants.append(numpy_helper.from_array(np.float32([threshold]), "threshold"))
    inputs = [*feeds, *(each.name for each in constants)]
    graph = helper.make_graph(
        [helper.make_node("NonMaxSuppression", inputs, ["kept"])],
        "suppression",
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, each.shape)
            for name, each in feeds.items()
        ],
        [helper.make_tensor_value_info("kept", TensorProto.INT64, ["found", 3])],
        constants,
    )
    opset = [helper.make_opsetid("", 18)]
    file = helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()
    core = openvino.Core()
    ours = onnxruntime.InferenceSession(file).run(None, feeds)[0]
    theirs = next(iter(core.compile_model(core.read_model(file), "CPU")(feeds).values()))
    theirs = theirs[theirs[:, 0] >= 0]
    print("threshold", threshold, boxes, "onnxruntime", len(ours), "OpenVINO", len(theirs))
    return len(ours), len(theirs)


apart = [[20.0 * index, 0, 20.0 * index + 10, 10] for index in range(4)]
assert kept(apart, None) == (4, 1)
assert kept(apart, 0.0) == (4, 1)
assert kept(apart, 0.01) == (4, 4)
assert kept([[0, 0, 10, 10], [0, 0, 10, 5]], 0.5) == (2, 1)
assert kept([[0, 0, 10, 10], [0, 0, 10, 10]], 1.0) == (2, 1)
END
