import pickle
from pathlib import Path

import pytest
import torch
from payload import Payload
from safetensors.torch import save_file
from tiny import DETECTOR, tiny_genotype

from nasface.detection.backbones.pretrained import freeze, load_backbone_weights
from nasface.detection.backbones.registry import BACKBONES
from nasface.detection.backbones.resnet import ResNet
from nasface.detection.checkpoint import save_detector
from nasface.detection.detector import build_detector
from nasface.errors import ConfigError, RunError


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_torchvisions_file_fits(tmp_path: Path, suffix: str) -> None:
    torch.manual_seed(0)
    state = ResNet(18).state_dict()
    given = {**state, "fc.weight": torch.zeros(10, 512), "fc.bias": torch.zeros(10)}
    given = {key: value for key, value in given.items() if "num_batches" not in key}
    path = tmp_path / f"resnet18{suffix}"
    save_file(given, path) if suffix == ".safetensors" else torch.save(given, path)
    backbone = ResNet(18)
    load_backbone_weights(backbone, path)
    for key, value in backbone.state_dict().items():
        torch.testing.assert_close(value, state[key])


def test_the_backbone_of_a_detector_is_taken(tmp_path: Path) -> None:
    torch.manual_seed(0)
    detector = build_detector(DETECTOR, tiny_genotype())
    save_detector(tmp_path / "w.safetensors", detector, tiny_genotype(), {})
    backbone = BACKBONES[DETECTOR.backbone]()
    load_backbone_weights(backbone, tmp_path / "w.safetensors")
    for key, value in detector.trunk.backbone.state_dict().items():
        assert torch.equal(backbone.state_dict()[key], value), key
    with pytest.raises(RunError, match="does not fit the backbone; missing"):
        load_backbone_weights(ResNet(18), tmp_path / "w.safetensors")


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    state = ResNet(18).state_dict()
    del state["layer2.0.bn1.bias"]
    state["layer9.weight"] = torch.zeros(1)
    state["conv1.weight"] = torch.zeros(64, 1, 7, 7)
    torch.save(state, tmp_path / "w.pth")
    backbone = ResNet(18)
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    with pytest.raises(RunError) as error:
        load_backbone_weights(backbone, tmp_path / "w.pth")
    message = str(error.value)
    assert "missing 1: layer2.0.bn1.bias" in message
    assert "surplus 1: layer9.weight" in message
    assert "conv1.weight (64, 1, 7, 7) instead of (64, 3, 7, 7)" in message
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())


def test_files_that_are_no_state_dict(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be read"):
        load_backbone_weights(ResNet(18), tmp_path / "none.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(RunError, match="expected a state dict"):
        load_backbone_weights(ResNet(18), tmp_path / "list.pth")
    (tmp_path / "broken.safetensors").write_bytes(b"\x00" * 9)
    with pytest.raises(RunError, match="cannot read weights"):
        load_backbone_weights(ResNet(18), tmp_path / "broken.safetensors")


def test_a_payload_is_not_run(tmp_path: Path) -> None:
    torch.save({"conv1.weight": Payload(tmp_path / "owned")}, tmp_path / "w.pth")
    (tmp_path / "raw.pth").write_bytes(pickle.dumps(Payload(tmp_path / "owned")))
    for name in ("w.pth", "raw.pth"):
        with pytest.raises(RunError, match="holds other things than tensors"):
            load_backbone_weights(ResNet(18), tmp_path / name)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("name", BACKBONES)
def test_the_parts_are_the_whole_backbone(name: str) -> None:
    with torch.device("meta"):
        backbone = BACKBONES[name]()
    parts = backbone.freezable_stages()
    assert len(parts) == (2 if name.startswith("recurrent") else 5)
    of_parts = {id(p) for part in parts for module in part for p in module.parameters()}
    assert of_parts == {id(p) for p in backbone.parameters()}


def test_frozen_parts_do_not_move() -> None:
    torch.manual_seed(0)
    detector = build_detector(DETECTOR, tiny_genotype())
    backbone = detector.trunk.backbone
    detector.fixed = tuple(freeze(backbone, 2, norms=True))
    detector.train()
    before = {key: value.clone() for key, value in backbone.state_dict().items()}
    first, second = detector.forward_train(torch.randn(2, 3, 128, 128))
    assert first is not None
    (first.logits_BA2.sum() + second.deltas_BA4.sum()).backward()
    frozen, trained = backbone.freezable_stages()[:2], backbone.freezable_stages()[2:]
    assert all(p.grad is None for part in frozen for m in part for p in m.parameters())
    assert all(p.grad is not None for part in trained for m in part for p in m.parameters())
    # No statistics have moved, here or after an evaluation in between.
    assert all(torch.equal(value, before[key]) for key, value in backbone.state_dict().items())
    detector.eval()
    detector.train()
    assert not any(module.training for module in detector.fixed)
    assert detector.trunk.laterals.training
    with pytest.raises(ConfigError, match="freeze_stages: 6 is not between 0 and 5"):
        freeze(backbone, 6, norms=False)
