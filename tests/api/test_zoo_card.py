"""Cards of the zoo: facts that the documentation has, too, and figures that are counted."""

from pathlib import Path

import pytest

from nasface.api.zoo_card import card_facts, facts_of, model_card
from nasface.detection.zoo import MODELS
from nasface.detection.zoo_facts import COMMON_CHOICES, PEER_FACTS
from nasface.detection.zoo_peers import PEERS
from nasface.errors import ConfigError

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "models.md").read_text("utf-8").splitlines()


def test_every_published_detector_has_facts_once() -> None:
    named = [name for each in PEER_FACTS.values() for name in each.models]
    assert sorted(named) == sorted(PEERS)


def test_the_page_has_the_same_facts() -> None:
    assert f"| all | {COMMON_CHOICES} |" in PAGE
    for name, facts in PEER_FACTS.items():
        models = ", ".join(f"`{each}`" for each in facts.models)
        parts = " | ".join((facts.backbone, facts.neck, facts.heads, facts.also))
        assert f"| {models} | {parts} |" in PAGE
        assert f"| {name} | {facts.choices} |" in PAGE


@pytest.mark.parametrize("name", ["d0", "extd-64", "retinaface-mobilenet0.25", "refineface-r152"])
def test_a_card_says_what_it_is_and_how_it_is_trained(name: str) -> None:
    card = model_card(name)
    facts = facts_of(name)
    assert card.startswith(f"# {name}\n\n{facts.paper}\n")
    assert facts.choices[1:] in card
    assert f"nasface train --model {name} --data DIR --out RUN" in card
    published = MODELS[name].parameters
    assert (f"; published {published:g} M |" if published else "; none are published |") in card
    assert ("five landmarks" in card) == name.startswith("retinaface")


def test_settings_of_a_training_are_those_that_the_name_sets() -> None:
    assert "`--match.positive 0.35`, `--match.min-anchors-per-face 6`" in model_card("s3fd-vgg16")
    assert "As defaults" not in model_card("d0")


def test_released_detectors_have_theirs() -> None:
    assert model_card("asfd-nano").startswith("# asfd-nano\n")
    with pytest.raises(ConfigError, match=r"unknown 'extd-63'; .*did you mean 'extd-64'"):
        model_card("extd-63")


@pytest.mark.parametrize("name", ["d0", "dsfd-r50", "retinaface-r50"])
def test_facts_of_a_program_are_those_of_the_card(name: str) -> None:
    card, facts = model_card(name), card_facts(name)
    assert f"| backbone | {facts['backbone']}, strides " in card
    assert f"| parameters | {facts['parameters'] / 1e6:.3f} M; " in card
    size = f"{facts['width']} x {facts['height']}"
    assert f"| multiply-adds at {size} | {facts['macs'] / 1e9:.3f} G; " in card
    assert all(each[1:] in card for each in facts["choices"])
    for setting, value in facts["training"].items():
        assert f"`--{setting.replace('_', '-')} {value}`" in card
    assert facts["published_parameters_m"] == MODELS[name].parameters


def test_facts_of_a_released_detector() -> None:
    facts = card_facts("asfd-nano")
    assert facts["card"] == model_card("asfd-nano")
    assert (facts["parameters"], facts["easy"]) == (618900, 0.9425)
    with pytest.raises(ConfigError, match="unknown 'extd-63'"):
        card_facts("extd-63")
