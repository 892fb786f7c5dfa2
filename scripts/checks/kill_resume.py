"""Kills a search and a training at random moments, resumes them, and compares what they end in with
an uninterrupted run: ``python scripts/checks/kill_resume.py --kills 50``.

Every second kill waits for a checkpoint that is being written. After each, the checkpoint must be
whole. Runs are those of the tests' tiny data set on the CPU, with a checkpoint after each step.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch._dynamo  # what torch's optimisers import: once, and not in each process that is forked
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "helpers"))
from tiny import AUGMENT, DETECTOR, OPTIMIZER, tiny_genotype, write_tiny

from nasface.arch.io import save_genotype
from nasface.engine.search import SearchConfig, run_search
from nasface.engine.train import TrainConfig, run_training
from nasface.progress import Silent
from nasface.runs.checkpoint import load_checkpoint

Run = Callable[[Path, bool], object]
"""(folder, whether to resume)"""

VARYING = {"id", "seconds", "started", "peak_memory_mb", "torchrun", "command"}
"""What differs from run to run."""


@dataclass
class Count:
    """What was done so far."""

    runs: int = 0
    kills: int = 0
    before_a_checkpoint: int = 0
    in_a_write: int = 0


def make_jobs(folder: Path) -> dict[str, Run]:
    """Return kind of checkpoint -> job: a search and a training."""
    save_genotype(tiny_genotype("autofem-fpn"), folder / "genotype.yaml")
    common: dict[str, Any] = {
        "data": str(write_tiny(folder / "data")),
        "batch_size": 2,
        "checkpoint_minutes": 1e-6,
        "detector": DETECTOR,
        "augment": AUGMENT,
        "optimizer": OPTIMIZER,
        "device": "cpu",
    }
    search = SearchConfig(**common, space="autofem-fpn", epochs=4, warmup_epochs=1)
    train = TrainConfig(
        **common,
        genotype=str(folder / "genotype.yaml"),
        epochs=3,
        evaluate_every=1,
        ema_decay=0.9,
    )
    return {
        "search": lambda out, resume: run_search(search, out, Silent(), resume=resume),
        "training": lambda out, resume: run_training(train, out, Silent(), resume=resume),
    }


def start(run: Run, out: Path) -> int:
    """Run or resume in a process of its own; return its id."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    try:
        run(out, (out / "config.yaml").exists())
        os._exit(0)
    finally:
        os._exit(1)


def ended(child: int, *, wait: bool = False) -> bool:
    """Return whether the process has ended by itself, without an error."""
    found, status = os.waitpid(child, 0 if wait else os.WNOHANG)
    if found and status:
        raise SystemExit(f"a run failed with status {status}")
    return bool(found)


def kill(child: int, moment: Callable[[int], bool], pause: float) -> bool:
    """Kill the process at a moment, awaited in steps of ``pause`` s; return False if it ended
    before."""
    while not moment(child):
        if ended(child):
            return False
        time.sleep(pause)
    if ended(child):
        return False
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def half_written(out: Path) -> list[Path]:
    """Return the checkpoints that a process is writing, or was writing when it was killed."""
    return list(out.glob(".checkpoint.*.tmp.pt"))


def interrupted(kind: str, run: Run, out: Path, kills: int, length: float, count: Count) -> None:
    """Make one run that is killed up to ``kills`` times in all and resumed each time."""
    count.runs += 1
    step = 0
    while count.kills < kills:
        for path in half_written(out):
            path.unlink()
        at = time.monotonic() + random.uniform(0, length)
        late = random.uniform(0, 0.003)
        in_write = count.kills % 2 == 1

        def moment(
            child: int, at: float = at, late: float = late, in_write: bool = in_write
        ) -> bool:
            if not in_write:
                return time.monotonic() >= at
            if not half_written(out):
                return False
            # A write takes some milliseconds, and the process is held to see whether it is over.
            time.sleep(late)
            os.kill(child, signal.SIGSTOP)
            if half_written(out):
                return True
            os.kill(child, signal.SIGCONT)
            return False

        if not kill(start(run, out), moment, 0.0002 if in_write else 0.005):
            return
        count.kills += 1
        count.in_a_write += bool(half_written(out))
        if (out / "checkpoint.pt").exists():
            before, step = step, load_checkpoint(out / "checkpoint.pt", kind)["step"]
            assert step >= before, f"the checkpoint went back from step {before} to {step}"
        else:
            assert step == 0, "the checkpoint has gone"
            count.before_a_checkpoint += 1
    assert ended(start(run, out), wait=True)


def same(one: Any, other: Any) -> bool:
    """Return whether two values of a file are equal to the last bit, but for what varies."""
    if isinstance(one, Mapping):
        keys = set(one) - VARYING
        return keys == set(other) - VARYING and all(same(one[k], other[k]) for k in keys)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return bool(one == other or (one != one and other != other))


def compare(kind: str, out: Path, reference: Path) -> None:
    """Raise AssertionError unless the run ended as the reference did."""
    assert {path.name for path in out.iterdir()} == {path.name for path in reference.iterdir()}
    for path in sorted(reference.iterdir()):
        ours = out / path.name
        if path.name == "checkpoint.pt":
            equal = same(load_checkpoint(ours, kind), load_checkpoint(path, kind))
        elif path.suffix == ".safetensors":
            equal = same(load_file(ours), load_file(path))
        elif path.suffix == ".npz":
            with np.load(ours) as one, np.load(path) as other:
                equal = all(np.array_equal(one[name], other[name]) for name in other.files)
        elif path.suffix == ".json":
            equal = same(json.loads(ours.read_text()), json.loads(path.read_text()))
        else:
            equal = ours.read_bytes() == path.read_bytes()
        assert equal, f"{ours} differs from {path}"


def main() -> None:
    """Run the check."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50, help="of each kind of job")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--only", choices=["search", "training"], help="one kind of job")
    options = parser.parse_args()
    random.seed(options.seed)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        for kind, run in make_jobs(Path(name)).items():
            if options.only not in (None, kind):
                continue
            reference = Path(name) / "reference" / kind
            started = time.monotonic()
            assert ended(start(run, reference), wait=True)
            length, count = time.monotonic() - started, Count()
            while count.kills < options.kills:
                out = Path(name) / str(count.runs) / kind
                interrupted(kind, run, out, options.kills, length, count)
                compare(kind, out, reference)
            print(
                f"{kind}: {count.kills} kills in {count.runs} runs, {count.in_a_write} in a write "
                f"of a checkpoint, {count.before_a_checkpoint} before the first; all ended as the "
                "uninterrupted run, bit by bit",
                flush=True,
            )


if __name__ == "__main__":
    main()
