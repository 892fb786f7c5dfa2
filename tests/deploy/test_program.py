"""Programs of torch.export beside the detector."""

import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import SMALL_SEARCH, write_lively_weights

from nasface.arch.io import load_search_space
from nasface.cli.main import main
from nasface.detection.boxes import decode
from nasface.detection.checkpoint import read_checkpoint
from nasface.nas.sampling import random_genotype

Output = pytest.CaptureFixture[str]


def write_small_weights(folder: Path) -> Path:
    """A detector of three levels, since exporting takes time with each."""
    space = load_search_space(SMALL_SEARCH["space"], SMALL_SEARCH["parameters"])
    config = replace(SMALL_SEARCH["detector"], head_layers=0)
    return write_lively_weights(
        folder / "w.safetensors", config, genotype=random_genotype(space, 0)
    )


def test_it_gives_what_the_detector_gives(tmp_path: Path) -> None:
    weights = write_small_weights(tmp_path)
    assert main(f"export --weights {weights} --out {tmp_path}/w.pt2".split()) == 0
    notes = {"about.json": ""}
    program = torch.export.load(tmp_path / "w.pt2", extra_files=notes).module()
    about = json.loads(notes["about.json"])
    assert json.loads(about["anchors"])["height_over_width"] == 1.5
    detector = read_checkpoint(weights).detector
    for batch, size in ((1, (129, 131)), (4, (256, 320)), (2, (200, 333))):
        images = torch.randn(batch, 3, *size)
        with torch.inference_mode():
            found = detector(images)
            boxes, scores = program(images)
        wanted = decode(found.deltas_BA4, found.anchors_A4)
        torch.testing.assert_close(boxes, wanted, rtol=1e-4, atol=1e-2)
        wanted = found.logits_BA2.softmax(2)[..., 1]
        torch.testing.assert_close(scores, wanted, rtol=1e-4, atol=1e-5)
    assert str(Path.cwd()).encode() not in (tmp_path / "w.pt2").read_bytes()


def test_suppression_is_no_part_of_it(tmp_path: Path, capsys: Output) -> None:
    weights = write_small_weights(tmp_path)
    words = f"export --weights {weights} --out {tmp_path}/w.pt2 --outputs detections"
    assert main(words.split()) == 2
    assert "a program gives heads, predictions or boxes" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [weights]


def test_a_full_disk_is_an_error_like_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    weights = write_small_weights(tmp_path)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert main(f"export --weights {weights} --out {tmp_path}/w.pt2".split()) == 2
    assert "w.pt2: cannot be written: No space left on device" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [weights]
