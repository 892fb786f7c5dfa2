"""The plain Python file of a detector: same bits, readable, and free of this package."""

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peers import narrow, narrow_backbones
from strategies import CHANNELS, features, random_choices, spaces
from tiny import DETECTOR, write_lively_weights

from nasface.arch.io import load_search_space, parse_genotype
from nasface.arch.space import SearchSpace
from nasface.cli.main import main
from nasface.deploy.config import ExportConfig
from nasface.deploy.python_source.cell import CellSource
from nasface.deploy.python_source.detector import PythonSource
from nasface.deploy.python_source.extract import LAYERS, SourceCopier
from nasface.deploy.python_source.file import export_python, load_module
from nasface.detection.anchors import AnchorConfig
from nasface.detection.checkpoint import LoadedDetector, read_checkpoint
from nasface.detection.detector import Detector, build_detector
from nasface.detection.zoo_peers import PEERS
from nasface.errors import ExportError
from nasface.inference.loading import read_detector
from nasface.inference.predict import InferenceConfig, detect
from nasface.io.yaml import to_yaml
from nasface.models import released_models, weights_path
from nasface.nas.derive import derive
from nasface.nas.sampling import random_genotype
from nasface.nn.blocks import channels_last
from nasface.nn.cell import FixedCell
from nasface.nn.cost import count_parameters

Output = pytest.CaptureFixture[str]

FORMS = {
    "mobilenet": DETECTOR,
    "dense": replace(DETECTOR, context="dense", head="dense", extra="dense", repeats=2),
    "max-in-out": replace(DETECTOR, max_in_out=True),
    "cosine": replace(DETECTOR, classifier="cosine", max_in_out=True, head_layers=0),
    "resnet18": replace(DETECTOR, backbone="resnet18"),
    "resnet50": replace(DETECTOR, backbone="resnet50"),
    **{
        module: replace(DETECTOR, neck=module)
        for module in ("none", "fem-fpn+fem-cpm", "bifpn+ssh", "pan+rfe")
    },
    "fpn+genotype": replace(DETECTOR, neck="fpn+genotype", repeats=2),
    "shared": replace(DETECTOR, shared_head=True),
    "three levels": replace(
        DETECTOR,
        levels=(3, 4, 5),
        neck="pan",
        anchors=AnchorConfig(sides=((16, 32), (64, 128), (256, 512))),
    ),
}
"""Settings that, between them, use every part of a detector."""

ALONE = """
import sys
sys.modules["nasface"] = None  # importing it fails
sys.path.insert(0, {folder!r})
import torch
import face
torch.set_num_threads({threads})  # other numbers give other bits
images, image = torch.load({inputs!r}, weights_only=True)
detector = face.load()
with torch.inference_mode():
    outputs = detector(images)
assert not any(name.startswith("nasface.") for name in sys.modules)
faces = face.detect(detector, image, score_threshold=0.0, max_detections=30)
torch.save([*outputs, *faces], {results!r})
"""


@pytest.mark.parametrize(
    "name",
    [pytest.param(each, marks=pytest.mark.slow) if each == "resnet50" else each for each in FORMS],
)
def test_every_form_gives_the_same_bits(name: str, tmp_path: Path) -> None:
    weights = write_lively_weights(tmp_path / "w.safetensors", FORMS[name])
    check_file(read_checkpoint(weights), tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("name", released_models())
def test_released_detectors_give_the_same_bits(name: str, tmp_path: Path) -> None:
    check_file(read_detector(weights_path(name)), tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "retinaface-mobilenet0.25",
        "s3fd-vgg16",
        "extd-32",
        "pyramidbox-vgg16",
        "dsfd-r50",
        "dsfd-vgg16",
        "srn-r50",
    ],
)
def test_published_detectors_give_the_same_bits(name: str, tmp_path: Path) -> None:
    with narrow_backbones():
        config = narrow(PEERS[name].detector)
        check_file(
            read_checkpoint(write_lively_weights(tmp_path / "w.safetensors", config)), tmp_path
        )


def test_two_steps_with_other_heads_and_laterals(tmp_path: Path) -> None:
    """A head for each level, and 1x1s in front of the neck that both steps share."""
    config = replace(DETECTOR, first_shot="two-step", neck="ssh", channels=8, negative_slope=0.1)
    check_file(read_checkpoint(write_lively_weights(tmp_path / "w.safetensors", config)), tmp_path)


def test_what_training_alone_has_is_left_out(tmp_path: Path) -> None:
    """The 1x1s of a first shot whose maps have the backbone's widths."""
    config = narrow(PEERS["dsfd-r50"].detector)
    loaded = read_checkpoint(write_lively_weights(tmp_path / "w.safetensors", config))
    export_python(loaded, tmp_path / "face.py", ExportConfig())
    whole = cast(Detector, loaded.detector)
    first = count_parameters(whole.trunk.first_laterals)
    assert first > 0
    plain = load_module(tmp_path / "face.py").load()
    assert count_parameters(plain) == count_parameters(whole) - first


def check_file(loaded: LoadedDetector, folder: Path) -> None:
    """Write a file, and see that it gives the same bits and is written as code should be."""
    path = folder / "face.py"
    assert export_python(loaded, path, ExportConfig()).relative == 0
    assert path.with_suffix(".safetensors").is_file()
    text = path.read_text()
    assert "nasface" not in text.split('"""')[2]
    for tool in (["format", "--check"], ["check", "--select", "E,F,I,UP,B,SIM"]):
        command = [sys.executable, "-m", "ruff", *tool, "--isolated", "--line-length", "100"]
        lint = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
        assert lint.returncode == 0, lint.stdout


