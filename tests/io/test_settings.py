"""Settings given as keywords."""

from dataclasses import replace

import pytest

from nasface.engine.optim import OptimizerConfig
from nasface.engine.train import TrainConfig
from nasface.errors import ConfigError
from nasface.io.settings import checked_settings, with_settings

BASE = TrainConfig(optimizer=OptimizerConfig(lr=0.5, warmup_steps=7))


def test_a_part_keeps_what_is_not_named() -> None:
    found = with_settings(BASE, {"batch_size": 8, "optimizer": {"lr": 0.1}})
    assert found == replace(BASE, batch_size=8, optimizer=replace(BASE.optimizer, lr=0.1))


def test_a_whole_part_replaces() -> None:
    found = with_settings(BASE, {"optimizer": OptimizerConfig(name="adamw")})
    assert found.optimizer == OptimizerConfig(name="adamw")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batchsize": 8}, "train: there is no 'batchsize'; did you mean 'batch_size'?"),
        ({"lr": 0.1}, "train: there is no 'lr'; did you mean optimizer={'lr': ...}?"),
        ({"imgsz": 64}, "train: there is no 'imgsz'; did you mean augment={'size': ...}?"),
        ({"amp": True}, "train: there is no 'amp'; did you mean 'precision'?"),
        ({"optimizer": {"rate": 1}}, "train: optimizer: there is no 'rate'; expected one of name,"),
        ({"batch_size": "8"}, "train: batch_size: "),
        ({"batch_size": 0}, "train: batch_size: is 0, expected at least 1"),
        ({"optimizer": {"lr": -1.0}}, "lr -1.0"),
        ({"epochs": object()}, "train: "),
    ],
)
def test_errors_name_the_setting(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        with_settings(BASE, settings, "train")
    assert message in str(error.value)


def test_a_former_name_is_taken_with_a_warning() -> None:
    with pytest.warns(FutureWarning, match="'batch' is now called 'batch_size'"):
        assert with_settings(BASE, {"batch": 4}).batch_size == 4


def test_what_is_no_map_is_refused() -> None:
    with pytest.raises(ConfigError, match="inference: is of type int; expected a map of settings"):
        with_settings(BASE, 5, "inference")  # type: ignore[arg-type]


def test_settings_that_code_made_are_taken_as_they_are() -> None:
    right = TrainConfig(data="faces", bad_images="skip")
    assert checked_settings(TrainConfig, right, "train") == right
    assert checked_settings(TrainConfig, None, "train") == TrainConfig()
    assert checked_settings(TrainConfig, {"epochs": 3}, "train") == TrainConfig(epochs=3)
    with pytest.raises(ConfigError, match="is of type str; expected a map of settings"):
        checked_settings(TrainConfig, "quickstart-train", "train")
