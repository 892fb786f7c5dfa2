"""Weights of a training as a file to be shipped: float16 on disk, with metadata.

    python scripts/gpu/release.py --weights RUN/last.safetensors --out FILE.safetensors

``--bias`` is added to the face logit of each anchor of joint heads, smallest anchor first: a
correction of scores by size, chosen on validation photographs (docs/results/released/README.md). It
becomes part of the biases of the heads. Without numbers behind it, nothing is added.
"""

import argparse
import json
from pathlib import Path
from typing import cast

import torch

from nasface.detection.checkpoint import read_checkpoint, save_detector
from nasface.detection.detector import Detector
from nasface.detection.joint_head import JointHead

BIAS = (-0.8, -0.4, 0.0, 0.3, 0.3, 0.3)


def main() -> None:
    """Load, correct, save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--bias", type=float, nargs="*", default=BIAS)
    parser.add_argument("--about", type=json.loads, default={}, help="metadata, a JSON map")
    parser.add_argument("--metrics", type=json.loads, default={}, help="figures, a JSON map")
    parser.add_argument("--float32", action="store_true")
    options = parser.parse_args()
    loaded = read_checkpoint(options.weights)
    detector = cast(Detector, loaded.detector)
    biases = iter(options.bias)
    for head in detector.trunk.heads if options.bias else ():
        joint = cast(JointHead, head)
        assert joint.last.bias is not None
        for anchor in range(joint.anchors):
            with torch.no_grad():
                joint.last.bias[joint.anchors + anchor] += next(biases)
    save_detector(
        options.out,
        detector,
        loaded.genotype,
        options.metrics or loaded.metrics,
        half=not options.float32,
        about=options.about,
    )


if __name__ == "__main__":
    main()
