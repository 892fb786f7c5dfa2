"""Detectors and necks by name."""

import pytest
import torch
from tiny import DETECTOR, tiny_genotype

import nasface
from nasface.detection.zoo import MODELS, REFERENCE_GENOTYPE
from nasface.errors import ConfigError, SpecError


def test_list_models_by_pattern() -> None:
    assert nasface.list_models() == list(MODELS)
    assert nasface.list_models("d?-dense") == [f"d{at}-dense" for at in range(7)]
    assert nasface.list_models("extd-*") == ["extd-32", "extd-48", "extd-64"]
    assert nasface.list_models("z*") == []


def test_released_detectors_are_listed_and_loaded() -> None:
    assert nasface.list_models("asfd-*", pretrained=True) == ["asfd-d0", "asfd-nano", "asfd-small"]
    with pytest.raises(ConfigError, match=r"expected load_detector\('asfd-nano'\)"):
        nasface.create_detector("asfd-nano")


def test_create_detector_is_the_model_of_the_zoo() -> None:
    detector = nasface.create_detector("d0", device="cpu")
    assert detector.config == MODELS["d0"].detector
    assert detector.genotype == nasface.load_genotype(REFERENCE_GENOTYPE)
    assert (detector.name, detector.training) == ("d0", False)
    assert detector(torch.zeros(1, 3, 64, 64)).logits_BA2.shape[2] == 2


def test_create_detector_of_a_genotype_object_with_settings() -> None:
    genotype = tiny_genotype()
    detector = nasface.create_detector("d0", genotype, device="cpu", channels=12, head_layers=1)
    assert (detector.config.channels, detector.config.head_layers) == (12, 1)
    assert detector.genotype is genotype
    assert "model" not in detector.metrics, "d0 has another width"


def test_create_detector_with_a_hand_made_neck_has_no_genotype() -> None:
    detector = nasface.create_detector(DETECTOR, device="cpu", neck="bifpn")
    assert (detector.genotype, detector.config.neck) == (None, "bifpn")


def test_seed_decides_the_weights_and_leaves_the_random_state_alone() -> None:
    def weights(seed: int) -> torch.Tensor:
        detector = nasface.create_detector(DETECTOR, tiny_genotype(), device="cpu", seed=seed)
        return torch.cat([each.detach().flatten() for each in detector.parameters()])

    before = torch.get_rng_state()
    one, same, other = weights(1), weights(1), weights(2)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_create_detector_names_the_nearest_setting() -> None:
    with pytest.raises(ConfigError, match="detector: there is no 'chanels'; did you mean 'chan"):
        nasface.create_detector("d0", chanels=32)
    with pytest.raises(ConfigError, match="unknown 'd9'; expected one of d0, "):
        nasface.create_detector("d9")


def test_create_neck_enhances_the_maps_of_a_backbone() -> None:
    neck = nasface.create_neck("asfd-ref", in_channels=[4, 8, 16, 32], out_channels=12)
    maps = [torch.randn(1, width, 64 >> at, 64 >> at) for at, width in enumerate([4, 8, 16, 32])]
    sizes = [tuple(each.shape[1:]) for each in neck(maps)]
    assert sizes == [(12, 64 >> at, 64 >> at) for at in range(6)]
    with pytest.raises(SpecError, match="7 maps in, 6 out"):
        nasface.create_neck("asfd-ref", [8] * 7, 12)
