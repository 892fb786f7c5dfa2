from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

import nasface.inference.openvino as inference
from nasface.deploy.config import ExportConfig
from nasface.deploy.runtimes import openvino
from nasface.errors import ExportError


def test_a_file_that_openvino_cannot_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise RuntimeError("Exception from src/core\nCheck 'bin_file.good()' failed")

    model = SimpleNamespace(SerializeToString=lambda: b"")
    monkeypatch.setattr(openvino, "to_onnx", lambda *_: model)
    monkeypatch.setattr(openvino, "read_model", lambda _: None)
    monkeypatch.setattr(inference, "import_openvino", lambda: SimpleNamespace(save_model=full))
    said = r"^the \.xml file cannot be written by OpenVINO, as on a full disk: .Exception from src"
    with pytest.raises(ExportError, match=said):
        openvino.save_openvino(cast("Any", None), tmp_path / "a.xml", ExportConfig())
