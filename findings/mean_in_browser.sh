#!/usr/bin/env bash
# The mean of a grey picture is another grey, and of a white one a middle grey
#
# @tensorflow/tfjs-core 4.22.0 with its backends cpu and wasm 4.22.0, Node.js.
#
# Expected: tf.mean of a picture of one value is that value to five or six digits, in single precision
# too, whichever backend is used.
# Seen: the wasm backend adds the values one after the other in single precision. A picture of 640 x 640
# of 127.5 has the mean 127.97, one of 1920 x 1080 of 0.3 has 0.282, a white one of 4000 x 3000 has 119.3
# in place of 255: from 2^32 on, adding 255 changes nothing. Its variance (tf.moments) is 15 271 instead
# of 0; the mean squared error of 20 million ones against zeros is 0.84, their norm 4096 instead of 4472.
# The probabilities of softmax over 3 million equal values add up to 1.03. Integers are as wrong as
# floats. The cpu backend, which adds in double precision, is right. (Issue 5641 of tfjs, on integers, was
# closed.)
#
# Why it matters: wasm is the backend of browsers without a GPU. Pictures are normalised by their mean and
# deviation, and checked for being too dark; an error of 6 % is nothing that one sees, and a test picture of
# 64 x 64 is right. Shrink the picture before, or take the mean of the means of its rows.
# nasface: its page for browsers runs onnxruntime-web, and its models take constants from the pixels.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$folder" \
    @tensorflow/tfjs-core@4.22.0 @tensorflow/tfjs-backend-cpu@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0
cat > means.js <<'END'
const assert = require('assert');
const tf = require('@tensorflow/tfjs-core');
require('@tensorflow/tfjs-backend-cpu');
const {setWasmPaths} = require('@tensorflow/tfjs-backend-wasm');
setWasmPaths(`${__dirname}/node_modules/@tensorflow/tfjs-backend-wasm/dist/`);

const picture = (width, height, value, type) => tf.fill([height, width, 3], value, type);
const cases = [
  // name, what is right, what wasm gives (to within its tolerance), how it is computed
  ['mean of 64 x 64 of 127.5', 127.5, 127.5, () => tf.mean(picture(64, 64, 127.5))],
  ['mean of 640 x 640 of 127.5', 127.5, 127.97, () => tf.mean(picture(640, 640, 127.5))],
  ['mean of 1920 x 1080 of 0.3', 0.3, 0.282, () => tf.mean(picture(1920, 1080, 0.3))],
  ['mean of 4000 x 3000 of 255', 255, 119.3, () => tf.mean(picture(4000, 3000, 255))],
  ['the same of integers', 255, 119.3, () => tf.mean(picture(4000, 3000, 255, 'int32'))],
  ['its mean by rows first', 255, 255, () => tf.mean(tf.mean(picture(4000, 3000, 255), [1]))],
  ['its variance', 0, 15271, () => tf.moments(picture(4000, 3000, 255)).variance],
  ['squared error of 1 and 0', 1, 0.839, () => tf.losses.meanSquaredError(
    tf.zeros([20e6]), tf.ones([20e6]))],
  ['norm of 20 million ones', 4472.14, 4096, () => tf.norm(tf.ones([20e6]))],
];

(async () => {
  const found = {};
  for (const backend of ['cpu', 'wasm']) {
    await tf.setBackend(backend);
    found[backend] = cases.map(([, , , compute]) => tf.tidy(() => compute().dataSync()[0]));
  }
  cases.forEach(([name, right, wrong], k) => {
    const [cpu, wasm] = [found.cpu[k], found.wasm[k]];
    console.log(`${name}: cpu ${cpu.toPrecision(6)}, wasm ${wasm.toPrecision(6)}`);
    assert(Math.abs(cpu - right) <= 1e-5 * Math.max(1, right), name);
    assert(Math.abs(wasm - wrong) <= 2e-3 * Math.max(1, wrong), name);
  });
})();
END
node means.js
