"""Programs of heads for converters, and what is said where a converter is missing or fails."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny import write_lively_weights
from torch.export import ExportedProgram

import nasface
from nasface.cli.main import main
from nasface.data.images import write_image
from nasface.deploy.config import ExportConfig
from nasface.deploy.runtimes.heads_program import Converter, heads_program
from nasface.deploy.runtimes.registry import TARGETS, write_target
from nasface.detection.checkpoint import LoadedDetector, read_checkpoint
from nasface.detection.config import DetectorConfig
from nasface.errors import ConfigError, ExportError

PYTHON = "NASFACE_CONVERTER_PYTHON"
CONVERTERS = {"litert": "litert_torch", "executorch": "executorch", "coreml": "coremltools"}
"""Target -> package of its converter."""
SIZE = (97, 131, 1)
quiet = pytest.mark.filterwarnings("ignore::DeprecationWarning")
"""These packages call what is deprecated while they are imported."""


@pytest.fixture(scope="module", params=["genotype", "pan"])
def loaded(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> LoadedDetector:
    """Small detectors: one enlarges maps bilinearly, the other by picking rows."""
    config = DetectorConfig(neck=request.param, channels=8, head_layers=0, extra_channels=(16, 16))
    file = tmp_path_factory.mktemp("weights") / "w.safetensors"
    return read_checkpoint(write_lively_weights(file, config))


@pytest.fixture(scope="module")
def program(loaded: LoadedDetector) -> ExportedProgram:
    return heads_program(loaded, SIZE)


def operators(program: ExportedProgram) -> set[str]:
    return {str(node.target) for node in program.graph.nodes if node.op == "call_function"}


def test_the_program_gives_the_detectors_heads(
    loaded: LoadedDetector, program: ExportedProgram
) -> None:
    images = torch.randn(SIZE[2], 3, *SIZE[:2])
    with torch.inference_mode():
        wanted = loaded.detector(images)
        logits, deltas = program.module()(images)
    torch.testing.assert_close(logits, wanted.logits_BA2, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(deltas, wanted.deltas_BA4, rtol=1e-4, atol=1e-4)


def test_rows_are_picked_by_number_where_factors_are_broken(program: ExportedProgram) -> None:
    assert "aten.upsample_nearest2d.vec" not in operators(program)


def test_a_missing_converter_is_named_with_the_two_commands(program: ExportedProgram) -> None:
    converter = Converter("convert_litert.py", "no_such_package", "no-such-package==1")
    with pytest.raises(ConfigError, match="no_such_package is not installed here") as caught:
        converter.convert(program, Path("none"), ExportConfig())
    (line,) = str(caught.value).splitlines()  # commands print one
    assert "--converter-python no-such-package/bin/python, after python -m venv" in line
    assert line.endswith("no-such-package/bin/pip install 'no-such-package==1'")


def test_a_converter_that_fails_is_quoted(program: ExportedProgram, tmp_path: Path) -> None:
    if importlib.util.find_spec("litert_torch") is not None:
        pytest.skip("litert_torch is installed")
    config = ExportConfig(converter_python=sys.executable)
    converter = Converter("convert_litert.py", "litert_torch", "litert-torch")
    with pytest.raises(ExportError, match=r"litert_torch: Module.*No module named 'litert_torch'$"):
        converter.convert(program, tmp_path / "new", config)
    config = ExportConfig(converter_python=str(tmp_path / "python"))
    with pytest.raises(ConfigError, match=r"converter_python: .*python: No such file"):
        converter.convert(program, tmp_path / "new", config)
    with pytest.raises(ConfigError, match="precision: fp16 is not available for litert_torch"):
        converter.convert(program, tmp_path / "new", ExportConfig(precision="fp16"))
    assert not list(tmp_path.iterdir())


def need(name: str) -> str:
    """Settings with which a target's converter is found; without it, the test is skipped."""
    missing = [each for each in TARGETS[name].needs if importlib.util.find_spec(each) is None]
    if missing:
        pytest.skip(f"{missing[0]} is not installed: pip install '{TARGETS[name].install}'")
    if importlib.util.find_spec(CONVERTERS[name]) is not None:
        return ""
    if not os.environ.get(PYTHON):
        pytest.skip(f"{CONVERTERS[name]} is not installed, and {PYTHON} names no other Python")
    return os.environ[PYTHON]


@pytest.mark.slow
@quiet
@pytest.mark.parametrize("name", CONVERTERS)
def test_files_agree_with_the_detector(name: str, loaded: LoadedDetector, tmp_path: Path) -> None:
    config = ExportConfig(size="131x97", batch=3, converter_python=need(name))
    worst = write_target(loaded, name, tmp_path / "face", config)
    assert worst.relative <= 1e-4
    assert (worst.height, worst.width, worst.batch) == (97, 131, 3)
    card = (tmp_path / "face" / "README.md").read_text()
    assert ("Core ML itself and `detect.py` were not run" in card) == (name == "coreml")


@pytest.mark.slow
@quiet
@pytest.mark.parametrize("name", ["litert", "executorch"])
def test_the_program_of_a_folder_finds_the_face(name: str, tmp_path: Path) -> None:
    data = pytest.importorskip("skimage.data", reason="scikit-image has the photograph")
    python = need(name)
    photograph = tmp_path / "photograph.png"
    write_image(photograph, data.astronaut())
    words = f"export --to {name} --out {tmp_path}/face --size 512x512"
    assert main([*words.split(), f"--converter-python={python}"]) == 0
    done = subprocess.run(
        [sys.executable, tmp_path / "face" / "detect.py", photograph],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    rows = [line.split() for line in done.stdout.splitlines() if line[:2] in ("0.", "1.")]
    (faces,) = nasface.load_detector().detect(photograph)
    found = np.array(rows, np.float64)
    assert len(found) == len(faces) > 0
    np.testing.assert_allclose(found[:, 0], faces.scores, atol=2e-3)
    np.testing.assert_allclose(found[:, 1:], faces.boxes, atol=0.2)


@pytest.mark.slow
@quiet
def test_core_ml_in_float16_is_near(loaded: LoadedDetector, tmp_path: Path) -> None:
    config = ExportConfig(size="131x97", precision="fp16", converter_python=need("coreml"))
    worst = write_target(loaded, "coreml", tmp_path / "face", config)
    assert 1e-5 < worst.relative <= 3e-2
