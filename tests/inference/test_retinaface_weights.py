"""Weights under the names of RetinaFace's torch port, made up here: what they become."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import nasface
from nasface.data.tensors import to_tensor
from nasface.detection.backbones.resnet import ResNet
from nasface.errors import RunError
from nasface.inference.retinaface_weights import (
    MEANS,
    MOBILENET,
    NOTE,
    RESNET,
    read_retinaface_weights,
)

WIDTHS = {MOBILENET: (64, 128, 256), RESNET: (512, 1024, 2048)}


def norm(name: str, channels: int) -> dict[str, Tensor]:
    return {
        f"{name}.weight": torch.rand(channels) + 0.5,
        f"{name}.bias": torch.randn(channels) / 10,
        f"{name}.running_mean": torch.randn(channels) / 10,
        f"{name}.running_var": torch.rand(channels) + 0.5,
        f"{name}.num_batches_tracked": torch.tensor(7),
    }


def conv(name: str, outputs: int, inputs: int, kernel: int) -> dict[str, Tensor]:
    weight = torch.randn(outputs, inputs, kernel, kernel) / (kernel * inputs**0.5)
    return {f"{name}.0.weight": weight, **norm(f"{name}.1", outputs)}


def mobilenet() -> dict[str, Tensor]:
    """Widths of the paper's MobileNet at a quarter, stage by stage of the port."""
    stages = (
        [(8, 16), (16, 32), (32, 32), (32, 64), (64, 64)],
        [(64, 128), *[(128, 128)] * 5],
        [(128, 256), (256, 256)],
    )
    state = conv("body.stage1.0", 8, 3, 3)
    state["body.stage1.0.0.weight"] /= 100
    for number, layers in enumerate(stages, 1):
        for at, (inputs, outputs) in enumerate(layers, 1 if number == 1 else 0):
            name = f"body.stage{number}.{at}"
            state |= {f"{name}.0.weight": torch.randn(inputs, 1, 3, 3) / 3}
            state |= norm(f"{name}.1", inputs)
            state |= {f"{name}.3.weight": torch.randn(outputs, inputs, 1, 1) / inputs**0.5}
            state |= norm(f"{name}.4", outputs)
    return state


def resnet() -> dict[str, Tensor]:
    """Names of torchvision, which those of the backbone are tested against elsewhere."""
    return {f"body.{key}": value.clone() for key, value in ResNet(50).state_dict().items()}


def published(name: str) -> dict[str, Tensor]:
    """A state dict of the port, with its prefix."""
    torch.manual_seed(0)
    state = mobilenet() if name == MOBILENET else resnet()
    width = 64 if name == MOBILENET else 256
    half, quarter = width // 2, width // 4
    for at, wide in enumerate(WIDTHS[name]):
        state |= conv(f"fpn.output{at + 1}", width, wide, 1)
        ssh = f"ssh{at + 1}"
        state |= conv(f"{ssh}.conv3X3", half, width, 3) | conv(
            f"{ssh}.conv5X5_1", quarter, width, 3
        )
        for each in ("conv5X5_2", "conv7X7_2", "conv7x7_3"):
            state |= conv(f"{ssh}.{each}", quarter, quarter, 3)
        for head, outputs in (("ClassHead", 4), ("BboxHead", 8), ("LandmarkHead", 20)):
            state[f"{head}.{at}.conv1x1.weight"] = torch.randn(outputs, width, 1, 1) / width
            state[f"{head}.{at}.conv1x1.bias"] = torch.randn(outputs)
    for at in (1, 2):
        state |= conv(f"fpn.merge{at}", width, width, 3)
    return {f"module.{key}": value for key, value in state.items()}


@pytest.mark.parametrize("name", [MOBILENET, RESNET])
def test_published_names_and_shapes_are_all_there(name: str, tmp_path: Path) -> None:
    state = published(name)
    torch.save(state, tmp_path / "weights.pth")
    loaded = nasface.load_detector(tmp_path / "weights.pth", device="cpu")
    assert (loaded.name, loaded.metrics["note"]) == (name, NOTE)
    parameters = sum(
        value.numel() for key, value in state.items()
        if not key.endswith(("running_mean", "running_var", "num_batches_tracked"))
    )  # fmt: skip
    assert parameters == {MOBILENET: 426_608, RESNET: 27_293_600}[name]
    loaded.save(tmp_path / "ours.safetensors")
    image = torch.randint(0, 256, (64, 96, 3), dtype=torch.uint8).numpy()
    again = nasface.load_detector(tmp_path / "ours.safetensors", device="cpu")
    (found,), (same,) = loaded.detect(image), again.detect(image)
    assert len(found) > 0
    assert torch.equal(found.boxes, same.boxes)


