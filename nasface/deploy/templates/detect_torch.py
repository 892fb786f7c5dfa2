"""python detect.py photograph.jpg: prints score, left, top, right and bottom of each face."""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from decode import normalise, suppress_boxes
from PIL import Image

here = Path(__file__).parent
recipe = json.loads((here / "detector.json").read_text("utf-8"))
photograph = Image.open(sys.argv[1]).convert("RGB")
if recipe["size"]:
    photograph = photograph.resize(recipe["size"][1::-1])
image = np.asarray(photograph)
program = torch.export.load(here / "detector.pt2").module()
boxes, scores = (each[0].numpy() for each in program(torch.tensor(normalise(recipe, image))))
kept = suppress_boxes(recipe, boxes, scores)
boxes, scores = boxes[kept], scores[kept]
for box, score in zip(boxes, scores, strict=True):
    if score >= 0.5:
        print(f"{score:.3f}", *(f"{value:.1f}" for value in box))
