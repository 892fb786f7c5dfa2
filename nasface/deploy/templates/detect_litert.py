"""python detect.py photograph.jpg: prints score, left, top, right and bottom of each face."""

import json
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from decode import decode_heads, normalise
from PIL import Image

here = Path(__file__).parent
recipe = json.loads((here / "detector.json").read_text())
image = np.asarray(Image.open(sys.argv[1]).convert("RGB").resize(recipe["size"][1::-1]))
run = Interpreter(str(here / "detector.tflite")).get_signature_runner()
found = run(args_0=normalise(recipe, image))
logits, deltas = found["output_0"][0], found["output_1"][0]
boxes, scores = decode_heads(recipe, logits, deltas, *image.shape[:2])
for box, score in zip(boxes, scores, strict=True):
    if score >= 0.5:
        print(f"{score:.3f}", *(f"{value:.1f}" for value in box))
