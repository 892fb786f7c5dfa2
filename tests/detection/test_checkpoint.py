from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tiny import DETECTOR, tiny_genotype

from nasface.detection.checkpoint import load_detector, save_detector
from nasface.detection.detector import build_detector
from nasface.errors import RunError


def test_round_trip(tmp_path: Path) -> None:
    genotype, path = tiny_genotype(), tmp_path / "w.safetensors"
    detector = build_detector(DETECTOR, genotype).eval()
    save_detector(path, detector, genotype, {"ap": 0.5})
    loaded = load_detector(path)
    assert (loaded.config, loaded.genotype, loaded.metrics) == (DETECTOR, genotype, {"ap": 0.5})
    assert not loaded.detector.training
    image = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(loaded.detector(image), detector(image))
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_of_0_1_is_read(tmp_path: Path) -> None:
    """There the trunk was called frame, the neck enhancement, and its setting module."""
    genotype, path = tiny_genotype(), tmp_path / "w.safetensors"
    detector = build_detector(DETECTOR, genotype).eval()
    save_detector(path, detector, genotype, {})
    former = {"trunk": "frame", "neck": "enhancement"}
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        tensors = {
            ".".join([former[key.split(".")[0]], *key.split(".")[1:]]): file.get_tensor(key)
            for key in file.keys()  # noqa: SIM118 - an open file is no mapping
        }
    config = metadata["config"]
    assert "\nneck: genotype\n" in config
    metadata["config"] = config.replace("\nneck: genotype\n", "\nmodule: genotype\n")
    save_file(tensors, path, metadata)
    loaded = load_detector(path)
    assert loaded.config == DETECTOR
    image = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(loaded.detector(image), detector(image))


def test_files_that_hold_no_detector_are_named(tmp_path: Path) -> None:
    noise, foreign = tmp_path / "noise.safetensors", tmp_path / "foreign.safetensors"
    noise.write_bytes(b"not a safetensors file at all")
    save_file({"x": torch.zeros(1)}, foreign)
    with pytest.raises(RunError, match=r"noise\.safetensors: cannot read weights"):
        load_detector(noise)
    with pytest.raises(RunError, match=r"missing\.safetensors: cannot read weights"):
        load_detector(tmp_path / "missing.safetensors")
    with pytest.raises(RunError, match=r"foreign\.safetensors: format is None"):
        load_detector(foreign)


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    genotype, path = tiny_genotype(), tmp_path / "w.safetensors"
    detector = build_detector(DETECTOR, genotype)
    state = detector.state_dict()
    state.pop("trunk.heads.0.classify.0.weight", None)
    state.pop(next(iter(state)))
    save_detector(path, detector, genotype, {}, state)
    with pytest.raises(RunError, match=r"w\.safetensors: weights do not fit: .* is missing"):
        load_detector(path)
