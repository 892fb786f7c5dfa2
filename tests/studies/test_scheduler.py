"""Comparisons: what is run, by whom, and what is left after a stop."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from comparisons import FPN, PAN, RANDOM, SEARCH, TRAIN, plan
from filelock import FileLock
from tiny import Notes, write_tiny

from nasface.cli.main import main
from nasface.progress import Silent
from nasface.studies.estimate import memory_mb
from nasface.studies.executors import Submit
from nasface.studies.folder import Rows
from nasface.studies.processes import LOCK, RunTask
from nasface.studies.scheduler import StudyOutcome, row_text, run_comparison
from nasface.studies.spec import MethodSpec, StudySpec
from nasface.studies.study_run import runs_of

PLAIN = ("ap", "parameters", "macs", "train_steps")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("data"))


@dataclass(frozen=True)
class Compared:
    """A comparison in one worker, what it told after each run, and what it said."""

    made: StudySpec
    out: Path
    outcome: StudyOutcome
    told: list[Rows]
    notes: list[str]


@pytest.fixture(scope="module")
def compared(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """The first of its three methods fails."""
    train = {**PAN.train, "split_file": "gone.txt"}
    broken = MethodSpec(name="broken", strategy="fixed", train=train)
    made, progress = plan(data, broken, FPN, RANDOM), Notes()
    told: list[Rows] = []
    out = tmp_path_factory.mktemp("study") / "out"
    outcome = run_comparison(made, out, 1, progress, told.append)
    return Compared(made, out, outcome, told, progress.notes)


def test_runs_are_made_once_and_mean_what_train_means(compared: Compared) -> None:
    outcome = compared.outcome
    assert not outcome.complete
    by_label = {each["label"]: each for each in outcome.rows}
    assert list(by_label) == ["fpn", "random 4"]
    made = replace(compared.made, methods=compared.made.methods[1:])
    for run in runs_of(made):
        assert (compared.out / run.path / "train" / "last.safetensors").is_file()
        assert by_label[run.label]["train_steps"] == 4
        assert 50 < by_label[run.label]["train_peak_mb"] < memory_mb(made)
        assert by_label[run.label]["easy"] is None
    again = run_comparison(made, compared.out, 1, Silent(), executor=lambda *_: reached())
    assert again.rows == outcome.rows
    assert again.complete  # no run was begun


def test_rows_are_reported_one_by_one_and_said(compared: Compared) -> None:
    outcome = compared.outcome
    assert [len(rows) for rows in compared.told] == [1, 2]
    assert compared.told[-1] == outcome.rows
    _, *runs = runs_of(compared.made)
    said = [row_text(row, run) for row, run in zip(outcome.rows, runs, strict=True)]
    *notes, failure = compared.notes
    assert notes == said
    assert said[0].startswith("fpn, seed 0: ap 0.")
    assert said[0].endswith(" s")
    assert row_text({}, replace(runs[0], training=2)) == "fpn, seed 0, training 2: ap none"
    assert failure.startswith("failed: ")


def test_a_failed_run_is_named_and_the_others_run(compared: Compared) -> None:
    assert [each["label"] for each in compared.outcome.rows] == ["fpn", "random 4"]
    ((folder, reason),) = compared.outcome.failed.items()
    assert folder.endswith("runs/broken/seed-0")
    assert "gone.txt: cannot read" in reason


def test_a_run_whose_process_is_killed_goes_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "deaths").touch()
    (tmp_path / "deadly.py").write_text(
        "import os, signal\n"
        "from pathlib import Path\n"
        "from nasface.studies import phases\n"
        f"deaths = Path({str(tmp_path / 'deaths')!r})\n"
        "def train(run, folder, progress, before=phases.PHASES['train']):\n"
        "    if len(deaths.read_text()) < 2:\n"
        "        deaths.write_text(deaths.read_text() + 'x')\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return before(run, folder, progress)\n"
        "phases.PHASES['train'] = train\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("NASFACE_IMPORT", "deadly")
    outcome = run_comparison(plan(data, FPN), tmp_path / "out", 1, Silent())
    assert outcome.complete
    assert (tmp_path / "deaths").read_text() == "xx"


def test_what_another_holds_is_left_alone(data: Path, tmp_path: Path) -> None:
    made, out = plan(data, FPN), tmp_path / "out"
    folder = out / runs_of(made)[0].path
    folder.mkdir(parents=True)
    (out / "plan.yaml").write_text("")
    with FileLock(folder / LOCK):
        outcome = run_comparison(made, out, 1, Silent())
    assert (outcome.rows, outcome.failed, outcome.complete) == ([], {}, False)


def test_a_backbone_may_start_from_a_package(data: Path, tmp_path: Path) -> None:
    train = {**PAN.train, "backbone_weights": "package:mobilenet_v2"}
    made = plan(data, MethodSpec(name="pan", strategy="fixed", train=train))
    outcome = run_comparison(made, tmp_path / "out", 1, Silent(), executor=lambda *_: reached())
    assert list(outcome.failed.values()) == ["reached"]


@contextmanager
def reached() -> Iterator[Submit]:
    """An executor whose runs fail, with a word."""

    def submit(tasks: Sequence[RunTask]) -> list[Future[str | None]]:
        jobs: list[Future[str | None]] = [Future() for _ in tasks]
        for job in jobs:
            job.set_result("reached")
        return jobs

    yield submit


TWICE = MethodSpec(name="twice", strategy="argmax", nodes=(4,), trainings=2)


@pytest.mark.parametrize("found", [True, False])
def test_trainings_of_a_seed_wait_for_its_search(found: bool, data: Path, tmp_path: Path) -> None:
    begun: list[list[str]] = []

    @contextmanager
    def executor(*_: Any) -> Iterator[Submit]:
        yield submit

    def submit(tasks: Sequence[RunTask]) -> list[Future[str | None]]:
        begun.append([Path(task.folder).name for task in tasks])
        jobs: list[Future[str | None]] = [Future() for _ in tasks]
        for task, job in zip(tasks, jobs, strict=True):
            if found:
                for result in task.phases.values():
                    (Path(task.folder) / result).parent.mkdir(parents=True, exist_ok=True)
                    (Path(task.folder) / result).write_text("{}")
            job.set_result(None if found else "no cell")
        return jobs

    made = plan(data, TWICE, seeds=(0, 1))
    outcome = run_comparison(made, tmp_path / "out", 4, Silent(), executor=executor)
    firsts, others = ["seed-0", "seed-1"], ["seed-0-training-1", "seed-1-training-1"]
    assert begun == ([firsts, others] if found else [firsts])
    assert outcome.complete == found
    assert set(outcome.failed.values()) == (set() if found else {"no cell"})
    assert len(outcome.failed) == (0 if found else 4)


def write_plan(path: Path, data: Path) -> None:
    text = {
        "name": "p",
        "seeds": [0],
        "data": str(data),
        "search": SEARCH,
        "train": {**TRAIN, "epochs": 3},
        "methods": [
            {"name": "leaf", "strategy": "argmax", "nodes": [4]},
            {"name": "random", "strategy": "random", "nodes": [4], "seeds": [0, 1]},
        ],
        "rank": ["leaf"],
    }
    path.write_text(json.dumps(text))


def rows_of(out: Path) -> list[Mapping[str, Any]]:
    return [
        {key: each[key] for key in (*PLAIN, "label", "seed")}
        for each in pd.read_csv(out / "runs.csv").to_dict("records")
    ]


@pytest.mark.slow
def test_stopped_killed_side_by_side_and_under_torchrun_is_all_the_same(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_plan(tmp_path / "p.yaml", data)
    words = ["compare", str(tmp_path / "p.yaml"), "--out"]
    assert main([*words, str(tmp_path / "whole")]) == 0
    capsys.readouterr()
    ranks = pd.read_csv(tmp_path / "whole" / "ranks.csv")
    assert list(ranks["cells"]) == [3]
    assert list(ranks["random_cells"]) == [2]

    command = [sys.executable, "-m", "nasface.cli.main", *words, str(tmp_path / "broken")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    first = tmp_path / "broken" / "runs" / "leaf-4" / "seed-0"
    for how, begun in (
        (signal.SIGINT, first / "search" / "metrics.jsonl"),
        (signal.SIGKILL, first / "train" / "metrics.jsonl"),
    ):
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        while not begun.is_file():
            assert process.poll() is None
            time.sleep(0.2)
        process.send_signal(how)
        assert process.wait(300) == (130 if how == signal.SIGINT else -signal.SIGKILL)
    # A run whose comparison was killed stops with a checkpoint, and is left alone until then.
    with FileLock(first / LOCK, timeout=60):
        pass
    subprocess.run([*command, "--workers", "2"], env=environment, check=True)
    assert rows_of(tmp_path / "broken") == rows_of(tmp_path / "whole")

    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    side_by_side = [*words[:-1], "--out", str(tmp_path / "ranked")]
    start = [sys.executable, *torchrun, "-m", "nasface.cli.main", *side_by_side]
    subprocess.run(start, env=environment, check=True)
    assert rows_of(tmp_path / "ranked") == rows_of(tmp_path / "whole")
