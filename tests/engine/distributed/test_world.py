"""Two processes on one machine, over gloo, against one process that takes the same parts."""

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from processes import ForkedProcess, environments
from tiny import AUGMENT, DETECTOR, OPTIMIZER, tiny_genotype, write_tiny

from nasface.arch.io import load_genotype, save_genotype
from nasface.data.dataset import Shard, StepSampler
from nasface.detection.checkpoint import read_checkpoint
from nasface.engine.distributed.world import World
from nasface.engine.search import SearchConfig, run_search
from nasface.engine.train import TrainConfig, run_training
from nasface.errors import ConfigError
from nasface.io.yaml import to_yaml
from nasface.progress import Silent
from nasface.runs.checkpoint import load_checkpoint
from nasface.runs.folder import read_metrics

Launch = Callable[[list[str], int, Path], str]
"""Runs ``nasface`` with words in several processes, with a folder for what they say; returns what
the first says."""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    folder = tmp_path_factory.mktemp("data")
    save_genotype(tiny_genotype(), folder / "genotype.yaml")
    return TrainConfig(
        data=str(write_tiny(folder / "data")),
        genotype=str(folder / "genotype.yaml"),
        epochs=3,
        evaluate_every=2,
        batch_size=2,
        accumulate=2,
        ema_decay=0.9,
        detector=DETECTOR,
        augment=AUGMENT,
        optimizer=OPTIMIZER,
    )


def fork(words: list[str], size: int, folder: Path) -> list[ForkedProcess]:
    """``nasface`` in several processes, as torchrun would start them."""
    return [
        ForkedProcess("nasface.cli.main", words, environment, folder, str(rank))
        for rank, environment in enumerate(environments(size))
    ]


def by_fork(words: list[str], size: int, folder: Path) -> str:
    """The other processes must be silent."""
    results = [each.finish(240) for each in fork(words, size, folder)]
    assert [code for code, _, _ in results] == [0] * size, results
    (_, said, errors), *others = results
    assert [output + error for _, output, error in others] == [""] * (size - 1)
    return said + errors


