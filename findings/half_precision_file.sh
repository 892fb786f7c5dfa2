#!/usr/bin/env bash
# Half precision: a converted file that passes the checker and that no session opens
#
# onnxconverter-common 1.16.0, onnx 1.23.2, onnxruntime 1.32.0.
#
# Expected: convert_float_to_float16 gives a file that runs, whatever the nodes' names.
# Seen: a graph that casts integers to float (torch's exporter writes that for anchors made from the
# shape of the picture) keeps "Cast to float", while the output of that Cast is declared float16:
# onnx.checker takes it, onnxruntime raises a type error. With keep_io_types=True the casts that
# the converter adds are called after the nodes beside them; nodes may go without names in ONNX, and
# then two get the same name and the file is refused by both. The converter of the same
# origin in onnxruntime.transformers.float16 gets both right.
#
# Why it matters: anchors from the shape are what makes a detector file take pictures of any size.
# Use the other converter, or name all nodes and fold the anchors.
# nasface: writes its float16 files itself, with these casts in float32.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxconverter-common==1.16.0 onnx==1.23.2 onnxruntime==1.32.0 \
    protobuf==7.36.2 packaging==26.4 sympy==1.14.0
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python - <<'END'
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnxconverter_common.float16 import convert_float_to_float16
from onnxruntime.transformers.float16 import convert_float_to_float16 as other_converter

opset = [helper.make_opsetid("", 18)]


def detector(*names):
    """Pictures of any size, multiplied by a number that depends on the size."""
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Cast", ["shape"], ["sizes"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["sizes"], ["sum"]),
        helper.make_node("Mul", ["x", "sum"], ["product"]),
        helper.make_node("Add", ["x", "product"], ["y"]),
    ]
    for node, name in zip(nodes, names):
        node.name = name
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, "height", "width"])
        for name in "xy"
    ]
    graph = helper.make_graph(nodes, "detector", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=opset, ir_version=9)
    onnx.checker.check_model(model)
    return model


def opened(model):
    try:
        onnxruntime.InferenceSession(model.SerializeToString())
    except Exception as problem:
        return str(problem)
    return "opened"


named = detector("shape", "cast", "sum", "multiply", "add")
converted = convert_float_to_float16(named)
onnx.checker.check_model(converted)
print("cast:", opened(converted)[:160])
assert "does not match expected type" in opened(converted)
converted = convert_float_to_float16(detector(), keep_io_types=True)
print("no names:", opened(converted)[:160])
assert "same node name" in opened(converted)
for model in (named, detector()):
    result = opened(other_converter(model, keep_io_types=True))
    print("other converter:", result[:160])
    assert result == "opened"
END
