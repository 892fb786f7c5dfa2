"""Loggers, where the figures of a run go beside its folder: the protocol and the table."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from nasface.errors import ConfigError
from nasface.registry import Lazy, Registry
from nasface.runs.folder import Kind

Status = Literal["finished", "stopped", "failed"]
"""How a run ended; one that was stopped or has failed can be resumed."""


@dataclass(frozen=True)
class LoggedRun:
    """What a logger is told of a run when it starts.

    ``id`` is unique and stays the same when the run is resumed. ``folder`` is the run folder, None
    where the run has none. ``parameters`` are the settings, nested names joined by dots. ``step``
    is the number of steps taken before: steps above it, logged by a run that was killed, come
    again.
    """

    id: str
    name: str
    kind: Kind
    folder: Path | None
    parameters: Mapping[str, str | int | float | bool | None]
    step: int = 0

    def needed_folder(self, logger: str) -> Path:
        """Return the run folder.

        Raises:
            ConfigError: naming the logger, if there is none.
        """
        if self.folder is None:
            raise ConfigError(f"log: {logger} writes into the run folder; expected out=FOLDER")
        return self.folder


class Logger(Protocol):
    """Takes the figures of one run. Only the first of several processes has loggers.

    An exception in ``start`` ends the run with an error that names the logger. After one in another
    method, the run notes it and goes on without the logger.
    """

    def start(self, run: LoggedRun) -> None:
        """Begin, or continue the log of the same ``run.id``."""

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Log the figures of a step, counted from 1. They may be nan."""

    def image(self, name: str, picture: NDArray[np.uint8]) -> None:
        """Log a picture, (H, W, 3), RGB."""

    def artefact(self, path: Path) -> None:
        """Keep a file that the run has written."""

    def end(self, status: Status) -> None:
        """Close the log."""


LOGGERS: Registry[Callable[[], Logger]] = Registry("logger")
"""Name -> class, or function that makes a logger."""


def register_logger(name: str, make: Callable[[], Logger]) -> None:
    """Add a logger; ``make`` is called once for each run that names it.

    Raises:
        ConfigError: for a name that is taken or is no single word, or what cannot be called.
    """
    LOGGERS.check_callable(name, make)
    if not name.isidentifier():
        raise ConfigError(f"logger {name!r}: expected a single word")
    LOGGERS.add(name, make)


for _name, _class in {
    "tensorboard": "TensorBoardLogger",
    "wandb": "WandbLogger",
    "mlflow": "MlflowLogger",
    "csv": "CsvLogger",
    "ray_tune": "RayTuneLogger",
}.items():
    register_logger(_name, Lazy(f"nasface.runs.loggers.{_name}:{_class}"))


def logger_names(value: object) -> object:
    """Split names at commas, in a text or a list of texts; anything else is returned as it is.

    Raises:
        ConfigError: for an unknown logger, or one that is named twice.
    """
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(each, str) for each in texts):
        return value
    names = tuple(name.strip() for text in texts for name in text.split(",") if name.strip())
    for name in names:
        LOGGERS.find(name, "log")
        if names.count(name) > 1:
            raise ConfigError(f"log: {name!r} is named twice")
    return names


def make_loggers(names: Sequence[str]) -> dict[str, Logger]:
    """Make the loggers of these names.

    Raises:
        ConfigError: for an unknown name.
        MissingPackageError: if the package of a logger is not installed.
    """
    return {name: LOGGERS.find(name, "log")() for name in names}
