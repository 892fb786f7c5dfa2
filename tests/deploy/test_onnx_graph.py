"""Recorded graphs: fixed sizes, float16, operator sets, coarse maps, operators not in the table."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
import torch
from tiny import DETECTOR, write_lively_weights
from torch import Tensor, nn

from nasface.deploy import onnx as onnx_file
from nasface.deploy.config import ExportConfig, Precision
from nasface.deploy.onnx import export_onnx, to_onnx
from nasface.deploy.onnx_graph.builder import GraphBuilder
from nasface.deploy.onnx_graph.operators import add_recording
from nasface.deploy.onnx_graph.recording import NotRecordableError, record
from nasface.detection.checkpoint import LoadedDetector
from nasface.detection.config import DetectorConfig
from nasface.errors import ConfigError
from nasface.inference.loading import read_detector
from nasface.inference.onnx_runtime import OUTPUT_NAMES, runner
from nasface.inference.predict import SuppressionConfig
from nasface.models import weights_path
from nasface.structures import Predictions

SIZES = ((2, 3, 33, 48), (3, 3, 32, 17))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> LoadedDetector:
    """A detector with cells whose nodes are weighted sums, among others."""
    path = tmp_path_factory.mktemp("weights") / "w.safetensors"
    return read_detector(write_lively_weights(path, DETECTOR))


def operators(model: onnx.ModelProto) -> set[str]:
    return {node.op_type for node in model.graph.node}


@pytest.mark.parametrize("outputs", ["heads", "predictions", "boxes", "detections"])
def test_a_fixed_size_computes_no_sizes(loaded: LoadedDetector, outputs: Any) -> None:
    config = ExportConfig(outputs=outputs, size="131x97", batch=2)
    model = to_onnx(loaded, config)
    onnx.checker.check_model(model, full_check=True)
    assert not operators(model) & {"Shape", "Range", "Expand", "Cast", "Size", "ConstantOfShape"}
    shape = [each.dim_value for each in model.graph.input[0].type.tensor_type.shape.dim]
    assert shape == [2, 3, 97, 131]


def test_a_fixed_file_agrees_and_takes_no_other_size(
    loaded: LoadedDetector, tmp_path: Path
) -> None:
    config = ExportConfig(size="131x97", outputs="heads")
    worst = export_onnx(loaded, tmp_path / "w.onnx", config)
    assert (worst.height, worst.width, worst.batch) == (97, 131, 1)
    again = read_detector(tmp_path / "w.onnx").detector
    images = torch.randn(1, 3, 97, 131)
    with torch.inference_mode():
        for one, other in zip(loaded.detector(images)[:3], again(images)[:3], strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    with pytest.raises(ConfigError, match="takes 1 of 131x97 only"):
        again(torch.zeros(1, 3, 97, 132))


def test_half_precision_loads_and_is_near(loaded: LoadedDetector, tmp_path: Path) -> None:
    sizes = {}
    precisions: list[Precision] = ["fp32", "fp16"]
    for precision in precisions:
        path = tmp_path / f"{precision}.onnx"
        export_onnx(loaded, path, ExportConfig(precision=precision))
        sizes[precision] = path.stat().st_size
    halved = {each.name: each.data_type for each in onnx.load(path).graph.initializer}
    assert onnx.TensorProto.FLOAT16 in halved.values()
    assert sizes["fp16"] < 0.7 * sizes["fp32"]
    images = np.random.default_rng(0).standard_normal((1, 3, 97, 131)).astype(np.float32)
    one, other = (
        runner((tmp_path / f"{each}.onnx").read_bytes(), OUTPUT_NAMES["boxes"])(
            torch.from_numpy(images)
        )
        for each in ("fp32", "fp16")
    )
    assert one[0].dtype == other[0].dtype == torch.float32
    assert not torch.equal(one[1], other[1])
    torch.testing.assert_close(one[1], other[1], rtol=0, atol=0.02)


@pytest.mark.parametrize("opset", [18, 20, 23])
def test_the_operator_set_is_chosen(loaded: LoadedDetector, opset: int) -> None:
    model = to_onnx(loaded, ExportConfig(opset=opset, outputs="detections"))
    onnx.checker.check_model(model, full_check=True)
    assert {each.version for each in model.opset_import} == {opset}


def test_sizes_behind_suppression_are_tidy(loaded: LoadedDetector) -> None:
    config = ExportConfig(outputs="detections", suppression=SuppressionConfig(nms_iou=0.4))
    model = to_onnx(loaded, config)
    assert not model.graph.value_info
    names = [
        [dim.dim_param or dim.dim_value for dim in each.type.tensor_type.shape.dim]
        for each in model.graph.output
    ]
    assert names == [["found"], ["found", 4], ["found"]]


def test_fusion_weights_are_constants(loaded: LoadedDetector) -> None:
    assert "Softmax" not in operators(to_onnx(loaded, ExportConfig(outputs="heads")))


FIRST_CALL = """
import cv2
import numpy as np

