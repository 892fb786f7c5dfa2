"""Arguments of another kind than expected are refused by name, before anything is done."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import write_tiny
from torch import nn

import nasface
from nasface.api.detector import FaceDetector
from nasface.api.progress import shown_progress

ODD: Any = [5]
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
        (lambda wrong: nasface.plot([wrong]), "results: is of type int; expected folders or"),
        (lambda wrong: nasface.list_models(wrong), "pattern: is of type int; expected text"),
        (lambda wrong: nasface.list_genotypes(wrong), "pattern: is of type int; expected text"),
        (lambda _: nasface.create_detector(ODD), "model: is of type list; expected a name"),
        (lambda wrong: nasface.create_detector(seed=wrong / 2), "seed: 2.5, expected a whole"),
        (lambda wrong: nasface.create_detector(seed=-wrong), "seed: -5, expected a whole number"),
        (lambda wrong: nasface.create_detector(neck=wrong), "neck: Input should be a valid str"),
        (lambda wrong: nasface.create_neck("asfd-ref", [8] * 6, wrong / 2), "channels: 2.5, ex"),
        (
            lambda _: nasface.search("autofem", [], model=ODD),
            "model: is of type list; expected a name",
        ),
        (lambda _: nasface.evaluate({}, [], protocol=ODD), r"unknown protocol \[5\]"),
        (lambda _: nasface.evaluate({}, []), "dataset: holds no images"),
        (lambda wrong: nasface.load_search_space("autofem", wrong), "parameters: is of type int"),
        (lambda wrong: nasface.load_search_space("autofem", operations=wrong), "operations: is of"),
        (lambda wrong: nasface.draw("asfd-ref", cells=wrong), "cells: is of type int; expected na"),
        (
            lambda wrong: nasface.draw("d0", neck=wrong),
            "neck: Input should be a valid string, got 5",
        ),
        (lambda wrong: nasface.export("asfd-nano", "x.onnx", wrong), "export: is of type int"),
        (lambda wrong: nasface.quantize("asfd-nano", "x.onnx", config=wrong), "is of type int"),
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
    with pytest.raises(nasface.NasfaceError, match=f"name of {what}: is of type int"):
        register(5, nn.ReLU)
    with pytest.raises(nasface.NasfaceError, match=f"{what} 'new': is of type int; expected a fun"):
        register("new", 5)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"inference": 5}, "inference: is of type int; expected a map"),
        ({"batch_size": 2.5}, r"batch_size must be a whole number from 1, got 2\.5"),
        ({"batch_size": "8"}, "got '8'"),
        ({"engine": ["onnx"]}, r"engine: unknown \['onnx'\]; expected one of auto"),
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
    for levels in (np.arange(2, 8), range(2, 8)):
        made = nasface.create_detector("d0", channels=np.int64(8), levels=levels)
        assert (made.config.channels, made.config.levels) == (8, (2, 3, 4, 5, 6, 7))
    nodes: Any = np.int64(4)
    space = nasface.load_search_space("autofem", nodes=nodes)
    assert space == nasface.load_search_space("autofem", nodes=4)


def test_a_call_takes_three_channels(detector: FaceDetector) -> None:
    with pytest.raises(ValueError, match=r"float32 \(1, 4, 64, 64\); expected detector\.detect"):
        detector(torch.zeros(1, 4, 64, 64))


def test_a_device_is_for_a_detector_that_is_loaded(detector: FaceDetector, tmp_path: Path) -> None:
    data = write_tiny(tmp_path)
    meta: Any = torch.device("meta")
    with pytest.raises(nasface.NasfaceError, match=r"device: meta is for .* detector\.to"):
        nasface.evaluate(detector, data, device=meta)
    assert nasface.evaluate(detector, data, device="cpu").source


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
