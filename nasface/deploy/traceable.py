"""The detector as a graph: images in, plain tensors out, any height, width and batch."""

import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from nasface.detection.boxes import decode
from nasface.detection.pyramid import STRIDES
from nasface.inference.onnx_runtime import Outputs
from nasface.nn.combine import fold_weights
from nasface.nn.fuse import fuse_conv_bn
from nasface.structures import Predictions

SMALLEST_TRACED = STRIDES[-1] + 1
"""Pixels of the least height and width that a trace is sure of: below them the coarsest map has one
row or column, which torch.export takes for a case of its own."""


class Graph(nn.Module):
    """Images (B, 3, H, W) -> what ``outputs`` names, without suppression.

    heads: logits (B, A, 2), offsets (B, A, 4); predictions: these and anchors (A, 4); boxes: boxes
    (B, A, 4) in pixels of the input, scores (B, A).
    """

    def __init__(self, detector: nn.Module, outputs: Outputs) -> None:
        super().__init__()
        self.detector = detector
        self.outputs = outputs

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """See the class."""
        found: Predictions = self.detector(images)
        if self.outputs == "heads":
            return found.logits_BA2, found.deltas_BA4
        if self.outputs == "predictions":
            return found.logits_BA2, found.deltas_BA4, found.anchors_A4
        boxes_BA4 = decode(found.deltas_BA4, found.anchors_A4)
        return boxes_BA4, found.logits_BA2.softmax(dim=2)[..., 1]


def inference_graph(detector: nn.Module, outputs: Outputs) -> Graph:
    """Return the graph on the CPU, its normalisations folded and its fusion weights constant."""
    graph = Graph(fold_weights(fuse_conv_bn(detector)).to("cpu"), outputs).eval()
    for each in graph.requires_grad_(False).parameters():
        # torch.export cannot save weights in channels-last memory.
        each.data = each.data.clone(memory_format=torch.contiguous_format)
    return graph


def trace(
    detector: nn.Module, outputs: Outputs, fixed: tuple[int, int, int] | None = None
) -> ExportedProgram:
    """Return the program of a detector's graph, for images of one height, width and batch or of
    any."""
    graph = inference_graph(detector, outputs)
    # Not square, and large enough for several rows and columns on the coarsest level.
    height, width, batch = fixed or (5 * STRIDES[-1] // 2, 7 * STRIDES[-1] // 2, 2)
    example = torch.zeros(batch, 3, height, width)
    with warnings.catch_warnings():
        # torch warns of its own internals.
        warnings.simplefilter("ignore")
        shapes = None if fixed else dynamic_shapes()
        return torch.export.export(graph, (example,), dynamic_shapes=shapes)


def dynamic_shapes() -> dict[str, Any]:
    """Return the dimensions of ``images`` that vary."""
    height, width = (Dim(name, min=SMALLEST_TRACED) for name in ("height", "width"))
    return {"images": {0: Dim("batch"), 2: height, 3: width}}