def test_the_outputs_are_those_of_the_ports_network(tmp_path: Path) -> None:
    """Its forward pass written out, from the values of the file; away from the border."""
    state = published(MOBILENET)
    torch.save({"state_dict": state}, tmp_path / "weights.pth")
    found = read_retinaface_weights(tmp_path / "weights.pth")
    image = torch.randint(0, 256, (640, 640, 3), dtype=torch.uint8)
    values = {key.removeprefix("module."): value for key, value in state.items()}

    def normalise(x: Tensor, key: str) -> Tensor:
        mean, variance = values[f"{key}.running_mean"], values[f"{key}.running_var"]
        weight, bias = values[f"{key}.weight"], values[f"{key}.bias"]
        return nn.functional.batch_norm(x, mean, variance, weight, bias)

    def leaky(x: Tensor) -> Tensor:
        return nn.functional.leaky_relu(x, 0.1)

    def layer(x: Tensor, key: str, stride: int = 1, at: int = 0) -> Tensor:
        weight = values[f"{key}.{at}.weight"]
        groups = x.shape[1] // weight.shape[1]
        x = nn.functional.conv2d(x, weight, None, stride, weight.shape[-1] // 2, 1, groups)
        return normalise(x, f"{key}.{at + 1}")

    with torch.no_grad():
        x = image.permute(2, 0, 1)[None].float().flip(1) - torch.tensor(MEANS[::-1]).view(3, 1, 1)
        x = leaky(layer(x, "body.stage1.0", 2))
        maps = []
        for stage, strides in ((1, (1, 2, 1, 2, 1)), (2, (2, 1, 1, 1, 1, 1)), (3, (2, 1))):
            for at, stride in enumerate(strides, 1 if stage == 1 else 0):
                key = f"body.stage{stage}.{at}"
                x = leaky(layer(leaky(layer(x, key, stride)), key, at=3))
            maps.append(x)
        fine, middle, coarse = (leaky(layer(m, f"fpn.output{i}")) for i, m in enumerate(maps, 1))
        middle = leaky(
            layer(middle + nn.functional.interpolate(coarse, scale_factor=2), "fpn.merge2")
        )
        fine = leaky(layer(fine + nn.functional.interpolate(middle, scale_factor=2), "fpn.merge1"))
        near = layer(fine, "ssh1.conv3X3")
        shared = leaky(layer(fine, "ssh1.conv5X5_1"))
        far = layer(leaky(layer(shared, "ssh1.conv7X7_2")), "ssh1.conv7x7_3")
        seen = torch.cat([near, layer(shared, "ssh1.conv5X5_2"), far], 1).relu()
        expected = {
            head: nn.functional.conv2d(
                seen, values[f"{head}.0.conv1x1.weight"], values[f"{head}.0.conv1x1.bias"]
            ).permute(0, 2, 3, 1)
            for head in ("ClassHead", "BboxHead")
        }
        answer = found.detector(to_tensor(image.numpy())[None])
    middle_rows = slice(38, 42)
    for head, output, width in (
        ("ClassHead", answer.logits_BA2, 2),
        ("BboxHead", answer.deltas_BA4, 4),
    ):
        ours = output[:, : 80 * 80 * 2].reshape(1, 80, 80, 2 * width)[:, middle_rows, middle_rows]
        theirs = expected[head][:, middle_rows, middle_rows]
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
    sides = (answer.anchors_A4[:2, 2] - answer.anchors_A4[:2, 0]).tolist()
    assert sides == [16, 32]


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    state = published(MOBILENET)
    state["module.fpn.merge1.0.weight"] = torch.zeros(64, 64, 1, 1)
    del state["module.ssh2.conv3X3.0.weight"]
    state["module.other"] = torch.zeros(1)
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(
        RunError,
        match=r"missing 1: module\.ssh2\.conv3X3\.0\.weight; surplus 1: module\.other; "
        r"misshapen 1: module\.fpn\.merge1\.0\.weight \(64, 64, 1, 1\) instead of \(64, 64, 3, 3\)",
    ):
        read_retinaface_weights(tmp_path / "weights.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(RunError, match=r"list\.pth: expected a state dict"):
        read_retinaface_weights(tmp_path / "list.pth")


def test_values_that_no_network_has_are_refused(tmp_path: Path) -> None:
    """Each loads in torch without a word."""
    state = {key.removeprefix("module."): value for key, value in published(MOBILENET).items()}
    bias = "BboxHead.1.conv1x1.bias"
    landmark = "LandmarkHead.2.conv1x1.weight"
    ours = "trunk.heads.0.classify.0.bias"
    without = {key: value for key, value in state.items() if key != landmark}
    for changed, message in (
        (state | {bias: torch.full((8,), torch.nan)}, f"not finite 1: {bias}"),
        (state | {bias: torch.zeros(8, dtype=torch.int64)}, rf"no floats 1: {bias} torch\.int64"),
        (state | {f"module.{bias}": state[bias]}, f"there twice 1: {bias} and module.{bias}"),
        (state | {ours: torch.zeros(4)}, f"surplus 1: {ours}"),
        (without, f"missing 1: {landmark}"),
        (without | {landmark: torch.zeros(20, 32, 1, 1)}, f"misshapen 1: {landmark}"),
        (state | {"LandmarkHead.3.conv1x1.bias": torch.zeros(20)}, "surplus 1: LandmarkHead.3"),
    ):
        torch.save(changed, tmp_path / "weights.pth")
        with pytest.raises(RunError, match=f"does not fit {MOBILENET}; {message}"):
            read_retinaface_weights(tmp_path / "weights.pth")


def test_landmarks_and_counters_may_be_absent(tmp_path: Path) -> None:
    state = {
        key: value.half() if value.is_floating_point() else value
        for key, value in published(MOBILENET).items()
        if "Landmark" not in key and "num_batches_tracked" not in key
    }
    torch.save(state, tmp_path / "weights.pth")
    loaded = read_retinaface_weights(tmp_path / "weights.pth")
    assert "note" not in loaded.metrics
    assert {each.dtype for each in loaded.detector.parameters()} == {torch.float32}
