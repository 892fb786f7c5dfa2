"""The scripts for one GPU, run on the CPU with tiny sizes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nasface.detection.checkpoint import read_checkpoint

GPU = Path(__file__).parents[1] / "scripts" / "gpu"


def run(script: str, *arguments: object) -> str:
    """What a script prints; its errors where it fails."""
    command = [sys.executable, str(GPU / script), *(str(each) for each in arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four photographs of noise with a face each, laid out as WIDER FACE is."""
    folder, generator, text = tmp_path / "data", np.random.default_rng(0), ""
    (folder / "WIDER_train" / "images" / "0--Parade").mkdir(parents=True)
    (folder / "wider_face_split").mkdir()
    for number in range(4):
        name = f"0--Parade/{number}.jpg"
        pixels = generator.integers(0, 255, (90, 120, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "WIDER_train" / "images" / name)
        text += f"{name}\n1\n30 20 24 30 0 0 0 0 0 0 \n"
    (folder / "wider_face_split" / "wider_face_train_bbx_gt.txt").write_text(text)
    return folder


def test_from_photographs_to_released_weights(data: Path, tmp_path: Path) -> None:
    run("pack.py", "--data", data, "--out", tmp_path / "packs", "--shares", 0.5, 0.5)
    packs = sorted((tmp_path / "packs").iterdir())
    indices = [json.loads((pack / "index.json").read_text()) for pack in packs]
    assert sorted(each["name"] for index in indices for each in index) == [
        f"0--Parade/{number}.jpg" for number in range(4)
    ]
    out = tmp_path / "out"
    sizes = ("--batch", 2, "--size", 96, "--steps", 2, "--log-every", 1, "--threads", 1)
    run("train.py", "--packs", *packs, "--out", out, "--seconds", 120, "--device", "cpu", *sizes)
    assert len((out / "training.csv").read_text().splitlines()) == 1 + 2 * 2
    for name in ("asfd-nano", "asfd-small"):
        file = tmp_path / f"{name}.safetensors"
        run("release.py", "--weights", out / f"{name}-average.safetensors", "--model", name,
            "--out", file)  # fmt: skip
        assert read_checkpoint(file).config.neck == "pan"
