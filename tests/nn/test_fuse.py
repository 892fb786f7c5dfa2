"""Folded networks compute what the networks compute."""

import copy

import pytest
import torch
from torch import nn

from nasface.arch.io import load_genotype
from nasface.classification.layout import NETWORKS
from nasface.classification.network import Classifier
from nasface.detection.detector import build_detector
from nasface.detection.zoo import MODELS, REFERENCE_GENOTYPE
from nasface.nn.fuse import fuse_conv_bn


def with_statistics(module: nn.Module) -> nn.Module:
    """The module with normalisations as training might leave them."""
    for each in module.modules():
        if isinstance(each, nn.BatchNorm2d) and each.running_mean is not None:
            nn.init.normal_(each.running_mean, std=0.1)
            assert each.running_var is not None
            nn.init.uniform_(each.running_var, 0.5, 2.0)
            if each.affine:
                nn.init.uniform_(each.weight, 0.5, 1.5)
                nn.init.normal_(each.bias, std=0.1)
    return module.eval()


@pytest.mark.parametrize("name", ["d0", "d0-dense", "d1", "d2", "d4-dense"])
def test_a_folded_detector_predicts_the_same_without_normalisations(name: str) -> None:
    torch.manual_seed(0)
    network = build_detector(MODELS[name].detector, load_genotype(REFERENCE_GENOTYPE))
    detector = with_statistics(network).double()
    state = copy.deepcopy(detector.state_dict())
    folded = fuse_conv_bn(detector)
    images = torch.randn(1, 3, 96, 128, dtype=torch.float64)
    with torch.inference_mode():
        wanted, found = detector(images), folded(images)
    torch.testing.assert_close(found.logits_BA2, wanted.logits_BA2, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found.deltas_BA4, wanted.deltas_BA4, rtol=1e-9, atol=1e-9)
    assert not any(isinstance(each, nn.BatchNorm2d) for each in folded.modules())
    for key, value in detector.state_dict().items():
        assert torch.equal(value, state[key]), key


def test_normalisations_behind_something_else_stay() -> None:
    """Reduction cells normalise a concatenation, and candidates without learned scales exist."""
    torch.manual_seed(0)
    network = Classifier(load_genotype("pc_darts_cifar"), NETWORKS["cifar"])
    classifier = with_statistics(network).double()
    folded = fuse_conv_bn(classifier)
    norms = [name for name, each in folded.named_modules() if isinstance(each, nn.BatchNorm2d)]
    assert norms
    images = torch.randn(1, 3, 32, 32, dtype=torch.float64)
    with torch.inference_mode():
        torch.testing.assert_close(folded(images).main, classifier(images).main)


def test_without_learned_scales() -> None:
    layers = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4, affine=False))
    module = with_statistics(layers).double()
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    torch.testing.assert_close(fuse_conv_bn(module)(x), module(x))
