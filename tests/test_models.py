"""The detectors that come with the package."""

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

import nasface
from nasface.detection.boxes import iou
from nasface.detection.checkpoint import read_checkpoint
from nasface.errors import ConfigError
from nasface.inference.onnx_runtime import open_session
from nasface.models import ReleasedModel, ReleasedPrecision, released_model, released_models
from nasface.nn.cost import count_parameters

MAX_BYTES = 8_000_000
SMALL = [each for each in released_models().values() if each.int8]
FORMS: tuple[ReleasedPrecision, ReleasedPrecision] = ("float32", "int8")


def test_the_released_models_are_those_of_the_documentation() -> None:
    assert list(released_models()) == ["asfd-d0", "asfd-nano", "asfd-small"]
    assert [each.name for each in SMALL] == ["asfd-nano", "asfd-small"]


def test_they_are_small_together() -> None:
    files = [path for each in released_models().values() for path in (each.weights, each.int8)]
    assert sum(path.stat().st_size for path in files if path) < MAX_BYTES


@pytest.mark.parametrize("model", released_models().values(), ids=lambda each: each.name)
def test_weights_load_and_say_what_they_are(model: ReleasedModel) -> None:
    loaded = read_checkpoint(model.weights)
    assert loaded.metrics["model"] == model.name
    assert {each.dtype for each in loaded.detector.parameters()} == {torch.float32}
    with safe_open(model.weights, "pt") as file:
        assert "1239 of the training split" in file.metadata()["data"]


@pytest.mark.parametrize("model", released_models().values(), ids=lambda each: each.name)
def test_cards_have_the_figures_of_the_files(model: ReleasedModel) -> None:
    card, loaded = model.card.read_text("utf-8"), read_checkpoint(model.weights)
    for name in ("easy", "medium", "hard"):
        assert f"{loaded.metrics[name]:.4f}" in card
    assert f"{count_parameters(loaded.detector):,}".replace(",", " ") in card
    assert "research use" in card


@pytest.mark.parametrize("model", SMALL, ids=lambda each: each.name)
def test_the_8_bit_form_is_of_the_same_detector(model: ReleasedModel) -> None:
    pytest.importorskip("onnxruntime")
    assert model.int8
    whole, small = (nasface.load_detector(model.name, "cpu", precision=p) for p in FORMS)
    assert small.config == whole.config
    assert small.metrics == whole.metrics
    about = open_session(model.int8.read_bytes()).get_modelmeta().custom_metadata_map
    assert json.loads(about["quantization"])["weights"] == "int8 per channel, 7 bits"
    image = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected, found = whole.network()(image), small(image)
    difference = (found.scores_BA - expected.logits_BA2.softmax(2)[..., 1]).abs()
    assert 0 < difference.max() < 0.1


def test_the_8_bit_form_finds_the_faces_of_photographs(nasface_data: Path) -> None:
    pytest.importorskip("onnxruntime")
    photographs = sorted((nasface_data / "widerface" / "WIDER_val" / "images").rglob("*.jpg"))[::30]
    for model in SMALL:
        detectors = [nasface.load_detector(model.name, "cpu", precision=each) for each in FORMS]
        both = [each.detect(photographs) for each in detectors]
        clear = [
            (iou(whole.boxes_N4, small.boxes_N4) > 0.7).any(dim=1)
            for whole, small in zip(*both, strict=True)
        ]
        found = torch.cat(clear)
        assert len(found) > 10
        assert found.float().mean() > 0.9


@pytest.mark.parametrize("weights", ["w.onnx", "asfd-d0"])
def test_8_bits_are_of_released_detectors_that_have_them(weights: str) -> None:
    expected = re.escape(f"int8 is there for asfd-nano, asfd-small, not for {weights}")
    with pytest.raises(ConfigError, match=expected):
        nasface.load_detector(weights, precision="int8")


def test_an_unknown_name_is_answered_by_those_there_are() -> None:
    assert released_model("asfd-nano").weights.suffix == ".safetensors"
    expected = "'asfd-huge'; expected one of asfd-d0, asfd-nano, asfd-small"
    with pytest.raises(ConfigError, match=expected):
        released_model("asfd-huge")


def test_they_are_package_data() -> None:
    """Every file beside the code is one of the kinds that setup.cfg lists."""
    folder = Path(next(iter(released_models().values())).weights).parent
    kinds = {path.suffix for path in folder.iterdir() if path.is_file()}
    assert kinds == {".py", ".safetensors", ".onnx", ".md"}
