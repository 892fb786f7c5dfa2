"""What starting runs costs: the same comparison, one run after the other, by each engine in turns.

    python scripts/benchmarks/comparison_overhead.py --data DATA --rounds 3 --csv FILE

Engines are local workers, a Ray cluster on this machine, and with ``--before COMMAND`` the local
workers of another version, whose ``nasface`` that is. Per run, the time from the end of the one
before to its first step, and what its process has computed until then, which says more than the
clock beside other work; of the study, its time. What a study computes in all is not told: the
processes of a Ray cluster leave without saying what they took. Linux alone.
"""

import argparse
import ctypes
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
from measuring import ratio, write_rows

from nasface.machine import cores

_POLL_SECONDS = 0.02
_BECOME_SUBREAPER = 36
"""PR_SET_CHILD_SUBREAPER of Linux: what Ray leaves behind becomes a child to wait for."""


def plan_text(data: str, runs: int, epochs: int) -> str:
    """Return a plan of short trainings, by the names that version 0.1 reads, too."""
    detector = {"backbone": "resnet18", "channels": 16, "head_layers": 1, "module": "fpn"}
    train = {"epochs": epochs, "batch": 4, "detector": detector, "augment": {"size": 128}}
    return json.dumps(
        {
            "name": "overhead",
            "data": data,
            "seeds": list(range(runs)),
            "train": {**train, "evaluate_every": 1000},
            "methods": [{"name": "fpn", "how": "fixed"}],
        }
    )


def measure(command: Sequence[str], plan: str, runs: int) -> dict[str, float]:
    """Have a plan compared in a new folder; seconds of the study, and medians over its runs."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        (Path(folder) / "plan.yaml").write_text(plan)
        program, *options = command
        words = [program, "compare", f"{folder}/plan.yaml", "--out", str(out), *options]
        places = [out / "runs" / "fpn" / f"seed-{seed}" for seed in range(runs)]
        began: dict[Path, float] = {}
        computed: list[float] = []
        ended: dict[Path, float] = {}
        started = time.monotonic()
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None:
            now = time.monotonic()
            for place in places:
                metrics = place / "train" / "metrics.jsonl"
                if place not in began and metrics.exists() and metrics.stat().st_size:
                    began[place] = now
                    computed += _processor_seconds_of(place)
                if place not in ended and (place / "result.json").exists():
                    ended[place] = now
            time.sleep(_POLL_SECONDS)
        seconds = time.monotonic() - started
        _wait_for_all()
        if process.returncode or len(ended) < runs:
            raise SystemExit(f"{' '.join(words)}: ended with {process.returncode}")
    steps, ends = sorted(began.values()), sorted(ended.values())
    gaps = [step - end for step, end in zip(steps[1:], ends, strict=False)]
    return {
        "study_seconds": seconds,
        "seconds_after_first_step": ends[-1] - steps[0],
        "seconds_to_first_step": statistics.median(gaps),
        "processor_seconds_to_first_step": statistics.median(computed),
    }


def _processor_seconds_of(place: Path) -> list[float]:
    """Return the processor time of the processes of a run, which have its folder among their
    arguments."""
    processes = psutil.process_iter(["cmdline", "cpu_times"])
    return [
        each.info["cpu_times"].user + each.info["cpu_times"].system
        for each in processes
        if str(place) in (each.info["cmdline"] or ())
    ]


def _wait_for_all() -> None:
    """Wait for everything that a command left running."""
    try:
        while True:
            os.wait()
    except ChildProcessError:
        pass


def main() -> None:
    """Measure, print ratios, and write the rows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--before", help="the command nasface of another version")
    parser.add_argument("--without-ray", action="store_true")
    parser.add_argument("--csv", type=Path)
    given = parser.parse_args()
    if ctypes.CDLL(None).prctl(_BECOME_SUBREAPER, 1, 0, 0, 0):
        raise SystemExit("this system does not tell when all processes of a cluster have ended")
    ours = str(Path(sys.executable).with_name("nasface"))
    ray = (ours, "--on", "ray", "--job", "num_cpus", str(cores()))
    engines = {
        **({} if given.without_ray else {"ray": ray}),
        "local": (ours,),
        **({"before": (given.before,)} if given.before else {}),
    }
    plan = plan_text(str(Path(given.data).resolve()), given.runs, given.epochs)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in engines}
    for turn in range(given.rounds):
        for name in list(engines)[:: -1 if turn % 2 else 1]:
            found[name].append(measure(engines[name], plan, given.runs))
            print(name, {key: round(each, 2) for key, each in found[name][-1].items()}, flush=True)
    for key in found["local"][0]:
        columns = {name: [each[key] for each in rounds] for name, rounds in found.items()}
        for one, other in (("ray", "local"), ("ray", "before"), ("local", "before")):
            if {one, other} <= columns.keys():
                print(f"{key}: {one} / {other} {ratio(columns[one], columns[other]):.3f}")
    if given.csv:
        rows = [
            {"engine": name, "round": turn, **each}
            for name, rounds in found.items()
            for turn, each in enumerate(rounds)
        ]
        write_rows(given.csv, rows, {"runs": given.runs, "epochs": given.epochs, "cores": cores()})


if __name__ == "__main__":
    main()
