"""Disturbs trainings of several processes under torchrun: how soon a fault is noticed, and whether
the job ends in the files of an undisturbed one: ``python scripts/checks/rank_faults.py``.

The training is that of the tests' tiny data set on the CPU. A process is killed (SIGKILL), stopped
(SIGSTOP), or comes late. A layout is ``nodes x processes``; several nodes are several torchruns on
this machine that meet by a rendezvous. A row of the table has

    noticed    seconds until the first of the other processes has ended
    goes on    seconds until the job has taken a step again
    equal      whether the run folder is that of an undisturbed job, bit by bit
    told       the last line of a process that names another one
"""

import argparse
import csv
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "helpers"))
from kill_resume import compare
from processes import free_port
from tiny import AUGMENT, DETECTOR, OPTIMIZER, tiny_genotype, write_tiny

from nasface.arch.io import save_genotype
from nasface.engine.train import TrainConfig
from nasface.io.yaml import to_yaml

LATE = """
import os, time
if os.environ.get("RANK") == "1" and not os.path.exists(r"{mark}"):
    open(r"{mark}", "x").close()
    time.sleep({seconds})
"""
FAULTS = ("killed", "stopped", "first stopped", "late by 20 s", "never comes")
COLUMNS = ("layout", "fault", "noticed", "goes on", "equal", "told")
LIMIT = 400.0


