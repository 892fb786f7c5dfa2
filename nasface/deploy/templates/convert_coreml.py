"""python convert_coreml.py detector.pt2 detector.mlpackage [fp16]: for Core ML, from iOS 16 on."""

import sys

import coremltools
import torch

model = coremltools.convert(
    torch.export.load(sys.argv[1]),
    outputs=[coremltools.TensorType(name=name) for name in ("logits", "deltas")],
    compute_precision=getattr(
        coremltools.precision, "FLOAT16" if "fp16" in sys.argv else "FLOAT32"
    ),
    minimum_deployment_target=coremltools.target.iOS16,
)
model.save(sys.argv[2])
