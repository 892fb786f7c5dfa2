"""What Ray adds to a comparison: the same runs one after the other, by local workers and by Ray.

    python scripts/benchmarks/comparison_overhead.py --data DATA --rounds 3 --csv FILE

A study on each engine per round, in turns, each in a new folder. Per run, the time from the end of
the one before to its first step; of the study, all of it, with and without the start of Ray.
"""

import argparse
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from measuring import ratio, write_rows

from nasface.machine import cores
from nasface.progress import Silent
from nasface.studies.executors import EXECUTORS
from nasface.studies.scheduler import run_comparison
from nasface.studies.spec import MethodSpec, StudySpec, runs_of

TRAIN: dict[str, Any] = {
    "batch_size": 4,
    "evaluate_every": 1000,
    "detector": {"backbone": "thin_resnet_n", "channels": 16, "head_layers": 1, "neck": "fpn"},
    "augment": {"size": 128},
}
_POLL_SECONDS = 0.02


def measure(plan: StudySpec, engine: str) -> dict[str, float]:
    """Seconds of a whole study, and the median from the end of a run to the first step of the
    next."""
    job = {"num_cpus": cores()} if engine == "ray" else {}
    ended: list[float] = []
    first_steps: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        over = threading.Event()

        def watch() -> None:
            while not over.wait(_POLL_SECONDS):
                for run in runs_of(plan):
                    path = out / run.path / "train" / "metrics.jsonl"
                    if run.path not in first_steps and path.exists() and path.stat().st_size:
                        first_steps[run.path] = time.monotonic()

        watcher = threading.Thread(target=watch)
        watcher.start()
        started = time.monotonic()
        outcome = run_comparison(
            plan,
            out,
            1 if engine == "local" else None,
            Silent(),
            lambda rows: ended.append(time.monotonic()),
            EXECUTORS[engine],
            job,
        )
        seconds = time.monotonic() - started
        over.set()
        watcher.join()
        if not outcome.complete:
            raise SystemExit(f"{engine}: {outcome.failed}")
    steps = sorted(first_steps.values())
    gaps = [step - end for step, end in zip(steps[1:], ended, strict=False)]
    return {
        "study_seconds": seconds,
        "seconds_after_first_step": ended[-1] - steps[0],
        "seconds_to_first_step": statistics.median(gaps),
    }


def main() -> None:
    """Measure, print ratios, and write the rows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--csv", type=Path)
    given = parser.parse_args()
    plan = StudySpec(
        name="overhead",
        methods=(MethodSpec(name="fpn", strategy="fixed"),),
        seeds=tuple(range(given.runs)),
        data=given.data,
        train={**TRAIN, "epochs": given.epochs},
    )
    found: dict[str, list[dict[str, float]]] = {"local": [], "ray": []}
    for turn in range(given.rounds):
        for engine in list(found)[:: -1 if turn % 2 else 1]:
            found[engine].append(measure(plan, engine))
            print(engine, {key: round(each, 2) for key, each in found[engine][-1].items()})
    for key in found["local"][0]:
        both = [[each[key] for each in found[engine]] for engine in ("ray", "local")]
        print(f"{key}: ray / local {ratio(*both):.3f}")
    if given.csv:
        rows = [
            {"engine": engine, "round": turn, **each}
            for engine, all_rounds in found.items()
            for turn, each in enumerate(all_rounds)
        ]
        about = {"runs": given.runs, "epochs": given.epochs, "cores": cores()}
        write_rows(given.csv, rows, about)


if __name__ == "__main__":
    main()
