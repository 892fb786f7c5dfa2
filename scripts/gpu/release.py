"""Weights that train.py wrote as a file of nasface, to be shipped.

    python scripts/gpu/release.py --weights FILE --model asfd-nano --out FILE.safetensors

``--bias`` is added to the face logit of each anchor, smallest anchor first: a correction of scores
by size, chosen on validation photographs (docs/results/released/README.md). It becomes part of the
biases of the heads.
"""

import argparse
import json
from pathlib import Path
from typing import cast

import torch
from models import CONFIGS
from safetensors.torch import load_file

from nasface.detection.checkpoint import save_detector
from nasface.detection.detector import build_detector
from nasface.detection.joint_head import JointHead

BIAS = (-0.8, -0.4, 0.0, 0.3, 0.3, 0.3)
_ROOMS = {"frame": "trunk", "enhancement": "neck"}


def main() -> None:
    """Load, correct, save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--model", choices=CONFIGS, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--bias", type=float, nargs="+", default=BIAS)
    parser.add_argument("--about", type=json.loads, default={}, help="metadata, a JSON map")
    parser.add_argument("--metrics", type=json.loads, default={}, help="figures, a JSON map")
    parser.add_argument("--float32", action="store_true")
    options = parser.parse_args()
    detector = build_detector(CONFIGS[options.model], None)
    state = {}
    for key, value in load_file(options.weights).items():
        room, _, rest = key.partition(".")
        state[f"{_ROOMS.get(room, room)}.{rest}"] = value
    detector.load_state_dict(state)
    biases = iter(options.bias)
    for head in detector.trunk.heads:
        joint = cast(JointHead, head)
        assert joint.last.bias is not None
        for anchor in range(joint.anchors):
            with torch.no_grad():
                joint.last.bias[joint.anchors + anchor] += next(biases)
    save_detector(
        options.out,
        detector.eval(),
        None,
        options.metrics,
        half=not options.float32,
        about=options.about,
    )


if __name__ == "__main__":
    main()
