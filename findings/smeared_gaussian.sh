#!/usr/bin/env bash
# A Gaussian blur that smears a picture down to the right, and a kernel that lies on its side
#
# jimp 1.6.1, Node.js.
#
# Expected: gaussian(r), "a true Gaussian blur", spreads a point to all sides alike, and so does blur(r).
# convolute(kernel) and convolution(kernel) weigh the neighbours by the same kernel.
# Seen: gaussian writes each pixel into the picture that it is still reading. A white point is brightest to
# the left of where it was, with a tail to the right and down that ends where the picture does: with r = 1,
# of a point of 255 in the middle of 11 x 11, 31 stands on its left and 8 on its right, where 25 is right for
# both, and 11 in its place, where 41 is right. blur(r) is symmetric. convolute exchanges rows and columns of
# the kernel: the Sobel filter for vertical edges answers a horizontal one with 255 and a vertical one with
# nothing; convolution has them right. convolute weighs the alpha channel too: after a kernel with the sum 0
# the picture is transparent.
#
# Why it matters: blurring is how faces are made unrecognisable and how pictures are augmented and
# smoothed before they shrink. The smeared one looks blurred; what is left of a face is not where its box
# is. A test with a constant picture, or with a kernel that equals its transpose, passes.
# nasface: blurs the faces of its synthetic pictures with OpenCV.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$folder" jimp@1.6.1
cat > blur.js <<'END'
const assert = require('assert');
const {Jimp} = require('jimp');

const size = 11;
const middle = 5;

/** A grey picture of a function of x and y. */
function picture(value) {
  const image = new Jimp({width: size, height: size});
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++)
      image.bitmap.data.set([...Array(3).fill(value(x, y)), 255], 4 * (y * size + x));
  return image;
}

const at = (image, x, y, channel = 0) => image.bitmap.data[4 * (y * size + x) + channel];
const point = () => picture((x, y) => (x === middle && y === middle ? 255 : 0));

/** The left, middle and right value around a point, and the largest difference to the mirrored picture. */
function around(name, image) {
  const values = [-1, 0, 1].map((step) => at(image, middle + step, middle));
  let skew = 0;
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++)
      skew = Math.max(skew, Math.abs(at(image, x, y) - at(image, size - 1 - x, size - 1 - y)));
  console.log(`${name}: ${values} around the point, ${skew} from its mirrored picture`);
  return {values, skew};
}

const blurred = around('blur(1)', point().blur(1));
assert(blurred.skew === 0 && blurred.values[0] === blurred.values[2]);
const gaussian = around('gaussian(1)', point().gaussian(1));
assert(gaussian.skew > 20 && gaussian.values[0] > 3 * gaussian.values[2]);
assert(gaussian.values[1] < gaussian.values[0]);

const sobel = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]; // rows from left to right: for vertical edges
const edges = {
  vertical: picture((x) => (x > middle ? 100 : 0)),
  horizontal: picture((x, y) => (y > middle ? 100 : 0)),
};
const answers = {};
for (const [name, edge] of Object.entries(edges))
  for (const method of ['convolution', 'convolute']) {
    const image = edge.clone()[method](sobel);
    answers[`${method} ${name}`] = [at(image, middle, middle), at(image, middle, middle, 3)];
  }
console.log('answer and alpha of the Sobel filter for vertical edges:', answers);
assert.deepStrictEqual(answers, {
  'convolution vertical': [255, 255],
  'convolute vertical': [0, 0],
  'convolution horizontal': [0, 255],
  'convolute horizontal': [255, 0],
});
END
node blur.js