def by_torchrun(words: list[str], size: int, _: Path) -> str:
    """Started by the program that users start them with."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += [f"--nproc-per-node={size}", "-m", "nasface.cli.main", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, env=environment, text=True, capture_output=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "launch", [by_fork, pytest.param(by_torchrun, marks=pytest.mark.slow)], ids=lambda f: f.__name__
)
def test_two_processes_learn_what_one_does(
    launch: Launch, config: TrainConfig, tmp_path: Path
) -> None:
    config = replace(config, log=("csv",))
    (tmp_path / "config.yaml").write_text(to_yaml(config))
    words = ["train", "--config", str(tmp_path / "config.yaml"), "--out", str(tmp_path / "two")]
    assert launch(words, 2, tmp_path / "said").count("best.safetensors") == 2
    assert run_training(config, tmp_path / "one", Silent()).finished
    one, two = (read_metrics(tmp_path / name / "metrics.jsonl") for name in ("one", "two"))
    assert [row["step"] for row in one] == [row["step"] for row in two]
    with (tmp_path / "two" / "metrics.csv").open() as file:  # only the first process logs
        assert [int(row["step"]) for row in csv.DictReader(file)] == [row["step"] for row in two]
    for alone, shared in zip(one, two, strict=True):
        if "loss" in alone:
            assert shared["loss"] == pytest.approx(alone["loss"], rel=2e-3)
            assert shared["lr"] == alone["lr"]
    assert two[0]["loss"] == pytest.approx(one[0]["loss"], rel=1e-5)
    assert two[0]["gradient_norm"] == pytest.approx(one[0]["gradient_norm"], rel=1e-4)
    names = {path.name for path in (tmp_path / "one").iterdir()}
    assert {path.name for path in (tmp_path / "two").iterdir()} == names | {"metrics.png"}
    ours, theirs = (
        dict(read_checkpoint(tmp_path / name / "last.safetensors").detector.named_parameters())
        for name in ("one", "two")
    )
    for key, value in ours.items():
        torch.testing.assert_close(theirs[key], value, rtol=0.05, atol=5e-3, msg=key)


@pytest.mark.parametrize(
    ("launch", "size", "settings", "tolerance"),
    [
        (by_fork, 2, {}, 1e-4),
        (by_fork, 2, {"partial_stages": (4, 2, 1)}, 1e-4),
        pytest.param(by_fork, 2, {"precision": "bf16"}, 2e-2, marks=pytest.mark.slow),
        pytest.param(by_fork, 4, {}, 1e-4, marks=pytest.mark.slow),
        pytest.param(by_torchrun, 2, {}, 1e-4, marks=pytest.mark.slow),
        pytest.param(by_torchrun, 2, {"partial_stages": (4, 1)}, 1e-4, marks=pytest.mark.slow),
    ],
)
def test_several_processes_search_what_one_does(
    launch: Launch,
    size: int,
    settings: dict[str, Any],
    tolerance: float,
    config: TrainConfig,
    tmp_path: Path,
) -> None:
    """Each with weights on paths that some steps visit first; operations may grow on the way."""
    search = SearchConfig(
        data=config.data,
        space="autofem-fpn",
        epochs=3,
        warmup_epochs=1,
        batch_size=1,
        accumulate=4,
        detector=DETECTOR,
        augment=replace(AUGMENT, size=160),
        optimizer=OPTIMIZER,
        **settings,
    )
    (tmp_path / "config.yaml").write_text(to_yaml(search))
    out = tmp_path / "several" / "run"
    words = ["search", "--config", str(tmp_path / "config.yaml"), "--out", str(out)]
    assert launch(words, size, tmp_path / "said").count("choices of each cell") == 1
    one = tmp_path / "one" / "run"
    alone = run_search(search, one, Silent())
    rows = [read_metrics(folder / "metrics.jsonl") for folder in (one, out)]
    for single, several in zip(*rows, strict=True):
        assert several == pytest.approx(single, rel=tolerance)
    assert "arch_loss" in rows[0][-1]
    ours, theirs = (load_checkpoint(folder / "checkpoint.pt", "search") for folder in (one, out))
    assert ours["visits"] == theirs["visits"]
    assert load_genotype(out / "genotype.yaml").cells == alone.genotype.cells
    for name, value in ours["model"].items():
        torch.testing.assert_close(theirs["model"][name], value, rtol=1e-2, atol=5e-3, msg=name)


def test_ctrl_c_stops_all_and_the_run_goes_on(config: TrainConfig, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(to_yaml(replace(config, epochs=500)))
    out = tmp_path / "run"
    words = ["train", "--config", str(tmp_path / "config.yaml"), "--out", str(out)]
    processes = fork(words, 2, tmp_path / "said")
    for _ in range(600):
        if len(read_metrics(out / "metrics.jsonl")) > 2:
            break
        time.sleep(0.1)
    # Only the second is told; the first learns of it with the next gradients.
    processes[1].send_signal(signal.SIGINT)
    assert [process.finish(120)[0] for process in processes] == [130, 0]
    steps = len([row for row in read_metrics(out / "metrics.jsonl") if "loss" in row])
    assert 2 < steps < 1000
    assert (out / "checkpoint.pt").exists()


def test_parts_are_shared_without_loss(config: TrainConfig) -> None:
    whole = list(StepSampler(20, 6, 0, 0, 5))
    for size in (1, 2, 3):
        shares = [list(StepSampler(20, 6, 0, 0, 5, Shard(rank, size, 6))) for rank in range(size)]
        for at, batch in enumerate(whole):
            together = [index for share in shares for index in share[at]]
            assert sorted(together) == sorted(batch)
            assert len(together) == 6


def test_parts_that_cannot_be_shared(config: TrainConfig) -> None:
    with pytest.raises(ConfigError, match="2 parts of a step cannot be shared by 3 processes"):
        World(rank=1, size=3).check_parts(config.accumulate)


def test_no_thread_of_a_group_is_left(tmp_path: Path) -> None:
    """Threads that are left when Python shuts down can abort a process whose work is done."""
    script = tmp_path / "join.py"
    script.write_text(
        "import psutil, torch\n"
        "from nasface.engine.distributed.world import join_world\n"
        "threads = psutil.Process().num_threads\n"
        "before = threads()\n"
        "with join_world('cpu', 60) as world:\n"
        "    torch.distributed.all_reduce(torch.ones(4), group=world.gradients)\n"
        "    assert threads() > before\n"
        "assert world.gradients is None\n"
        "print(world.size, threads() - before)\n"
    )
    command = [sys.executable, str(script)]
    processes = [
        subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE)
        for environment in environments(2)
    ]
    assert [process.communicate(timeout=240)[0].split() for process in processes] == [
        ["2", "0"]
    ] * 2
