from typing import cast

import pytest
import torch

from nasface.detection.backbones.resnet import DEPTHS, Block, ResNet
from nasface.nn.cost import measure_cost

SIZES = {
    18: (11_176_512, 11.103),
    34: (21_284_672, 22.428),
    50: (23_508_032, 25.023),
    101: (42_500_160, 47.751),
    152: (58_143_808, 70.479),
}
"""Parameters without the classifier, and multiply-adds at 640 x 480 (counted on the originals)."""


@pytest.mark.parametrize("depth", DEPTHS)
def test_sizes(depth: int) -> None:
    with torch.device("meta"):
        cost = measure_cost(ResNet(depth), (torch.empty(1, 3, 480, 640),), {})[0]
    assert cost.parameters == SIZES[depth][0]
    assert cost.macs / 1e9 == pytest.approx(SIZES[depth][1], abs=5e-4)


@pytest.mark.parametrize(("depth", "channels"), [(18, (64, 512)), (50, (256, 2048))])
def test_levels_have_their_strides_and_channels(depth: int, channels: tuple[int, int]) -> None:
    with torch.device("meta"):
        network = ResNet(depth)
        features = network(torch.empty(1, 3, 97, 130))
    assert list(features) == [2, 3, 4, 5]
    for level, feature in features.items():
        assert feature.shape[-2:] == (-(-97 // 2**level), -(-130 // 2**level))
        assert feature.shape[1] == network.channels[level]
    assert (network.channels[2], network.channels[5]) == channels


def test_names_are_torchvisions() -> None:
    names = set(ResNet(50).state_dict())
    for name in (
        "conv1.weight",
        "bn1.running_mean",
        "layer1.0.conv3.weight",
        "layer1.0.downsample.0.weight",
        "layer1.0.downsample.1.running_var",
        "layer4.2.bn3.bias",
    ):
        assert name in names
    assert len(names) == 318  # 320 of torchvision's resnet50 less fc.weight and fc.bias
    assert "layer1.0.downsample.0.weight" not in ResNet(18).state_dict()


def test_a_block_adds_what_it_computes_to_its_input() -> None:
    torch.manual_seed(0)
    block = cast(Block, ResNet(18).get_submodule("layer1.0").eval())
    x = torch.randn(1, 64, 8, 8)
    for norm in (block.bn1, block.bn2):
        norm.weight.data.zero_()
    torch.testing.assert_close(block(x), x.relu())
