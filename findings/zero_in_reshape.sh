#!/usr/bin/env bash
# Two reshapes in a row have another shape after optimisation
#
# onnxoptimizer 0.4.2, onnx 1.23.2, onnxruntime 1.32.0.
#
# Expected: of two Reshapes in a row the first is left out only if that means the same. A 0 in the second takes
# the length over from the first one's output, so there it may not be.
# Seen: onnxoptimizer.optimize, with its default passes, leaves the first out all the same, and the 0 takes the
# length of the original. (2, 3, 4) to (3, 2, 4) to (0, -1) gives (2, 12) in place of (3, 8), (2, 3, 4) to
# (0, -1) to (-1, 0) gives (8, 3) in place of (2, 12): other shapes, in silence, with the same values in the
# same order. (2, 3, 4) to (6, 4) to (0, 2, 2) is refused by the runtime. Without a 0 all is right. onnxslim
# and onnxruntime, which merge such pairs too, are right with a 0.
#
# Why it matters: 0 is how exporters write "the same batch", and heads reshape twice: rows of anchors, then
# classes. What follows may well accept both shapes (a Softmax, a sum, a top k), and batches of one hide it.
# nasface: writes a 0 for lengths that vary, and does not use onnxoptimizer; compare the outputs after it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxoptimizer==0.4.2 onnxslim==0.1.98 onnx==1.23.2 onnxruntime==1.32.0 \
    numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python -W ignore - <<'END'
import numpy as np
import onnx
import onnxoptimizer
import onnxruntime
import onnxslim
from onnx import numpy_helper, parser

IMAGE = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def network(shapes):
    """Reshape of Reshape."""
    text = """
        <ir_version: 9, opset_import: ["" : 18]>
        network (float[2, 3, 4] x) => (float y) {
            map = Reshape (x, first)
            y = Reshape (map, second)
        }"""
    model = parser.parse_model(text)
    for name, shape in zip(("first", "second"), shapes):
        model.graph.initializer.append(numpy_helper.from_array(np.array(shape), name))
    return model


def shape_of_output(model, level="ORT_DISABLE_ALL"):
    """The shape that the output has, or what the runtime does not do."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        return session.run(None, {"x": IMAGE})[0].shape
    except Exception as error:
        return type(error).__name__


for shapes, seen in {
    ((3, 2, 4), (0, -1)): (2, 12),
    ((0, -1), (-1, 0)): (8, 3),
    ((6, 4), (0, 2, 2)): "Fail",
    ((6, 4), (6, 2, 2)): (6, 2, 2),
    ((0, 12), (2, -1, 3)): (2, 4, 3),
}.items():
    expected = IMAGE.shape
    for shape in shapes:  # by hand: 0 takes the length of what it is applied to
        given = [expected[place] if length == 0 else length for place, length in enumerate(shape)]
        expected = np.empty(expected).reshape(given).shape
    model = network(shapes)
    assert shape_of_output(model) == shape_of_output(model, "ORT_ENABLE_ALL") == expected
    assert shape_of_output(onnxslim.slim(network(shapes))) == expected
    optimised = onnxoptimizer.optimize(model)
    onnx.checker.check_model(optimised)
    print(f"(2, 3, 4) to {shapes[0]} to {shapes[1]}: {expected}, optimised {shape_of_output(optimised)}")
    assert shape_of_output(optimised) == seen
END
