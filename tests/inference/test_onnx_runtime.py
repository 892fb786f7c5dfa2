"""ONNX files as detectors: what is none is refused in a line that names the file."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import onnx
import pytest
import torch

from nasface.deploy.config import ExportConfig
from nasface.deploy.onnx import to_onnx
from nasface.detection.checkpoint import LoadedDetector
from nasface.detection.config import DetectorConfig
from nasface.detection.detector import build_detector
from nasface.device import torch_threads
from nasface.errors import ExportError, RunError
from nasface.inference.onnx_runtime import OnnxDetector, Session, load_onnx

SMALL = DetectorConfig(channels=8, head_layers=0, extra_channels=(8, 8), neck="none")


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    pytest.importorskip("onnxruntime", reason="the extra export is not installed")
    detector = build_detector(SMALL, None).eval()
    return to_onnx(LoadedDetector(detector, SMALL, None, {"ap": 0.5}), ExportConfig())


def without(key: str) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        kept = [each for each in model.metadata_props if each.key != key]
        del model.metadata_props[:]
        model.metadata_props.extend(kept)

    return change


def with_value(key: str, value: str) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        next(each for each in model.metadata_props if each.key == key).value = value

    return change


def test_a_file_is_the_detector(model: onnx.ModelProto, tmp_path: Path) -> None:
    onnx.save(model, tmp_path / "d.onnx")
    loaded = load_onnx(tmp_path / "d.onnx")
    assert (loaded.config, loaded.genotype, loaded.metrics) == (SMALL, None, {"ap": 0.5})
    with pytest.raises(RunError, match=r"d\.onnx: does not run: "):
        loaded.detector(torch.zeros(1, 4, 160, 160))


def test_for_threads_it_finds_the_same_and_leaves_them_the_processor(
    model: onnx.ModelProto, tmp_path: Path
) -> None:
    (tmp_path / "d.onnx").write_bytes(model.SerializeToString())
    alone = load_onnx(tmp_path / "d.onnx").detector
    assert isinstance(alone, OnnxDetector)
    with torch_threads(1):
        assert alone.for_threads() is alone
    with torch_threads(3):
        shared = alone.for_threads()
    assert (alone.callers, shared.callers) == (1, 3)
    assert isinstance(shared.run, Session)
    options = shared.run.session.get_session_options()
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    images = torch.rand(6, 1, 3, 64, 96)
    with ThreadPoolExecutor(3) as pool:
        for one, other in zip(pool.map(shared, images), map(alone, images), strict=True):
            torch.testing.assert_close(one.boxes_BA4, other.boxes_BA4)
            torch.testing.assert_close(one.scores_BA, other.scores_BA)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("format"), "format is None, expected 'nasface-onnx-1'"),
        (without("config"), "config"),
        (with_value("config", "{chanels: 8}"), "config: .*chanels"),
        (without("outputs"), "gives '', expected one of heads, predictions, boxes, detections"),
        (with_value("outputs", "box"), "gives 'box', expected one of"),
        (with_value("outputs", "detections"), "gives .*; expected image, boxes, scores of images"),
        (with_value("metrics", "[NaN"), r"metrics are '\[NaN', expected a map as JSON"),
        (with_value("metrics", "[" * 100_000), "metrics are"),
    ],
)
def test_files_that_say_something_else(
    model: onnx.ModelProto, tmp_path: Path, change: Callable[[onnx.ModelProto], None], message: str
) -> None:
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    change(changed)
    onnx.save(changed, tmp_path / "d.onnx")
    with pytest.raises((RunError, ExportError), match=rf"d\.onnx: {message}"):
        load_onnx(tmp_path / "d.onnx")


@pytest.mark.parametrize("byte", [b"\x80", b"\x01"])
def test_names_that_are_no_text(
    model: onnx.ModelProto, byte: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once of the input alone, once of all that it feeds."""
    data = model.SerializeToString()
    for count in (1, -1):
        path = tmp_path / "d.onnx"
        path.write_bytes(data.replace(b"images", byte + b"mages", count))
        with pytest.raises(RunError) as problem:
            load_onnx(path)
        assert str(problem.value).isprintable()
        # ONNX Runtime's second attempt would print the error where figures are expected.
        assert capsys.readouterr().out == ""
