#!/usr/bin/env bash
# One failed trial ends an exhaustive search, or takes a branch of it away
#
# optuna 5.0.0.
#
# Expected: BruteForceSampler tries every point of a finite space. A trial that fails costs at most its
# own point, and with avoid_premature_stop=True ("a strict exhaustive search") not even that.
# Seen: a failed trial counts as the leaf where it stopped. One that fails before it asked for its first
# parameter makes the whole space count as explored: the study of 39 points ends there as if done,
# after 4 points if it was the fifth. One that asked for the depth alone takes every point of
# that depth along: 30 of 39 are tried, and none of depth 2. The same with avoid_premature_stop=True.
#
# Why it matters: candidates of a search fail for passing reasons, such as memory that was short for a
# moment or a file that was not there. The study ends as it does when all is done, and its best trial is
# the best of a part. Count the distinct points afterwards, or ask for every parameter first.
# nasface: does not use optuna; its searches walk their spaces themselves.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet optuna==5.0.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python -W ignore - <<'END'
from collections import Counter

import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)
points = 3 + 3**2 + 3**3


def tried(fails, strict):
    """How many points of each depth are completed when trial number `fails[0]` fails after it asked
    for `fails[1]` of its parameters."""

    def step(trial, asked):
        if fails == (trial.number, asked):
            raise MemoryError("passing")

    def run(trial):
        step(trial, 0)
        depth = trial.suggest_int("depth", 1, 3)
        step(trial, 1)
        kinds = [trial.suggest_categorical(f"layer {i}", ["a", "b", "c"]) for i in range(depth)]
        step(trial, 1 + depth)
        return kinds.count("a")

    sampler = optuna.samplers.BruteForceSampler(seed=0, avoid_premature_stop=strict)
    study = optuna.create_study(sampler=sampler)
    study.optimize(run, n_trials=10 * points, catch=(MemoryError,))
    complete = [each for each in study.trials if each.state.name == "COMPLETE"]
    done = {tuple(each.params.items()) for each in complete}
    failed = study.trials[fails[0]].params.get("depth") if fails else None
    return len(done), dict(sorted(Counter(dict(each)["depth"] for each in done).items())), failed


for strict in (False, True):
    print("strict" if strict else "default")
    print("  no failure:", tried(None, strict)[:2])
    assert tried(None, strict)[0] == points
    count, depths, _ = tried((4, 0), strict)
    print("  the fifth trial fails before its first parameter:", (count, depths))
    assert count == 4
    count, depths, lost = tried((0, 1), strict)
    print(f"  the first trial fails after its depth, {lost}:", (count, depths))
    assert count == points - 3**lost and lost not in depths
END
