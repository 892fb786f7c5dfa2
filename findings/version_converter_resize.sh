#!/usr/bin/env bash
# The version converter of onnx changes what Resize and Softmax compute
#
# onnx 1.23.2, onnxruntime 1.32.0.
#
# Expected: onnx.version_converter gives a file with the same numbers, or refuses.
# Seen: Upsample of opset 9 (linear, nearest) and Resize of opset 10 become a Resize without
# coordinate_transformation_mode. Up to opset 10 the rule was "asymmetric", from opset 11 on the
# default is "half_pixel": the map is shifted. 9 -> 10 alone is right, 10 -> 11 is not.
# Downwards, Softmax of opset 13 over axis 1 of a 4-D tensor becomes Softmax of opset 11, which takes
# all axes from 1 on together; upwards (11 -> 13) Flatten and Reshape are put around it, and the
# numbers stay. The checker takes all of the files.
#
# Why it matters: old detector files are brought to a new opset to merge them with preprocessing or
# suppression. The enlarged maps of the neck are then shifted by up to half a pixel of the coarse
# map, so boxes move by half its stride. Compare numbers before and after; write
# coordinate_transformation_mode by hand.
# nasface: exports at the opset asked for and converts no file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnxruntime==1.32.0 onnx==1.23.2
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python - <<'END'
import numpy as np
import onnxruntime
from onnx import TensorProto, checker, helper, numpy_helper, version_converter

x = np.random.default_rng(0).standard_normal((1, 2, 7, 5)).astype(np.float32)


def change(operator, constants, before, after, shape, **attributes):
    """The greatest difference that a conversion makes."""
    names = ["x", *(f"constant{index}" for index in range(len(constants)))]
    graph = helper.make_graph(
        [helper.make_node(operator, names, ["y"], **attributes)],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(*each) for each in zip(constants, names[1:], strict=True)],
    )
    opset = [helper.make_opsetid("", before)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    converted = version_converter.convert_version(model, after)
    one, other = (
        onnxruntime.InferenceSession(each.SerializeToString()).run(None, {"x": x})[0]
        for each in (model, converted)
    )
    checker.check_model(converted)
    difference = np.abs(one - other).max()
    print(f"{operator} {before} -> {after}: {difference:.3f}", attributes)
    return difference


twice = [np.float32([1, 1, 2, 2])]
large = (1, 2, 14, 10)
assert change("Upsample", twice, 9, 10, large, mode="linear") == 0
assert change("Upsample", twice, 9, 18, large, mode="linear") > 0.5
assert change("Resize", twice, 10, 11, large, mode="linear") > 0.5
broader = [np.float32([1, 1, 1.75, 1.75])]
assert change("Upsample", broader, 9, 18, (1, 2, 12, 8), mode="nearest") > 0.5
assert change("Softmax", [], 11, 13, x.shape, axis=1) < 1e-6
assert change("Softmax", [], 13, 11, x.shape, axis=1) > 0.5
END
