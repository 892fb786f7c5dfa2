"""Runs of MLflow; its environment variables choose the store, local or a server, and experiment."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nasface.optional import need
from nasface.runs.logger import LoggedRun, Status

_TAG = "nasface.run"
"""Tag of a run of MLflow that says which run of ours it is of."""
_PARAMETERS_AT_ONCE = 100
"""MLflow takes no more in a call."""
_STATUS = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}


class MlflowLogger:
    """A run in the experiment ``MLFLOW_EXPERIMENT_NAME``, by default ``nasface``.

    Raises:
        MissingPackageError: without MLflow.
    """

    def __init__(self) -> None:
        self.mlflow = need("mlflow", "nasface[mlflow]")

    def start(self, run: LoggedRun) -> None:
        """See :class:`~nasface.runs.logger.Logger`."""
        self.client = self.mlflow.MlflowClient()
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "nasface")
        known = self.client.get_experiment_by_name(name)
        experiment = self.client.create_experiment(name) if known is None else known.experiment_id
        if before := self.client.search_runs([experiment], f"tags.`{_TAG}` = '{run.id}'"):
            self.id = before[0].info.run_id
            self.client.update_run(self.id, status="RUNNING")
            return
        made = self.client.create_run(
            experiment, run_name=run.name, tags={_TAG: run.id, "nasface.kind": run.kind}
        )
        self.id = made.info.run_id
        parameters = [
            self.mlflow.entities.Param(each, str(value)) for each, value in run.parameters.items()
        ]
        for first in range(0, len(parameters), _PARAMETERS_AT_ONCE):
            self.client.log_batch(self.id, params=parameters[first : first + _PARAMETERS_AT_ONCE])

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """See :class:`~nasface.runs.logger.Logger`."""
        now = round(1000 * time.time())
        rows = [
            self.mlflow.entities.Metric(name, float(value), now, step)
            for name, value in values.items()
        ]
        self.client.log_batch(self.id, metrics=rows)

    def image(self, name: str, picture: NDArray[np.uint8]) -> None:
        """See :class:`~nasface.runs.logger.Logger`."""
        self.client.log_image(self.id, picture, artifact_file=f"{name}.png")

    def artefact(self, path: Path) -> None:
        """See :class:`~nasface.runs.logger.Logger`."""
        self.client.log_artifact(self.id, str(path))

    def end(self, status: Status) -> None:
        """See :class:`~nasface.runs.logger.Logger`."""
        self.client.set_terminated(self.id, _STATUS[status])
