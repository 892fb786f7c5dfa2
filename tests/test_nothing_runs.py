"""Files that would leave a trace if anything in them were run, or if a path led out of its root."""

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from payload import Payload
from torch import nn

from nasface.annotations.fddb import read_fddb_detections
from nasface.annotations.matlab import read_matlab
from nasface.annotations.widerface import read_wider_split
from nasface.arch.genotype_text import read_genotype_text
from nasface.arch.io import load_genotype, load_search_space
from nasface.detection.backbones.pretrained import load_backbone_weights
from nasface.detection.checkpoint import read_checkpoint
from nasface.engine.derive import load_history
from nasface.engine.search import SearchConfig
from nasface.engine.train import TrainConfig
from nasface.errors import NasfaceError
from nasface.io.settings import load_config
from nasface.io.yaml import to_yaml
from nasface.runs.checkpoint import load_checkpoint


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """The file that is there after something was run."""
    return tmp_path / "trace"


def test_the_payload_works(trace: Path) -> None:
    pickle.loads(pickle.dumps(Payload(trace)))  # noqa: S301 - it is ours
    assert trace.exists()


@pytest.mark.parametrize(
    "tag",
    ["!!python/object/apply:os.mknod", "!!python/object/new:os.mknod", "!!python/name:os.mknod "],
)
@pytest.mark.parametrize(
    "load", [load_search_space, load_genotype, lambda path: load_config(TrainConfig, path)]
)
def test_tags_of_yaml(
    tag: str, load: Callable[[Path], object], tmp_path: Path, trace: Path
) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"name: {tag}\n- {trace}\n")
    with pytest.raises(NasfaceError, match=r"a\.yaml"):
        load(path)
    path.write_text(f"name: {tag} [{trace}]\n")
    with pytest.raises(NasfaceError, match="tags"):
        load(path)
    assert not trace.exists()


def test_calls_in_genotype_text(trace: Path) -> None:
    call = f"__import__('os').mknod({str(trace)!r})"
    nni = "'normal/op_2_0': 'skip_connect', 'normal/input_2_0'"
    for text in (
        f"Genotype(normal={call}, normal_concat=[2], reduce=[], reduce_concat=[2])",
        f"Genotype(normal=[('skip_connect', {call})], normal_concat=[2], reduce=[], x=1)",
        f"Genotype(**{call})",
        f"Genotype(normal=[], normal_concat=range({call}), reduce=[], reduce_concat=[2])",
        f"Genotype(normal=[('skip_connect', 0, {call})] * 2, x={call})",
        f"Genotype(normal=[('skip_connect', np.int64({call}))], **{{'x': {call}}})",
        f"dict(normal=list({call}), reduce={call})",
        f"{{{nni}: {call}}}",
        f"{{'normal': {call}, 'reduce': {call}}}",
    ):
        for whole in (text, f"10:00 {text}"):
            with pytest.raises(NasfaceError):
                read_genotype_text(whole, "text").choose()
    assert not trace.exists()


@pytest.mark.parametrize("form", ["pickle", "torch", "legacy"])
def test_pickles_in_torch_files(form: str, tmp_path: Path, trace: Path) -> None:
    payload = {"kind": "search", "payload": Payload(trace)}
    for name in ("checkpoint.pt", "backbone.pth", "best.safetensors"):
        if form == "pickle":
            (tmp_path / name).write_bytes(pickle.dumps(payload))
        else:
            zipped = form == "torch"
            torch.save(payload, tmp_path / name, _use_new_zipfile_serialization=zipped)
    with pytest.raises(NasfaceError, match=r"checkpoint\.pt"):
        load_checkpoint(tmp_path / "checkpoint.pt", "search")
    with pytest.raises(NasfaceError, match=r"backbone\.pth"):
        load_backbone_weights(nn.Conv2d(1, 1, 1), tmp_path / "backbone.pth")
    with pytest.raises(NasfaceError, match=r"best\.safetensors"):
        read_checkpoint(tmp_path / "best.safetensors")
    assert not trace.exists()


def test_pickles_in_arrays(tmp_path: Path, trace: Path) -> None:
    (tmp_path / "config.yaml").write_text(to_yaml(SearchConfig()))
    array = np.empty(1, dtype=object)
    array[0] = Payload(trace)
    np.savez(tmp_path / "arch_history.npz", epoch=array)
    with pytest.raises(NasfaceError, match=r"arch_history\.npz"):
        load_history(tmp_path)
    with zipfile.ZipFile(tmp_path / "arch_history.npz", "w") as archive:
        archive.writestr("epoch.npy", pickle.dumps(Payload(trace)))
    with pytest.raises(NasfaceError, match=r"arch_history\.npz"):
        load_history(tmp_path)
    with pytest.raises(ValueError, match="no MATLAB file"):
        read_matlab(pickle.dumps(Payload(trace)))
    assert not trace.exists()


CLIMBING = ["../../out.jpg", "/out.jpg", "a/../../../out.jpg", "..\\..\\out.jpg", "C:/out.jpg"]


@pytest.mark.parametrize("name", CLIMBING)
def test_annotated_paths_stay_below_the_root(name: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "WIDER_train" / "images").mkdir(parents=True)
    (root / "wider_face_split").mkdir()
    (tmp_path / "out.jpg").touch()
    listing = root / "wider_face_split" / "wider_face_train_bbx_gt.txt"
    listing.write_text(f"{name}\n0\n0 0 0 0 0 0 0 0 0 0\n")
    with pytest.raises(NasfaceError, match=r"gt\.txt:1: .* expected a relative path"):
        read_wider_split(root, "train")
    (tmp_path / "fddb.txt").write_text(f"{name.removesuffix('.jpg')}\n0\n")
    with pytest.raises(NasfaceError, match=r"fddb\.txt: has detections of no image"):
        read_fddb_detections(tmp_path / "fddb.txt", ["a/b.jpg"])