@dataclass
class TorchrunJob:
    """One or several torchruns that are one job, and what they write."""

    folder: Path
    nodes: int
    per_node: int
    restarts: int
    modules: str = ""
    launchers: list[psutil.Popen] = field(default_factory=list)

    @property
    def out(self) -> Path:
        """The run folder."""
        return self.folder / "run"

    def start(self, config: Path) -> None:
        """Start all nodes."""
        where = f"localhost:{free_port()}"
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "TORCHELASTIC_ERROR_FILE": ""}
        if self.nodes > 1:
            environment["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
        if self.modules:
            environment |= {
                "NASFACE_IMPORT": self.modules,
                "PYTHONPATH": f"{self.folder}:{os.environ.get('PYTHONPATH', '')}",
            }
        meet = ["--rdzv-backend=c10d", f"--rdzv-endpoint={where}", f"--rdzv-id={uuid4().hex}"]
        for node in range(self.nodes):
            command = [sys.executable, "-m", "torch.distributed.run", *meet]
            command += [f"--nnodes={self.nodes}", f"--nproc-per-node={self.per_node}"]
            command += [f"--max-restarts={self.restarts}", "-m", "nasface.cli.main", "train"]
            command += ["--config", str(config), "--out", str(self.out)]
            with (self.folder / f"node{node}.txt").open("w") as log:
                self.launchers.append(
                    psutil.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
                )

    def processes(self) -> dict[int, psutil.Process]:
        """Rank -> its process, of those that live."""
        found = {}
        for launcher in self.launchers:
            try:
                for each in launcher.children():
                    rank = each.environ().get("RANK")
                    if rank is not None and each.status() != psutil.STATUS_ZOMBIE:
                        found[int(rank)] = each
            except psutil.Error:
                continue
        return found

    def step(self) -> int:
        """Return the steps taken, by the log of metrics."""
        try:
            return (self.out / "metrics.jsonl").read_bytes().count(b"gradient_norm")
        except OSError:
            return 0

    def running(self) -> bool:
        """Return whether a node has not ended."""
        return any(each.poll() is None for each in self.launchers)

    def told(self) -> str:
        """Return the last line that names a process."""
        texts = [path.read_text() for path in sorted(self.folder.glob("node*.txt"))]
        lines = [line for text in texts for line in text.splitlines()]
        named = [line for line in lines if re.search(r"process [\d, ]+ (of \d|did not come)", line)]
        signalled = [line.strip() for line in lines if "Signal 9" in line or "exitcode: -9" in line]
        return (named or signalled or [""])[-1][:300]

    def end(self) -> None:
        """Leave nothing behind."""
        for launcher in self.launchers:
            if launcher.poll() is None:
                for each in launcher.children(recursive=True):
                    each.kill()
                launcher.kill()
                launcher.wait()


def wait_until(moment: Callable[[], bool], job: TorchrunJob) -> float | None:
    """Return the seconds until a moment; None where the job ended before, or it does not come."""
    started = time.monotonic()
    while time.monotonic() - started < LIMIT:
        if moment():
            return time.monotonic() - started
        if not job.running():
            return None
        time.sleep(0.05)
    return None


def disturb(
    job: TorchrunJob, fault: str, config: Path, reference: Path | None
) -> dict[str, object]:
    """Return a row of the table."""
    size = job.nodes * job.per_node
    if fault in ("late by 20 s", "never comes"):
        seconds = 20 if fault.startswith("late") else 10_000
        text = LATE.format(mark=job.folder / "came", seconds=seconds)
        (job.folder / "late_rank.py").write_text(text)
        job.modules = "late_rank"
    job.start(config)
    victim = 0 if fault == "first stopped" else 1
    if job.modules:
        wait_until(lambda: len(job.processes()) == size, job)
    else:
        wait_until(lambda: job.step() >= 5, job)
    others = {rank: each for rank, each in job.processes().items() if rank != victim}
    row: dict[str, object] = {"layout": f"{job.nodes} x {job.per_node}", "fault": fault}
    if not job.modules:
        how = signal.SIGKILL if fault == "killed" else signal.SIGSTOP
        job.processes()[victim].send_signal(how)
    before = job.step()

    def noticed() -> bool:
        alive = job.processes()
        return any(alive.get(rank) != each for rank, each in others.items())

    if fault == "late by 20 s":
        found = wait_until(lambda: job.step() > before, job)
        row |= {"noticed": "", "goes on": _seconds(found)}
    else:
        first = wait_until(noticed, job)
        row["noticed"] = _seconds(first)
        step = job.step()
        again = wait_until(lambda: job.step() > step, job)
        total = None if first is None or again is None else first + again
        row["goes on"] = _seconds(total)
    wait_until(lambda: not job.running(), job)
    row["told"] = job.told()
    row["equal"] = "no"
    if reference is not None and (job.out / "summary.json").is_file():
        compare("training", job.out, reference)
        row["equal"] = "yes"
    job.end()
    return row


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"


def main() -> None:
    """Run the check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layouts", nargs="+", default=["1x2", "1x4", "2x1"])
    parser.add_argument("--faults", nargs="+", default=FAULTS, choices=FAULTS)
    parser.add_argument("--restarts", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--csv", type=Path, help="file to write the table to")
    parser.add_argument("--keep", type=Path, help="folder for the runs; by default they go")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        root = options.keep or Path(name)
        root.mkdir(parents=True, exist_ok=True)
        save_genotype(tiny_genotype(), root / "genotype.yaml")
        settings = TrainConfig(
            data=str(write_tiny(root / "data")),
            genotype=str(root / "genotype.yaml"),
            epochs=options.epochs,
            evaluate_every=options.epochs,
            batch_size=2,
            accumulate=4,
            detector=DETECTOR,
            augment=AUGMENT,
            optimizer=OPTIMIZER,
            device="cpu",
        )
        config = root / "config.yaml"
        config.write_text(to_yaml(settings))
        references: dict[int, Path] = {}
        for layout in options.layouts:
            nodes, per_node = map(int, layout.split("x"))
            size = nodes * per_node

            def make(what: str, nodes: int = nodes, per_node: int = per_node) -> TorchrunJob:
                folder = root / f"{nodes}x{per_node} {what}"
                folder.mkdir()
                return TorchrunJob(folder, nodes, per_node, options.restarts)

            if size not in references and options.restarts:
                job = make("undisturbed")
                job.start(config)
                wait_until(lambda job=job: not job.running(), job)  # type: ignore[misc]
                job.end()
                references[size] = job.out
            for fault in options.faults:
                row = disturb(make(fault), fault, config, references.get(size))
                rows.append(row)
                print("  ".join(str(row[key]) for key in COLUMNS), flush=True)
                if options.csv is not None:
                    with options.csv.open("w", newline="") as file:
                        writer = csv.DictWriter(file, COLUMNS)
                        writer.writeheader()
                        writer.writerows(rows)


if __name__ == "__main__":
    main()
