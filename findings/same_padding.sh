#!/usr/bin/env bash
# auto_pad: the odd row of padding goes to the wrong side
#
# OpenCV 5.0.0 (opencv-python-headless 5.0.0.93), MNN 3.6.1, onnx 1.23.2 (its reference), onnxruntime
# 1.32.0.
#
# Expected: SAME_UPPER puts the odd row and column of padding at the end, SAME_LOWER at the start, in
# all of them, for convolution and MaxPool alike.
# Seen, with a 3x3 window and stride 2 on 14x10:
#   OpenCV: convolution and MaxPool with SAME_UPPER are computed as SAME_LOWER
#   MNN: convolution and MaxPool with SAME_LOWER are computed as SAME_UPPER
#   onnx's own reference evaluator: MaxPool with SAME_LOWER as SAME_UPPER; convolution is right
# Shapes are right and nothing is said.
#
# Why it matters: SAME_UPPER is what files that come from TensorFlow and Keras hold in each layer
# with stride 2. Every map is one pixel off, more with each level: boxes sit beside the faces and AP
# falls, while the file loads and finds faces. Write explicit pads.
# nasface: exports explicit pads only.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.32.0 onnx==1.23.2 opencv-python-headless==5.0.0.93 \
    MNN==3.6.1
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python - <<'END'
import os

import cv2
import MNN.expr
import MNN.nn
import numpy as np
import onnxruntime
from _tools import mnnconvert
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

rng = np.random.default_rng(0)
picture = rng.random((1, 4, 14, 10), np.float32)
weights = rng.random((4, 4, 3, 3), np.float32)
conv = ("Conv", ["picture", "weights"], [numpy_helper.from_array(weights, "weights")], {})
pool = ("MaxPool", ["picture"], [], {"kernel_shape": [3, 3]})


def file(kind, **padding):
    operator, inputs, constants, attributes = kind
    graph = helper.make_graph(
        [helper.make_node(operator, inputs, ["map"], strides=[2, 2], **attributes, **padding)],
        "layer",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, picture.shape)],
        [helper.make_tensor_value_info("map", TensorProto.FLOAT, [1, 4, 7, 5])],
        constants,
    )
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()


def with_onnxruntime(file):
    return onnxruntime.InferenceSession(file).run(None, {"picture": picture})[0]


def with_opencv(file):
    net = cv2.dnn.readNetFromONNX(np.frombuffer(file, np.uint8))
    net.setInput(picture, "picture")
    return net.forward()


def with_reference(file):
    return ReferenceEvaluator(file).run(None, {"picture": picture})[0]


def with_mnn(file):
    with open("layer.onnx", "wb") as target:
        target.write(file)
    mnnconvert(
        "mnnconvert -f ONNX --modelFile layer.onnx --MNNModel layer.mnn --bizCode x".split()
    )
    module = MNN.nn.load_module_from_file("layer.mnn", ["picture"], ["map"])
    os.remove("layer.mnn")
    values = MNN.expr.const(picture.ravel().tolist(), list(picture.shape), MNN.expr.NCHW)
    return np.array(MNN.expr.convert(module.forward([values])[0], MNN.expr.NCHW).read())


swapped = {
    (with_opencv, "Conv", "SAME_UPPER"),
    (with_opencv, "MaxPool", "SAME_UPPER"),
    (with_mnn, "Conv", "SAME_LOWER"),
    (with_mnn, "MaxPool", "SAME_LOWER"),
    (with_reference, "MaxPool", "SAME_LOWER"),
}
explicit = {"SAME_UPPER": [0, 0, 1, 1], "SAME_LOWER": [1, 1, 0, 0]}
other = {"SAME_UPPER": "SAME_LOWER", "SAME_LOWER": "SAME_UPPER"}
for kind in (conv, pool):
    maps = {name: with_onnxruntime(file(kind, pads=pads)) for name, pads in explicit.items()}
    for name in maps:
        layer = file(kind, auto_pad=name)
        for run in (with_onnxruntime, with_opencv, with_mnn, with_reference):
            wrong = (run, kind[0], name) in swapped
            got = run(layer).reshape(1, 4, 7, 5)
            meant = other[name] if wrong else name
            print(run.__name__, kind[0], name, "computed as", meant)
            assert np.abs(got - maps[meant]).max() < 1e-4
            assert np.abs(got - maps[other[meant]]).max() > 0.1
END
