#!/usr/bin/env bash
# NaN turns into 0 or 1 on the way: a broken detector looks sound
#
# OpenVINO 2026.4.1, tract 0.23.9, OpenCV 5.0.0 (opencv-python-headless 5.0.0.93), onnxruntime 1.32.0,
# onnx 1.23.2; CPU, x86-64.
#
# Expected: NaN stays NaN through Relu, Clip, Max and HardSigmoid in each runtime.
# Seen: so in onnxruntime. OpenVINO and tract make 0 of it in Relu, and 1, the surest score there is,
# in HardSigmoid; Clip to [-1, 1] gives no NaN in OpenVINO, tract and OpenCV.
#
# Why it matters: "the outputs are finite" is the usual check of an exported file. Weights that hold
# a NaN (a training that diverged, a batch norm of a dead channel, half precision) pass it: behind
# the next Relu the channel is all zeros, and with hard sigmoid attention it is fully on. Check the
# weights and check on onnxruntime.
# nasface: writes no file whose outputs are not all finite in onnxruntime, and stops a training after
# several losses in a row that are not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.32.0 openvino==2026.4.1 onnx==1.23.2 \
    opencv-python-headless==5.0.0.93 tract==0.23.9
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python - <<'END'
import cv2
import numpy as np
import onnx
import onnxruntime
import openvino
import tract
from onnx import TensorProto, helper, numpy_helper

x = np.full((1, 4, 16, 16), np.nan, np.float32)
limits = {"low": np.float32(-1), "high": np.float32(1)}


def results(operator):
    """By runtime, the first value of the map."""
    constants = limits if operator == "Clip" else {}
    graph = helper.make_graph(
        [helper.make_node(operator, ["x", *constants], ["y"])],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, x.shape)],
        [numpy_helper.from_array(np.array(each), name) for name, each in constants.items()],
    )
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), "layer.onnx")
    core = openvino.Core()
    net = cv2.dnn.readNetFromONNX("layer.onnx")
    net.setInput(x, "x")
    loaded = tract.onnx().load("layer.onnx")
    loaded.set_input_fact(0, "1,4,16,16,f32")
    maps = {
        "onnxruntime": onnxruntime.InferenceSession("layer.onnx").run(None, {"x": x})[0],
        "OpenVINO": next(iter(core.compile_model("layer.onnx", "CPU")(x).values())),
        "OpenCV": net.forward(),
        "tract": loaded.into_model().into_runnable().run([x])[0].to_numpy(),
    }
    found = {name: float(np.asarray(each).ravel()[0]) for name, each in maps.items()}
    print(operator, found)
    return found


relu, clip, gate = (results(operator) for operator in ("Relu", "Clip", "HardSigmoid"))
assert all(np.isnan(each["onnxruntime"]) for each in (relu, clip, gate))
assert relu["OpenVINO"] == relu["tract"] == 0 and np.isnan(relu["OpenCV"])
assert all(np.isfinite(clip[name]) for name in ("OpenVINO", "OpenCV", "tract"))
assert gate["OpenVINO"] == gate["tract"] == 1
END
