"""ONNX files: what they give beside the detector, what they say, and when none is written."""

import json
import sys
from pathlib import Path

import numpy as np
import onnx.parser
import onnxruntime
import pytest
import torch
from commands import fails
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import DETECTOR, tiny_genotype, write_lively_weights, write_tiny

import nasface
from nasface.arch.io import parse_genotype
from nasface.cli.main import main
from nasface.data.images import write_image
from nasface.data.tensors import IMAGE_MEAN
from nasface.deploy import onnx as onnx_file
from nasface.deploy.config import ExportConfig
from nasface.deploy.onnx import export_onnx
from nasface.deploy.onnx_graph.suppression import (
    CANDIDATES,
    random_candidates,
    suppression_model,
    with_suppression,
)
from nasface.detection.boxes import decode, iou
from nasface.detection.config import DetectorConfig
from nasface.detection.zoo import MODELS
from nasface.errors import ExportError, RunError
from nasface.inference.loading import read_detector
from nasface.inference.onnx_runtime import OUTPUT_NAMES, OnnxDetector, runner
from nasface.inference.predict import InferenceConfig, SuppressionConfig, suppress
from nasface.structures import Predictions

Output = pytest.CaptureFixture[str]


SIZES = [(64, 64), (31, 77), (1, 1), (129, 128), (96, 160), (200, 90), (127, 255), (256, 256)]


