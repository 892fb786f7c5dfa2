#!/usr/bin/env bash
# A quotient of two constants is rounded otherwise than one of inputs
#
# OpenVINO 2026.4.1, onnx 1.23.2, onnxruntime 1.32.0, CPU.
#
# Expected: -7 / 4 of integers is -1, as ONNX says, whether the numbers are constants or come in.
# Seen: OpenVINO truncates what comes in (-1), and computes constants when it reads the file, with a floor:
# -2. For int8 it is even 2 for 7 / 4, rounded to the nearest. If one is a constant and the other not, the
# quotient is right, as are quotients of positive int32 and int64, and remainders. onnxruntime says -1 in
# every case, folded or not.
#
# Why it matters: offsets of windows, anchors and grids around a centre are such quotients, and constants as soon
# as a file has a fixed size: the same network of free and of fixed size then shifts by one on one side.
# nasface: the quotients of integers in its files are of positive int64.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet openvino==2026.4.1 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python -W ignore - <<'END'
import numpy as np
import onnx
import onnxruntime
import openvino
from onnx import numpy_helper, parser

NUMBERS = {"a": [-7, 7, -7, 7], "b": [4, -4, -4, 4]}
RIGHT = [-1, -1, 1, 1]
core = openvino.Core()


def quotients(kind, constants):
    """What onnxruntime and OpenVINO give if these of a and b are constants; x is 0."""
    inputs = [f"{kind}[4] {name}" for name in ("x", *NUMBERS) if name not in constants]
    text = f"""
        <ir_version: 9, opset_import: ["" : 18]>
        network ({", ".join(inputs)}) => ({kind}[4] y) {{
            quotient = Div (a, b)
            y = Add (quotient, x)
        }}"""
    model = parser.parse_model(text)
    arrays = {name: np.array(numbers, kind) for name, numbers in NUMBERS.items()} | {"x": np.zeros(4, kind)}
    for name in constants:
        model.graph.initializer.append(numpy_helper.from_array(arrays.pop(name), name))
    onnx.checker.check_model(model)
    file = model.SerializeToString()
    by_runtime = onnxruntime.InferenceSession(file).run(None, arrays)[0].tolist()
    compiled = core.compile_model(core.read_model(file, b""), "CPU", {"INFERENCE_NUM_THREADS": 1})
    return by_runtime, compiled(arrays)[0].tolist()


for kind, folded in {"int64": [-2, -2, 1, 1], "int32": [-2, -2, 1, 1], "int8": [-2, -2, 2, 2]}.items():
    for constants in ((), ("a",), ("b",), ("a", "b")):
        by_runtime, by_openvino = quotients(kind, constants)
        print(f"{kind}, constant {constants}: onnxruntime {by_runtime}, OpenVINO {by_openvino}")
        assert by_runtime == RIGHT
        assert by_openvino == (folded if len(constants) == 2 else RIGHT)
END
