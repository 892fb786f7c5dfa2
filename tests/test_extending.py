"""One of each kind is added from outside the package, and goes through search, training, cost,
exports and drawing as if it had always been there."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import extension
import pytest
from registries import TABLES, restored
from safetensors.torch import load_file
from tiny import AUGMENT, DETECTOR, OPTIMIZER, write_tiny

import nasface
from nasface.arch.genotype import Genotype
from nasface.arch.operations import OPERATIONS
from nasface.deploy.registry import write_export
from nasface.detection.checkpoint import LoadedDetector, read_checkpoint
from nasface.detection.config import DetectorConfig
from nasface.detection.cost import detector_cost
from nasface.detection.detector import build_detector
from nasface.engine.search import SearchConfig, run_search
from nasface.engine.train import TrainConfig, run_training
from nasface.errors import ConfigError, ExportError, NasfaceError, SpecError
from nasface.nas.config import BilevelConfig, policy_at
from nasface.nas.policy import UniformPath
from nasface.nas.sampling import random_genotype
from nasface.nn.cost import count_parameters
from nasface.progress import Silent
from nasface.runs.folder import read_metrics
from nasface.studies.spec import MethodSpec, StudySpec
from nasface.studies.study_run import runs_of

SPACE = """
format: 1
name: mine
operations: [gated_3x3, conv_1x1]
edge_normalisation: yes
cells:
  fuse:
    inputs: [{name: fine, level: 2}, {name: coarse, level: 3}]
    nodes:
    - name: both
      level: 2
      combine: maximum
      edges:
      - {source: fine, operations: [gated_3x3]}
      - {source: coarse, transform: up2}
    - name: down
      level: 3
      combine: maximum
      keep: 2
      edges:
      - {source: both, transform: stride, operations: [gated_3x3]}
      - {source: coarse}
      - {source: fine, transform: down2}
    output: {rule: cat-all, projection: conv_norm_relu}
"""
SMALL = replace(DETECTOR, backbone="small")


@pytest.fixture(scope="module", autouse=True)
def added() -> Iterator[None]:
    with restored():
        extension.register()
        yield


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("space") / "mine.yaml"
    path.write_text(SPACE)
    return path


@pytest.fixture(scope="module")
def genotype(space: Path) -> Genotype:
    return random_genotype(nasface.load_search_space(space), 0)


@pytest.fixture(scope="module")
def weights(space: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a search and a training write."""
    folder = tmp_path_factory.mktemp("runs")
    common: dict[str, Any] = {
        "data": str(write_tiny(folder / "data")),
        "epochs": 2,
        "batch_size": 4,
        "augment": AUGMENT,
        "optimizer": OPTIMIZER,
        "log": ("lines",),
    }
    config = SearchConfig(
        **common, detector=SMALL, space=str(space), policy="greedy", warmup_epochs=1
    )
    assert run_search(config, folder / "search", Silent()).finished
    train = TrainConfig(
        **common,
        detector=replace(SMALL, neck="smooth+genotype"),
        genotype=str(folder / "search" / "genotype.yaml"),
        evaluate_every=2,
    )
    assert run_training(train, folder / "train", Silent()).finished
    return folder / "train" / "last.safetensors"


def test_search_and_training_use_all_of_it(weights: Path) -> None:
    rows = read_metrics(weights.parents[1] / "search" / "metrics.jsonl")
    assert len(rows) == 2
    loaded = read_checkpoint(weights)
    assert loaded.genotype is not None
    assert loaded.config.backbone == "small"
    nodes = loaded.genotype.cells["fuse"].nodes
    assert {node.combine for node in nodes} == {"maximum"}
    assert "gated_3x3" in {edge.operation for node in nodes for edge in node.edges}
    keys = load_file(weights).keys()
    assert any(key.startswith("trunk.backbone.blocks.0") for key in keys)
    assert any(key.startswith("neck.parts.smooth.layers.2") for key in keys)


def test_the_logger_is_told_of_both(weights: Path) -> None:
    search, train = (weights.parents[1] / name for name in ("search", "train"))
    lines = (search / "lines.txt").read_text().splitlines()
    assert lines[1].startswith("2 lr,arch_loss,")
    assert lines[2:] == [
        "genotype 3", "genotype.yaml", "decisions.json", "summary.json", "finished",
    ]  # fmt: skip
    assert "4 ap" in (train / "lines.txt").read_text().splitlines()


def test_the_policy_is_that_of_the_steps_after_the_warm_up() -> None:
    config = BilevelConfig(policy="greedy")
    assert policy_at(config, 3, 4, 8) == UniformPath()
    assert policy_at(config, 6, 4, 8) == extension.Greedy(0.25)


def test_a_comparison_knows_the_policy(space: Path) -> None:
    method = MethodSpec(name="mine", strategy="greedy", search={"space": str(space)})
    plan = StudySpec(name="plan", methods=(method,), seeds=(0,), data="data")
    (run,) = runs_of(plan)
    assert run.search is not None
    assert run.search.policy == "greedy"
    with pytest.raises(ConfigError, match=r"unknown strategy 'greedi'; expected one of .*greedy"):
        StudySpec(name="plan", methods=(replace(method, strategy="greedi"),), seeds=(0,))