net = cv2.dnn.readNetFromONNX("w.onnx")
net.setInput(np.load("images.npy"), "images")
np.savez("found.npz", *net.forward(["logits", "deltas", "anchors"]))
"""


@pytest.mark.parametrize("size", [(64, 64), (97, 131), (128, 256), (131, 97), (129, 129)])
def test_opencv_gives_the_same_where_a_coarse_map_has_one_row_or_column(
    size: tuple[int, int], tmp_path: Path
) -> None:
    """As the first call of a process, as what it read beyond a map came from earlier ones."""
    if not hasattr(cv2.dnn, "ENGINE_NEW"):
        pytest.skip(f"OpenCV {cv2.__version__} has no engine that takes any size; expected 5")
    path = tmp_path / "w.safetensors"
    loaded = read_detector(write_lively_weights(path, DetectorConfig(channels=8, head_layers=0)))
    model = to_onnx(loaded, ExportConfig(outputs="predictions"))
    images = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))
    (tmp_path / "w.onnx").write_bytes(model.SerializeToString())
    np.save(tmp_path / "images.npy", images.numpy())
    subprocess.run([sys.executable, "-c", FIRST_CALL], cwd=tmp_path, check=True)
    with torch.inference_mode():
        wanted = loaded.detector(images)[:3]
    with np.load(tmp_path / "found.npz") as found:
        for one, other in zip(wanted, found.values(), strict=True):
            np.testing.assert_allclose(other, one.numpy(), atol=1e-4 * one.abs().max().item())


def test_released_detectors_are_recorded_whole() -> None:
    model = to_onnx(read_detector(weights_path("asfd-nano")), ExportConfig(outputs="heads"))
    assert model.producer_name == "nasface"


class _Odd(nn.Module):
    """A network with an operator that is in no table, or one that depends on the size."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, images: Tensor) -> list[Tensor]:
        if self.kind == "operator":
            return [torch.special.erfcx(images)]
        if self.kind == "parity" and images.shape[2] % 2:
            return [nn.functional.pad(images, (0, 1))]
        if self.kind == "size":
            return [images * images.shape[2]]
        return [torch.ones(1)] if self.kind == "constant" else [images + 1]


class _Masked(nn.Module):
    """Fills what is small."""

    def forward(self, x: Tensor) -> Tensor:
        return x.masked_fill(x < 0.25, -7.0)


class _Turned(nn.Module):
    """Splits the channels and puts them together in another order."""

    def forward(self, x: Tensor) -> Tensor:
        one, others = x.split([1, 2], dim=1)
        return torch.cat([others, one], dim=1)


@pytest.mark.parametrize("kind", ["operator", "parity", "size", "constant"])
def test_what_depends_on_the_size_otherwise_is_not_recorded(kind: str) -> None:
    graph = GraphBuilder()
    with pytest.raises(NotRecordableError):
        add_recording(record(_Odd(kind), SIZES), graph, "images")


@pytest.mark.parametrize(
    "network",
    [
        nn.SiLU(),
        nn.Hardtanh(0, 6),
        nn.LeakyReLU(0.1),
        nn.PReLU(3),
        nn.ConstantPad2d((0, 1, 2, -1), 0.5),
        _Masked(),
        _Turned(),
        nn.AvgPool2d(3, 2, 1, count_include_pad=False),
        nn.MaxPool2d(3, 2, 1),
        nn.BatchNorm2d(3, affine=False),
        nn.Upsample(scale_factor=2, mode="nearest"),
        nn.Sequential(nn.MaxPool2d(2, 2), nn.Flatten(2)),
    ],
    ids=lambda network: type(network).__name__,
)
def test_operators_are_those_of_torch(network: nn.Module) -> None:
    network = network.eval()
    graph = GraphBuilder()
    try:
        (name,) = add_recording(record(lambda x: [network(x)], SIZES), graph, "images")
    except NotRecordableError:
        assert isinstance(network, nn.Upsample)  # to a size that no map has
        return
    graph.name(name, "out")
    dims: list[int | str] = ["batch", 3, "height", "width"]
    out = ["b", "c", "p"] if isinstance(network, nn.Sequential) else ["b", "c", "h", "w"]
    model = graph.model("one", {"images": dims}, {"out": out}, 18)
    for shape in ((1, 3, 9, 14), (2, 3, 16, 5)):
        images = torch.randn(shape)
        (found,) = runner(model.SerializeToString(), ["out"])(images)
        torch.testing.assert_close(found, network(images), rtol=1e-5, atol=1e-5)


def test_other_operators_go_through_the_exporter_of_torch(
    loaded: LoadedDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise NotRecordableError("an operator of somebody else")

    monkeypatch.setattr(onnx_file, "record", refuse)
    with pytest.raises(ConfigError, match="fp16 is not available: an operator of somebody"):
        to_onnx(loaded, ExportConfig(precision="fp16"))
    model = to_onnx(loaded, ExportConfig(size="160x131", outputs="heads"))
    assert model.producer_name == "pytorch"
    images = torch.randn(1, 3, 131, 160)
    found = runner(model.SerializeToString(), OUTPUT_NAMES["heads"])(images)
    with torch.inference_mode():
        wanted: Predictions = loaded.detector(images)
    torch.testing.assert_close(found[0], wanted.logits_BA2, rtol=1e-4, atol=1e-4)
