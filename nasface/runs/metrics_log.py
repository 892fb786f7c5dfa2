"""The log of a run: ``metrics.jsonl`` of its folder, and the loggers that its settings name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nasface.errors import NasfaceError, RunError
from nasface.io.strict_json import REASONS
from nasface.runs.folder import RunFolder, read_metrics
from nasface.runs.logger import LoggedRun, Logger, Status


class MetricsLog:
    """``metrics.jsonl`` of a run folder, and loggers by name.

    Without a folder the rows stay in memory. A logger that fails while the run goes on is left out
    from then on; ``note`` is told. An error that leaves the ``with`` block ends the loggers with
    status ``failed``.
    """

    def __init__(
        self,
        folder: RunFolder | None,
        loggers: Mapping[str, Logger] | None = None,
        note: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.folder, self.note = folder, note
        self.held: list[dict[str, Any]] = []
        self._waiting = dict(loggers or {})
        self._started: dict[str, Logger] = {}

    def __enter__(self) -> "MetricsLog":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.end("failed")

    @property
    def has_loggers(self) -> bool:
        """Whether any logger is at work."""
        return bool(self._started)

    def start(self, run: LoggedRun) -> None:
        """Start the loggers.

        Raises:
            RunError: naming the logger that cannot start.
        """
        while self._waiting:
            name, logger = next(iter(self._waiting.items()))
            del self._waiting[name]
            try:
                logger.start(run)
            except NasfaceError:
                raise
            except Exception as problem:  # loggers are code of others
                raise RunError(f"log: {name} cannot start: {_said(problem)}") from problem
            self._started[name] = logger

    def write(
        self, step: int, values: Mapping[str, float], reasons: Mapping[str, str] | None = None
    ) -> None:
        """Log the figures of a step; ``reasons`` say why a figure is not a number."""
        row = {"step": step, **values}
        if self.folder is not None:
            self.folder.append({**row, REASONS: dict(reasons)} if reasons else row)
        else:
            self.held.append(row)
        self._tell("metrics", lambda logger: logger.metrics(step, values))

    def image(self, name: str, picture: NDArray[np.uint8]) -> None:
        """Log a picture, (H, W, 3), RGB."""
        self._tell(f"image {name}", lambda logger: logger.image(name, picture))

    def artefact(self, path: Path) -> None:
        """Log a file."""
        self._tell(f"artefact {path.name}", lambda logger: logger.artefact(path))

    def end(self, status: Status) -> None:
        """End the loggers."""
        self._tell("end", lambda logger: logger.end(status))
        self._started = {}

    def rows(self) -> list[dict[str, Any]]:
        """Return all rows of the run so far, those from before it was resumed included."""
        return self.held if self.folder is None else read_metrics(self.folder.metrics)

    def _tell(self, what: str, tell: Callable[[Logger], None]) -> None:
        for name, logger in list(self._started.items()):
            try:
                tell(logger)
            except Exception as problem:  # loggers are code of others
                del self._started[name]
                self.note(
                    f"log: {name} failed at {what}: {_said(problem)}; the run goes on without it"
                )


def _said(problem: Exception) -> str:
    return f"{type(problem).__name__}: {' '.join(str(problem).split())}"
