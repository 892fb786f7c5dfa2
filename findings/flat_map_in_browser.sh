#!/usr/bin/env bash
# A flat map comes out of its normalisation as -1
#
# onnxruntime-web 1.30.0 (wasm, Node.js), onnxruntime 1.32.0, onnx 1.23.2.
#
# Expected: InstanceNormalization of a map of one value is 0, since the map minus its mean is; the same file
# gives the same numbers in a browser as in Python, to five digits.
# Seen: the browser's runtime adds up the map in single precision, value after value. Of a map of 640 x 640 of
# 255 the mean becomes 255.84 (ReduceMean shows it), and what is left is divided by a deviation that is as
# wrong: -0.99985 everywhere. A map of 0.3 becomes +0.35, of 0.3 at 1280 x 1280 -0.82. In Python the first is
# 0, and the second 0.04 on the machine where this was seen (it depends on the processor). Waves of 0.5 +- 0.1
# are right to 0.003. GlobalAveragePool of 255 is 255.36 in both. Maps of 64 x 64 are right.
#
# Why it matters: torch exports group normalisation, which heads of detectors have, as this operator. A
# channel that is saturated, or a blank picture, makes flat maps, and there the network sees activations of
# full size and any sign, in the browser alone. Check a page with a white picture.
# nasface: its networks have batch normalisation, which takes no means of a map.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cd "$folder"
npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$folder" onnxruntime-web@1.30.0
OMP_NUM_THREADS=1 venv/bin/python -W ignore - <<'END'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

constants = {
    "InstanceNormalization": {"scale": np.ones(1, np.float32), "bias": np.zeros(1, np.float32)},
    "ReduceMean": {"axes": np.array([2, 3])},
    "GlobalAveragePool": {},
}
for operator, given in constants.items():
    graph = helper.make_graph(
        [helper.make_node(operator, ["map", *given], ["result"])],
        "layer",
        [helper.make_tensor_value_info("map", TensorProto.FLOAT, [1, 1, "rows", "columns"])],
        [helper.make_tensor_value_info("result", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in given.items()],
    )
    opset = [helper.make_opsetid("", 20)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), f"{operator}.onnx")
    session = onnxruntime.InferenceSession(f"{operator}.onnx")
    for value in (255, 0.3):
        flat = np.full((1, 1, 640, 640), value, np.float32)
        print(f"Python, {operator} of {value}:", session.run(None, {"map": flat})[0].flat[0])
END
cat > maps.js <<'END'
const assert = require('assert');
const ort = require('onnxruntime-web');

ort.env.wasm.numThreads = 1;

const flat = (value) => () => value;
const waves = (k) => 0.5 + 0.1 * Math.sin(k);
const cases = [
  // operator, size, what the map holds, what is right, what is seen, to within
  ['InstanceNormalization', 64, flat(255), 0, 0, 1e-3],
  ['InstanceNormalization', 640, flat(255), 0, -0.99985, 1e-3],
  ['InstanceNormalization', 640, flat(0.3), 0, 0.3464, 0.01],
  ['InstanceNormalization', 1280, flat(0.3), 0, -0.8233, 0.01],
  ['InstanceNormalization', 1280, waves, 0, 0, 0.01],
  ['ReduceMean', 640, flat(255), 255, 255.839, 0.01],
  ['GlobalAveragePool', 640, flat(255), 255, 255.357, 0.01],
];

(async () => {
  for (const [operator, size, content, right, seen, within] of cases) {
    const session = await ort.InferenceSession.create(`${__dirname}/${operator}.onnx`);
    const values = Float32Array.from({length: size * size}, (_, k) => content(k));
    const map = new ort.Tensor('float32', values, [1, 1, size, size]);
    const result = (await session.run({map})).result.data;
    console.log(`browser, ${operator} of ${size} x ${size}: ${result[0]}, right is ${right}`);
    assert(Math.abs(result[0] - seen) <= within);
    await session.release();
  }
})();
END
node maps.js
