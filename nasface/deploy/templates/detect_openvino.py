"""python detect.py photograph.jpg: prints score, left, top, right and bottom of each face."""

import json
import sys
from pathlib import Path

import numpy as np
import openvino
from decode import decode_heads, normalise
from PIL import Image, ImageOps

here = Path(__file__).parent
recipe = json.loads((here / "detector.json").read_text("utf-8"))
photograph = ImageOps.exif_transpose(Image.open(sys.argv[1])).convert("RGB")
size = recipe["size"][1::-1] if recipe["size"] else photograph.size
# A file of one size sees the photograph as large as fits, with black beside or below it.
shown = ImageOps.contain(photograph, size)
image = np.zeros((*size[::-1], 3), np.uint8)
image[: shown.height, : shown.width] = shown
exact = {"INFERENCE_PRECISION_HINT": "f32"}  # some processors would take 16 bits
model = openvino.Core().compile_model(here / "detector.xml", "CPU", exact)
found = model(normalise(recipe, image))
logits, deltas = found["logits"][0], found["deltas"][0]
boxes, scores = decode_heads(recipe, logits, deltas, *image.shape[:2])
for box, score in zip(boxes, scores, strict=True):
    if score >= 0.5:
        print(f"{score:.3f}", *(f"{value * photograph.width / shown.width:.1f}" for value in box))
