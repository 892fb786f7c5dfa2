#!/usr/bin/env bash
# A dilated mask becomes smaller, and a grey one black
#
# sharp 0.35.5 (with its libvips 8.18.7), Node.js.
#
# Expected: dilate() enlarges what is white, as in OpenCV, Pillow and scikit-image and as its documentation
# has it ("expand foreground objects"), by one pixel to each side; of grey values it takes the largest.
# erode() does the opposite.
# Seen: the other way round, and not by values but by their bits. Of a white square of 3 x 3 dilate(1)
# leaves the point in the middle, erode(1) makes it 5 x 5; a single white point is gone after dilate(1).
# A square of 200 on a ground of 50 gets an edge of 0 by dilate (the bits that 200 and 50 share) and of 250
# by erode (the bits of either), values that the picture does not have. Larger widths likewise.
#
# Why it matters: masks of faces are dilated so that blurring covers the edge of a face; here it covers
# less than before, and small faces nothing at all. Soft masks, such as scores as grey values, get an edge
# that is far from both sides. Use erode to enlarge, on masks of 0 and 255 alone.
# nasface: has no masks, and does not use this package.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$folder" sharp@0.35.5
cat > masks.js <<'END'
const assert = require('assert');
const sharp = require('sharp');

const size = 9;

/** A square of a given size in the middle of a picture of one channel. */
function square(side, inside = 255, outside = 0) {
  const first = (size - side) / 2;
  const pixels = Buffer.alloc(size * size, outside);
  for (let y = first; y < first + side; y++)
    pixels.fill(inside, y * size + first, y * size + first + side);
  return sharp(pixels, {raw: {width: size, height: size, channels: 1}});
}

/** The values of the first channel. */
async function values(image) {
  const {data, info} = await image.raw().toBuffer({resolveWithObject: true});
  return Array.from({length: size * size}, (_, k) => data[k * info.channels]);
}

/** Check that a picture is a square of a side. */
async function isSquare(image, side, name) {
  const [found, wanted] = [await values(image), side ? await values(square(side)) : Array(81).fill(0)];
  console.log(`${name}: ${found.filter((value) => value === 255).length} of 81 pixels are white`);
  assert.deepStrictEqual(found, wanted, name);
}

(async () => {
  await isSquare(square(3).dilate(1), 1, 'square of 3 x 3 after dilate(1)');
  await isSquare(square(3).erode(1), 5, 'square of 3 x 3 after erode(1)');
  await isSquare(square(1).dilate(1), 0, 'one pixel after dilate(1)');
  await isSquare(square(5).dilate(2), 1, 'square of 5 x 5 after dilate(2)');
  for (const [name, edge] of [['dilate', 200 & 50], ['erode', 200 | 50]]) {
    const found = new Set(await values(square(3, 200, 50)[name](1)));
    console.log(`200 on 50 after ${name}(1) has the values`, [...found]);
    assert.deepStrictEqual(found, new Set([50, edge, 200]));
  }
})();
END
node masks.js
