"""The detectors that come with the package."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from nasface.detection.checkpoint import read_checkpoint
from nasface.errors import ConfigError
from nasface.models import ReleasedModel, released_model, released_models
from nasface.nn.cost import count_parameters

MOST_BYTES = 8_000_000


def test_the_released_models_are_those_of_the_documentation() -> None:
    assert list(released_models()) == ["asfd-nano", "asfd-small"]


def test_they_are_small_together() -> None:
    assert sum(each.weights.stat().st_size for each in released_models().values()) < MOST_BYTES


@pytest.mark.parametrize("model", released_models().values(), ids=lambda each: each.name)
def test_weights_load_and_say_what_they_are(model: ReleasedModel) -> None:
    loaded = read_checkpoint(model.weights)
    assert loaded.metrics["model"] == model.name
    assert loaded.config.levels == (3, 4, 5)
    assert {each.dtype for each in loaded.detector.parameters()} == {torch.float32}
    with safe_open(model.weights, "pt") as file:
        assert "559 of the validation split" in file.metadata()["data"]


@pytest.mark.parametrize("model", released_models().values(), ids=lambda each: each.name)
def test_cards_have_the_figures_of_the_files(model: ReleasedModel) -> None:
    card, loaded = model.card.read_text("utf-8"), read_checkpoint(model.weights)
    for name in ("easy", "medium", "hard"):
        assert f"{loaded.metrics[name]:.4f}" in card
    assert f"{count_parameters(loaded.detector):,}".replace(",", " ") in card
    assert "research use" in card


def test_an_unknown_name_is_answered_by_those_there_are() -> None:
    assert released_model("asfd-nano").weights.suffix == ".safetensors"
    with pytest.raises(ConfigError, match=r"'asfd-huge'; expected one of asfd-nano, asfd-small"):
        released_model("asfd-huge")


def test_they_are_package_data() -> None:
    """Every file beside the code is one of the kinds that setup.cfg lists."""
    folder = Path(next(iter(released_models().values())).weights).parent
    kinds = {path.suffix for path in folder.iterdir() if path.is_file()}
    assert kinds == {".py", ".safetensors", ".md"}
