"""Files that compute with 8-bit integers: near the detector, measured beside it, or not written."""

import errno
import importlib
import importlib.util
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from tiny import write_lively_weights, write_tiny

import nasface
from nasface.api.quantizing import Quantized
from nasface.cli.main import main
from nasface.data.tensors import to_tensor
from nasface.deploy.benchmark import LatencyRow, benchmark
from nasface.deploy.quantization.registry import QUANTIZED_FORMS, register_quantized_form
from nasface.detection.config import DetectorConfig
from nasface.errors import ConfigError, DataError, ExportError
from nasface.io.files import draft_path

Output = pytest.CaptureFixture[str]
SMALL = DetectorConfig(channels=8, head_layers=0, extra_channels=(16, 16))


def need(*packages: str) -> None:
    for package in packages:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: pip install 'nasface[nncf]'")


@pytest.fixture(scope="module", autouse=True)
def quick() -> Iterator[None]:
    """Times that are made up, the second half as long again, as processes take long to start."""

    def rows(files: Sequence[Path], *_: object) -> list[LatencyRow]:
        times = zip(files, (1.0, 1.5), strict=False)
        sizes = [(file, time, file.stat().st_size / 1e6) for file, time in times]
        return [LatencyRow(str(f), "onnx", 1, t, t, t, t, 0.0, size) for f, t, size in sizes]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nasface.api.quantizing.benchmark", rows)
        yield


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights and a data set."""
    folder = tmp_path_factory.mktemp("quantization")
    write_lively_weights(folder / "w.safetensors", SMALL)
    write_tiny(folder / "data", train=3, val=2)
    return folder


@pytest.fixture(scope="module")
def result(place: Path) -> Quantized:
    """The 8-bit file of these weights, calibrated and measured on this data set."""
    detector = nasface.load_detector(place / "w.safetensors", "cpu")
    found: Quantized = nasface.quantize(
        detector, place / "int8.onnx", place / "data", progress=False
    )
    return found


def test_figures_say_what_it_costs(result: Quantized) -> None:
    figures = json.loads(json.dumps(result.figures()))
    assert figures["samples"] == 3
    assert [(each["name"], each["faces"]) for each in figures["ap"]][:1] == [("ap", 3)]
    whole, quantised = figures["times"]
    assert (whole["file"], quantised["file"]) == ("float32", "int8")
    assert quantised["megabytes"] < 0.6 * whole["megabytes"]
    assert quantised["megabytes"] == pytest.approx(result.path.stat().st_size / 1e6, abs=1e-3)
    assert figures["slower_with_threads"] == [1]


def test_annotated_images_stand_for_their_folder(
    place: Path, result: Quantized, tmp_path: Path
) -> None:
    detector = nasface.load_detector(place / "w.safetensors", "cpu")
    train, val = (list(nasface.read_dataset(place / "data", part)) for part in ("train", "val"))
    found = nasface.quantize(detector, tmp_path / "int8.onnx", train, val=val, progress=False)
    assert found.path.read_bytes() == result.path.read_bytes()
    assert found.average_precisions == result.average_precisions
    with pytest.raises(ConfigError, match="data, images: expected one of them"):
        nasface.quantize(detector, tmp_path / "no.onnx", train, images=["a.jpg"], progress=False)


@pytest.mark.parametrize("size", [(64, 64), (97, 131)])
def test_scores_are_near_the_detectors(
    place: Path, result: Quantized, size: tuple[int, int]
) -> None:
    pixels = np.random.default_rng(0).integers(0, 80, (*size, 3), dtype=np.uint8)
    images = to_tensor(pixels)[None]
    with torch.inference_mode():
        wanted = nasface.load_detector(place / "w.safetensors", "cpu")(images)
        found = nasface.load_detector(result.path, "cpu")(images)
    difference = (found.scores_BA - wanted.logits_BA2.softmax(2)[..., 1]).abs()
    assert 0 < difference.mean() < 0.05


def test_behind_the_last_convolutions_all_is_float(result: Quantized) -> None:
    model = onnx.load(result.path)
    makers = {name: node for node in model.graph.node for name in node.output}
    left = [each.name for each in model.graph.output]
    met: set[str] = set()
    while left:
        node = makers.get(left.pop())
        if node is not None and node.name not in met:
            met.add(node.name)
            assert node.op_type not in ("QuantizeLinear", "DequantizeLinear")
            # Of what Shape reads, sizes alone go on.
            left += [] if node.op_type in ("Conv", "Shape") else node.input
    quantised = [
        each for each in model.graph.initializer if each.data_type == onnx.TensorProto.INT8
    ]
    assert any(len(each.dims) == 4 for each in quantised)


def test_the_file_says_how_it_was_made(result: Quantized) -> None:
    about = {each.key: each.value for each in onnx.load(result.path).metadata_props}
    assert about["precision"] == "int8"
    assert json.loads(about["quantization"])["images"] == 3


@pytest.mark.parametrize("calibration", ["entropy", "percentile"])
def test_command_takes_photographs_alone(place: Path, calibration: str, capsys: Output) -> None:
    out = place / f"{calibration}.onnx"
    words = f"quantize --weights {place}/w.safetensors --images {place}/data/WIDER_val --samples 1"
    words += f" --calibration {calibration} --reduce-range yes --longer-side 48 --out {out}"
    assert main([*words.split(), "--outputs", "detections"]) == 0
    said = capsys.readouterr().out
    assert "calibrated with 1 images, weights of 7 bits" in said
    assert "slower     than float32 on this machine, threads: 1" in said
    assert "no annotated validation images" in said
    weights = [
        onnx.numpy_helper.to_array(each)
        for each in onnx.load(out).graph.initializer
        if each.data_type == onnx.TensorProto.INT8 and len(each.dims) == 4
    ]
    assert max(abs(each.astype(int)).max() for each in weights) == 64


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "--out {0}/new.pt2 --data {0}/data",
            "new.pt2: unknown 8-bit form '.pt2'; expected one of .onnx, .xml",
        ),
        ("--out {0}/old.onnx --data {0}/data", "old.onnx: is there already"),
        ("--out {0}/none/new.onnx --data {0}/data", "none is no folder"),
        ("--out {0}/new.onnx", "data, images: expected one of them"),
        ("--out {0}/new.onnx --images {0}/none", "none: does not exist"),
        (
            "--out {0}/new.xml --data {0}/data --calibration entropy",
            "expected minmax or percentile",
        ),
        ("--out {0}/new.xml --data {0}/data --outputs detections", "detections are not available"),
        ("--out {0}/new.onnx --data {0}/data --samples 0", "samples: 0, expected 1 or more"),
        ("--out {0}/new.onnx --data {0}/data --longer-side 8", "longer_side: 8 is below 32"),
        ("--out {0}/new.onnx --images {0}/cut.jpg", "cut.jpg: JPEG data is cut short"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(
    place: Path, words: str, message: str, capsys: Output
) -> None:
    (place / "old.onnx").write_bytes(b"old")
    whole = (place / "data/WIDER_val/images/0--Squares/0.jpg").read_bytes()
    (place / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    line = f"quantize --quiet --weights {place}/w.safetensors {words.format(place)}"
    assert main(line.split()) == 2
    assert message in capsys.readouterr().err
    assert not list(place.glob("*new*"))
    assert (place / "old.onnx").read_bytes() == b"old"


def test_one_rule_for_images_that_cannot_be_read(
    place: Path, tmp_path: Path, capsys: Output
) -> None:
    shutil.copytree(place / "data", tmp_path / "data")
    for part in ("train", "val"):
        path = tmp_path / "data" / f"WIDER_{part}" / "images" / "0--Squares" / "1.jpg"
        path.write_bytes(path.read_bytes()[:-200])
    words = (
        f"quantize --weights {place}/w.safetensors --data {tmp_path}/data --out {tmp_path}/8.onnx"
    )
    assert main([*words.split(), "--bad-images", "stop"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "1.jpg: JPEG data is cut short" in line
    assert "1 of 3 calibration images cannot be read; repair them, or leave them out by" in line
    assert main([*words.split(), "--bad-images", "skip", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["samples"] == 2
    assert "left out, " in captured.err


def test_a_file_that_is_onnx_already_is_refused(place: Path, result: Quantized) -> None:
    detector = nasface.load_detector(result.path, "cpu")
    with pytest.raises(ConfigError, match="is of an ONNX file"):
        nasface.quantize(detector, place / "twice.onnx", place / "data", progress=False)


def test_data_without_training_images_need_others(tmp_path: Path, place: Path) -> None:
    write_tiny(tmp_path, train=0, val=1)
    for each in (tmp_path / "WIDER_train", tmp_path / "wider_face_split"):
        for file in each.glob("*train*"):
            file.unlink()
    detector = nasface.load_detector(place / "w.safetensors", "cpu")
    with pytest.raises(DataError, match="has no training images to calibrate with"):
        nasface.quantize(detector, tmp_path / "new.onnx", tmp_path, progress=False)


def test_what_does_not_run_is_not_written(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> onnx.ModelProto:
        return onnx.ModelProto()

    monkeypatch.setattr("nasface.deploy.quantization.onnx.quantize_model", broken)
    detector = nasface.load_detector(place / "w.safetensors", "cpu")
    with pytest.raises(ExportError, match=r"bad\.onnx: not written: it does not run here: "):
        nasface.quantize(
            detector, place / "bad.onnx", images=[place / "data" / "WIDER_val"], progress=False
        )
    assert not list(place.glob("*bad*"))


def test_a_runtime_that_ends_its_process_is_named(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ending.py").write_text("import os\ndef end(path, threads): os._exit(7)\n")
    monkeypatch.syspath_prepend(tmp_path)
    end = importlib.import_module("ending").end
    monkeypatch.setattr("nasface.deploy.benchmark._opener", lambda path: ("onnx", end))
    monkeypatch.setattr("nasface.api.quantizing.benchmark", benchmark)
    detector = nasface.load_detector(place / "w.safetensors", "cpu")
    message = r"ended\.onnx: not written: it does not run here: .*ended with exit code 7"
    with pytest.raises(ExportError, match=message):
        nasface.quantize(
            detector, place / "ended.onnx", images=[place / "data" / "WIDER_val"], progress=False
        )
    assert not list(place.glob("*ended*"))


def fill_disk(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A disk that is full when a file of this name is written, under the name of its draft."""
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if path == draft_path(path.with_name(name)):
            write(path, data[:100])
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)


