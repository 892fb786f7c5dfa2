"""Folders of ``export --to``: each is compared with the detector, and its program finds a face.

A runtime whose packages are not installed is skipped, and says so.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image
from tiny import write_lively_weights

import nasface
from nasface.cli.main import main
from nasface.data.images import read_image, write_image
from nasface.deploy.config import ExportConfig
from nasface.deploy.runtimes.registry import TARGETS, Target, register_target, write_target
from nasface.detection.checkpoint import read_checkpoint
from nasface.detection.config import DetectorConfig
from nasface.errors import ConfigError, ExportError

Output = pytest.CaptureFixture[str]
SMALL = DetectorConfig(channels=8, head_layers=0, extra_channels=(16, 16))


def need(name: str) -> None:
    for package in TARGETS[name].needs:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: pip install '{TARGETS[name].install}'")


@pytest.fixture(scope="module")
def photograph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph with one face."""
    data = pytest.importorskip("skimage.data", reason="scikit-image has the photograph")
    path = tmp_path_factory.mktemp("photograph") / "photograph.png"
    write_image(path, data.astronaut())
    return path


@pytest.mark.slow
@pytest.mark.parametrize("name", ["onnx", "openvino", "mnn", "ncnn", "torch"])
def test_the_program_finds_the_face(name: str, photograph: Path, tmp_path: Path) -> None:
    need(name)
    size = " --size 512x512" if name == "ncnn" else ""
    assert main(f"export --to {name} --out {tmp_path}/face{size}".split()) == 0
    assert "asfd-nano" in (tmp_path / "face" / "README.md").read_text()
    done = subprocess.run(
        [sys.executable, tmp_path / "face" / "detect.py", photograph],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    # MNN says first what the processor has.
    rows = [line.split() for line in done.stdout.splitlines() if line[:2] in ("0.", "1.")]
    (faces,) = nasface.load_detector().detect(photograph)
    assert len(rows) == len(faces) > 0
    found = np.array(rows, np.float64)
    np.testing.assert_allclose(found[:, 0], faces.scores, atol=2e-3)
    np.testing.assert_allclose(found[:, 1:], faces.boxes, atol=0.2)


def test_a_file_of_one_size_gives_boxes_in_the_photograph(photograph: Path, tmp_path: Path) -> None:
    """The photograph is larger than the file takes, of another shape, and turned by its EXIF."""
    need("onnx")
    words = f"export --to onnx --out {tmp_path}/face --size 320x240 --opset 18"
    assert main(words.split()) == 0
    image = read_image(photograph)[:, 40:440]
    turned = Image.fromarray(image.transpose(1, 0, 2)[:, ::-1])
    about = turned.getexif()
    about[ExifTags.Base.Orientation] = 8  # what is seen are its columns, from the last on
    turned.save(tmp_path / "turned.png", exif=about)
    np.testing.assert_array_equal(read_image(tmp_path / "turned.png"), image)
    done = subprocess.run(
        [sys.executable, tmp_path / "face" / "detect.py", tmp_path / "turned.png"],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    (row,) = (line.split() for line in done.stdout.splitlines())
    (face,) = nasface.load_detector("asfd-nano", "cpu").detect(image)[0].boxes.tolist()
    found = [float(value) for value in row[1:]]
    np.testing.assert_allclose(found, face, atol=8)  # of a face 130 pixels high, seen at 77


@pytest.mark.slow
def test_plain_python_finds_what_the_detector_finds(photograph: Path, tmp_path: Path) -> None:
    weights = write_lively_weights(tmp_path / "w.safetensors", SMALL)
    assert main(f"export --weights {weights} --to python --out {tmp_path}/face".split()) == 0
    done = subprocess.run(
        [sys.executable, tmp_path / "face" / "detect.py", photograph],
        capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    (faces,) = nasface.load_detector(weights, "cpu").detect(photograph)
    assert len(done.stdout.splitlines()) == len(faces)


def test_nothing_is_replaced_unasked(tmp_path: Path, capsys: Output) -> None:
    weights = write_lively_weights(tmp_path / "w.safetensors", SMALL)
    words = f"export --weights {weights} --to onnx --out {tmp_path}/face"
    assert main(words.split()) == 0
    before = (tmp_path / "face" / "detector.onnx").read_bytes()
    capsys.readouterr()
    assert main(words.split()) == 2
    assert "face: is there already; expected a new folder" in capsys.readouterr().err
    assert main(f"{words} --overwrite".split()) == 0
    assert (tmp_path / "face" / "detector.onnx").read_bytes() == before
    (tmp_path / "mine").mkdir()
    assert main(f"{words[:-4]}mine --overwrite".split()) == 2
    assert "is no folder of an export" in capsys.readouterr().err
    assert sorted(each.name for each in tmp_path.iterdir()) == ["face", "mine", "w.safetensors"]


def test_a_runtime_can_be_added_and_one_that_fails_leaves_nothing(tmp_path: Path) -> None:
    loaded = read_checkpoint(write_lively_weights(tmp_path / "w.safetensors", SMALL))

    def write(*_: object) -> None:
        raise ExportError("does not work")

    register_target(Target("other", "", write))  # type: ignore[arg-type]
    try:
        with pytest.raises(ExportError, match="new: not written: does not work"):
            write_target(loaded, "other", tmp_path / "new")
    finally:
        TARGETS.remove("other")
    assert [each.name for each in tmp_path.iterdir()] == ["w.safetensors"]


def test_what_a_runtime_cannot_do_is_said(tmp_path: Path) -> None:
    loaded = read_checkpoint(write_lively_weights(tmp_path / "w.safetensors", SMALL))
    with pytest.raises(ConfigError, match="unknown target 'tpu'; expected"):
        write_target(loaded, "tpu", tmp_path / "new")
    with pytest.raises(ConfigError, match="a page takes pictures of any size"):
        write_target(loaded, "web", tmp_path / "new", ExportConfig(size="64x64"))
