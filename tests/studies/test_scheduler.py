"""Comparisons: what is run, by whom, what is left after a stop, and what the tables say."""

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
from filelock import FileLock
from tiny import Notes, write_tiny

from nasface.arch.io import load_genotype, load_search_space
from nasface.cli.main import main
from nasface.errors import ConfigError, RunError
from nasface.io.yaml import to_yaml
from nasface.nas.sampling import random_genotype
from nasface.progress import Silent
from nasface.studies.estimate import estimate_comparison, memory_mb
from nasface.studies.executors import Submit
from nasface.studies.figure import plot_comparison
from nasface.studies.folder import Rows
from nasface.studies.one_shot import OneShotScorer
from nasface.studies.phases import search_phase
from nasface.studies.processes import LOCK, RunTask
from nasface.studies.scheduler import StudyOutcome, row_text, run_comparison
from nasface.studies.spec import MethodSpec, StudySpec, runs_of
from nasface.studies.statistics import mean_of
from nasface.studies.tables import summarise, write_tables

SMALL: dict[str, Any] = {
    "batch_size": 2,
    "detector": {"channels": 8, "head_layers": 1, "extra_channels": [16, 16]},
    "augment": {"size": 64},
}
TRAIN = {"epochs": 1, **SMALL}
SEARCH = {"space": "autofem-cpm", "epochs": 2, "warmup_epochs": 1, **SMALL}
FPN = MethodSpec(name="fpn", strategy="fixed", train={"detector": {"neck": "fpn"}})
PAN = MethodSpec(name="pan", strategy="fixed", train={"detector": {"neck": "pan"}})
RANDOM = MethodSpec(name="random", strategy="random", nodes=(4,))
PLAIN = ("ap", "parameters", "macs", "train_steps")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("data"))


def plan(data: Path, *methods: MethodSpec, seeds: tuple[int, ...] = (0,), **more: Any) -> StudySpec:
    return StudySpec(
        name="p", methods=methods, seeds=seeds, data=str(data), search=SEARCH, train=TRAIN, **more
    )


def row(label: str, seed: int, ap: float, nodes: int | None = None, **more: Any) -> dict[str, Any]:
    """A row as a run writes it."""
    return {
        "label": label, "method": label,
        "strategy": "fixed", "nodes": nodes, "seed": seed, "ap": ap,
        "easy": None, "medium": None, "hard": None, "search_seconds": None,
        "search_peak_mb": None, "train_seconds": 2.0, "train_peak_mb": 100.0, "parameters": 1000,
        "macs": 10**9, "latency_ms": 5.0, "search_epochs": None, "train_steps": 4,
        "inference": "single scale",
        "images": 3, "device": "cpu", "machine": "x86_64", "threads": 1,
        "torch": "2", "nasface": "0", "date": "2026-11-25", **more,
    }  # fmt: skip


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


def test_an_estimate_names_every_method(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = plan(data, FPN, RANDOM, seeds=(0, 1))
    fpn, random = estimate_comparison(made, Silent())
    assert (fpn.label, fpn.runs, fpn.search_seconds) == ("fpn", 2, 0.0)
    assert (random.label, random.search_seconds) == ("random 4", 0.0)
    assert fpn.seconds == 2 * fpn.train_seconds > 0
    assert (fpn.searches, random.searches) == (0, 0)


def test_an_estimate_counts_a_search_once_for_the_trainings_of_a_seed(data: Path) -> None:
    made = plan(
        data, MethodSpec(name="argmax", strategy="argmax", nodes=(4,), trainings=3), seeds=(0, 1)
    )
    (found,) = estimate_comparison(made, Silent())
    assert (found.runs, found.searches) == (6, 2)
    assert found.search_seconds > 0
    assert found.seconds == 2 * found.search_seconds + 6 * found.train_seconds


def test_what_another_holds_is_left_alone(data: Path, tmp_path: Path) -> None:
    made, out = plan(data, FPN), tmp_path / "out"
    folder = out / runs_of(made)[0].path
    folder.mkdir(parents=True)
    (out / "plan.yaml").write_text("")
    with FileLock(folder / LOCK):
        outcome = run_comparison(made, out, 1, Silent())
    assert (outcome.rows, outcome.failed, outcome.complete) == ([], {}, False)


@pytest.mark.parametrize("key", ["backbone_weights", "start_weights"])
def test_weights_that_are_not_there_are_named_before_any_run(
    key: str, data: Path, tmp_path: Path
) -> None:
    other = MethodSpec(name="pan", strategy="fixed", train={**PAN.train, key: "none.safetensors"})
    with pytest.raises(ConfigError, match=f"pan: train.{key}: none.safetensors does not exist"):
        run_comparison(plan(data, FPN, other), tmp_path / "out", 1, Silent())
    assert not (tmp_path / "out").exists()


def test_data_that_are_not_there_are_named_before_any_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"fpn: train.data: .*none does not exist"):
        run_comparison(plan(tmp_path / "none", FPN), tmp_path / "out", 1, Silent())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["asfd-reff", "none.yaml", "asfd-ref.txt"])
def test_a_genotype_that_is_not_there_is_named_before_any_run(
    name: str, data: Path, tmp_path: Path
) -> None:
    other = MethodSpec(name="cells", strategy="fixed", train={"genotype": name})
    with pytest.raises(ConfigError, match=f"cells: train.genotype: .*{name}"):
        run_comparison(plan(data, FPN, other), tmp_path / "out", 1, Silent())
    assert not (tmp_path / "out").exists()


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


