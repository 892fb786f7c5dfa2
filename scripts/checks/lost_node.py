"""A comparison on a Ray cluster of two nodes, one of which is killed: all rows, bit by bit.

    nasface sample data
    nasface compare preset:first-look --data data --out whole --workers 2
    python scripts/checks/lost_node.py preset:first-look --data data --whole whole --out lost

Starts a cluster of a head without cores and two nodes with one each, all on this machine, and runs
the plan on it. When each node trains or searches, one of them is killed, with everything on it.
Then compares the runs with those of the folder ``--whole``, made without Ray: figures of all steps,
genotypes, weights and rows except for times.
"""

import argparse
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_worker_niceness", "0")  # as of one that nasface starts

import torch
from ray.cluster_utils import Cluster
from safetensors.torch import load_file

from nasface.cli.console import console_progress
from nasface.presets import preset_path
from nasface.studies.executors import ray_executor
from nasface.studies.scheduler import run_comparison
from nasface.studies.spec import load_plan
from nasface.studies.study_run import StudyRun, runs_of

_MEASURED = ("seconds", "mb", "ms", "date")
"""How columns end that are not the same twice."""


def differences(run: StudyRun, out: Path, whole: Path) -> list[str]:
    """Return what is not the same of a run in both folders: files, and columns of its row."""
    ours, theirs = out / run.path, whole / run.path
    found = []
    for path in [*theirs.rglob("metrics.jsonl"), *theirs.rglob("genotype.yaml")]:
        name = path.relative_to(theirs)
        if (ours / name).read_bytes() != path.read_bytes():
            found.append(str(name))
    weights = [load_file(each / "train" / "last.safetensors") for each in (ours, theirs)]
    if weights[0].keys() != weights[1].keys() or not all(
        torch.equal(weights[0][name], weights[1][name]) for name in weights[0]
    ):
        found.append("weights")
    rows = [json.loads((each / "result.json").read_text()) for each in (ours, theirs)]
    return found + [
        name
        for name in rows[0].keys() | rows[1].keys()
        if rows[0].get(name) != rows[1].get(name) and not name.endswith(_MEASURED)
    ]


def main() -> None:
    """Run the plan, and say what is not the same; exit code 1 if anything is."""
    parser = argparse.ArgumentParser()
    parser.add_argument("plan", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--whole", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    plan = load_plan(preset_path(given.plan, "compare"), given.data)
    store: dict[str, Any] = {"object_store_memory": 80 * 2**20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **store})
    nodes = [cluster.add_node(num_cpus=1, **store) for _ in range(2)]

    def lose_a_node() -> None:
        while len(list(given.out.glob("runs/*/*/*/checkpoint.pt"))) < len(nodes):
            time.sleep(1)
        cluster.remove_node(nodes[0], allow_graceful=False)
        print("one node was killed", flush=True)

    threading.Thread(target=lose_a_node, daemon=True).start()
    job = {"address": cluster.address, "memory": 0}
    with console_progress() as progress:
        outcome = run_comparison(plan, given.out, None, progress, executor=ray_executor, job=job)
    cluster.shutdown()  # type: ignore[no-untyped-call]
    print(f"{len(outcome.rows)} of {outcome.total} rows, failed: {outcome.failed}")
    other = {run.path: differences(run, given.out, given.whole) for run in runs_of(plan)}
    for path, what in other.items():
        log = (given.out / path / "log.txt").read_text()
        print(
            f"{path}: {', '.join(what) or 'bit-equal'}; {log.count('search ')} starts and ends of"
            f" searches, {log.count('train ')} of trainings"
        )
    raise SystemExit(not outcome.complete or any(other.values()))


if __name__ == "__main__":
    main()
