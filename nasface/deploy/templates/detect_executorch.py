"""python detect.py photograph.jpg: prints score, left, top, right and bottom of each face."""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from decode import decode_heads, normalise
from executorch.runtime import Runtime
from PIL import Image

here = Path(__file__).parent
recipe = json.loads((here / "detector.json").read_text())
image = np.asarray(Image.open(sys.argv[1]).convert("RGB").resize(recipe["size"][1::-1]))
method = Runtime.get().load_program(here / "detector.pte").load_method("forward")
found = method.execute([torch.tensor(normalise(recipe, image))])
logits, deltas = (each[0].numpy() for each in found)
boxes, scores = decode_heads(recipe, logits, deltas, *image.shape[:2])
for box, score in zip(boxes, scores, strict=True):
    if score >= 0.5:
        print(f"{score:.3f}", *(f"{value:.1f}" for value in box))
