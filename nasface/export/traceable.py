"""The detector as a graph: images in, plain tensors out, any height, width and batch."""

import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from nasface.detection.boxes import decode
from nasface.detection.pyramid import STRIDES
from nasface.inference.onnx_runtime import Outputs
from nasface.nn.fuse import fuse_conv_bn
from nasface.structures import Predictions

SMALLEST_TRACED = STRIDES[-1] + 1
"""Pixels of the least height and width that a trace is sure of: below them the coarsest map has one
row or column, which torch.export takes for a case of its own."""


class Graph(nn.Module):
    """Images (B, 3, H, W) -> what ``outputs`` names, without suppression.

    predictions: logits (B, A, 2), offsets (B, A, 4), anchors (A, 4); boxes: boxes (B, A, 4) in
    pixels of the input, scores (B, A).
    """

    def __init__(self, detector: nn.Module, outputs: Outputs) -> None:
        super().__init__()
        self.detector = detector
        self.decoded = outputs != "predictions"

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """See the class."""
        found: Predictions = self.detector(images)
        if not self.decoded:
            return found.logits_BA2, found.deltas_BA4, found.anchors_A4
        boxes_BA4 = decode(found.deltas_BA4, found.anchors_A4)
        return boxes_BA4, found.logits_BA2.softmax(dim=2)[..., 1]


def trace(detector: nn.Module, outputs: Outputs) -> ExportedProgram:
    """The graph of a detector, its normalisations folded, with dynamic batch, height and width."""
    graph = Graph(fuse_conv_bn(detector).to("cpu"), outputs).eval().requires_grad_(False)
    for each in graph.parameters():
        # torch.export cannot save weights in channels-last memory.
        each.data = each.data.clone(memory_format=torch.contiguous_format)
    # Not square, and large enough for several rows and columns on the coarsest level.
    example = torch.zeros(2, 3, 5 * STRIDES[-1] // 2, 7 * STRIDES[-1] // 2)
    with warnings.catch_warnings():
        # torch warns of its own internals.
        warnings.simplefilter("ignore")
        return torch.export.export(graph, (example,), dynamic_shapes=dynamic_shapes())


def dynamic_shapes() -> dict[str, Any]:
    """The dimensions of ``images`` that vary."""
    height, width = (Dim(name, min=SMALLEST_TRACED) for name in ("height", "width"))
    return {"images": {0: Dim("batch"), 2: height, 3: width}}
