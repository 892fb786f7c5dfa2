"""Evaluations for a scheduler of Ray Tune, such as ASHA, which may end the trial upon them."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nasface.optional import need
from nasface.runs.folder import read_metrics
from nasface.runs.logger import LoggedRun, Status


class RayTuneLogger:
    """Reports ``ap`` and ``epoch`` after each evaluation of a training inside a trial of Ray Tune.

    A resumed training reports again what it evaluated before. Without a face to find, ``ap`` is 0.

    Raises:
        MissingPackageError: without Ray.
    """

    def __init__(self) -> None:
        self.tune = need("ray.tune", "nasface[ray]")

    def start(self, run: LoggedRun) -> None:
        """See :class:`~nasface.runs.logger.Logger`."""
        self.every = int(run.parameters["evaluate_every"] or 1)
        self.epochs = int(run.parameters["epochs"] or 1)
        self.evaluations = 0
        if run.step and run.folder is not None:
            for row in read_metrics(run.folder / "metrics.jsonl"):
                self.metrics(row["step"], row)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """See :class:`~nasface.runs.logger.Logger`."""
        if "ap" in values:
            self.evaluations += 1
            epoch = min(self.evaluations * self.every, self.epochs)
            ap = values["ap"]
            found = 0.0 if ap is None or math.isnan(ap) else ap
            self.tune.report({"ap": found, "epoch": epoch})

    def image(self, name: str, picture: NDArray[np.uint8]) -> None:
        """Do nothing: Ray Tune has no pictures."""

    def artefact(self, path: Path) -> None:
        """Do nothing: the file is in the run folder."""

    def end(self, status: Status) -> None:
        """Do nothing: each evaluation is reported at once."""
