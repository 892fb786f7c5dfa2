#!/usr/bin/env bash
# Resize: antialias and letterboxing are ignored without a word
#
# OpenVINO 2026.4.1, OpenCV 5.0.0 (opencv-python-headless 5.0.0.93), onnxruntime 1.32.0, onnx 1.23.2.
#
# Expected: a runtime that does not know an attribute of Resize refuses the file.
# Seen: OpenVINO and OpenCV read a Resize with antialias=1 (what torch.onnx makes of
# F.interpolate(..., antialias=True)) and compute it without: as if the attribute were not there, to
# the last digits. keep_aspect_ratio_policy="not_larger" (letterboxing) is ignored by OpenVINO, too:
# the picture is stretched to the whole of 64x64 where 36x64 is right. onnxruntime does both as
# defined.
#
# Why it matters: a detector file that shrinks its pictures itself sees other pictures on another
# runtime: the right shape, no warning, and small faces lost in aliasing.
# nasface: exported files take pictures at their final size and hold no such Resize.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.32.0 openvino==2026.4.1 onnx==1.23.2 \
    opencv-python-headless==5.0.0.93
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python - <<'END'
import cv2
import numpy as np
import onnxruntime
import openvino
from onnx import TensorProto, helper, numpy_helper

picture = np.random.default_rng(0).random((1, 3, 90, 160), np.float32)


def file(size, shape, **attributes):
    node = helper.make_node("Resize", ["picture", "", "", "size"], ["small"], **attributes)
    graph = helper.make_graph(
        [node],
        "resize",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, picture.shape)],
        [helper.make_tensor_value_info("small", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(np.array(size), "size")],
    )
    opset = [helper.make_opsetid("", 18)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()


def with_onnxruntime(file):
    return onnxruntime.InferenceSession(file).run(None, {"picture": picture})[0]


def with_openvino(file):
    core = openvino.Core()
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    return next(iter(core.compile_model(core.read_model(file), "CPU", settings)(picture).values()))


def with_opencv(file):
    net = cv2.dnn.readNetFromONNX(np.frombuffer(file, np.uint8))
    net.setInput(picture, "picture")
    return net.forward()


small = (1, 3, 30, 50)
for mode in ("linear", "cubic"):
    smooth = file(small, small, mode=mode, antialias=1)
    plain = file(small, small, mode=mode)
    right = with_onnxruntime(smooth)
    assert np.abs(right - with_onnxruntime(plain)).max() > 0.3
    for name, run in {"OpenVINO": with_openvino, "OpenCV": with_opencv}.items():
        got = run(smooth)
        off, same = np.abs(got - right).max(), np.abs(got - run(plain)).max()
        print(f"{mode}, {name}: {off:.2f} off, {same:.0e} from the same without antialias")
        assert off > 0.3 and same < 1e-6

letterbox = {"mode": "linear", "axes": [2, 3], "keep_aspect_ratio_policy": "not_larger"}
right = with_onnxruntime(file([64, 64], (1, 3, 36, 64), **letterbox)).shape
got = with_openvino(file([64, 64], (1, 3, "height", "width"), **letterbox)).shape
print("not_larger, 90x160 into 64x64: onnxruntime", right[2:], "OpenVINO", got[2:])
assert right == (1, 3, 36, 64) and got == (1, 3, 64, 64)
END
