import copy
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import write_lively_weights
from torch import nn

import nasface
from nasface.api.detecting import detect_files
from nasface.api.detector import FaceDetector
from nasface.api.engines import ONNX_FROM
from nasface.api.faces import Faces
from nasface.data.images import write_image
from nasface.engine.detect import DetectConfig
from nasface.errors import ConfigError, MissingPackageError
from nasface.inference.onnx_runtime import OnnxDetector
from nasface.inference.predict import InferenceConfig

TEST = InferenceConfig(score_threshold=0.0, max_detections=5)


@pytest.fixture
def detector(tmp_path: Path) -> FaceDetector:
    path = write_lively_weights(tmp_path / "w.safetensors")
    return nasface.load_detector(path, device="cpu").eval()


def picture(seed: int, height: int = 96, width: int = 130) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (height, width, 3), dtype=np.uint8)


def assert_alike(found: Faces, wanted: Faces) -> None:
    assert len(found.scores)
    torch.testing.assert_close(found.scores, wanted.scores, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.boxes, wanted.boxes, atol=1e-2, rtol=0)


@pytest.mark.parametrize("size", [(96, 130), (64, 64), (131, 97), (300, 33)])
def test_the_engines_find_the_same(detector: FaceDetector, size: tuple[int, int]) -> None:
    pictures = [picture(at, *size) for at in range(2)]
    by_onnx = detector.detect(pictures, 0.0, inference=TEST, engine="onnxruntime")
    by_torch = detector.detect(pictures, 0.0, inference=TEST, engine="torch")
    for found, wanted in zip(by_onnx, by_torch, strict=True):
        assert_alike(found, wanted)


def test_new_weights_are_used_at_once(detector: FaceDetector) -> None:
    (before,) = detector.detect(picture(0), 0.0, inference=TEST, engine="onnxruntime")
    with torch.no_grad():
        for each in detector.parameters():
            each.mul_(0.7)
    (after,) = detector.detect(picture(0), 0.0, inference=TEST, engine="onnxruntime")
    (wanted,) = detector.detect(picture(0), 0.0, inference=TEST, engine="torch")
    assert_alike(after, wanted)
    assert not torch.allclose(after.scores, before.scores, atol=1e-3)


def test_auto_takes_onnx_runtime_for_several_pictures(detector: FaceDetector) -> None:
    assert not isinstance(detector.network_by("auto", ONNX_FROM - 1)[0], OnnxDetector)
    network, name = detector.network_by("auto", ONNX_FROM)
    assert isinstance(network, OnnxDetector)
    assert name == "ONNX Runtime"
    assert detector.network_by("auto", ONNX_FROM)[0] is network
    detector.train()
    assert not isinstance(detector.network_by("auto", ONNX_FROM)[0], OnnxDetector)


def test_pictures_one_by_one_come_to_onnx_runtime(
    detector: FaceDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[bool] = []
    network_by = detector.network_by

    def watched(*arguments: Any) -> tuple[nn.Module, str]:
        found = network_by(*arguments)
        used.append(isinstance(found[0], OnnxDetector))
        return found

    monkeypatch.setattr(detector, "network_by", watched)
    for _ in range(ONNX_FROM + 1):
        detector.detect(picture(0, 33, 33), inference=TEST)
    assert used == [False] * (ONNX_FROM - 1) + [True] * 2


def test_without_onnx_runtime_it_is_torch(
    detector: FaceDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else find(name)
    )
    network, name = detector.network_by("auto", 100)
    assert network is detector.network()
    assert "onnxruntime is not installed" in name
    with pytest.raises(MissingPackageError, match="onnxruntime"):
        detector.network_by("onnxruntime", 100)


class Unknown(nn.Module):
    """An operator that is not recorded, on each map."""

    def forward(self, maps: dict[int, torch.Tensor]) -> dict[int, torch.Tensor]:
        return {level: torch.special.bessel_j0(each) for level, each in maps.items()}


def test_an_unknown_operator_is_left_to_torch(detector: FaceDetector) -> None:
    detector.trainable.neck = nn.Sequential(Unknown(), detector.trainable.neck)
    network, name = detector.network_by("auto", 100)
    assert network is detector.network()
    assert "bessel" in name
    assert detector.network_by("auto", 100)[0] is network
    with pytest.raises(ConfigError, match="bessel"):
        detector.network_by("onnxruntime", 1)


def test_a_detector_with_a_session_is_copied(detector: FaceDetector) -> None:
    detector.network_by("onnxruntime", 1)
    found, wanted = (
        each.detect(picture(0), 0.0, inference=TEST, engine="onnxruntime")
        for each in (copy.deepcopy(detector), detector)
    )
    assert_alike(found[0], wanted[0])


def test_an_onnx_file_is_not_for_torch(detector: FaceDetector, tmp_path: Path) -> None:
    detector.export(tmp_path / "w.onnx")
    loaded = nasface.load_detector(tmp_path / "w.onnx", device="cpu")
    with pytest.raises(ConfigError, match="torch cannot run"):
        loaded.detect(picture(0), engine="torch")


@pytest.mark.parametrize(("number", "name"), [(1, "torch"), (ONNX_FROM, "ONNX Runtime")])
def test_the_engine_of_files_by_their_number(
    detector: FaceDetector, tmp_path: Path, number: int, name: str
) -> None:
    for at in range(number):
        write_image(tmp_path / f"{at}.png", picture(at, 40, 50))
    found = detect_files(detector, [tmp_path / "*.png"], tmp_path / "out", DetectConfig())
    assert found.engine.startswith(name)
    assert len(found.faces) == number


FORKING = """
import os, signal, sys
import numpy, torch
import nasface

torch.set_num_threads(2)
detector = nasface.load_detector(sys.argv[1], device="cpu")
picture = numpy.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=numpy.uint8)
settings = {"score_threshold": 0.0, "max_detections": 5}
detect = lambda: detector.detect(picture, 0.0, inference=settings, engine=sys.argv[2])[0]
wanted = detect()
child = os.fork()
if child == 0:
    signal.alarm(60)  # ends a process that waits without end
    found = detect()
    os._exit(0 if torch.allclose(found.boxes, wanted.boxes, atol=1e-2) else 3)
print(os.waitpid(child, 0)[1], torch.get_num_threads())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no fork")
@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
def test_forked_processes_detect(tmp_path: Path, engine: str) -> None:
    """As a web server has them that loads the detector before it forks."""
    path = write_lively_weights(tmp_path / "w.safetensors")
    words = [sys.executable, "-W", "ignore", "-c", FORKING, str(path), engine]
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.stdout == "0 2\n", ended.stderr
