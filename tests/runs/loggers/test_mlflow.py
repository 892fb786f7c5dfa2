"""MLflow with a local folder; what it wrote is read by its own client."""

from pathlib import Path

import numpy as np
import pytest

from nasface.runs.logger import LoggedRun
from nasface.runs.loggers.mlflow import MlflowLogger

# The package and those that it imports warn of each other.
pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_run_and_its_continuation_are_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip(
        "mlflow", reason="mlflow is not installed: pip install 'nasface[mlflow]'"
    )
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    artefact = tmp_path / "genotype.yaml"
    artefact.write_text("name: mine\n")
    parameters = {f"setting.{at}": at for at in range(150)} | {"space": "autofem"}
    for done in (0, 2):
        logger = MlflowLogger()
        logger.start(LoggedRun("mine7", "mine", "search", tmp_path, parameters, done))
        for step in (done + 1, done + 2):
            logger.metrics(step, {"loss": step / 8, "rate": 0.1})
        logger.image("genotype", np.zeros((5, 7, 3), np.uint8))
        logger.artefact(artefact)
        logger.end("finished" if done else "stopped")
        client = mlflow.MlflowClient()
        experiment = client.get_experiment_by_name("nasface")
        (run,) = client.search_runs([experiment.experiment_id])
        assert run.info.status == ("FINISHED" if done else "KILLED")
    assert run.info.run_name == "mine"
    assert run.data.params == {name: str(value) for name, value in parameters.items()}
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(each.step, each.value) for each in history] == [(at, at / 8) for at in (1, 2, 3, 4)]
    names = {each.path for each in client.list_artifacts(run.info.run_id)}
    assert names == {"genotype.png", "genotype.yaml"}