def test_a_full_disk_leaves_nothing(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    words = f"quantize --weights {place}/w.safetensors --data {place}/data --out {tmp_path}/a.onnx"
    with monkeypatch.context() as patch:
        fill_disk(patch, "a.onnx")
        assert main(words.split()) == 2
    assert "a.onnx: cannot be written: No space left on device" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert main(words.split()) == 0


def test_a_full_disk_under_a_file_for_openvino_leaves_nothing(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    need("openvino", "nncf")

    save = importlib.import_module("openvino").save_model

    def full(model: object, path: Path, **how: object) -> None:
        if "float32" in path.name:  # beside what is asked for, to measure it
            save(model, path, **how)
            return
        path.with_suffix(".bin").write_bytes(b"half")
        raise RuntimeError("basic_ios::clear: iostream error")

    monkeypatch.setattr("openvino.save_model", full)
    words = f"quantize --weights {place}/w.safetensors --data {place}/data --out {tmp_path}/a.xml"
    assert main(words.split()) == 2
    assert "cannot be written by OpenVINO, as on a full disk" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("calibration", ["minmax", "percentile"])
def test_a_file_for_openvino_is_near_the_detector(
    place: Path, tmp_path: Path, calibration: str
) -> None:
    need("openvino", "nncf")
    words = (
        f"quantize --weights {place}/w.safetensors --data {place}/data --out {tmp_path}/face.xml"
    )
    assert main([*words.split(), "--calibration", calibration]) == 0
    assert sorted(each.name for each in tmp_path.iterdir()) == ["face.bin", "face.xml"]
    found = nasface.load_detector(tmp_path / "face.xml")
    images = torch.rand(2, 3, 97, 131, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted = nasface.load_detector(place / "w.safetensors", "cpu")(images).logits_BA2.softmax(2)
        difference = (found(images).logits_BA2.softmax(2) - wanted).abs()
    assert 0 < difference.mean() < 0.05
    text = (tmp_path / "face.xml").read_text()
    assert text.count('type="FakeQuantize"') > 10
    assert "openvino_telemetry" not in sys.modules


def test_a_file_for_openvino_needs_nncf(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "nncf" else there("json")
    )
    words = (
        f"quantize --weights {place}/w.safetensors --data {place}/data --out {tmp_path}/face.xml"
    )
    assert main(words.split()) == 2
    assert "nncf is not installed; expected: pip install 'nasface[nncf]'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_form_can_be_added(place: Path, tmp_path: Path) -> None:
    onnx_form = QUANTIZED_FORMS[".onnx"]
    register_quantized_form(replace(onnx_form, suffix=".ort8", calibrations=("entropy",)))
    try:
        detector = nasface.load_detector(place / "w.safetensors", "cpu")
        with pytest.raises(ConfigError, match=r"minmax is not available for \.ort8 files"):
            nasface.quantize(detector, tmp_path / "new.ort8", place / "data", progress=False)
    finally:
        QUANTIZED_FORMS.remove(".ort8")
