"""Runs as jobs: submitit's own executor for one machine stands for Slurm."""

import json
import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tiny import write_tiny

from nasface.cli.main import main
from nasface.errors import ConfigError
from nasface.progress import Silent
from nasface.studies.executors import EXECUTORS, local_executor, register_executor, slurm_executor
from nasface.studies.processes import run_phases
from nasface.studies.scheduler import run_comparison
from nasface.studies.spec import MethodSpec, StudySpec, runs_of
from nasface.studies.worker import RESULT

LOCAL = {"cluster": "local", "timeout_min": 20}
PLAIN = ("label", "seed", "ap", "parameters", "macs", "train_steps")
SETTINGS: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 2,
    "detector": {"channels": 8, "head_layers": 1, "extra_channels": [16, 16], "neck": "fpn"},
    "augment": {"size": 64},
}


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> StudySpec:
    data = write_tiny(tmp_path_factory.mktemp("data"))
    method = MethodSpec(name="fpn", strategy="fixed")
    return StudySpec(name="p", methods=(method,), seeds=(0,), data=str(data), train=SETTINGS)


def plain(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: row[key] for key in PLAIN} for row in rows]


def wait_for(path: Path) -> None:
    for _ in range(1200):
        if path.exists():
            return
        time.sleep(0.1)
    raise AssertionError(f"{path} did not come")


@pytest.mark.slow
def test_a_job_gives_the_row_of_a_process_however_often_it_is_cut_off(
    plan: StudySpec, tmp_path: Path
) -> None:
    whole = run_comparison(plan, tmp_path / "whole", 1, Silent())
    assert whole.complete
    for how in (None, signal.SIGUSR2, signal.SIGKILL):
        out = tmp_path / f"jobs-{how}"
        outcome = run_comparison(plan, out, 1, Silent(), make_executor=partial(jobs, out, how))
        assert outcome.failed == {}
        assert plain(outcome.rows) == plain(whole.rows)
        weights = [
            (each / runs_of(plan)[0].path / "train" / "metrics.jsonl").read_text()
            for each in (tmp_path / "whole", out)
        ]
        assert weights[0] == weights[1]


def jobs(out: Path, how: signal.Signals | None) -> Any:
    """An executor whose first job gets a signal, if any, in the middle of its training."""
    execute: Any = slurm_executor(out, 1, LOCAL)
    if how is None:
        return execute
    queue = execute.executor
    submit = queue.submit

    def submit_and_signal(*arguments: Any) -> Any:
        job = submit(*arguments)
        queue.submit = submit
        wait_for(out / "runs" / "fpn" / "seed-0" / "train" / "checkpoint.pt")
        if how == signal.SIGUSR2:
            job._interrupt()  # what Slurm does before the time is up
        else:
            kill_all(int(job.job_id))
        return job

    queue.submit = submit_and_signal
    return execute


def kill_all(process: int) -> None:
    """Kill a process with all of its descendants, as a node does that goes down."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    os.kill(process, signal.SIGKILL)
    for child in map(int, children):
        kill_all(child)


def test_other_executors_are_found_by_name(plan: StudySpec, tmp_path: Path) -> None:
    made = []

    def here(out: Path, threads: int, job: Any) -> Any:
        made.append((out, threads, dict(job)))
        return lambda folder, phases, stopped: "no room"

    register_executor("here", here)
    try:
        path = tmp_path / "plan.yaml"
        train = json.dumps(SETTINGS)
        path.write_text(
            f"name: p\nseeds: [0]\ndata: {plan.data}\ntrain: {train}\n"
            "methods: [{name: fpn, strategy: fixed}]\n"
        )
        out = tmp_path / "out"
        words = ["compare", str(path), "--out", str(out), "--on", "here"]
        assert main([*words, "--job", "room", "4"]) == 1
    finally:
        EXECUTORS.remove("here")
    assert made == [(out, 1, {"room": 4})]
    assert not (out / runs_of(plan)[0].path / RESULT).exists()


def test_settings_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    assert local_executor(tmp_path, 1, {}) is run_phases
    with pytest.raises(ConfigError, match="--on local has no settings"):
        local_executor(tmp_path, 1, {"timeout_min": 3})
    with pytest.raises(ConfigError, match="no_such_thing"):
        slurm_executor(tmp_path, 1, {"cluster": "local", "no_such_thing": 3})
