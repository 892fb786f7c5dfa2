import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tiny import DETECTOR, tiny_genotype, write_lively_weights

from nasface.detection.checkpoint import read_checkpoint, save_detector
from nasface.detection.detector import build_detector
from nasface.errors import RunError
from nasface.nn.blocks import channels_last


def test_round_trip(tmp_path: Path) -> None:
    genotype, path = tiny_genotype(), tmp_path / "w.safetensors"
    detector = build_detector(DETECTOR, genotype).eval()
    save_detector(path, detector, genotype, {"ap": 0.5})
    loaded = read_checkpoint(path)
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
    loaded = read_checkpoint(path)
    assert loaded.config == DETECTOR
    image = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(loaded.detector(image), detector(image))


def test_files_that_hold_no_detector_are_named(tmp_path: Path) -> None:
    noise, foreign = tmp_path / "noise.safetensors", tmp_path / "foreign.safetensors"
    noise.write_bytes(b"not a safetensors file at all")
    save_file({"x": torch.zeros(1)}, foreign)
    with pytest.raises(RunError, match=r"noise\.safetensors: cannot read weights"):
        read_checkpoint(noise)
    with pytest.raises(RunError, match=r"missing\.safetensors: cannot read weights"):
        read_checkpoint(tmp_path / "missing.safetensors")
    with pytest.raises(RunError, match=r"foreign\.safetensors: format is None"):
        read_checkpoint(foreign)


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    genotype, path = tiny_genotype(), tmp_path / "w.safetensors"
    detector = build_detector(DETECTOR, genotype)
    state = detector.state_dict()
    state.pop("trunk.heads.0.classify.0.weight", None)
    state.pop(next(iter(state)))
    save_detector(path, detector, genotype, {}, state)
    with pytest.raises(RunError, match=r"w\.safetensors: weights do not fit: .* is missing"):
        read_checkpoint(path)


@pytest.mark.parametrize("neck", ["genotype", "bifpn+ssh"])
def test_loading_gives_the_bits_of_a_detector_built_with_values(neck: str, tmp_path: Path) -> None:
    config = replace(DETECTOR, neck=neck, max_in_out=True)
    weights = write_lively_weights(tmp_path / "w.safetensors", config)
    before = torch.get_rng_state()
    loaded = read_checkpoint(weights).detector
    assert torch.equal(torch.get_rng_state(), before)
    genotype = tiny_genotype() if neck == "genotype" else None
    built = build_detector(config, genotype)
    built.load_state_dict(load_file(weights))
    built = channels_last(built.eval())
    for (name, one), (_, other) in zip(
        loaded.state_dict().items(), built.state_dict().items(), strict=True
    ):
        assert one.device.type == "cpu"
        assert one.stride() == other.stride(), name
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    images = torch.randn(2, 3, 97, 131)
    with torch.inference_mode():
        for one, other in zip(loaded(images)[:3], built(images)[:3], strict=True):
            assert torch.equal(one, other)


def test_what_combine_rules_learn_had_other_keys_in_version_0_1(tmp_path: Path) -> None:
    """Scales of weighted sums, and the convolutions of concatenations."""
    genotype, path = tiny_genotype(), tmp_path / "w.safetensors"
    fpn = genotype.cells["fpn"]
    nodes = tuple(
        replace(node, combine="concat") if node.name == "up3" else node for node in fpn.nodes
    )
    genotype = replace(genotype, cells={**genotype.cells, "fpn": replace(fpn, nodes=nodes)})
    detector = build_detector(DETECTOR, genotype).eval()
    state = {
        re.sub(
            r"neck\.cells\.(\w+)\.combine\.(\w+)\.merge",
            r"enhancement.cells.\1.merges.\2",
            re.sub(
                r"neck\.cells\.(\w+)\.combine\.(\w+)\.scale",
                r"enhancement.cells.\1.scales.\2",
                key,
            ),
        ): value
        for key, value in detector.state_dict().items()
    }
    assert "enhancement.cells.fpn.merges.up3.weight" in state
    assert "enhancement.cells.fpn.scales.out3" in state
    save_detector(path, detector, genotype, {}, state)
    loaded = read_checkpoint(path).detector.state_dict()
    for key, value in detector.state_dict().items():
        assert torch.equal(loaded[key], value), key


def test_half_precision_on_disk_is_float32_when_loaded(tmp_path: Path) -> None:
    genotype, path = tiny_genotype(), tmp_path / "w.safetensors"
    detector = build_detector(DETECTOR, genotype).eval()
    save_detector(path, detector, genotype, {}, half=True, about={"data": "none"})
    kept = load_file(path)
    loaded = read_checkpoint(path).detector.state_dict()
    for key, value in detector.state_dict().items():
        assert kept[key].dtype == (torch.float16 if value.ndim == 4 else value.dtype)
        assert loaded[key].dtype == value.dtype
        torch.testing.assert_close(loaded[key], value, rtol=1e-3, atol=1e-6)
    with safe_open(path, "pt") as file:
        assert file.metadata()["data"] == "none"
