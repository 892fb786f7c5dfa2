"""Processes that work together, of which one is killed, stopped, hangs, fails or goes astray."""

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from processes import ForkedProcess, environments
from torch.distributed import TCPStore  # type: ignore[attr-defined]

JOB = """
import sys, time
from nasface.engine.distributed.world import join_world
fault = sys.argv[1]
with join_world("cpu", 4.0) as world:
    for step in range(200):
        assert world.any(False) is False
        astray = (fault, world.rank, step) == ("astray", 1, 3)
        world.agree("weights", lambda: "b" if astray else "a")
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
SILENT = "of 3 did not answer within 4 s"

Processes = dict[int, ForkedProcess]
Start = Callable[..., Processes]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts three processes, by rank, of which one may be missing; they meet at a store of this
    process, as at one of torchrun."""
    (tmp_path / "job.py").write_text(JOB)
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    processes: Processes = {}

    def begin(fault: str, missing: int | None = None) -> Processes:
        for rank, environment in enumerate(environments(3)):
            environment |= {
                "MASTER_PORT": str(store.port),
                "TORCHELASTIC_USE_AGENT_STORE": "True",
                "TORCHELASTIC_RESTART_COUNT": "0",
                "TORCHELASTIC_ERROR_FILE": str(tmp_path / f"error{rank}.json"),
            }
            if rank != missing:
                processes[rank] = ForkedProcess(
                    str(tmp_path / "job.py"), [fault], environment, tmp_path / "said", str(rank)
                )
        return processes

    yield begin
    for process in processes.values():
        process.kill()


def last_words(processes: Processes, but: int | None = None) -> dict[int, str]:
    """What each process says in the end; all but one must end by themselves."""
    errors = {rank: each.finish(120)[2] for rank, each in processes.items() if rank != but}
    return {rank: error.strip().splitlines()[-1] if error else "" for rank, error in errors.items()}


@pytest.mark.slow
def test_processes_that_end_together(start: Start) -> None:
    processes = start("none")
    assert last_words(processes) == dict.fromkeys(range(3), "")
    assert [each.finish(0)[0] for each in processes.values()] == [0, 0, 0]


@pytest.mark.parametrize(
    ("victim", "how"),
    [
        (1, signal.SIGSTOP),
        pytest.param(0, signal.SIGSTOP, marks=pytest.mark.slow),
        pytest.param(1, signal.SIGKILL, marks=pytest.mark.slow),
        pytest.param(0, signal.SIGKILL, marks=pytest.mark.slow),
    ],
)
def test_a_process_that_is_gone_is_named(start: Start, victim: int, how: signal.Signals) -> None:
    """By the first process, which the others point at, or by the others where it is the one."""
    processes = start("later")
    processes[0].wait_for_line("ready", 120)
    processes[victim].send_signal(how)
    words = last_words(processes, but=victim)
    if how == signal.SIGSTOP:
        told = words[0] if victim else words[1]
        assert f"process {victim} {SILENT}" in told
    else:
        assert all("process" in line for line in words.values()), words
    if victim:
        assert "process 0 of 3 has ended" in words[2]


@pytest.mark.slow
@pytest.mark.parametrize("missing", [0, 1])
def test_a_process_that_never_comes_is_named(start: Start, missing: int) -> None:
    words = last_words(start("later", missing))
    assert any(f"process {missing} did not come" in line for line in words.values()), words


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        pytest.param("hangs", f"process 1 {SILENT}", marks=pytest.mark.slow),
        pytest.param("fails", "process 1", marks=pytest.mark.slow),
        ("astray", "process 1 of 3 holds other weights than process 0"),
    ],
)
def test_faults_of_one_process_end_all(start: Start, tmp_path: Path, fault: str, told: str) -> None:
    """The reason is where torchrun looks for it."""
    words = last_words(start(fault), but=1 if fault == "hangs" else None)
    assert told in words[0]
    reason = json.loads((tmp_path / "error0.json").read_text())["message"]["message"]
    assert told in reason
    if fault == "fails":
        reason = json.loads((tmp_path / "error1.json").read_text())["message"]["message"]
        assert reason == "ValueError: no such face"
