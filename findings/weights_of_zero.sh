#!/usr/bin/env bash
# The loss of a batch in which nothing counts is NaN
#
# @tensorflow/tfjs 4.22.0 with its backend cpu, Node.js.
#
# Expected: a loss of tf.losses with weights, averaged over those that are not 0 (which is the default), is 0
# where all weights are 0, as in TensorFlow, from which the functions and the name of the default
# ("sum by nonzero weights") are taken.
# Seen: it is NaN, 0 divided by 0, for all losses that were tried, and so is the mean over the sum of
# the weights (Reduction.MEAN). The gradients are NaN too. A single weight that is not 0, and it is right.
# The plain sum (Reduction.SUM) is 0.
#
# Why it matters: weights of 0 are how anchors that match no face are left out of the loss of boxes and
# landmarks. The first batch of pictures without any face makes all weights of the network NaN, and that
# may be hours into the training. Use Reduction.SUM and divide by the count or 1.
# nasface: divides by the number of matched anchors, or by 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$folder" \
    @tensorflow/tfjs@4.22.0
cat > losses.js <<'END'
const assert = require('assert');
const tf = require('@tensorflow/tfjs');

const targets = tf.tensor2d([[1, 0], [0, 1]]);
const outputs = tf.tensor2d([[0.5, 0.25], [0.75, 1]]);
const losses = ['absoluteDifference', 'meanSquaredError', 'huberLoss', 'sigmoidCrossEntropy'];
const {MEAN, SUM, SUM_BY_NONZERO_WEIGHTS} = tf.Reduction;

/** A loss of the given weights, its arguments after them being its own defaults. */
function loss(name, weights, reduction) {
  const own = {huberLoss: [1], sigmoidCrossEntropy: [0]}[name] || [];
  return (values) => tf.losses[name](targets, values, tf.tensor2d(weights), ...own, reduction);
}

(async () => {
  await tf.setBackend('cpu');
  const none = [[0], [0]];
  const one = [[1], [0]];
  for (const name of losses) {
    const value = (weights, reduction) => loss(name, weights, reduction)(outputs).dataSync()[0];
    const gradient = tf.grad(loss(name, none, SUM_BY_NONZERO_WEIGHTS))(outputs).dataSync();
    console.log(`${name}: one weight ${value(one, SUM_BY_NONZERO_WEIGHTS)}, none`,
      `${value(none, SUM_BY_NONZERO_WEIGHTS)}, mean ${value(none, MEAN)}, sum ${value(none, SUM)},`,
      `gradient ${Array.from(gradient)}`);
    assert(Number.isFinite(value(one, SUM_BY_NONZERO_WEIGHTS)));
    assert(Number.isNaN(value(none, SUM_BY_NONZERO_WEIGHTS)) && Number.isNaN(value(none, MEAN)));
    assert.strictEqual(value(none, SUM), 0);
    assert(Array.from(gradient).every(Number.isNaN));
  }
})();
END
node losses.js
