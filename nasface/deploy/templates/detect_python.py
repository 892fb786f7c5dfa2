"""python detect.py photograph.jpg: prints score, left, top, right and bottom of each face."""

import sys
from pathlib import Path

import numpy as np
import torch
from detector import detect, load
from PIL import Image, ImageOps

network = load(Path(__file__).with_name("detector.safetensors"))
photograph = ImageOps.exif_transpose(Image.open(sys.argv[1])).convert("RGB")
for box, score in zip(*detect(network, torch.from_numpy(np.array(photograph))), strict=True):
    if score >= 0.5:
        print(f"{score:.3f}", *(f"{value:.1f}" for value in box.tolist()))
