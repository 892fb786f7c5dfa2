// Boxes from a face detector's heads. `recipe` is the JSON file beside the detector, parsed.
// Boxes are x1 y1 x2 y2 in pixels, four numbers after one another.

/** RGBA pixels, as of a canvas, as the detector takes them: Float32Array 1 x 3 x height x width. */
export function normalise(recipe, rgba, height, width) {
  const area = height * width;
  const values = new Float32Array(3 * area);
  for (let channel = 0; channel < 3; channel++) {
    const mean = recipe.mean[channel], deviation = recipe.standard_deviation[channel];
    for (let at = 0; at < area; at++)
      values[channel * area + at] = (rgba[4 * at + channel] / 255 - mean) / deviation;
  }
  return values;
}

/** The anchors for images of a height and width, in the order of the heads. */
export function anchorBoxes(recipe, height, width) {
  const root = Math.sqrt(recipe.height_over_width);
  const boxes = [];
  recipe.strides.forEach((stride, level) => {
    for (let row = 0; row < Math.ceil(height / stride); row++)
      for (let column = 0; column < Math.ceil(width / stride); column++)
        for (const side of recipe.sides[level]) {
          const x = (column + 0.5) * stride, y = (row + 0.5) * stride;
          const right = side / root / 2, down = (side * root) / 2;
          boxes.push(x - right, y - down, x + right, y + down);
        }
  });
  return Float32Array.from(boxes);
}

/** Boxes from offsets and anchors of one image. */
export function decodeBoxes(recipe, deltas, anchors) {
  const boxes = new Float32Array(deltas.length);
  for (let at = 0; at < deltas.length; at += 4)
    for (let axis = 0; axis < 2; axis++) {
      const low = anchors[at + axis], high = anchors[at + axis + 2], side = high - low;
      const centre = (low + high) / 2 + deltas[at + axis] * recipe.centre_variance * side;
      const growth = deltas[at + axis + 2] * recipe.size_variance;
      const half = (side * Math.exp(Math.min(growth, recipe.largest_log_size))) / 2;
      boxes[at + axis] = centre - half;
      boxes[at + axis + 2] = centre + half;
    }
  return boxes;
}

/** Numbers of the boxes that greedy suppression keeps, best score first. */
export function suppressBoxes(recipe, boxes, scores) {
  const least = Math.fround(recipe.score_threshold);
  const order = Array.from(scores.keys()).filter((at) => scores[at] >= least);
  order.sort((one, other) => scores[other] - scores[one] || one - other);
  const kept = [];
  for (const at of order.slice(0, recipe.pre_nms_top_k)) {
    if (kept.length === recipe.max_detections) break;
    if (kept.every((best) => overlap(boxes, best, at) <= recipe.nms_iou)) kept.push(at);
  }
  return kept;
}

/** {boxes, scores} of an image, best first, from the detector's two outputs for it. */
export function decodeHeads(recipe, logits, deltas, height, width) {
  const boxes = decodeBoxes(recipe, deltas, anchorBoxes(recipe, height, width));
  const scores = new Float32Array(deltas.length / 4);
  for (let at = 0; at < scores.length; at++)
    scores[at] = 1 / (1 + Math.exp(logits[2 * at] - logits[2 * at + 1]));
  const kept = suppressBoxes(recipe, boxes, scores);
  return {
    boxes: kept.map((at) => Array.from(boxes.subarray(4 * at, 4 * at + 4))),
    scores: kept.map((at) => scores[at]),
  };
}

function overlap(boxes, one, other) {
  const [a, b] = [4 * one, 4 * other];
  const side = (low, high) => Math.max(0, high - low);
  const width = side(Math.max(boxes[a], boxes[b]), Math.min(boxes[a + 2], boxes[b + 2]));
  const height = side(Math.max(boxes[a + 1], boxes[b + 1]), Math.min(boxes[a + 3], boxes[b + 3]));
  const area = (at) => side(boxes[at], boxes[at + 2]) * side(boxes[at + 1], boxes[at + 3]);
  const union = area(a) + area(b) - width * height;
  return union > 0 ? (width * height) / union : 0;
}