def test_it_runs_where_there_is_no_nasface(tmp_path: Path, capsys: Output) -> None:
    weights = write_lively_weights(tmp_path / "w.safetensors")
    words = f"export --weights {weights} --out {tmp_path}/face.py"
    assert main(words.split()) == 0
    assert "face.py" in capsys.readouterr().out
    image = np.random.default_rng(0).integers(0, 256, (75, 90, 3), dtype=np.uint8)
    images = torch.randn(2, 3, 97, 131)
    inputs, results = tmp_path / "inputs.pt", tmp_path / "results.pt"
    torch.save([images, torch.from_numpy(image)], inputs)
    code = ALONE.format(
        folder=str(tmp_path),
        inputs=str(inputs),
        results=str(results),
        threads=torch.get_num_threads(),
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    found = torch.load(results, weights_only=True)
    detector = read_checkpoint(weights).detector
    with torch.inference_mode():
        wanted = detector(images)
    faces = detect(detector, image, InferenceConfig(score_threshold=0.0, max_detections=30))
    assert len(faces) == 30
    for one, other in zip(found, [*wanted[:3], faces.boxes_N4, faces.scores_N], strict=True):
        assert torch.equal(one, other)


@settings(deadline=None, max_examples=40)
@given(spaces(), st.integers(0, 99), st.booleans(), st.sampled_from([1.0, 0.5]))
def test_any_cell_is_written_out(space: SearchSpace, seed: int, dense: bool, width: float) -> None:
    alphas, betas = random_choices(space, seed, ties=False)
    for name, wide in derive(space, alphas, betas, name="random").cells.items():
        projected = wide.projection != "none"
        gene = replace(wide, width=width if projected else 1.0)
        cell = FixedCell(gene, CHANNELS, bottleneck=dense and projected).eval()
        for norm in (each for each in cell.modules() if isinstance(each, torch.nn.BatchNorm2d)):
            torch.nn.init.uniform_(norm.weight, 0.5, 2)
            torch.nn.init.normal_(norm.bias)
        imports = {"torch": ("torch", ""), "nn": ("torch", "nn"), "Tensor": ("torch", "Tensor")}
        copier = SourceCopier(imports)
        source = CellSource(copier.name("Written"), cell, copier)
        written = PythonSource(source.source(), source.weights)
        parts = [copier.import_lines(), *copier.sections[LAYERS], written.text]
        namespace: dict[str, Any] = {}
        exec("\n\n\n".join(parts), namespace)
        module = namespace["Written"]().eval()
        state = written.renamed(cell.state_dict())
        assert len(state) == len(cell.state_dict())
        module.load_state_dict(state)
        inputs = [features(seed=at)[each.level] for at, each in enumerate(gene.inputs)]
        wanted, found = list(cell(inputs).values()), module(*inputs)
        found = [found] if len(wanted) == 1 else list(found)
        assert all(map(torch.equal, wanted, found)), name


def test_the_weights_themselves_are_safe(tmp_path: Path, capsys: Output) -> None:
    weights = write_lively_weights(tmp_path / "face.safetensors")
    before = weights.read_bytes()
    words = f"export --weights {weights} --out {tmp_path}/face.py"
    assert main([*words.split(), "--overwrite"]) == 2
    assert "holds the weights in use" in capsys.readouterr().err
    assert main(words.split()) == 2
    assert weights.read_bytes() == before


def test_odd_names_are_refused(tmp_path: Path) -> None:
    loaded = read_checkpoint(write_lively_weights(tmp_path / "w.safetensors"))
    with pytest.raises(ExportError, match="'my-face' cannot be imported"):
        export_python(loaded, tmp_path / "my-face.py", ExportConfig())
    assert len(list(tmp_path.iterdir())) == 1


def test_words_of_the_language_and_names_of_the_file_are_no_trouble(tmp_path: Path) -> None:
    weights = write_lively_weights(tmp_path / "w.safetensors")
    loaded = read_checkpoint(weights)
    assert loaded.genotype is not None
    words = ["heads", "backbone", "none", "class", "fpn", "tensor", "c6"]
    renamed = dict(zip(words, loaded.genotype.cells.values(), strict=True))
    text = to_yaml(replace(loaded.genotype, cells=renamed))
    for old, new in (("n1", "class"), ("n2", "lambda"), ("n3", "self")):
        text = re.sub(rf"\b{old}\b", new, text)
    genotype = parse_genotype(text, "text")
    detector = channels_last(build_detector(DETECTOR, genotype).eval())
    renamed_loaded = LoadedDetector(detector, DETECTOR, genotype, {})
    worst = export_python(renamed_loaded, tmp_path / "face.py", ExportConfig())
    assert worst.relative == 0


def test_narrow_cells_and_cells_left_out_give_the_same_bits(tmp_path: Path) -> None:
    space = load_search_space("autofem2", nodes=2, width="any")
    genotype = random_genotype(space, 1)
    assert {gene.width for gene in genotype.cells.values()} == {1.0, 0.5, 0.25}
    assert len(genotype.cells) < len(space.cells)
    for form in ("separable", "dense"):
        config = replace(DETECTOR, channels=16, context=form)
        detector = channels_last(build_detector(config, genotype).eval())
        folder = tmp_path / form
        folder.mkdir()
        check_file(LoadedDetector(detector, config, genotype, {}), folder)
