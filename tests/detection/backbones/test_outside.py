"""Backbones of timm and torchvision, in a search, in training and in ONNX files."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from tiny import AUGMENT, DETECTOR, OPTIMIZER, write_tiny
from torchvision_shim import need_torchvision

from nasface.deploy.registry import write_export
from nasface.detection.backbones import outside
from nasface.detection.backbones.pretrained import load_backbone_weights
from nasface.detection.backbones.registry import build_backbone
from nasface.detection.checkpoint import LoadedDetector, read_checkpoint
from nasface.detection.detector import build_detector
from nasface.engine.search import SearchConfig, run_search
from nasface.engine.train import TrainConfig, run_training
from nasface.errors import ConfigError, MissingPackageError
from nasface.progress import Silent

SMALL = "mobilenetv3_small_050"


@pytest.mark.parametrize(
    "name",
    [
        "timm:resnet18",
        f"timm:{SMALL}",
        "torchvision:resnet18",
        "torchvision:mobilenet_v3_small",
        "torchvision:regnet_y_400mf",
        "torchvision:convnext_tiny",
    ],
)
def test_levels_are_taken_by_stride(name: str) -> None:
    need_torchvision("timm")
    backbone = build_backbone(name).eval()
    with torch.inference_mode():
        features = backbone(torch.zeros(1, 3, 96, 128))
    assert list(features) == [2, 3, 4, 5]
    for level, each in features.items():
        assert each.shape == (1, backbone.channels[level], 96 // 2**level, 128 // 2**level)
    assert all(module for stage in backbone.freezable_stages() for module in stage)


def test_a_resnet_of_torchvision_is_ours() -> None:
    need_torchvision()
    torch.manual_seed(0)
    theirs, ours = build_backbone("torchvision:resnet18").eval(), build_backbone("resnet18").eval()
    ours.load_state_dict(theirs.named_by_files().state_dict())
    x = torch.randn(1, 3, 65, 97)
    for level, each in theirs(x).items():
        torch.testing.assert_close(each, ours(x)[level])


@pytest.mark.parametrize("package", ["timm", "torchvision"])
def test_files_of_the_package_fit(package: str, tmp_path: Path) -> None:
    need_torchvision("timm")
    if package == "timm":
        import timm

        whole = timm.create_model("resnet18", pretrained=False)
    else:
        import torchvision

        whole = torchvision.models.resnet18()
    torch.save(whole.state_dict(), tmp_path / "w.pth")
    backbone = build_backbone(f"{package}:resnet18")
    load_backbone_weights(backbone, tmp_path / "w.pth")
    for key, value in backbone.named_by_files().state_dict().items():
        assert torch.equal(value, whole.state_dict()[key]), key


def test_searched_and_trained(tmp_path: Path) -> None:
    need_torchvision("timm")
    detector = replace(DETECTOR, backbone=f"timm:{SMALL}")
    common: dict[str, Any] = {
        "data": str(write_tiny(tmp_path / "data")),
        "batch_size": 4,
        "augment": AUGMENT,
        "optimizer": OPTIMIZER,
    }
    search = SearchConfig(
        **common, detector=detector, space="autofem-fpn", epochs=2, warmup_epochs=1
    )
    assert run_search(search, tmp_path / "search", Silent()).finished
    train = TrainConfig(
        **common,
        detector=detector,
        genotype=str(tmp_path / "search" / "genotype.yaml"),
        epochs=1,
        evaluate_every=1,
    )
    assert run_training(train, tmp_path / "train", Silent()).finished
    loaded = read_checkpoint(tmp_path / "train" / "last.safetensors")
    assert loaded.config.backbone == f"timm:{SMALL}"


@pytest.mark.slow
@pytest.mark.parametrize("name", [f"timm:{SMALL}", "torchvision:resnet18"])
def test_exported(name: str, tmp_path: Path) -> None:
    need_torchvision("timm")
    config = replace(DETECTOR, backbone=name, neck="fpn")
    detector = build_detector(config, None).eval()
    loaded = LoadedDetector(detector, config, None, {})
    assert write_export(loaded, tmp_path / "w.onnx").relative < 1e-3


def test_networks_that_do_not_fit_are_named() -> None:
    need_torchvision("timm")
    with pytest.raises(
        ConfigError, match=r"timm has no 'resnet17'; expected .* did you mean 'resnet1"
    ):
        build_backbone("timm:resnet17")
    with pytest.raises(
        ConfigError, match=r"torchvision has no 'resnet17'; expected .* did you mean 'resnet1"
    ):
        build_backbone("torchvision:resnet17")
    with pytest.raises(ConfigError, match="timm:vit_tiny_patch16_224 has maps of strides"):
        build_backbone("timm:vit_tiny_patch16_224")
    with pytest.raises(ConfigError, match="torchvision:vit_b_16 is no chain of layers"):
        build_backbone("torchvision:vit_b_16")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("swin_tiny_patch4_window7_224", r"does not take images of any size.* at 320x256: Input"),
        ("inception_v3", r"map of stride 4 of .* is \(192, 60, 76\) .* expected \(192, 64, 80\)"),
    ],
)
def test_networks_of_one_size_or_without_borders_are_refused(name: str, said: str) -> None:
    need_torchvision("timm")
    with pytest.raises(ConfigError, match=said):
        build_backbone(f"timm:{name}")


def test_torchvision_of_another_build_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(name: str, install: str) -> ModuleType:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(outside, "need", fails)
    with pytest.raises(MissingPackageError, match=r"not the build for torch .*--index-url"):
        build_backbone("timm:resnet18")


def test_the_package_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name in ("timm", "torchvision"):
        with pytest.raises(MissingPackageError, match=r"pip install 'nasface\[backbones\]'"):
            build_backbone(f"{name}:resnet18")


def test_the_neck_in_a_detector_of_torchvision_draws_boxes() -> None:
    need_torchvision()
    example = Path(__file__).parents[3] / "scripts" / "examples" / "torchvision_neck.py"
    helpers = Path(__file__).parents[2] / "helpers"
    code = (
        f"import sys, runpy; sys.path.insert(0, {str(helpers)!r}); sys.argv = ['example'];"
        "from torchvision_shim import need_torchvision; need_torchvision();"
        f"runpy.run_path({str(example)!r}, run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    losses, count, *boxes = done.stdout.splitlines()
    assert losses.startswith("classification ")
    assert int(count.split()[0]) == 100
    for line in boxes:
        score, x1, y1, x2, y2 = map(float, line.split())
        assert score > 0.005
        assert 0 <= x1 < x2 <= 400
        assert 0 <= y1 < y2 <= 320