SMALL = DetectorConfig(channels=8, head_layers=0, extra_channels=(16, 16))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights and the ONNX file that the command makes of them: tracing takes a while."""
    folder = tmp_path_factory.mktemp("export")
    write_lively_weights(folder / "w.safetensors", SMALL)
    words = f"export --weights {folder}/w.safetensors --out {folder}/w.onnx"
    assert main(words.split()) == 0
    return folder


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("batch", [1, 4])
def test_boxes_and_scores_are_the_detectors(place: Path, size: tuple[int, int], batch: int) -> None:
    images = torch.randn(batch, 3, *size)
    with torch.inference_mode():
        found = read_detector(place / "w.safetensors").detector(images)
    session = onnxruntime.InferenceSession(place / "w.onnx")
    boxes, scores = session.run(["boxes", "scores"], {"images": images.numpy()})
    wanted = torch.stack([decode(each, found.anchors_A4) for each in found.deltas_BA4]).numpy()
    assert np.abs(boxes - wanted).max() <= 1e-4 * np.abs(wanted).max()
    wanted = found.logits_BA2.softmax(2)[..., 1].numpy()
    assert scores.shape == wanted.shape
    assert np.abs(scores - wanted).max() <= 1e-4 * wanted.max()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["d0", "d1", "d2"])
def test_models_of_the_family_agree(name: str, tmp_path: Path) -> None:
    config = MODELS[name].detector
    write_lively_weights(tmp_path / "w.safetensors", config)
    loaded = read_detector(tmp_path / "w.safetensors")
    export_onnx(loaded, tmp_path / "w.onnx", ExportConfig(outputs="predictions"))
    session = onnxruntime.InferenceSession(tmp_path / "w.onnx")
    for size, batch in ((size, batch) for size in SIZES for batch in (1, 4)):
        images = torch.randn(batch, 3, *size)
        with torch.inference_mode():
            wanted = loaded.detector(images)
        found = session.run(["logits", "deltas", "anchors"], {"images": images.numpy()})
        for one, other in zip(wanted[:3], found, strict=True):
            assert np.abs(one.numpy() - other).max() <= 1e-4 * one.abs().max()


@pytest.mark.slow
def test_suppression_becomes_part_of_the_graph(tmp_path: Path) -> None:
    loaded = read_detector(write_lively_weights(tmp_path / "w.safetensors", SMALL))
    config = ExportConfig(outputs="detections", suppression=SuppressionConfig(score_threshold=0.0))
    export_onnx(loaded, tmp_path / "w.onnx", config)
    export_onnx(loaded, tmp_path / "raw.onnx", ExportConfig(outputs="predictions"))
    session, raw = (
        onnxruntime.InferenceSession(tmp_path / name) for name in ("w.onnx", "raw.onnx")
    )
    torch.manual_seed(0)
    images = torch.randn(2, 3, 97, 131)
    image, scores = session.run(["image", "scores"], {"images": images.numpy()})
    # Of torch's own predictions the last digits of two scores may turn what stays.
    found = raw.run(["logits", "deltas", "anchors"], {"images": images.numpy()})
    logits, deltas, anchors = map(torch.from_numpy, found)
    predictions = Predictions(logits, deltas, anchors)
    wanted = [suppress(predictions, config.suppression, at) for at in range(2)]
    assert list(image) == [0] * len(wanted[0]) + [1] * len(wanted[1])
    np.testing.assert_allclose(
        scores, torch.cat([each.scores_N for each in wanted]), rtol=1e-3, atol=1e-4
    )
    again = read_detector(tmp_path / "w.onnx").detector(images)
    for at, each in enumerate(wanted):
        kept = suppress(again, config.suppression, at)
        torch.testing.assert_close(kept.scores_N, each.scores_N, rtol=1e-3, atol=1e-4)


def test_the_file_says_what_it_is(place: Path) -> None:
    model = onnx.load(place / "w.onnx")
    onnx.checker.check_model(model, full_check=True)
    about = {each.key: each.value for each in model.metadata_props}
    assert json.loads(about["classes"]) == ["background", "face"]
    assert json.loads(about["mean"]) == list(IMAGE_MEAN)
    anchors = json.loads(about["anchors"])
    assert (anchors["strides"][0], anchors["side_in_strides"]) == (4, DETECTOR.anchors.scale)
    assert parse_genotype(about["genotype"], "metadata") == tiny_genotype()
    assert model.opset_import[0].version == 23
    dimensions = [each.dim_param for each in model.graph.input[0].type.tensor_type.shape.dim]
    assert dimensions == ["batch", "", "height", "width"]
    assert str(Path.cwd()) not in str(model)


def test_detections_are_those_of_the_weights(place: Path, tmp_path: Path) -> None:
    test = InferenceConfig(score_threshold=0.0, max_detections=20)
    for number, size in enumerate([(64, 80), (100, 60)]):
        image = np.random.default_rng(number).integers(0, 256, (*size, 3), dtype=np.uint8)
        write_image(tmp_path / f"{number}.png", image)
    pictures = sorted(tmp_path.iterdir())
    found = {
        kind: nasface.load_detector(place / f"w.{kind}").detect(pictures, 0, inference=test)
        for kind in ("safetensors", "onnx")
    }
    for one, other in zip(found["safetensors"], found["onnx"], strict=True):
        assert len(one) == 20
        torch.testing.assert_close(one.boxes_N4, other.boxes_N4, rtol=1e-3, atol=1e-2)
        torch.testing.assert_close(one.scores_N, other.scores_N, rtol=1e-4, atol=1e-5)


def test_the_verbs_take_the_file(place: Path, tmp_path: Path, capsys: Output) -> None:
    write_tiny(tmp_path / "data", val=2)
    figures = {}
    for kind in ("safetensors", "onnx"):
        given = f"--weights {place}/w.{kind} --inference.score-threshold 0 --json"
        words = f"evaluate --data {tmp_path}/data {given} --out {tmp_path}/{kind}"
        capsys.readouterr()
        assert main(words.split()) == 0
        figures[kind] = json.loads(capsys.readouterr().out)
        images = f"{tmp_path}/data/WIDER_val"
        assert main(f"detect {images} {given} --out {tmp_path}/{kind}-boxes".split()) == 0
        words = f"evaluate widerface --ground-truth text --data {tmp_path}/data {given}"
        capsys.readouterr()
        assert main(words.split()) == 0
        figures[f"{kind} official"] = json.loads(capsys.readouterr().out)
    assert figures["onnx"]["ap"] == pytest.approx(figures["safetensors"]["ap"], abs=1e-3)
    official = figures["onnx official"]["valid"], figures["safetensors official"]["valid"]
    assert official[0] == pytest.approx(official[1], abs=1e-3)


def test_what_is_no_such_file_is_named(place: Path, tmp_path: Path) -> None:
    (tmp_path / "noise.onnx").write_bytes(b"no model")
    with pytest.raises(RunError, match=r"noise\.onnx: no ONNX model"):
        read_detector(tmp_path / "noise.onnx")
    with pytest.raises(RunError, match=r"none\.onnx: cannot read"):
        read_detector(tmp_path / "none.onnx")
    foreign = suppression_model(SuppressionConfig(), 23, 10)
    onnx.save(foreign, tmp_path / "foreign.onnx")
    with pytest.raises(RunError, match="format is None"):
        read_detector(tmp_path / "foreign.onnx")


def test_nothing_is_overwritten_unasked(place: Path, tmp_path: Path, capsys: Output) -> None:
    words = f"export --weights {place}/w.safetensors --out"
    before = (place / "w.onnx").read_bytes()
    assert "w.onnx: is there already" in fails(f"{words} {place}/w.onnx", capsys)
    assert (place / "w.onnx").read_bytes() == before
    other = fails(f"{words} {tmp_path}/w.engine", capsys)
    assert "unknown export format '.engine'; expected one of .onnx" in other
    assert "is no folder" in fails(f"{words} {tmp_path}/none/w.onnx", capsys)
    assert "opset: 9, expected 18 to 23" in fails(f"{words} {tmp_path}/w.onnx --opset 9", capsys)
    assert "expected WIDTHxHEIGHT" in fails(f"{words} {tmp_path}/w.onnx --size 640", capsys)
    assert "batch: 4, expected 1 or more, with size" in fails(
        f"{words} {tmp_path}/w.onnx --batch 4", capsys
    )


def test_a_file_that_differs_is_not_written(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = read_detector(write_lively_weights(tmp_path / "other.safetensors", SMALL, seed=1))
    wrong = onnx.load(place / "w.onnx")
    monkeypatch.setattr(onnx_file, "to_onnx", lambda loaded, config: wrong)
    path = tmp_path / "folder" / "w.onnx"
    path.parent.mkdir()
    with pytest.raises(ExportError, match="differs from the detector"):
        export_onnx(other, path, ExportConfig())
    assert not list(path.parent.iterdir())


def test_the_missing_extra_is_named(
    place: Path, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    words = f"export --weights {place}/w.safetensors --out {tmp_path}/w.onnx"
    assert "pip install 'nasface[export]'" in fails(words, capsys).splitlines()[-1]


@settings(deadline=None, max_examples=40)
@given(
    number=st.integers(1, 300),
    confidence=st.sampled_from([0.0, 0.02, 0.5, 0.98]),
    nms=st.sampled_from([0.1, 0.3, 0.5, 1.0]),
    before=st.sampled_from([1, 10, 5000]),
    keep=st.sampled_from([1, 7, 750]),
)
def test_suppression_in_the_graph_is_greedy(
    number: int, confidence: float, nms: float, before: int, keep: int
) -> None:
    config = SuppressionConfig(
        score_threshold=confidence, nms_iou=nms, pre_nms_top_k=before, max_detections=keep
    )
    model = suppression_model(config, 23, 10).SerializeToString()
    candidates = random_candidates(number, batch=2)
    found = runner(model, OUTPUT_NAMES["detections"], CANDIDATES)(*candidates)
    rows = [
        (at, *candidates.boxes_BA4[at, best].tolist(), candidates.scores_BA[at, best].item())
        for at in range(2)
        for best in greedy(candidates.boxes_BA4[at], candidates.scores_BA[at], config)
    ]
    image_N, boxes_N4, scores_N = found
    assert len(image_N) == len(rows)
    given = torch.cat([image_N[:, None].float(), boxes_N4, scores_N[:, None]], dim=1)
    torch.testing.assert_close(given, torch.tensor(rows).reshape(-1, 6), rtol=0, atol=0)


def test_what_suppression_left_is_found_image_by_image() -> None:
    boxes = torch.tensor([[0.0, 0, 9, 9], [20, 0, 29, 9], [0, 0, 9, 9]])
    found = (torch.tensor([0, 0, 2]), boxes, torch.tensor([0.9, 0.5, 0.7]))
    candidates = OnnxDetector(lambda _: found, "detections")(torch.zeros(3, 3, 32, 32))
    for at, wanted in enumerate(([0, 1], [], [2])):
        kept = suppress(candidates, SuppressionConfig(score_threshold=0.0), at)
        assert torch.equal(kept.boxes_N4, boxes[wanted])
        assert torch.equal(kept.scores_N, found[2][wanted])


def test_suppression_goes_behind_any_graph_that_gives_candidates() -> None:
    config = SuppressionConfig(score_threshold=0.0)
    text = f"""
        <ir_version: 10, opset_import: ["": 23]>
        detector (float[batch, anchors, 5] images)
            => (float[batch, anchors, 4] {CANDIDATES[0]}, float[batch, anchors] {CANDIDATES[1]})
        <int64[2] first = {{4, 1}}, int64[1] position = {{2}}>
        {{
            {CANDIDATES[0]}, size = Split <axis = 2> (images, first)
            {CANDIDATES[1]} = Squeeze (size, position)
        }}
    """
    whole = with_suppression(onnx.parser.parse_model(text), config, 23)
    candidates = random_candidates(50)
    given = torch.cat([candidates.boxes_BA4, candidates.scores_BA[..., None]], dim=2)
    found = runner(whole.SerializeToString(), OUTPUT_NAMES["detections"])(given)
    alone = suppression_model(config, 23, 10).SerializeToString()
    wanted = runner(alone, OUTPUT_NAMES["detections"], CANDIDATES)(*candidates)
    assert len(wanted[0]) > 4
    assert all(map(torch.equal, wanted, found))


def greedy(boxes_N4: torch.Tensor, scores_N: torch.Tensor, config: SuppressionConfig) -> list[int]:
    """Suppression as it is told: the best box left stays and removes those that overlap it."""
    order = sorted(range(len(scores_N)), key=lambda at: (-scores_N[at].item(), at))
    least = torch.tensor(config.score_threshold)
    left = [at for at in order[: config.pre_nms_top_k] if scores_N[at] >= least]
    overlap = iou(boxes_N4, boxes_N4)
    kept: list[int] = []
    while left and len(kept) < config.max_detections:
        kept.append(left[0])
        left = [at for at in left[1:] if not overlap[kept[-1], at] > config.nms_iou]
    return kept
