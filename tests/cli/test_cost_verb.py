"""``nasface cost`` as typed."""

import json
from functools import cache
from pathlib import Path

import pytest
from commands import Output, fails
from tiny import tiny_genotype

from nasface.api import costs
from nasface.arch.io import save_genotype
from nasface.cli.main import main
from nasface.detection.cost import detector_cost
from nasface.detection.zoo import FAMILY
from nasface.detection.zoo_peers import PEERS


def test_cost(tmp_path: Path, capsys: Output) -> None:
    save_genotype(tiny_genotype(), tmp_path / "g.yaml")
    assert main(f"cost {tmp_path}/g.yaml --channels 8 --json".split()) == 0
    total, *parts = json.loads(capsys.readouterr().out)["parts"]
    assert sum(part["macs"] for part in parts) == total["macs"] > 0
    assert sum(part["parameters"] for part in parts) == total["parameters"]
    assert "expected WIDTHxHEIGHT" in fails(f"cost {tmp_path}/g.yaml --size 64", capsys)


def test_cost_of_a_released_detector(capsys: Output) -> None:
    capsys.readouterr()
    assert main(["cost", "asfd-nano", "--json"]) == 0
    parts = json.loads(capsys.readouterr().out)["parts"]
    assert max(each["parameters"] for each in parts) == 618_900
    assert "did you mean 'asfd-nano'?" in fails("cost asfd-nanno", capsys)


def test_cost_of_the_family(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two of its members; tests of the zoo count them all."""
    assert costs.MODEL_LISTS["family"] is FAMILY
    two = {name: FAMILY[name] for name in ("d0", "d1")}
    monkeypatch.setitem(costs.MODEL_LISTS, "family", two)
    monkeypatch.setattr(costs, "detector_cost", cache(detector_cost))
    capsys.readouterr()
    assert main(["cost", "d0", "--json"]) == 0
    total = json.loads(capsys.readouterr().out)["parts"][0]
    assert main(["cost", "d0", "--channels", "32", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["parts"][0]["macs"] > total["macs"]
    assert main(["cost", "family", "--json"]) == 0
    models = json.loads(capsys.readouterr().out)["models"]
    assert [each["model"] for each in models] == list(two)
    assert models[0]["parameters"] == total["parameters"]
    assert 0.97 < models[0]["macs_to_published"] < 1.03
    monkeypatch.setitem(costs.MODEL_LISTS, "family", {"d0": FAMILY["d0"]})
    assert main(["cost", "family", "--size", "320x256", "--genotype", "autofem-widerface"]) == 0
    assert "published" not in capsys.readouterr().out


def test_cost_of_published_detectors(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three of them, as JSON and as a table; tests of the zoo count them all."""
    assert costs.MODEL_LISTS["peers"] is PEERS
    three = {
        name: PEERS[name] for name in ("retinaface-mobilenet0.25", "s3fd-vgg16", "refineface-r152")
    }
    monkeypatch.setitem(costs.MODEL_LISTS, "peers", three)
    monkeypatch.setattr(costs, "detector_cost", cache(detector_cost))
    capsys.readouterr()
    assert main(["cost", "peers", "--json"]) == 0
    models = {each["model"]: each for each in json.loads(capsys.readouterr().out)["models"]}
    assert list(models) == list(three)
    assert 0.995 < models["s3fd-vgg16"]["macs_to_published"] < 1.005
    assert "macs_to_published" not in models["refineface-r152"], "none is published"
    assert main(["cost", "peers"]) == 0
    shown = capsys.readouterr().out
    assert "0.427 -1.0%" in shown
    assert "Published counts of RetinaFace hold heads of five landmarks" in shown
    assert "a neck, family, peers, necks, or one of d0" in fails("cost d9", capsys)


def test_modules_are_listed_beside_the_genotype(capsys: Output) -> None:
    assert main(["cost", "necks", "--channels", "8", "--json"]) == 0
    rows = {each["neck"]: each for each in json.loads(capsys.readouterr().out)["necks"]}
    assert rows["none"]["parameters"] == rows["none"]["macs"] == 0
    assert rows["fpn"]["parameters"] == 6 * (9 * 8 * 8 + 2 * 8)
    frame = rows["none"]["detector_parameters"]
    assert all(row["detector_parameters"] - row["parameters"] == frame for row in rows.values())
