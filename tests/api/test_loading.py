"""Detectors by name and from files."""

from pathlib import Path
from typing import Any

import pytest
from tiny import DETECTOR, write_lively_weights

import nasface
from nasface.errors import ConfigError, RunError


@pytest.mark.parametrize("precision", ["int88", "INT8", None])
def test_a_precision_that_is_none_is_refused(precision: Any) -> None:
    with pytest.raises(ConfigError, match=r"^precision: unknown .* expected one of float32, int8"):
        nasface.load_detector("asfd-nano", precision=precision)


def test_what_is_no_file_of_weights_names_them(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"d0: has no released weights, expected asfd-d0"):
        nasface.load_detector("d0")
    write_lively_weights(tmp_path / "best.safetensors", DETECTOR)
    with pytest.raises(ConfigError, match=r"is a folder; expected .*best\.safetensors$"):
        nasface.load_detector(tmp_path)


@pytest.mark.parametrize("name", ["face.pt2", "detector.mnn", "detector.ncnn.param"])
def test_files_of_other_runtimes_are_called_so(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(bytes(100))
    with pytest.raises(RunError, match=r"file for another runtime.*\.safetensors, \.onnx, \.xml"):
        nasface.load_detector(tmp_path / name, "cpu")
