"""Detectors in the Hub's form: as a local folder, and through a hub that is a local server."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from fake_hub import FakeHub, fake_hub

import nasface
from nasface.api.model_card import CardFacts, write_card
from nasface.detection.config import DetectorConfig
from nasface.errors import ConfigError, RunError
from nasface.models import weights_path
from nasface.models.hub import HubAddress, parse_hub_address


def searched_detector() -> nasface.FaceDetector:
    return nasface.create_detector("d0", genotype="asfd-ref", seed=1)


def same_weights(one: nasface.FaceDetector, other: nasface.FaceDetector) -> bool:
    theirs = other.state_dict()
    return all(torch.equal(value, theirs[key]) for key, value in one.state_dict().items())


def test_a_folder_in_the_hubs_form_is_loaded_again(tmp_path: Path) -> None:
    detector = searched_detector()
    folder = detector.save_pretrained(tmp_path / "mine", licence="apache-2.0")
    assert {each.name for each in folder.iterdir()} == {
        "model.safetensors", "README.md", "genotype.png",
    }  # fmt: skip
    again = nasface.load_detector(folder, device="cpu")
    assert same_weights(detector, again)
    assert again.genotype == detector.genotype
    with pytest.raises(RunError, match="mine: exists and is not empty"):
        detector.save_pretrained(folder)


def test_the_card_is_written_from_the_runs(tmp_path: Path) -> None:
    train, score = tmp_path / "train", tmp_path / "score"
    training = "data: wider\nepochs: 7\nevaluate_every: 1\n"
    for run, settings in ((train, training), (score, "data: wider\nweights: w\n")):
        run.mkdir()
        (run / "config.yaml").write_text(settings)
        (run / "environment.json").write_text('{"command": "nasface x", "processor": "EPYC"}')
    table = [{"name": "easy", "faces": 3, "value": 0.8125, "group": ""},
             {"name": "0--Parade", "faces": 1, "value": 0.5, "group": "event"}]  # fmt: skip
    figures = {"protocol": "WIDER FACE, official", "table": table}
    (score / "evaluation.json").write_text(json.dumps(figures))
    folder = searched_detector().save_pretrained(
        tmp_path / "mine", runs=[train, score], licence="mit"
    )
    card = (folder / "README.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    assert (front["library_name"], front["license"]) == ("nasface", "mit")
    for text in ("## Training", "    nasface x", "| data | wider |", "| epochs | 7 |", "EPYC",
                 "## Evaluation", "Figures: WIDER FACE, official", "| easy | 0.8125 |",
                 "![the searched cells](genotype.png)", "subject to the terms of the images",
                 "genotype `asfd-ref`"):  # fmt: skip
        assert text in card
    assert "Parade" not in card
    with pytest.raises(RunError, match=r"is no run folder \(no config\.yaml there\)"):
        searched_detector().save_pretrained(tmp_path / "other", runs=[tmp_path])
    assert not (tmp_path / "other").exists()
    assert not list(tmp_path.glob(".other*"))


@pytest.mark.parametrize("text", ["[]", "{", '{"table": [3]}', '{"table": [{"nme": "easy"}]}'])
def test_figures_of_another_form_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text("data: wider\nweights: w\n")
    (tmp_path / "evaluation.json").write_text(text)
    with pytest.raises(RunError, match=f"^{tmp_path}"):
        write_card(CardFacts("x", DetectorConfig(neck="none"), None, {}, [tmp_path]))


def test_any_text_keeps_the_form_of_a_card() -> None:
    """A licence is quoted where YAML needs it; a row of a table stays one."""
    config = DetectorConfig(neck="none")
    card = write_card(
        CardFacts("x", config, None, {"ap": 0.5, "a|b\n---\nc": 1}, (), "other: x # y")
    )
    _, front, text = card.split("---\n", 2)
    assert yaml.safe_load(front)["license"] == "other: x # y"
    assert "| a/b --- c | 1 |" in text


def test_a_released_detector_keeps_its_card(tmp_path: Path) -> None:
    detector = nasface.load_detector("asfd-nano", device="cpu")
    card = (detector.save_pretrained(tmp_path / "nano") / "README.md").read_text()
    assert "# asfd-nano" in card
    assert "What it was trained on" in card


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hf://owner/name", HubAddress("owner/name")),
        ("hf:/owner/name", HubAddress("owner/name")),
        ("hf://owner/na.me_1@v1.0", HubAddress("owner/na.me_1", "v1.0")),
    ],
)
def test_addresses(name: str, expected: HubAddress) -> None:
    assert parse_hub_address(name) == expected


@pytest.mark.parametrize("name", ["hf://name", "hf://a/b/c", "hf://a/b@", "hf://a b/c"])
def test_other_addresses_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="expected hf://owner/name"):
        weights_path(name)


def in_hub(hub: FakeHub, folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, whose Hub is the given one."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub.address,
        "HF_HOME": str(folder / "home"),
        "HF_TOKEN": "not-a-real-token",
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    script = f"import nasface\nfrom nasface.errors import RunError\n{code}"
    return subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=folder, capture_output=True, text=True
    )


def test_a_detector_goes_to_the_hub_and_comes_back(tmp_path: Path) -> None:
    with fake_hub() as hub:
        code = """
detector = nasface.create_detector("d0", genotype="asfd-ref", seed=1)
print(detector.push_to_hub("me/faces", licence="mit", message="first"))
again = nasface.load_detector("hf://me/faces", device="cpu")
again.save("again.safetensors")
for name in ("hf://me/none", "hf://me/faces@v9"):
    try:
        nasface.load_detector(name)
    except RunError as error:
        print(error)
"""
        done = in_hub(hub, tmp_path, code)
        assert done.returncode == 0, done.stderr
        first, missing, revision = done.stdout.splitlines()
        assert first == "hf://me/faces"
        assert missing.startswith("hf://me/none: no such repository")
        assert revision == "hf://me/faces@v9: the repository has no such revision"
        files = hub.repositories["me/faces"]
        assert set(files) == {"model.safetensors", "README.md", "genotype.png"}
        assert 'load_detector("hf://me/faces")' in files["README.md"].decode()
    again = nasface.load_detector(tmp_path / "again.safetensors", device="cpu")
    assert same_weights(searched_detector(), again)


def test_a_repository_of_something_else_is_named(tmp_path: Path) -> None:
    with fake_hub() as hub:
        hub.repositories["me/words"] = {"README.md": b"words"}
        done = in_hub(hub, tmp_path, "nasface.load_detector('hf://me/words')")
    assert "hf://me/words: holds no model.safetensors" in done.stderr.splitlines()[-1]
