"""Arguments of another kind than expected are refused by name, before anything is done."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import nasface
from nasface.api.detector import FaceDetector
from nasface.api.progress import shown_progress

PICTURE = np.zeros((64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return nasface.load_detector("asfd-nano", device="cpu")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda wrong: nasface.load_detector(wrong), "detector: is of type int; expected a name"),
        (lambda wrong: nasface.read_dataset(wrong), "data: is of type int; expected a folder"),
        (lambda wrong: nasface.create_neck("asfd-ref", wrong, 8), "in_channels: is of type int"),
        (lambda _: nasface.create_neck("bifpn", (8, 16), 8), r"create_detector\(neck='bifpn'\)"),
        (lambda wrong: nasface.create_detector("d0", wrong), "genotype: is of type int"),
        (lambda wrong: nasface.train(wrong, "data"), "detector: int is none"),
        (lambda wrong: nasface.load_search_space("autofem", operations=str(wrong)), "is text"),
        (lambda wrong: nasface.register_classification_loss("new", wrong), "ClassificationLoss"),
        (lambda _: nasface.register_backbone("new", nn.Conv2d(3, 3, 1)), "the class Conv2d"),
        (lambda _: nasface.create_detector("d0", backbone=nn.ReLU()), "backbone: is of type ReLU"),
        (lambda wrong: shown_progress(wrong).__enter__(), "progress: is of type int"),
        (lambda wrong: nasface.train("asfd-nano", [], out=wrong), "out: is of type int"),
        (lambda wrong: nasface.search("autofem", [], out=wrong), "out: is of type int"),
        (lambda wrong: nasface.evaluate({}, [], out=wrong), "out: is of type int"),
        (lambda wrong: nasface.convert(wrong, "coco", "x"), "source: is of type int"),
        (lambda wrong: nasface.convert("x", "coco", wrong), "out: is of type int"),
        (lambda wrong: nasface.quantize("asfd-nano", wrong), "path: is of type int"),
        (lambda wrong: nasface.export("asfd-nano", wrong), "path: is of type int"),
        (lambda wrong: nasface.plot([], wrong), "path: is of type int"),
    ],
)
def test_wrong_kinds(call: Callable[[Any], object], message: str) -> None:
    with pytest.raises(nasface.NasfaceError, match=message):
        call(5)


@pytest.mark.parametrize(
    ("register", "expected"),
    [
        (nasface.register_operation, "operation: is of type str; expected Operation"),
        (nasface.register_combine, "combine rule: is of type str; expected CombineRule"),
        (nasface.register_protocol, "protocol: is of type str; expected Protocol"),
        (nasface.register_dataset_format, "data format: is of type str; expected DatasetFormat"),
        (nasface.register_export_format, "export format: is of type str; expected ExportFormat"),
    ],
)
def test_entries_of_another_kind(register: Callable[[Any], None], expected: str) -> None:
    with pytest.raises(nasface.NasfaceError, match=expected):
        register("new")


@pytest.mark.parametrize(
    ("register", "what"),
    [
        (nasface.register_assigner, "assignment"),
        (nasface.register_backbone, "backbone"),
        (nasface.register_executor, "executor"),
        (nasface.register_head, "head"),
        (nasface.register_logger, "logger"),
        (nasface.register_neck, "neck"),
        (nasface.register_policy, "policy"),
    ],
)
def test_entries_that_cannot_be_called(register: Callable[[Any, Any], None], what: str) -> None:
    with pytest.raises(nasface.NasfaceError, match=f"{what}: its name is of type int"):
        register(5, nn.ReLU)
    with pytest.raises(nasface.NasfaceError, match=f"{what} 'new': is of type int; expected a fun"):
        register("new", 5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"inference": 5}, "inference: is of type int, expected a map"),
        ({"batch_size": 2.5}, r"batch_size must be a whole number from 1, got 2\.5"),
        ({"batch_size": "8"}, "got '8'"),
        ({"engine": "onnx"}, "engine: unknown 'onnx'; expected one of auto, torch, onnxruntime"),
    ],
)
def test_wrong_arguments_of_detect(
    given: dict[str, Any], message: str, detector: FaceDetector
) -> None:
    with pytest.raises(ValueError, match=message):
        detector.detect(PICTURE, **given)


def test_numbers_of_numpy_are_numbers(detector: FaceDetector) -> None:
    inference = {"vote_iou": np.float32(0.5), "longer_side": np.int64(64)}
    given: dict[str, Any] = {"score_threshold": np.float32(0.25), "batch_size": np.int32(1)}
    found = detector.detect(PICTURE, inference=inference, **given)
    as_usual = detector.detect(PICTURE, 0.25, inference={"vote_iou": 0.5, "longer_side": 64})
    assert len(found) == len(as_usual) == 1
    made = nasface.create_detector("d0", channels=np.int64(8), levels=np.arange(2, 8))
    assert (made.config.channels, made.config.levels) == (8, (2, 3, 4, 5, 6, 7))


def test_weights_without_values_are_refused() -> None:
    detector = nasface.create_detector("d0", device=torch.device("meta"))
    assert detector.train().training
    uses: list[Callable[[], object]] = [
        lambda: detector.eval().detect(PICTURE),
        lambda: detector.save("face.safetensors"),
        lambda: detector.export("face.onnx"),
        lambda: nasface.train(detector, []),
    ]
    for use in uses:
        with pytest.raises(nasface.NasfaceError, match=r"meta device.*to_empty"):
            use()
    source = nasface.create_detector("d0", seed=1, device="cpu")
    detector.to_empty(device="cpu").load_state_dict(source.state_dict())
    assert len(detector.detect(PICTURE)) == 1


def test_torchs_default_device_changes_no_weights() -> None:
    with torch.device("meta"):
        one = nasface.create_detector("d0", seed=1, device="cpu")
    other = nasface.create_detector("d0", seed=1, device="cpu")
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ([0.25, 0.1, 0.75, 0.5], "train: all boxes lie between 0 and 1; expected .* in pixels"),
        ([80, 90, 40, 30], "train: 1 of 1 boxes have no width or no height; .* not x y w h"),
    ],
)
def test_boxes_in_another_form_are_refused(box: list[float], message: str) -> None:
    record = nasface.ImageRecord("a.jpg", "a.jpg", [box])
    with pytest.raises(nasface.NasfaceError, match=message):
        nasface.search("autofem", [record])
