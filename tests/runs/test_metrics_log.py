from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nasface.errors import ConfigError, RunError
from nasface.runs.folder import RunFolder, read_metrics
from nasface.runs.logger import LoggedRun, Status
from nasface.runs.metrics_log import MetricsLog

RUN = LoggedRun("id", "mine", "training", None, {"epochs": 2})


class Recorder:
    """Keeps what it is told; fails at one of the calls."""

    def __init__(self, fails: str = "") -> None:
        self.fails = fails
        self.told: list[tuple[str, Any]] = []

    def _keep(self, call: str, value: object) -> None:
        if call == self.fails:
            raise ValueError("no\nspace")
        self.told.append((call, value))

    def start(self, run: LoggedRun) -> None:
        self._keep("start", run)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        self._keep("metrics", (step, dict(values)))

    def image(self, name: str, picture: Any) -> None:
        self._keep("image", (name, picture.shape))

    def artefact(self, path: Path) -> None:
        self._keep("artefact", path.name)

    def end(self, status: Status) -> None:
        self._keep("end", status)


def test_folder_and_loggers_get_the_same(tmp_path: Path) -> None:
    folder, logger = RunFolder(tmp_path), Recorder()
    with MetricsLog(folder, {"mine": logger}) as log:
        assert not log.has_loggers
        log.start(RUN)
        assert log.has_loggers
        log.write(1, {"loss": 0.5})
        log.write(2, {"ap": 0.125})
        log.image("genotype", np.zeros((4, 6, 3), np.uint8))
        log.artefact(Path("somewhere/best.safetensors"))
        log.end("finished")
    assert read_metrics(folder.metrics) == [{"step": 1, "loss": 0.5}, {"step": 2, "ap": 0.125}]
    assert logger.told == [
        ("start", RUN),
        ("metrics", (1, {"loss": 0.5})),
        ("metrics", (2, {"ap": 0.125})),
        ("image", ("genotype", (4, 6, 3))),
        ("artefact", "best.safetensors"),
        ("end", "finished"),
    ]


def test_rows_without_a_folder_stay_in_memory() -> None:
    with MetricsLog(None) as log:
        log.write(1, {"loss": 1.0})
    assert log.rows() == [{"step": 1, "loss": 1.0}]


def test_an_error_of_the_run_ends_the_loggers() -> None:
    logger = Recorder()

    def job() -> None:
        with MetricsLog(None, {"mine": logger}) as log:
            log.start(RUN)
            raise RunError("nan")

    with pytest.raises(RunError, match="nan"):
        job()
    assert logger.told[-1] == ("end", "failed")


def test_a_logger_that_cannot_start_is_named_and_the_others_end() -> None:
    first, last = Recorder(), Recorder()
    loggers = {"first": first, "bad": Recorder("start"), "last": last}
    with (
        pytest.raises(RunError, match=r"^log: bad cannot start: ValueError: no space$"),
        MetricsLog(None, loggers) as log,
    ):
        log.start(RUN)
    assert [call for call, _ in first.told] == ["start", "end"]
    assert last.told == []


@pytest.mark.parametrize("call", ["metrics", "image", "artefact", "end"])
def test_a_logger_that_fails_later_is_named_and_left_out(call: str) -> None:
    notes: list[str] = []
    bad, good = Recorder(call), Recorder()
    with MetricsLog(None, {"bad": bad, "good": good}, notes.append) as log:
        log.start(RUN)
        for step in (1, 2):
            log.write(step, {"loss": 1.0})
            log.image("genotype", np.zeros((4, 6, 3), np.uint8))
            log.artefact(Path("best.safetensors"))
        log.end("stopped")
    (note,) = notes
    assert note.startswith(f"log: bad failed at {call}")
    assert note.endswith("ValueError: no space; the run goes on without it")
    assert len(good.told) == 8
    assert call not in [each for each, _ in bad.told]


def test_errors_of_a_users_making_keep_their_words() -> None:
    class NeedsFolder(Recorder):
        def start(self, run: LoggedRun) -> None:
            raise ConfigError("log: expected a folder")

    with (
        pytest.raises(ConfigError, match=r"^log: expected a folder$"),
        MetricsLog(None, {"mine": NeedsFolder()}) as log,
    ):
        log.start(RUN)
