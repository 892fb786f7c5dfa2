"""Decoding code beside bare heads, in NumPy and in JavaScript, against the detector's own."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnxruntime
import pytest
import torch

from nasface.cli.main import main
from nasface.data.tensors import to_tensor
from nasface.deploy.decode_numpy import face_scores
from nasface.deploy.python_source.file import load_module
from nasface.detection.anchors import AnchorConfig
from nasface.detection.checkpoint import save_detector
from nasface.detection.config import DetectorConfig
from nasface.detection.detector import build_detector
from nasface.detection.joint_head import JointHead
from nasface.inference.loading import read_detector
from nasface.inference.predict import SuppressionConfig, suppress
from nasface.structures import Detections

SETTINGS = SuppressionConfig(score_threshold=0.3, nms_iou=0.5, pre_nms_top_k=300, max_detections=60)
SIZES = [(64, 80), (97, 131)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Heads with two anchors at a position, and what stands beside them."""
    folder = tmp_path_factory.mktemp("heads")
    config = DetectorConfig(
        backbone="thin_resnet_n",
        levels=(3, 4, 5),
        channels=8,
        neck="pan",
        head="dense",
        head_branches="joint",
        head_layers=0,
        anchors=AnchorConfig(aspect=1.2, sides=((12, 20), (32, 48), (90, 140))),
    )
    torch.manual_seed(0)
    detector = build_detector(config, None).eval()
    for head in detector.trunk.heads:
        last = cast(JointHead, head).last
        torch.nn.init.normal_(last.weight, std=0.5)
        torch.nn.init.zeros_(cast(torch.Tensor, last.bias))
    save_detector(folder / "w.safetensors", detector, None, {})
    words = f"export --weights {folder}/w.safetensors --out {folder}/face.onnx --outputs heads"
    chosen = "--suppression.score-threshold 0.3 --suppression.nms-iou 0.5 "
    more = "--suppression.pre-nms-top-k 300 --suppression.max-detections 60"
    assert main(f"{words} {chosen}{more}".split()) == 0
    return folder


def photograph(size: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(size[0]).integers(0, 256, (*size, 3), dtype=np.uint8)


def wanted(place: Path, size: tuple[int, int]) -> Detections:
    detector = read_detector(place / "w.safetensors").detector
    with torch.inference_mode():
        return suppress(detector(to_tensor(photograph(size))[None]), SETTINGS)


def same(place: Path, size: tuple[int, int], boxes: Any, scores: Any) -> None:
    found = wanted(place, size)
    assert len(found) > 20
    np.testing.assert_allclose(scores, found.scores_N, atol=1e-5)
    np.testing.assert_allclose(boxes, found.boxes_N4, atol=0.01)


@pytest.mark.parametrize("size", SIZES)
def test_numpy(place: Path, size: tuple[int, int]) -> None:
    code = load_module(place / "face_decode.py")
    recipe = json.loads((place / "face.json").read_text())
    session = onnxruntime.InferenceSession(place / "face.onnx")
    logits, deltas = session.run(None, {"images": code.normalise(recipe, photograph(size))})
    same(place, size, *code.decode_heads(recipe, logits[0], deltas[0], *size))


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
@pytest.mark.parametrize("size", SIZES)
def test_javascript(place: Path, size: tuple[int, int], tmp_path: Path) -> None:
    image = photograph(size)
    rgba = np.concatenate([image, np.full((*size, 1), 255, np.uint8)], axis=2)
    session = onnxruntime.InferenceSession(place / "face.onnx")
    recipe = json.loads((place / "face.json").read_text())
    images = load_module(place / "face_decode.py").normalise(recipe, image)
    logits, deltas = session.run(None, {"images": images})
    given = {"rgba": rgba.ravel(), "logits": logits.ravel(), "deltas": deltas.ravel()}
    values = {key: value.tolist() for key, value in given.items()}
    (tmp_path / "given.json").write_text(json.dumps(values))
    script = f"""
        import {{ readFileSync }} from "node:fs";
        import {{ decodeHeads, normalise }} from "{(place / "face_decode.mjs").as_uri()}";
        const read = (path) => JSON.parse(readFileSync(path, "utf8"));
        const recipe = read("{place / "face.json"}"), given = read("{tmp_path / "given.json"}");
        const logits = Float32Array.from(given.logits), deltas = Float32Array.from(given.deltas);
        const found = decodeHeads(recipe, logits, deltas, {size[0]}, {size[1]});
        found.images = Array.from(normalise(recipe, given.rgba, {size[0]}, {size[1]}));
        console.log(JSON.stringify(found));
    """
    (tmp_path / "run.mjs").write_text(script)
    done = subprocess.run(
        ["node", tmp_path / "run.mjs"], capture_output=True, text=True, check=True, timeout=60
    )
    found = json.loads(done.stdout)
    np.testing.assert_allclose(found["images"], images.ravel(), atol=1e-6)
    same(place, size, found["boxes"], found["scores"])


def test_nothing_is_overwritten_unasked(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "face.onnx").rename(place / "kept")
    words = f"export --weights {place}/w.safetensors --out {place}/face.onnx --outputs heads"
    assert main(words.split()) == 2
    assert "face.json: is there already" in capsys.readouterr().err
    assert not (place / "face.onnx").exists()
    (place / "kept").rename(place / "face.onnx")


def test_scores_of_logits_far_apart_are_finite_and_warn_of_nothing() -> None:
    logits = np.array([[200.0, -200.0], [-200.0, 200.0], [0.0, 0.0], [1.0, 3.0]], np.float32)
    with np.errstate(over="raise"):
        scores = face_scores(logits)
    expected = torch.tensor(logits).double().softmax(1)[:, 1].numpy()
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-30)