def test_cost_counts_it(genotype: Genotype) -> None:
    config = replace(SMALL, neck="smooth+genotype")
    whole, *parts = detector_cost(config, genotype, 64, 64)
    by_name = {row.part: row for row in parts}
    layers = 6 * (8 * 9 + 8 * 8 + 2 * 8)  # depthwise, pointwise, normalisation of each level
    assert by_name["neck smooth"].parameters == layers
    assert by_name["fuse"].macs > 0
    assert whole.parameters == count_parameters(build_detector(config, genotype))


@pytest.mark.parametrize("suffix", [".py", ".onnx", ".names"])
def test_it_is_exported(suffix: str, weights: Path, tmp_path: Path) -> None:
    path = tmp_path / f"face{suffix}"
    worst = write_export(read_checkpoint(weights), path)
    assert worst.relative <= (1e-4 if suffix == ".onnx" else 0)
    if suffix == ".names":
        assert "trunk.backbone.stem.weight" in path.read_text().splitlines()


def test_the_python_file_needs_none_of_the_modules(weights: Path, tmp_path: Path) -> None:
    write_export(read_checkpoint(weights), tmp_path / "face.py")
    code = "import sys, face; face.load(); assert 'nasface' not in sys.modules, sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    text = (tmp_path / "face.py").read_text()
    # Both have these names for different things; one of the two goes by another name.
    for name in ("def conv_norm_relu", "class Head"):
        assert f"{name}(" in text
        assert f"{name}_2(" in text


def test_it_is_drawn(genotype: Genotype) -> None:
    svg = nasface.draw(genotype).svg
    assert "gated_3x3: gated 3x3" in svg
    assert "max greatest of its sources" in svg


def test_a_builder_without_a_source_is_named(genotype: Genotype, tmp_path: Path) -> None:
    with restored():
        nasface.register_backbone("nameless", lambda: extension.Small(4))
        config = replace(SMALL, backbone="nameless")
        loaded = LoadedDetector(build_detector(config, genotype).eval(), config, genotype, {})
        with pytest.raises(ExportError, match=r"<lambda> cannot be copied .* expected a function"):
            write_export(loaded, tmp_path / "face.py")
    assert not list(tmp_path.iterdir())


def test_names_are_taken_once() -> None:
    for table in TABLES:
        name = next(iter(table))
        with pytest.raises(NasfaceError, match="is there already"):
            table.add(name, table[name])
    for name in ("genotype", "none", "a+b"):
        with pytest.raises(ConfigError, match="expected letters, digits, hyphens"):
            nasface.register_neck(name, extension.Smooth)
    with pytest.raises(SpecError, match="expected a letter followed by"):
        nasface.register_operation(nasface.Operation("a-b", "", partial(extension.gated, kernel=3)))
    with pytest.raises(ConfigError, match=r"expected a suffix such as \.abc"):
        nasface.register_export_format(nasface.ExportFormat("abc", "", extension.write_names))


def test_what_is_not_registered_is_named(space: Path) -> None:
    for name in ("gated_3x3", "sep_3x3"):
        assert name in OPERATIONS
    text = space.read_text()
    for old, new, expected in (
        ("gated_3x3", "gated_9x9", r"unknown operation 'gated_9x9'; expected one of .*gated_3x3"),
        ("maximum", "minimum", r"unknown combine rule 'minimum'; expected one of .*maximum"),
    ):
        other = space.with_name("other.yaml")
        other.write_text(text.replace(old, new))
        with pytest.raises(SpecError, match=expected):
            nasface.load_search_space(other)
    with pytest.raises(ConfigError, match=r"unknown policy 'greed'; expected one of .*greedy"):
        SearchConfig(policy="greed")
    with pytest.raises(ConfigError, match=r"unknown backbone 'big'; expected one of .*small"):
        build_detector(DetectorConfig(backbone="big", neck="none"), None)
    with pytest.raises(ConfigError, match=r"neck: 'smoth', expected .*smooth"):
        DetectorConfig(neck="smoth")


def test_commands_import_it(weights: Path, tmp_path: Path) -> None:
    """A process of its own, which knows of it by --import or by its environment alone."""
    (tmp_path / "mine.py").write_text("import extension\n\nextension.register()\n")
    command = [sys.executable, "-m", "nasface.cli.main"]
    words = ["cost", str(weights)]
    path = {"PYTHONPATH": str(Path(extension.__file__).parent)}
    run = subprocess.run(
        [*command, "--import", "mine", *words],
        cwd=tmp_path,
        env=os.environ | path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "neck smooth" in run.stdout
    for variables, message in (
        (path, "neck: 'smooth+genotype', expected none, or different ones of genotype, fpn"),
        (path | {"NASFACE_IMPORT": "yours"}, "NASFACE_IMPORT: cannot import 'yours'"),
    ):
        run = subprocess.run(
            [*command, *words],
            cwd=tmp_path,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 2
        assert message in run.stderr


def test_the_tables_can_be_read_without_torch() -> None:
    code = "nasface.Operation, nasface.CombineRule; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", f"import sys, nasface; {code}"], check=True)
