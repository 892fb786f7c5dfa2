"""Words of ``nasface train``."""

from pathlib import Path

import pytest
from tiny import write_tiny

from nasface.cli.main import main
from nasface.engine.train import TrainConfig
from nasface.io.settings import load_config


def test_parts_have_short_options(tmp_path: Path) -> None:
    """The head of one published detector, the neck of another, on a third one's backbone."""
    data = write_tiny(tmp_path / "data", train=2, val=2)
    words = (
        f"train --data {data} --out {tmp_path}/run --model retinaface-mobilenet0.25 --head rfe "
        "--backbone=thin_resnet_n --neck lfpn+ssh --loss=focal --detector.channels 8 "
        "--detector.head-layers 1 --epochs 1 --batch-size 2 --augment.size 64 --device cpu"
    )
    assert main(words.split()) == 0
    found = load_config(TrainConfig, tmp_path / "run" / "config.yaml")
    parts = (found.detector.backbone, found.detector.neck, found.detector.head)
    assert parts == ("thin_resnet_n", "lfpn+ssh", "rfe")
    assert found.loss.classification == "focal"
    assert (tmp_path / "run" / "last.safetensors").exists()


def test_a_model_in_a_file_is_a_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "settings.yaml").write_text("model: [d0]\n")
    words = f"train --config {tmp_path}/settings.yaml --data {tmp_path} --out {tmp_path}/run"
    assert main(words.split()) == 2
    assert "settings.yaml: model: " in capsys.readouterr().err
