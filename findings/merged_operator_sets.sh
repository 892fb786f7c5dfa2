#!/usr/bin/env bash
# A merged model that is valid, runs, and cannot be quantised
#
# onnx 1.23.2, onnxruntime 1.32.0.
#
# Expected: merge_models of two models of one operator set gives a model of that operator set.
# Seen: the merged model lists the set twice. The checker takes it and a session runs it, but
# onnxruntime's quantize_static stops: "Failed to find proper ai.onnx domain".
#
# Why it matters: suppression is usually put behind a detector by merging two models. The file works
# everywhere until someone makes an 8-bit one of it, and the message names neither the list nor the
# merge. Write the list anew after merging.
# nasface: lists every operator set once in what it exports.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'END'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, compose, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, quantize_static

SHAPE = [1, 3, 8, 8]


def model(operator, source, target, weights=()):
    ends = [helper.make_tensor_value_info(each, TensorProto.FLOAT, SHAPE) for each in (source, target)]
    names = [each.name for each in weights]
    node = helper.make_node(operator, [source, *names], [target])
    graph = helper.make_graph([node], operator, ends[:1], ends[1:], initializer=list(weights))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


class Pictures(CalibrationDataReader):
    def __init__(self):
        self.left = [np.ones(SHAPE, np.float32), np.zeros(SHAPE, np.float32)]

    def get_next(self):
        return {"x": self.left.pop()} if self.left else None


kernel = numpy_helper.from_array(np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1), "kernel")
network = model("Conv", "x", "y", [kernel])
end = model("Relu", "y2", "z")
merged = compose.merge_models(network, end, io_map=[("y", "y2")])
sets = [(each.domain, each.version) for each in merged.opset_import]
print("operator sets of the merged model:", sets)
assert sets == [("", 18), ("", 18)]
onnx.checker.check_model(merged, full_check=True)
onnx.save(merged, "merged.onnx")
session = onnxruntime.InferenceSession("merged.onnx", providers=["CPUExecutionProvider"])
print("a session gives", session.run(None, {"x": np.ones(SHAPE, np.float32)})[0].mean())
try:
    quantize_static("merged.onnx", "bytes.onnx", Pictures())
    raise SystemExit("it is quantised now")
except ValueError as problem:
    print("quantize_static:", problem)
    assert "domain" in str(problem)
del merged.opset_import[1:]
onnx.save(merged, "once.onnx")
quantize_static("once.onnx", "bytes.onnx", Pictures())
print("with one entry it is quantised")
END
