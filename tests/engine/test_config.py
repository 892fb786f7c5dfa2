import math

import pytest
import torch

from nasface.data.augment import AugmentConfig
from nasface.detection.backbones.registry import build_backbone
from nasface.engine.optim import (
    LearningRateSchedule,
    OptimizerConfig,
    layer_scales,
    make_optimizer,
)
from nasface.engine.search import SearchConfig
from nasface.engine.train import TrainConfig
from nasface.errors import ConfigError
from nasface.io.yaml import config_digest, parse_dataclass, parse_yaml, to_yaml


def test_rate_rises_and_falls() -> None:
    config = OptimizerConfig(lr=0.1, warmup_steps=10)
    rates = [config.rate(step, 110) for step in range(111)]
    assert rates[0] == pytest.approx(1e-6)
    assert rates[10] == pytest.approx(0.1)
    assert rates[60] == pytest.approx(0.05)
    assert rates[110] == pytest.approx(0.0)
    assert rates[35] == pytest.approx(0.05 * (1 + math.cos(math.pi / 4)))
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_rate_in_steps_is_the_papers() -> None:
    config = OptimizerConfig(lr=0.015, warmup_steps=0, schedule="steps")
    by_epoch = [config.rate(epoch, 50) for epoch in (0, 24, 25, 39, 40, 49)]
    assert by_epoch == pytest.approx([0.015, 0.015, 0.0015, 0.0015, 0.00015, 0.00015])


@pytest.mark.parametrize("kind", [SearchConfig, TrainConfig])
def test_the_file_that_a_run_writes_is_its_settings(kind: type) -> None:
    config = kind(data="d", seed=3)
    again: object = parse_dataclass(
        kind, parse_yaml(to_yaml(config), "f", ConfigError), "f", ConfigError
    )
    assert again == config
    assert config_digest(config) == config_digest(again) != config_digest(kind(data="d", seed=4))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("epoch: 3", "epoch"),
        ("epochs: '3'", "epochs"),
        ("detector: {chanels: 3}", "detector.chanels"),
        ("policy: best", "policy"),
        ("warmup_epochs: 60", "warmup_epochs: 60 is more than epochs 50"),
        ("epochs: 0", "epochs: is 0, expected at least 1$"),
        ("seed: -1", "seed: is -1, expected at least 0$"),
        ("optimizer: adam", "optimizer: expected a map of settings, got 'adam'$"),
        ("policy: PC-DARTS", "policy: PC-DARTS is a method; expected softmax, in a space with"),
        ("optimizer: {lr: -1}", "lr"),
        ("[1]", "expected a map"),
    ],
)
def test_bad_settings_name_the_key(text: str, place: str) -> None:
    with pytest.raises(ConfigError, match=rf"^f: .*{place}") as caught:
        parse_dataclass(SearchConfig, parse_yaml(text, "f", ConfigError), "f", ConfigError)
    assert "\n" not in str(caught.value)


def test_a_batch_that_cannot_be_normalised_is_refused() -> None:
    with pytest.raises(ConfigError, match="batch_size: 1 with crops of 128"):
        TrainConfig(batch_size=1, augment=AugmentConfig(size=128))
    assert TrainConfig(batch_size=1, augment=AugmentConfig(size=160)).batch_size == 1


def test_stages_of_a_backbone_learn_by_falling_rates() -> None:
    backbone = build_backbone("mobilenet_v2:0.25")
    head = torch.nn.Linear(3, 2)
    scales = layer_scales(backbone.freezable_stages(), 0.5)
    config = OptimizerConfig(name="adamw", lr=0.1, warmup_steps=0)
    optimizer = make_optimizer(config, [*backbone.parameters(), *head.parameters()], scales)
    LearningRateSchedule(optimizer, config, 10).apply(0)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert len(rates) == len([*backbone.parameters(), *head.parameters()])
    assert rates[id(head.weight)] == pytest.approx(0.1)
    for at, stage in enumerate(backbone.freezable_stages()):
        for module in stage:
            for parameter in module.parameters():
                assert rates[id(parameter)] == pytest.approx(0.1 * 0.5 ** (5 - at))
    with pytest.raises(ConfigError, match="layer_decay: 0"):
        OptimizerConfig(layer_decay=0)
