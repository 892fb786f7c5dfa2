#!/usr/bin/env bash
# An enlarged picture lies half a pixel further to the right
#
# sharp 0.35.5 (with its libvips 8.18.7), image-js 1.7.0, Node.js.
#
# Expected: resize() keeps the middle of a picture in the middle, so that a point at x comes to
# x * new width / old width, when it enlarges as when it shrinks.
# Seen: so in sharp when it shrinks. Enlarged, with every kernel but the nearest one, all of it lies half a
# pixel of the new picture further to the right and down: by 1/4 of an old pixel at twice the size, by half
# an old pixel from 40 to 41 columns. Columns of 0, 4, 8, 12 at twice the size begin with 0, 0, 2, 4, 6, where
# 0, 1, 3, 5, 7 is right. Enlarged and shrunken back, a picture is not where it was. The makers of the library
# below know the shift, and want it so (issue 943 of libvips). image-js shifts by half a new pixel too, and
# also when it shrinks: by a whole old pixel at half the size.
#
# Why it matters: pictures are brought to the size of a network, larger or smaller. Boxes that are scaled
# back by the plain factor are right for large pictures and shifted for small ones, always the same way:
# in a picture brought to twice its size, a face of 8 px is found with an IoU of 0.88 at most. A crop that
# is brought to a few pixels more is shifted by half of one. Take half a new pixel off the boxes first.
# nasface: reads pictures with OpenCV, Pillow and torch, which keep the middle.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-fund --no-audit --ignore-scripts --prefix "$folder" sharp@0.35.5 image-js@1.7.0
cat > sizes.js <<'END'
const assert = require('assert');
const sharp = require('sharp');

const height = 8;
const step = 4; // the value rises by this with each column, so that a value tells a place

/** A row in the middle of a ramp of `columns`, as resize makes it. */
async function resized(columns, wanted, kernel) {
  const pixels = Buffer.from(Array.from({length: columns * height}, (_, k) => step * (k % columns)));
  if (kernel.startsWith('image-js')) {
    const {Image} = await import('image-js');
    const ramp = new Image(columns, height, {colorModel: 'GREY', data: new Uint8Array(pixels)});
    const interpolationType = kernel.split(' ')[1];
    const image = ramp.resize({width: wanted, height, interpolationType});
    return Array.from({length: wanted}, (_, x) => image.getValue(x, height / 2, 0));
  }
  const ramp = sharp(pixels, {raw: {width: columns, height, channels: 1}});
  const image = ramp.resize(wanted, height, {fit: 'fill', kernel});
  const {data, info} = await image.raw().toBuffer({resolveWithObject: true});
  return Array.from({length: wanted}, (_, x) => data[((height / 2) * wanted + x) * info.channels]);
}

/** How many pixels of the new picture everything lies too far to the right. */
async function shift(columns, wanted, kernel) {
  const row = await resized(columns, wanted, kernel);
  const inner = row.map((_, x) => x).filter((x) => x > 0.2 * wanted && x < 0.8 * wanted);
  const right = (x) => ((x + 0.5) * columns) / wanted - 0.5; // column of the old picture
  const sum = inner.reduce((total, x) => total + right(x) - row[x] / step, 0);
  return (sum / inner.length) * (wanted / columns);
}

(async () => {
  const first = (await resized(40, 80, 'lanczos3')).slice(0, 6);
  console.log('0, 4, 8, ... at twice the size:', first.join(', '));
  const enlarged = [41, 60, 80, 120].map((wanted) => [40, wanted, 0.5]);
  const cases = [...enlarged, ...[45, 30, 20].map((wanted) => [60, wanted, 0])];
  for (const kernel of ['linear', 'cubic', 'mitchell', 'lanczos2', 'lanczos3'])
    for (const [columns, wanted, expected] of cases) {
      const found = await shift(columns, wanted, kernel);
      console.log(`${kernel}, ${columns} to ${wanted} columns: ${found.toFixed(2)} px to the right`);
      assert(Math.abs(found - expected) < 0.1, `${kernel} ${columns} ${wanted}`);
    }
  for (const kernel of ['image-js bilinear', 'image-js bicubic'])
    for (const [columns, wanted] of cases) {
      const found = await shift(columns, wanted, kernel);
      console.log(`${kernel}, ${columns} to ${wanted} columns: ${found.toFixed(2)} px to the right`);
      assert(Math.abs(found - 0.5) < 0.1, `${kernel} ${columns} ${wanted}`);
    }
})();
END
node sizes.js
