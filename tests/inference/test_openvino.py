"""Files of OpenVINO as detectors: what they give, and what is refused."""

import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import write_lively_weights, write_tiny

import nasface
from nasface.cli.main import main
from nasface.detection.config import DetectorConfig
from nasface.errors import ConfigError, RunError
from nasface.inference.openvino import _leave_amx_out, import_openvino

SMALL = DetectorConfig(channels=8, head_layers=0, extra_channels=(16, 16))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights, and a folder for OpenVINO of them."""
    if importlib.util.find_spec("openvino") is None:
        pytest.skip("openvino is not installed: pip install 'nasface[openvino]'")
    folder = tmp_path_factory.mktemp("openvino")
    write_lively_weights(folder / "w.safetensors", SMALL)
    words = f"export --quiet --weights {folder}/w.safetensors --to openvino --out {folder}/face"
    assert main(words.split()) == 0
    return folder


def test_it_gives_what_the_weights_give(place: Path) -> None:
    weights = nasface.load_detector(place / "w.safetensors", "cpu")
    file = nasface.load_detector(place / "face" / "detector.xml")
    assert file.config == weights.config
    assert file.genotype == weights.genotype
    images = torch.randn(2, 3, 97, 131, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted, found = weights(images), file(images)
    for name in ("logits_BA2", "deltas_BA4", "anchors_A4"):
        one, other = getattr(wanted, name), getattr(found, name)
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_evaluate_takes_it(place: Path) -> None:
    write_tiny(place / "data", train=1, val=2)
    found, wanted = (
        nasface.evaluate(place / name, place / "data", progress=False).rows
        for name in ("face/detector.xml", "w.safetensors")
    )
    assert [(each.name, each.faces) for each in found] == [
        (each.name, each.faces) for each in wanted
    ]
    for one, other in zip(found, wanted, strict=True):
        assert one.value == pytest.approx(other.value, abs=1e-3, nan_ok=True)


def test_its_makers_are_not_told(place: Path) -> None:
    nasface.load_detector(place / "face" / "detector.xml")
    assert "openvino_telemetry" not in sys.modules


def test_what_cannot_be_is_refused(place: Path) -> None:
    detector = nasface.load_detector(place / "face" / "detector.xml")
    assert detector.network_by("auto", 1)[1] == "OpenVINO"
    with pytest.raises(ConfigError, match="onnxruntime cannot run a file of OpenVINO"):
        detector.network_by("onnxruntime", 1)
    (place / "bad.xml").write_text("<annotation><size/></annotation>")
    with pytest.raises(RunError, match=r"bad\.xml: no model of OpenVINO"):
        nasface.load_detector(place / "bad.xml")
    (place / "alone.xml").write_bytes((place / "face" / "detector.xml").read_bytes())
    with pytest.raises(RunError, match=r"alone\.xml: no model of OpenVINO"):
        nasface.load_detector(place / "alone.xml")
    with pytest.raises(RunError, match=r"none\.xml: no model of OpenVINO"):
        nasface.load_detector(place / "none.xml")


def test_amx_is_left_out_unless_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("openvino") is None:
        pytest.skip("openvino is not installed: pip install 'nasface[openvino]'")
    seen: list[str | None] = []

    class Core:
        def get_property(self, *_: str) -> None:
            seen.append(os.environ.get("ONEDNN_MAX_CPU_ISA"))
            raise RuntimeError("no part for the CPU")

    monkeypatch.setattr("openvino.Core", Core)
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    _leave_amx_out.cache_clear()
    import_openvino()
    assert seen == ["AVX512_CORE_FP16"]
    assert "ONEDNN_MAX_CPU_ISA" not in os.environ
    import_openvino()
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    _leave_amx_out.cache_clear()
    import_openvino()
    assert len(seen) == 1
    assert os.environ["ONEDNN_MAX_CPU_ISA"] == "AVX2"
