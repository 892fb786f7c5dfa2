#!/usr/bin/env bash
# A map split along its first axis comes apart along the second
#
# OpenCV 5.0.0 (opencv-python-headless 5.0.0.93), onnx 1.23.2, onnxruntime 1.32.0, CPU.
#
# Expected: a Split that names no axis splits along axis 0, as ONNX says.
# Seen: it splits along axis 1, that of the channels, as OpenCV's own layer does by default. With a number of
# outputs the parts have other shapes, or, of a square matrix, the same shapes and other values; with lengths
# given the file is refused if they do not add up for axis 1, and split there if they do. With the axis named,
# be it 0 or 1, all is right. Reading says nothing.
#
# Why it matters: attributes that have their default value may be left out of a file, and tools that write or
# shrink one do so. Stacked heads, batches of two views and packed weights are split along the first axis.
# nasface: names the axis of every Split that it writes.
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


def parts(shape, attributes, lengths=None):
    """Of onnxruntime and of OpenCV (None if it refuses the file): both parts, and the whole."""
    text = f"""
        <ir_version: 9, opset_import: ["" : 18]>
        network (float[{shape[0]}, {shape[1]}] x) => (float[a, b] y, float[c, d] z) {{
            y, z = Split {f"<{attributes}>" if attributes else ""} (x{", lengths" if lengths else ""})
        }}"""
    model = parser.parse_model(text)
    if lengths:
        model.graph.initializer.append(numpy_helper.from_array(np.array(lengths), "lengths"))
    onnx.checker.check_model(model)
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    file = model.SerializeToString()
    by_runtime = onnxruntime.InferenceSession(file).run(None, {"x": x})
    try:
        network = cv2.dnn.readNetFromONNX(np.frombuffer(file, np.uint8))
        network.setInput(x, "x")
        by_opencv = network.forward(["y", "z"])
    except cv2.error:
        by_opencv = None
    return by_runtime, by_opencv, x


def same(first, second):
    return all(np.array_equal(each, other) for each, other in zip(first, second, strict=True))


for shape in ((4, 4), (6, 2), (2, 6)):
    for axis in (0, 1):
        by_runtime, by_opencv, x = parts(shape, f"axis = {axis}, num_outputs = 2")
        assert same(by_runtime, np.split(x, 2, axis)) and same(by_opencv, by_runtime)
    by_runtime, by_opencv, x = parts(shape, "num_outputs = 2")
    assert same(by_runtime, np.split(x, 2)) and same(by_opencv, np.split(x, 2, 1))
    print(f"{shape}, in two: onnxruntime {by_runtime[0].shape}, OpenCV {by_opencv[0].shape}")
by_runtime, by_opencv, x = parts((4, 4), "", (1, 3))
assert same(by_runtime, np.split(x, [1])) and same(by_opencv, np.split(x, [1], 1))
by_runtime, by_opencv, x = parts((6, 2), "", (1, 5))
assert same(by_runtime, np.split(x, [1])) and by_opencv is None
END
