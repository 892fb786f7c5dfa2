"""Weights, checkpoints and histories: whole samples, how damaged ones are made and read."""

import io
import json
import random
import struct
import tempfile
import zipfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from damage import damage_bytes, damage_text
from fuzz_searches import arch_parameters, fuzzed_space, one_genotype
from fuzz_words import JSON, YAML
from torch import nn

from nasface.detection.backbones.pretrained import load_backbone_weights
from nasface.detection.checkpoint import read_checkpoint, save_detector
from nasface.detection.config import DetectorConfig
from nasface.detection.detector import build_detector
from nasface.engine.derive import DeriveConfig, derive_run, load_history
from nasface.engine.search import SearchConfig
from nasface.io.yaml import to_yaml
from nasface.runs.arch_history import HISTORY, history_entry, save_history

Samples = Sequence[bytes]


def checkpoints() -> Samples:
    """Return checkpoints of a search."""
    alphas, betas = arch_parameters()
    model = {f"neck.arch_parameters.alpha.{k}": torch.from_numpy(v) for k, v in alphas.items()}
    state = {
        "kind": "search",
        "space_digest": fuzzed_space().digest,
        "step": 3,
        "result_epoch": None,
        "history": [history_entry(1, 3, alphas, betas)],
        "model": model,
    }
    return [saved(state), saved({**state, "result_epoch": 1})]


def saved(state: object) -> bytes:
    """Return what torch writes of a state."""
    data = io.BytesIO()
    torch.save(state, data)
    return data.getvalue()


def write_search_config(folder: Path) -> None:
    """Write the settings that a checkpoint is read with."""
    config = folder / "config.yaml"
    if not config.exists():
        config.write_text(to_yaml(SearchConfig(space="autofem-cpm", parameters={"nodes": 4})))


def read_checkpoint_file(path: Path) -> None:
    """Derive a genotype from a checkpoint."""
    write_search_config(path.parent)
    derive_run(DeriveConfig(run=str(path.parent)), "derived")


def backbones() -> Samples:
    """Return weights of a backbone."""
    return [saved(nn.Conv2d(3, 4, 3).state_dict())]


def read_backbone(path: Path) -> None:
    """Read weights into a backbone."""
    load_backbone_weights(nn.Conv2d(3, 4, 3), path)


@cache
def weights_files() -> Samples:
    """Return weights of a detector."""
    config = DetectorConfig(channels=8, head_layers=0, extra_channels=(8, 8))
    genotype = one_genotype()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.safetensors"
        save_detector(path, build_detector(config, genotype), genotype, {"ap": 0.5})
        return [path.read_bytes()]


def read_weights(path: Path) -> None:
    """Read weights of a detector."""
    loaded = read_checkpoint(path)
    assert all(value.device.type == "cpu" for value in loaded.detector.state_dict().values())


def damaged_header(samples: Samples, generator: random.Random) -> bytes:
    """Return a weights file with another header; most keep a length that is right."""
    data = generator.choice(samples)
    length = int.from_bytes(data[:8], "little")
    header, tensors = data[8 : 8 + length], data[8 + length :]
    if generator.random() < 0.1:
        return damage_bytes([data[: 8 + length]], generator) + tensors
    if generator.random() < 0.5:
        values = json.loads(header)
        key = generator.choice(sorted(values["__metadata__"]))
        text = values["__metadata__"][key].encode()
        changed = damage_text([text], generator, words=YAML).decode(errors="replace")
        values["__metadata__"][key] = changed
        header = json.dumps(values).encode()
    else:
        header = damage_text([header], generator, words=JSON)
    return struct.pack("<Q", len(header)) + header + tensors


def damaged_zip(samples: Samples, generator: random.Random) -> bytes:
    """Return a zip file with a damaged part and right checksums, or damaged as a whole."""
    data = generator.choice(samples)
    if generator.random() < 0.3:
        return damage_bytes([data], generator)
    parts: list[tuple[str, bytes]] = []
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = [(name, archive.read(name)) for name in archive.namelist()]
    likely = [at for at, (name, _) in enumerate(parts) if name.endswith((".pkl", ".npy", ".txt"))]
    at = generator.choice(likely) if generator.random() < 0.9 else generator.randrange(len(parts))
    parts[at] = (parts[at][0], damage_bytes([parts[at][1]], generator))
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, content in parts:
            archive.writestr(name, content)
    return whole.getvalue()


@cache
def histories() -> Samples:
    """Return histories of architecture parameters."""
    with tempfile.TemporaryDirectory() as folder:
        entries = [history_entry(epoch, epoch, *arch_parameters(epoch)) for epoch in (1, 2)]
        save_history(Path(folder), entries)
        return [(Path(folder) / HISTORY).read_bytes()]


def read_history(path: Path) -> object:
    """Read a history."""
    write_search_config(path.parent)
    return load_history(path.parent)
