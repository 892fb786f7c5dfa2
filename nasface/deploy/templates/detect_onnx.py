"""python detect.py photograph.jpg: prints score, left, top, right and bottom of each face."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from decode import normalise
from PIL import Image

here = Path(__file__).parent
recipe = json.loads((here / "detector.json").read_text("utf-8"))
photograph = Image.open(sys.argv[1]).convert("RGB")
if recipe["size"]:
    photograph = photograph.resize(recipe["size"][1::-1])
session = onnxruntime.InferenceSession(here / "detector.onnx")
images = normalise(recipe, np.asarray(photograph))
which, boxes, scores = session.run(None, {"images": images})
for at, box, score in zip(which, boxes, scores, strict=True):
    if at == 0 and score >= 0.5:
        print(f"{score:.3f}", *(f"{value:.1f}" for value in box))
