import pytest
import torch

from nasface.detection.backbones.mobilenet import MobileNetV1
from nasface.detection.backbones.registry import build_backbone
from nasface.detection.pyramid import LEVELS, ExtraLevels
from nasface.errors import ConfigError
from nasface.nn.cost import measure_cost


@pytest.mark.parametrize("size", [(64, 96), (65, 97), (127, 33), (640, 480)])
def test_levels_are_the_ceiling_of_the_size_over_the_stride(size: tuple[int, int]) -> None:
    with torch.device("meta"):
        backbone, extra = MobileNetV1(0.25).eval(), ExtraLevels(256, (32, 16)).eval()
        features = extra(backbone(torch.empty(1, 3, *size)))
    assert tuple(features) == LEVELS
    for level, feature in features.items():
        assert feature.shape[-2:] == tuple(-(-side // 2**level) for side in size)
    assert {level: features[level].shape[1] for level in (2, 3, 4, 5)} == backbone.channels
    assert backbone.channels == {2: 32, 3: 64, 4: 128, 5: 256}


@pytest.mark.parametrize(
    ("width", "parameters", "macs"), [(0.25, 0.213e6, 0.250e9), (1.0, 3.207e6, 3.476e9)]
)
def test_cost_of_mobilenet_is_the_published_one(
    width: float, parameters: float, macs: float
) -> None:
    with torch.device("meta"):
        backbone = MobileNetV1(width)
        total = measure_cost(backbone, (torch.empty(1, 3, 480, 640),))[0]
    assert total.parameters == pytest.approx(parameters, rel=0.003)
    assert total.macs == pytest.approx(macs, rel=0.003)


def test_unknown_backbone_is_named() -> None:
    with pytest.raises(ConfigError, match=r"'vgg'; expected one of mobilenet_v1_0.25"):
        build_backbone("vgg")
