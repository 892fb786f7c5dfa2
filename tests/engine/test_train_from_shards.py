"""A training from tar shards against one from the files that they were made of."""

from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from tiny import AUGMENT, DETECTOR, OPTIMIZER, StopAfter, tiny_genotype, write_tiny

import nasface
from nasface.arch.io import save_genotype
from nasface.engine.train import TrainConfig, run_training
from nasface.progress import Silent
from nasface.runs.folder import read_metrics


def test_it_is_the_same_bit_by_bit_also_when_resumed(tmp_path: Path) -> None:
    """Mosaics and pasted faces read other images than that of the position, workers read from the
    same shards, and the stop is in the middle of an epoch."""
    save_genotype(tiny_genotype(), tmp_path / "genotype.yaml")
    files = write_tiny(tmp_path / "files")
    nasface.convert(files, "shards", tmp_path / "shards")
    config = TrainConfig(
        data=str(files),
        genotype=str(tmp_path / "genotype.yaml"),
        epochs=3,
        evaluate_every=3,
        batch_size=2,
        detector=DETECTOR,
        augment=replace(AUGMENT, mosaic=0.3, copy_paste=0.3),
        optimizer=OPTIMIZER,
    )
    run_training(config, tmp_path / "from-files", Silent())
    config = replace(config, data=str(tmp_path / "shards"), workers=1)
    assert not run_training(config, tmp_path / "from-shards", StopAfter(6)).finished
    assert run_training(config, tmp_path / "from-shards", Silent(), resume=True).finished
    first, second = (tmp_path / name for name in ("from-files", "from-shards"))
    assert read_metrics(first / "metrics.jsonl") == read_metrics(second / "metrics.jsonl")
    weights = load_file(first / "last.safetensors")
    for name, value in load_file(second / "last.safetensors").items():
        assert torch.equal(value, weights[name]), name
