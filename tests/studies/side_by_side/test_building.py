"""Models of a plan, built and counted."""

from pathlib import Path

import pytest
from tiny import DETECTOR, tiny_genotype

from nasface.arch.io import load_genotype
from nasface.detection.checkpoint import save_detector
from nasface.detection.cost import detector_cost
from nasface.detection.detector import build_detector
from nasface.detection.zoo import MODELS
from nasface.errors import ConfigError, SpecError
from nasface.studies.side_by_side.building import ModelSize, load_model, size_of
from nasface.studies.side_by_side.engines import MODEL_ENGINES
from nasface.studies.side_by_side.plan import ComparedModel

SHAPE = (128, 160)


@pytest.fixture(scope="module")
def size() -> ModelSize:
    return size_of(ComparedModel(name="a", model="d0"), SHAPE)


def test_a_detector_of_the_zoo_is_counted_as_its_cost(size: ModelSize) -> None:
    genotype = load_genotype("asfd-ref")
    cost = detector_cost(MODELS["d0"].detector, genotype, *SHAPE)[0]
    assert (size.parameters, size.macs) == (cost.parameters, cost.macs)
    loaded = load_model(ComparedModel(name="a", model="d0"))
    assert sum(each.numel() for each in loaded.detector.parameters()) == size.parameters
    assert not loaded.detector.training


def test_settings_and_genotype_change_what_is_built(size: ModelSize) -> None:
    wide = size_of(ComparedModel(name="a", model="d0", detector={"channels": 48}), SHAPE)
    assert wide.parameters > size.parameters
    assert wide.activations_mb > size.activations_mb
    with pytest.raises(ConfigError, match=r"^models: a: detector: there is no 'channel'"):
        load_model(ComparedModel(name="a", model="d0", detector={"channel": 48}))
    with pytest.raises(SpecError, match="nowhere"):
        load_model(ComparedModel(name="a", model="d0", genotype="nowhere.yaml"))


def test_weights_are_counted_with_their_own_settings(tmp_path: Path) -> None:
    genotype, path = tiny_genotype(), tmp_path / "w.safetensors"
    save_detector(path, build_detector(DETECTOR, genotype), genotype, {})
    cost = detector_cost(DETECTOR, genotype, *SHAPE)[0]
    size = size_of(ComparedModel(name="a", model=str(path)), SHAPE)
    assert (size.parameters, size.macs) == (cost.parameters, cost.macs)
    assert size_of(ComparedModel(name="a", model="asfd-nano"), SHAPE).parameters > 500_000


def test_memory_grows_with_weights_and_activations() -> None:
    engine = MODEL_ENGINES["torch"]
    small = ModelSize(parameters=10**6, macs=1, activations_mb=100).needed_mb(engine)
    heavy = ModelSize(parameters=10**8, macs=1, activations_mb=100).needed_mb(engine)
    broad = ModelSize(parameters=10**6, macs=1, activations_mb=1000).needed_mb(engine)
    # 99 million weights of four bytes, three times; a quarter of 900
    assert (heavy - small, broad - small) == pytest.approx((1188, 225))
