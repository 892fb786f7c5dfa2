"""Runs of Weights & Biases. Its environment variables choose project, account and offline mode."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nasface.optional import need
from nasface.runs.logger import LoggedRun, Status


class WandbLogger:
    """A run in the project ``WANDB_PROJECT``, by default ``nasface``; its own files lie in
    ``wandb/`` of the run folder.

    Raises:
        MissingPackageError: without wandb.
    """

    def __init__(self) -> None:
        self.wandb = need("wandb", "nasface[wandb]")

    def start(self, run: LoggedRun) -> None:
        """See :class:`~nasface.runs.logger.Logger`."""
        self.run = self.wandb.init(
            project=os.environ.get("WANDB_PROJECT", "nasface"),
            id=run.id,
            name=run.name,
            job_type=run.kind,
            config=dict(run.parameters),
            dir=None if run.folder is None else str(run.folder),
            resume="allow",
            settings=self.wandb.Settings(console="off"),
        )

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """Log a step. wandb leaves out steps that it has already, which a resumed run repeats."""
        self.run.log(dict(values), step=step)

    def image(self, name: str, picture: NDArray[np.uint8]) -> None:
        """See :class:`~nasface.runs.logger.Logger`."""
        self.run.log({name: self.wandb.Image(picture)})

    def artefact(self, path: Path) -> None:
        """See :class:`~nasface.runs.logger.Logger`."""
        self.run.save(str(path), base_path=str(path.parent), policy="now")

    def end(self, status: Status) -> None:
        """See :class:`~nasface.runs.logger.Logger`."""
        self.run.finish(exit_code=0 if status == "finished" else 1)
