"""Processes that meet, of which one is killed, stopped, hangs, fails or goes astray."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import environments

JOB = """
import sys, time
from nasface.engine.distributed import heartbeat as link
from nasface.engine.distributed import world as distributed
link.SILENCE, link.PATIENCE = 4.0, 4.0
fault = sys.argv[1]
if fault == "absent":
    link.ARRIVAL = 20.0
with distributed.join_world("cpu") as world:
    if world.rank == 1 and fault == "hangs at once":
        time.sleep(1000)
    for step in range(200):
        assert world.any(False) is False
        astray = (fault, world.rank, step) == ("astray", 1, 3)
        world.agree("weights", lambda: "b" if astray else "a")
        world.tick()
        if step == 3:
            if world.is_first:
                print("ready", flush=True)
            if world.rank == 1 and fault == "hangs":
                time.sleep(100)
            if world.rank == 1 and fault == "fails":
                raise ValueError("no such face")
        if step == 5 and fault == "none":
            break
        time.sleep(0.05)
"""


def start(folder: Path, fault: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(folder / "job.py"), fault],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def run(tmp_path: Path, fault: str, size: int = 3) -> list[subprocess.Popen[str]]:
    (tmp_path / "job.py").write_text(JOB)
    return [start(tmp_path, fault, environment) for environment in environments(size)]


def last_lines(processes: list[subprocess.Popen[str]], but: int | None = None) -> list[str]:
    """What each process said in the end; all others must end by themselves."""
    try:
        errors = [p.communicate(timeout=120)[1] for at, p in enumerate(processes) if at != but]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    return [error.strip().splitlines()[-1] if error.strip() else "" for error in errors]


def test_processes_that_end_together(tmp_path: Path) -> None:
    assert last_lines(processes := run(tmp_path, "none")) == [""] * 3
    assert [process.returncode for process in processes] == [0] * 3


@pytest.mark.parametrize(
    "way", [signal.SIGKILL, pytest.param(signal.SIGSTOP, marks=pytest.mark.slow)]
)
def test_a_process_that_is_gone_is_named(tmp_path: Path, way: signal.Signals) -> None:
    processes = run(tmp_path, "later")
    assert processes[0].stdout is not None
    processes[0].stdout.readline()
    processes[1].send_signal(way)
    for line in last_lines(processes, but=1):
        assert "process 1 of 3 gave no sign for" in line


@pytest.mark.slow
@pytest.mark.parametrize("missing", [0, 1])
def test_a_process_that_never_comes_is_named(tmp_path: Path, missing: int) -> None:
    """The first is missed where the others would meet, before they can ask who is there."""
    (tmp_path / "job.py").write_text(JOB)
    processes = [
        start(tmp_path, "absent", environment)
        for rank, environment in enumerate(environments(3))
        if rank != missing
    ]
    told = "the processes do not find one another", "process 1 of 3 did not come within"
    for line in last_lines(processes):
        assert told[missing] in line


@pytest.mark.slow
def test_the_first_process_stopped_is_named_too(tmp_path: Path) -> None:
    """The others meet at it, so they cannot even ask."""
    processes = run(tmp_path, "later")
    assert processes[0].stdout is not None
    processes[0].stdout.readline()
    processes[0].send_signal(signal.SIGSTOP)
    for line in last_lines(processes, but=0):
        assert "process 0" in line


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        pytest.param(
            "hangs", "process 1 of 3 hangs, it made no progress for", marks=pytest.mark.slow
        ),
        ("hangs at once", "process 1 of 3 hangs, it made no progress for"),
        pytest.param("fails", "process 1 of 3 stopped: no such face", marks=pytest.mark.slow),
        ("astray", "process 1 of 3 holds other weights than process 0"),
    ],
)
def test_faults_of_one_process_end_all(tmp_path: Path, fault: str, told: str) -> None:
    processes = run(tmp_path, fault)
    if fault == "fails":
        assert "no such face" in processes[1].communicate(timeout=120)[1]
    for line in last_lines(processes, but=None if fault == "astray" else 1):
        assert told in line
