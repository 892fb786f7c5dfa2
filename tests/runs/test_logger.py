from pathlib import Path

import pytest
from registries import restored

import nasface
from nasface.engine.train import TrainConfig
from nasface.errors import ConfigError, MissingPackageError
from nasface.io.settings import load_config, with_settings
from nasface.runs.logger import LOGGERS, logger_names, make_loggers
from nasface.runs.loggers.csv import CsvLogger


def test_names_are_split_at_commas() -> None:
    assert logger_names("csv, wandb") == logger_names(["csv", "wandb"]) == ("csv", "wandb")
    assert logger_names("") == logger_names(()) == ()
    for other in (3, None, ["csv", 3]):
        assert logger_names(other) is other


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("tensorbord", r"log: unknown logger 'tensorbord'; .* did you mean 'tensorboard'\?"),
        (["csv,csv"], "log: 'csv' is named twice"),
    ],
)
def test_names_that_are_refused(given: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        logger_names(given)
    with pytest.raises(ConfigError, match=message):
        with_settings(TrainConfig(), {"log": given})


def test_settings_take_a_text_or_a_list(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    for text in ("csv, wandb", "[csv, wandb]"):
        file.write_text(f"log: {text}")
        assert load_config(TrainConfig, file).log == ("csv", "wandb")
    assert with_settings(TrainConfig(), {"log": "csv"}).log == ("csv",)
    assert TrainConfig(log=("csv,wandb",)).log == ("csv", "wandb")
    file.write_text("log: 3")
    with pytest.raises(ConfigError, match=r"log: .*valid"):
        load_config(TrainConfig, file)


def test_make_loggers_makes_those_of_the_names() -> None:
    (found,) = make_loggers(["csv"]).items()
    assert found[0] == "csv"
    assert isinstance(found[1], CsvLogger)


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_a_missing_package_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda package: None)
    with pytest.raises(MissingPackageError, match=rf"{name} is not .*'nasface\[{name}\]'"):
        make_loggers([name])


def test_register_logger_adds_a_name() -> None:
    with restored():
        nasface.register_logger("mine", CsvLogger)
        assert TrainConfig(log=("mine",)).log == ("mine",)
        with pytest.raises(ConfigError, match="is there already"):
            nasface.register_logger("mine", CsvLogger)
    assert "mine" not in LOGGERS
    with pytest.raises(ConfigError, match=r"logger 'a,b': expected a single word"):
        nasface.register_logger("a,b", CsvLogger)
