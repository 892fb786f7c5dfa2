"""Runs on Ray, two nodes of which are on this machine, and as jobs: submitit's executor for one
machine stands for Slurm."""

import importlib.util
import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny import write_tiny

from nasface.cli.main import main
from nasface.errors import ConfigError, RunError
from nasface.io.yaml import to_yaml
from nasface.progress import Silent
from nasface.studies.executors import (
    EXECUTORS,
    Submit,
    local_executor,
    ray_executor,
    register_executor,
    slurm_executor,
)
from nasface.studies.processes import RunTask, run_phases
from nasface.studies.scheduler import StudyOutcome, run_comparison
from nasface.studies.spec import MethodSpec, StudySpec
from nasface.studies.study_run import runs_of

LOCAL = {"cluster": "local", "timeout_min": 9}
PLAIN = ("label", "seed", "ap", "parameters", "macs", "train_steps")
SETTINGS: dict[str, Any] = {
    "epochs": 12,
    "evaluate_every": 12,
    "batch_size": 2,
    "detector": {"channels": 8, "head_layers": 1, "extra_channels": [16, 16], "neck": "fpn"},
    "augment": {"size": 64},
}
needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="the extra ray is not installed"
)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> StudySpec:
    data = write_tiny(tmp_path_factory.mktemp("data"))
    method = MethodSpec(name="fpn", strategy="fixed")
    return StudySpec(name="p", methods=(method,), seeds=(0, 1), data=str(data), train=SETTINGS)


