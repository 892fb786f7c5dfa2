"""python detect.py photograph.jpg: prints score, left, top, right and bottom of each face."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from decode import normalise
from PIL import Image, ImageOps

here = Path(__file__).parent
recipe = json.loads((here / "detector.json").read_text("utf-8"))
photograph = ImageOps.exif_transpose(Image.open(sys.argv[1])).convert("RGB")
size = recipe["size"][1::-1] if recipe["size"] else photograph.size
# A file of one size sees the photograph as large as fits, with black beside or below it.
shown = ImageOps.contain(photograph, size)
image = np.zeros((*size[::-1], 3), np.uint8)
image[: shown.height, : shown.width] = shown
session = onnxruntime.InferenceSession(here / "detector.onnx")
images = normalise(recipe, image)
which, boxes, scores = session.run(None, {"images": images})
for at, box, score in zip(which, boxes, scores, strict=True):
    if at == 0 and score >= 0.5:
        print(f"{score:.3f}", *(f"{value * photograph.width / shown.width:.1f}" for value in box))
