"""python detect.py photograph.jpg: prints score, left, top, right and bottom of each face."""

import json
import sys
from pathlib import Path

import numpy as np
import openvino
from decode import decode_heads, normalise
from PIL import Image

here = Path(__file__).parent
recipe = json.loads((here / "detector.json").read_text("utf-8"))
photograph = Image.open(sys.argv[1]).convert("RGB")
if recipe["size"]:
    photograph = photograph.resize(recipe["size"][1::-1])
image = np.asarray(photograph)
model = openvino.Core().compile_model(here / "detector.xml", "CPU")
found = model(normalise(recipe, image))
logits, deltas = found["logits"][0], found["deltas"][0]
boxes, scores = decode_heads(recipe, logits, deltas, *image.shape[:2])
for box, score in zip(boxes, scores, strict=True):
    if score >= 0.5:
        print(f"{score:.3f}", *(f"{value:.1f}" for value in box))