@pytest.fixture(scope="module")
def whole(plan: StudySpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The comparison without interruption, on this machine."""
    out = tmp_path_factory.mktemp("whole") / "out"
    assert run_comparison(plan, out, 2, Silent()).complete
    return out


def assert_same(plan: StudySpec, outcome: StudyOutcome, out: Path, whole: Path) -> None:
    """Rows, figures of each step, and weights, bit by bit."""
    assert outcome.failed == {}
    assert outcome.complete
    for run in runs_of(plan):
        results = [
            json.loads((each / run.path / "result.json").read_text()) for each in (out, whole)
        ]
        assert [results[0][key] for key in PLAIN] == [results[1][key] for key in PLAIN]
        folders = [each / run.path / "train" for each in (out, whole)]
        texts = [(each / "metrics.jsonl").read_text() for each in folders]
        assert texts[0] == texts[1]
        first, second = (load_file(each / "last.safetensors") for each in folders)
        assert first.keys() == second.keys()
        assert all(torch.equal(first[name], second[name]) for name in first)


def resumed(plan: StudySpec, out: Path) -> list[bool]:
    """Of each run, whether its training went on from a checkpoint: its log has a third start."""
    logs = [(out / run.path / "log.txt").read_text() for run in runs_of(plan)]
    return [log.count("train ") > 2 for log in logs]


def wait_for(path: Path) -> None:
    for _ in range(6000):
        if path.exists():
            return
        time.sleep(0.05)
    raise AssertionError(f"{path} did not come")


@needs_ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of Ray
def test_a_lost_node_of_a_ray_cluster_changes_nothing(
    plan: StudySpec, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_worker_niceness", "0")
    Cluster = pytest.importorskip("ray.cluster_utils", reason="without the extra ray").Cluster
    store = {"object_store_memory": 80 * 2**20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **store})
    nodes = [cluster.add_node(num_cpus=1, **store) for _ in range(2)]
    out = tmp_path / "out"
    begun = [out / run.path / "train" / "checkpoint.pt" for run in runs_of(plan)]

    def lose_a_node() -> None:
        for each in begun:
            wait_for(each)
        cluster.remove_node(nodes[0], allow_graceful=False)

    killer = threading.Thread(target=lose_a_node)
    killer.start()
    try:
        job = {"address": cluster.address, "memory": 0}
        outcome = run_comparison(plan, out, None, Silent(), executor=ray_executor, job=job)
        killer.join()
        assert_same(plan, outcome, out, whole)
        assert sorted(resumed(plan, out)) == [False, True]
    finally:
        cluster.shutdown()


@needs_ray
@pytest.mark.filterwarnings("ignore")
def test_settings_that_ray_does_not_know_are_refused(plan: StudySpec, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--workers: Ray places the runs"):
        ray_executor(plan, tmp_path, 2, {}).__enter__()
    with pytest.raises(ConfigError, match=r"address: localhost:1: .*refused"):
        ray_executor(plan, tmp_path, None, {"address": "localhost:1"}).__enter__()


@pytest.mark.slow
@pytest.mark.parametrize("how", [None, signal.SIGUSR2, signal.SIGKILL])
def test_a_job_gives_the_row_of_a_process_however_it_is_cut_off(
    how: signal.Signals | None, plan: StudySpec, whole: Path, tmp_path: Path
) -> None:
    outcome = run_comparison(plan, tmp_path, 1, Silent(), executor=partial(cut_off, how), job=LOCAL)
    assert_same(plan, outcome, tmp_path, whole)
    assert resumed(plan, tmp_path) == [how is not None, False]
    logs = "".join(path.read_text() for path in tmp_path.glob("jobs/*/*_log.*"))
    assert ("this job is timed-out" in logs) == (how == signal.SIGUSR2)


@contextmanager
def cut_off(how: signal.Signals | None, plan: StudySpec, out: Path, *more: Any) -> Iterator[Submit]:
    """The jobs of Slurm, the first of which gets a signal, if any, in its training."""

    def signal_first(job: Any) -> None:
        wait_for(out / runs_of(plan)[0].path / "train" / "checkpoint.pt")
        if how == signal.SIGUSR2:
            for task in children(int(job.job_id)):
                os.kill(task, signal.SIGUSR2)  # what Slurm does before the time is up
        elif how == signal.SIGKILL:
            kill_all(int(job.job_id))

    with slurm_executor(plan, out, *more) as submit, ThreadPoolExecutor(1) as pool:

        def submit_and_signal(tasks: Sequence[RunTask]) -> Any:
            jobs = submit(tasks)
            if len(tasks) == len(runs_of(plan)):
                pool.submit(signal_first, jobs[0])
            return jobs

        yield submit_and_signal


def kill_all(process: int) -> None:
    """Kill a process with all of its descendants, as a node does that goes down."""
    below = children(process)
    os.kill(process, signal.SIGKILL)
    for child in below:
        kill_all(child)


def children(process: int) -> list[int]:
    """The processes that one has started."""
    return list(map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split()))


def test_other_executors_are_found_by_name(
    plan: StudySpec, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = []
    asked: list[RunTask] = []

    @contextmanager
    def here(_plan: StudySpec, out: Path, workers: int | None, job: Mapping[str, Any]) -> Any:
        made.append((out, workers, dict(job)))

        def submit(tasks: Sequence[RunTask]) -> list[Future[str | None]]:
            asked.extend(tasks)
            jobs: list[Future[str | None]] = [Future() for _ in tasks]
            for each in jobs:
                each.set_result("reached")
            return jobs

        yield submit

    register_executor("here", here)
    try:
        path = tmp_path / "plan.yaml"
        train = json.dumps({**SETTINGS, "epochs": 1})
        path.write_text(
            f"name: p\nseeds: [0]\ndata: {plan.data}\ntrain: {train}\n"
            "methods: [{name: fpn, strategy: fixed}]\n"
        )
        out = tmp_path / "out"
        words = ["compare", str(path), "--out", str(out), "--on", "here"]
        assert main([*words, "--job", "room", "4"]) == 1
    finally:
        EXECUTORS.remove("here")
    assert made == [(out, None, {"room": 4})]
    assert [Path(task.folder) for task in asked] == [out / runs_of(plan)[0].path]
    assert "seed-0: reached" in "".join(capsys.readouterr())


def test_settings_that_mean_nothing_are_refused(plan: StudySpec, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--on local has no settings"):
        local_executor(plan, tmp_path, 1, {"timeout_min": 3}).__enter__()
    with pytest.raises(ConfigError, match="no_such_thing"):
        slurm_executor(plan, tmp_path, 1, {"cluster": "local", "no_such_thing": 3}).__enter__()


def test_an_executor_that_refuses_its_settings_leaves_no_folder(
    plan: StudySpec, tmp_path: Path
) -> None:
    job = {"cluster": "local", "no_such_thing": 3}
    with pytest.raises(ConfigError, match="no_such_thing"):
        run_comparison(plan, tmp_path / "out", 1, Silent(), executor=slurm_executor, job=job)
    assert list(tmp_path.iterdir()) == []


def test_where_jobs_cannot_be_written_is_said(plan: StudySpec, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=r"jobs: cannot write there: Not a directory"):
        slurm_executor(plan, tmp_path / "file" / "out", 1, LOCAL).__enter__()


def test_a_stopped_run_is_not_begun(plan: StudySpec, tmp_path: Path) -> None:
    stopped = threading.Event()
    stopped.set()
    task = RunTask(str(tmp_path / "run"), "", {"train": "result.json"}, 1)
    assert run_phases(task, stopped) == ""
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_stops_with_a_checkpoint_without_a_signal(
    plan: StudySpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is none on Windows, where ``os.kill`` ends a process at once."""
    monkeypatch.delattr(os, "kill")
    stopped = threading.Event()
    folder = tmp_path / "run"
    task = RunTask(str(folder), to_yaml(runs_of(plan)[0]), {"train": "result.json"}, 1)
    with ThreadPoolExecutor(1) as pool:
        end = pool.submit(run_phases, task, stopped)
        wait_for(folder / "train" / "checkpoint.pt")
        stopped.set()
        assert end.result() == ""
    assert not (folder / "result.json").exists()
