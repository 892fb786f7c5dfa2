"""Cells of the matrix of runtimes (docs/results/export.md) that fail, each with its reason.

A cell that begins to work makes its test fail: the table wants another look then.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from tiny import write_lively_weights

from nasface.deploy.config import ExportConfig
from nasface.deploy.onnx import to_onnx
from nasface.deploy.quantization.config import QuantizationConfig
from nasface.deploy.quantization.onnx import quantize_model
from nasface.deploy.runtimes.ncnn import write_ncnn
from nasface.detection.checkpoint import LoadedDetector, read_checkpoint
from nasface.detection.config import DetectorConfig
from nasface.errors import ExportError
from nasface.progress import Silent

IMAGES = np.zeros((1, 3, 96, 128), np.float32)
HEADS = ExportConfig(outputs="heads")
FIXED = replace(HEADS, size="128x96")
opencv_5 = pytest.mark.skipif(
    not cv2.__version__.startswith("5.0."), reason="what OpenCV says differs between releases"
)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedDetector:
    config = DetectorConfig(neck="pan", channels=8, head_layers=0, extra_channels=(16, 16))
    place = tmp_path_factory.mktemp("weights") / "w.safetensors"
    return read_checkpoint(write_lively_weights(place, config))


def run_opencv(model: onnx.ModelProto, folder: Path, engine: str) -> None:
    """Run a file in one of OpenCV's engines."""
    file = folder / "detector.onnx"
    file.write_bytes(model.SerializeToString())
    net = cv2.dnn.readNetFromONNX(str(file), engine=getattr(cv2.dnn, engine))
    net.setInput(IMAGES)
    net.forward(["logits", "deltas"])


def quantised(loaded: LoadedDetector, config: ExportConfig) -> onnx.ModelProto:
    """The detector with 8-bit integers."""
    sample = partial(torch.zeros, IMAGES.shape)
    return quantize_model(to_onnx(loaded, config), [sample], QuantizationConfig(), Silent())


@opencv_5
def test_the_classic_engine_of_opencv_wants_a_fixed_size(
    loaded: LoadedDetector, tmp_path: Path
) -> None:
    run_opencv(to_onnx(loaded, FIXED), tmp_path, "ENGINE_CLASSIC")
    with pytest.raises(cv2.error, match="Shape"):
        run_opencv(to_onnx(loaded, HEADS), tmp_path, "ENGINE_CLASSIC")


@opencv_5
def test_the_classic_engine_of_opencv_takes_no_float16(
    loaded: LoadedDetector, tmp_path: Path
) -> None:
    model = to_onnx(loaded, replace(FIXED, precision="fp16"))
    with pytest.raises(cv2.error, match="CV_16F"):
        run_opencv(model, tmp_path, "ENGINE_CLASSIC")


@opencv_5
@pytest.mark.parametrize(
    ("engine", "reason"), [("ENGINE_NEW", "empty"), ("ENGINE_CLASSIC", "blobs")]
)
def test_opencv_takes_no_file_of_quantised_convolutions(
    engine: str, reason: str, loaded: LoadedDetector, tmp_path: Path
) -> None:
    with pytest.raises(cv2.error, match=reason):
        run_opencv(quantised(loaded, FIXED), tmp_path, engine)


def test_ncnn_sees_one_image_at_a_time(loaded: LoadedDetector, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="batch: ncnn sees one image at a time"):
        write_ncnn(loaded, tmp_path, replace(FIXED, batch=3), Silent())
