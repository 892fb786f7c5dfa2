"""Single steps of a training, without a run folder."""

import copy
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import (
    DETECTOR,
    OPTIMIZER,
)
from trainings import make_job, tiny_training

from nasface.data.dataset import make_loader
from nasface.engine.guards import MAX_SKIPPED
from nasface.engine.setup import images_to_device
from nasface.engine.train import TrainConfig
from nasface.errors import NasfaceError
from nasface.progress import Silent
from nasface.structures import ShotPair

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    return tiny_training(tmp_path_factory.mktemp("data"))


def test_accumulated_gradients_are_the_mean_over_the_parts(
    train: TrainConfig, tmp_path: Path
) -> None:
    optimizer = replace(OPTIMIZER, clip=1e9)
    config = replace(train, batch_size=2, accumulate=3, optimizer=optimizer, ema_decay=0.0)
    training = make_job(config)
    assert (training.loader.batch, training.epoch_steps) == (6, 1)
    images, targets = next(iter(make_loader(training.loader.data, 6, 0, 1, 0)))
    alone = copy.deepcopy(training.model)
    losses = []
    for at in (0, 2, 4):
        shots = alone.forward_train(images_to_device(images[at : at + 2], CPU))
        losses.append(training.loss(shots, targets[at : at + 2]).total)
        (losses[-1] / 3).backward()
    row = training.take_step((images, targets))
    assert row["loss"] == pytest.approx(float(torch.stack(losses).detach().sum()) / 3)
    weight = config.loss.box_weight
    parts = row["classification_loss"] + weight * row["box_loss"] + row["first_shot_loss"]
    assert row["loss"] == pytest.approx(parts), "the parts, each averaged, make up the loss"
    assert row["positives"] > 0
    for (name, one), other in zip(
        training.model.named_parameters(), alone.parameters(), strict=True
    ):
        torch.testing.assert_close(one.grad, other.grad, msg=name)


def test_a_first_shot_without_weight_is_not_computed(
    train: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(train, loss=replace(train.loss, first_shot_weight=0.0), ema_decay=0.0)
    training = make_job(config)
    images, targets = next(iter(make_loader(training.loader.data, 3, 0, 1, 0)))
    alone = copy.deepcopy(training.model)
    shot = alone(images_to_device(images, CPU))
    seen: list[int] = []
    training.model.trunk.heads[0].register_forward_hook(
        lambda _module, _inputs, outputs: seen.append(len(outputs[0]))
    )
    row = training.take_step((images, targets))
    assert row["loss"] == float(training.loss(ShotPair(None, shot), targets).total.detach())
    assert "first_shot_loss" not in row
    assert seen == [3], "images of the second shot alone"


@pytest.mark.parametrize("module", ["genotype", "fem-fpn+fem-cpm", "bifpn", "pan", "ssh", "rfe"])
def test_a_fused_step_is_that_of_single_operations(
    module: str, train: TrainConfig, tmp_path: Path
) -> None:
    """Fused AdamW pairs weights and gradients as they lie in memory, which may be in two orders."""
    optimizer = replace(OPTIMIZER, warmup_steps=0)
    config = replace(
        train, detector=replace(DETECTOR, neck=module), optimizer=optimizer, ema_decay=0.0
    )
    training = make_job(config if module == "genotype" else replace(config, genotype=""))
    before = [each.detach().clone() for each in training.parameters]
    training.take_step(next(iter(make_loader(training.loader.data, 3, 0, 1, 0))))
    rate = training.optimizer.param_groups[0]["lr"]
    assert rate >= 1e-4, "a step that can be seen"
    names = {each: name for name, each in training.model.named_parameters()}
    for weight, start in zip(training.parameters, before, strict=True):
        name, gradient = names[weight], weight.grad
        assert gradient is not None, name
        decay = optimizer.weight_decay if weight.ndim > 1 else 0.0
        # The first step of AdamW: the means that it divides are those of this gradient alone.
        expected = start * (1 - rate * decay) - rate * gradient / (gradient.abs() + 1e-8)
        torch.testing.assert_close(weight.detach(), expected, msg=name)


@pytest.mark.parametrize(("until", "moves"), [(1.0, 4), (0.75, 3), (0.5, 2), (0.0, 0)])
def test_statistics_follow_batches_until_the_share_of_steps(
    until: float, moves: int, train: TrainConfig, tmp_path: Path
) -> None:
    """And then stay, while the weights around them go on."""
    training = make_job(replace(train, freeze_bn_after=until))
    training.start(Silent())
    state = training.model.state_dict()
    means = [value for key, value in state.items() if key.endswith("running_mean")]
    weights = [value for key, value in state.items() if key.endswith("0.weight")]
    moved = 0
    for _ in range(4):
        before = [[each.clone() for each in kind] for kind in (means, weights)]
        training.next_step()
        changed = [not torch.equal(a, b) for a, b in zip(means, before[0], strict=True)]
        assert all(changed) or not any(changed)
        moved += any(changed)
        assert not all(torch.equal(a, b) for a, b in zip(weights, before[1], strict=True))
    assert moved == moves


def test_a_gradient_that_is_not_finite_moves_nothing_and_is_not_borne_for_long(
    train: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = make_job(train)
    batch = next(iter(make_loader(training.loader.data, 3, 0, 1, 0)))
    training.take_step(batch)
    before = copy.deepcopy(dict(training.model.named_parameters()))
    infinite = torch.tensor(math.inf)
    monkeypatch.setattr(torch.nn.utils, "clip_grad_norm_", lambda *_: infinite)
    for _ in range(MAX_SKIPPED):
        row = training.take_step(batch)
        assert row["gradient_norm"] == math.inf
        training.skips.count(training.step, row, Silent())
    for name, value in training.model.named_parameters():
        assert torch.equal(value, before[name]), name
    with pytest.raises(NasfaceError, match="norm not finite in 11 steps in a row, up to step 12"):
        training.skips.count(training.step + 1, row, Silent())
