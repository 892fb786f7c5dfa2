"""The scripts for one GPU, run on the CPU with tiny sizes: from images to released weights."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny import write_tiny

from nasface.detection.checkpoint import read_checkpoint
from nasface.engine.train import TrainConfig
from nasface.io.settings import load_config
from nasface.models import weights_path
from nasface.presets import preset_path

GPU = Path(__file__).parents[1] / "scripts" / "gpu"
TINY = ("--epochs", "1", "--batch-size", "4", "--augment.size", "64", "--precision", "float32")


@pytest.mark.parametrize("name", ["asfd-nano", "asfd-small"])
def test_the_recipe_has_the_detector_that_was_released(name: str) -> None:
    config = load_config(TrainConfig, preset_path(f"preset:{name}-train", "train"))
    assert config.detector == read_checkpoint(weights_path(name)).config


def test_from_images_to_released_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DATA": str(write_tiny(tmp_path / "data")),
        "OUT": str(tmp_path / "out"),
        "WORKERS": "0",
        "MEASURE_SECONDS": "0",
    }
    command = [str(GPU / "all.sh"), *TINY]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in ("asfd-nano", "asfd-small"):
        weights = tmp_path / "out" / name / "last.safetensors"
        assert weights.exists(), done.stdout
        file = tmp_path / f"{name}.safetensors"
        words = [GPU / "release.py", "--weights", weights, "--out", file]
        monkeypatch.setattr(sys, "argv", list(map(str, words)))
        runpy.run_path(str(GPU / "release.py"), run_name="__main__")
        before, after = (read_checkpoint(each).detector for each in (weights, file))
        biases = [each.trunk.heads[0].last.bias for each in (before, after)]  # type: ignore[union-attr,index]
        moved = torch.tensor([0, 0, -0.8, -0.4, *[0.0] * 8])
        torch.testing.assert_close(biases[1] - biases[0], moved)
