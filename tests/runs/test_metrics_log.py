import sys
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from nasface.errors import MissingPackageError
from nasface.runs.folder import RunFolder, read_metrics
from nasface.runs.metrics_log import MetricsLog


def test_both_records_hold_the_same(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    with MetricsLog(folder, tensorboard=True) as log:
        for step in (1, 2):
            log.write(step, {"loss": 0.5 / step, "rate": 0.25})
        log.write(2, {"ap": 0.125})
    assert read_metrics(folder.metrics)[1:] == [
        {"step": 2, "loss": 0.25, "rate": 0.25},
        {"step": 2, "ap": 0.125},
    ]
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(each.step, each.value) for each in events.Scalars("loss")] == [(1, 0.5), (2, 0.25)]
    assert [each.value for each in events.Scalars("ap")] == [0.125]


def test_without_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with MetricsLog(RunFolder(tmp_path)) as log:
        log.write(1, {"loss": 1.0})
    assert not (tmp_path / "tensorboard").exists()
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'nasface\[tensorboard\]'"):
        MetricsLog(RunFolder(tmp_path), tensorboard=True)