def test_rows_of_other_settings_are_refused(data: Path, tmp_path: Path) -> None:
    run = runs_of(plan(data, FPN))[0]
    folder = tmp_path / "out" / run.path
    folder.mkdir(parents=True)
    (folder / "run.yaml").write_text(to_yaml(run))
    (folder / "result.json").write_text(json.dumps(row("fpn", 0, 0.5)))
    wider = MethodSpec(
        name="fpn", strategy="fixed", train={"detector": {"neck": "fpn", "channels": 12}}
    )
    with pytest.raises(RunError, match=r"run\.yaml: train\.detector\.channels is not"):
        run_comparison(plan(data, wider), tmp_path / "out", 1, Silent())


def test_a_folder_of_something_else_is_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_text("")
    with pytest.raises(RunError, match="is not the folder of a comparison"):
        run_comparison(plan(data, FPN), tmp_path, 1, Silent())


def test_summary_against_hand_made_rows(data: Path, tmp_path: Path) -> None:
    made = plan(data, FPN, PAN, seeds=(0, 1, 2))
    values = {"fpn": [0.2, 0.4, 0.3], "pan": [0.3, 0.6, 0.4]}
    rows = [row(label, seed, ap) for label, aps in values.items() for seed, ap in enumerate(aps)]
    summary = summarise(made, rows, tmp_path).set_index("method")
    assert summary.loc["fpn", "ap"] == pytest.approx(0.3)
    assert summary.loc["pan", "difference"] == pytest.approx(0.4 / 3)
    assert summary.loc["pan", "difference_half_95"] == pytest.approx(mean_of([0.1, 0.2, 0.1]).half)
    assert summary.loc["fpn", "regret"] == pytest.approx(0.6 - 0.3)
    assert summary["difference"].isna().tolist() == [True, False]
    text = write_tables(made, rows, tmp_path, 6)
    assert "6 of 6 runs, 3 seeds" in text
    assert "0.433 ± " in text
    assert (tmp_path / "summary.md").read_text() == text
    assert len(pd.read_csv(tmp_path / "runs.csv")) == 6


def test_pairs_are_of_one_seed_and_missing_runs_left_out(data: Path, tmp_path: Path) -> None:
    made = plan(data, FPN, PAN, seeds=(0, 1, 2))
    rows = [row("fpn", 0, 0.1), row("fpn", 2, 0.5), row("pan", 2, 0.6), row("pan", 1, 0.9)]
    summary = summarise(made, rows, tmp_path).set_index("method")
    assert summary.loc["pan", "difference"] == pytest.approx(0.1)
    assert summary.loc["pan", "seeds"] == 2


def test_random_search_takes_the_cell_that_its_supernet_likes_best(
    data: Path, tmp_path: Path
) -> None:
    method = MethodSpec(name="best", strategy="random-search", nodes=(4,))
    run = runs_of(plan(data, method, candidates=3))[0]
    assert search_phase(run, tmp_path, Silent())
    score = OneShotScorer(tmp_path / "search", str(data))
    cells = [random_genotype(score.search.space, run.seed, at) for at in (1, 2, 3)]
    scores = [score(cell) for cell in cells]
    best = cells[scores.index(max(scores))]
    assert load_genotype(tmp_path / "genotype.yaml").cells == best.cells
    cost = json.loads((tmp_path / "search.json").read_text())
    assert cost["search_seconds"] > 0


def test_methods_with_one_search_share_its_supernet(data: Path, tmp_path: Path) -> None:
    methods = [
        MethodSpec(name=name, strategy=name, nodes=(4,)) for name in ("random-search", "evolution")
    ]
    best, evolved = runs_of(plan(data, *methods, candidates=3))
    folders = {run.label: tmp_path / run.path for run in (best, evolved)}
    # Whichever comes first trains it, in the folder of the first.
    for run in (evolved, best):
        folders[run.label].mkdir(parents=True, exist_ok=True)
        assert search_phase(run, folders[run.label], Silent())
    assert [each.parent for each in tmp_path.rglob("search")] == [folders[best.label]]
    seconds = json.loads((folders[best.label] / "search/summary.json").read_text())["seconds"]
    score = OneShotScorer(folders[best.label] / "search", str(data))
    for folder in folders.values():
        assert json.loads((folder / "search.json").read_text())["search_seconds"] > seconds
        assert score(load_genotype(folder / "genotype.yaml")) < 0


def test_a_seed_may_have_several_random_cells(data: Path, tmp_path: Path) -> None:
    several = MethodSpec(name="random", strategy="random", nodes=(4,), cells=2, trainings=2)
    runs = runs_of(plan(data, several))
    found = []
    for run in runs:
        folder = tmp_path / run.path
        folder.mkdir(parents=True)
        assert search_phase(run, folder, Silent())
        found.append(load_genotype(folder / "genotype.yaml").cells)
    assert found[0] == found[1] != found[2] == found[3]
    assert found[0] == random_genotype(load_search_space("autofem-cpm", nodes=4), 0).cells
    assert len({run.train.seed for run in runs}) == 4


def test_the_figure_is_drawn(tmp_path: Path) -> None:
    rows = [row("fpn", seed, 0.1 * seed) for seed in range(3)] + [row("pan", 0, 0.5)]
    plot_comparison(rows, "ap").save(tmp_path / "summary.png")
    assert (tmp_path / "summary.png").stat().st_size > 5000


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
