#!/usr/bin/env bash
# The faster backend of a browser takes a score of 0.9 for false
#
# @tensorflow/tfjs-core 4.22.0 with its backends cpu and wasm 4.22.0, Node.js.
#
# Expected: the backends of TensorFlow.js compute the same, or an operator is refused by one of them.
# Seen: the wasm backend computes seven operators otherwise, in silence. A cast to bool keeps the lowest byte
# of the number cut to an integer: 0.9 and 256 become false, 2 becomes the truth value 2 (for floats this
# was reported in 2019, issue 2590, and closed). Pooling and convolution with dimRoundingMode 'ceil' or
# 'round' compute the smaller map and hand it over in the shape of the larger one: of 5 x 5 pooled by 2,
# the row 6, 8, 9 is 6, 8, 16, and behind the fourth value stands what happened to be in memory.
# dilation2d begins its search for the largest value at the smallest positive number, so that a map of
# negative numbers becomes 1.2e-38 everywhere. image.transform with fillMode 'reflect' fills in the last
# column on the left, where cpu mirrors.
#
# Why it matters: which backend runs is decided in each visitor's browser. Masks of scores, networks that
# round their sizes up (ceil_mode, as old detectors of faces have it), and erosion, which is the dilation
# of negatives, work where they were written and not elsewhere. Compare with a threshold, pad by hand.
# nasface: its page for browsers runs onnxruntime-web.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$folder" \
    @tensorflow/tfjs-core@4.22.0 @tensorflow/tfjs-backend-cpu@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0
cat > backends.js <<'END'
const assert = require('assert');
const tf = require('@tensorflow/tfjs-core');
require('@tensorflow/tfjs-backend-cpu');
const {setWasmPaths} = require('@tensorflow/tfjs-backend-wasm');
setWasmPaths(`${__dirname}/node_modules/@tensorflow/tfjs-backend-wasm/dist/`);

const map = () => tf.reshape(tf.range(0, 25), [1, 5, 5, 1]);
const kernel = () => tf.ones([2, 2, 1, 1]);
const row = () => tf.reshape(tf.range(0, 4), [1, 1, 4, 1]);
const toTheRight = [[1, 0, -2, 0, 1, 0, 0, 0]]; // each pixel comes from two columns further left
const small = [[-3, -2], [-1, -5]];
const cases = {
  cast: [
    () => tf.cast([0.9, -0.9, 1, 2, 256, 0], 'bool'), [1, 1, 1, 1, 1, 0], [0, 0, 1, 2, 0, 0]],
  castThenWhere: [
    () => tf.where(tf.cast([0.9, 0.2, 0], 'bool'), [1, 1, 1], [0, 0, 0]), [1, 1, 0], [0, 0, 0]],
  maxPool: [() => tf.maxPool(map(), 2, 2, 0, 'ceil'), [6, 8, 9, 16], [6, 8, 16, 18]],
  maxPoolDown: [() => tf.maxPool(map(), 2, 2, 0, 'floor'), [6, 8, 16, 18], [6, 8, 16, 18]],
  avgPool: [() => tf.avgPool(map(), 2, 2, 0, 'ceil'), [3, 5, 6.5, 13], [3, 5, 13, 15]],
  conv2d: [
    () => tf.conv2d(map(), kernel(), 2, 0, 'NHWC', 1, 'ceil'), [12, 20, 13, 52], [12, 20, 52, 60]],
  depthwiseConv2d: [
    () => tf.depthwiseConv2d(map(), kernel(), 2, 0, 'NHWC', 1, 'ceil'),
    [12, 20, 13, 52], [12, 20, 52, 60]],
  dilation2d: [
    () => tf.dilation2d(tf.reshape(small, [1, 2, 2, 1]), tf.zeros([2, 2, 1]), 1, 'same'),
    [-1, -2, -1, -5], Array(4).fill(1.17549435e-38)],
  transform: [
    () => tf.image.transform(row(), toTheRight, 'nearest', 'reflect'), [1, 0, 0, 1], [3, 3, 0, 1]],
};

(async () => {
  for (const backend of ['cpu', 'wasm']) {
    await tf.setBackend(backend);
    for (const [name, [compute, right, other]] of Object.entries(cases)) {
      const result = tf.tidy(compute);
      const values = Array.from(result.dataSync()).slice(0, right.length);
      console.log(`${backend} ${name}: shape [${result.shape}], first values ${values}`);
      const expected = backend === 'cpu' ? right : other;
      values.forEach((value, k) => assert(Math.abs(value - expected[k]) <= 1e-40, name));
    }
  }
})();
END
node backends.js
