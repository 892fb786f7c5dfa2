#!/usr/bin/env bash
# ASHA keeps a trial whose metric is NaN, to the end
#
# ray 2.60.0 (tune), optuna 5.0.0.
#
# Expected: a trial that reports NaN is stopped at its first rung, as the worst one of all.
# Seen: ASHAScheduler of ray lets it go on at every rung, while trials with a finite metric beside it
# are stopped: NaN is not less than the cutoff. It reaches the last step like the best trial. The
# SuccessiveHalvingPruner of optuna prunes it at once.
#
# Why it matters: candidates of a search diverge now and then. Each that does takes the budget of a
# finalist, and a search in which many do is slower with the scheduler's help than one would think
# from its settings. Report the worst value in place of NaN.
# nasface: stops a run after several steps in a row that are not finite, and does not use ray.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ray[tune]==2.60.0 optuna==5.0.0 scipy==1.17.1
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python - <<'END'
import math
from types import SimpleNamespace

import optuna
from ray.tune.schedulers import ASHAScheduler

optuna.logging.set_verbosity(optuna.logging.ERROR)
final = {"sound": 0.9, "fair": 0.6, "poor": 0.3, "weak": 0.2, "bad": 0.1, "diverged": math.nan}

scheduler = ASHAScheduler(
    metric="ap", mode="max", max_t=64, grace_period=1, reduction_factor=4, brackets=1
)
trials = {
    name: SimpleNamespace(trial_id=name, stub=True, experiment_tag=name, config={})
    for name in final
}
for trial in trials.values():
    scheduler.on_trial_add(None, trial)
steps = {}
for name, trial in trials.items():  # one after the other, as with a single worker
    for step in range(1, 65):
        result = {"training_iteration": step, "ap": final[name] * (1 - 0.5**step)}
        steps[name] = step
        if scheduler.on_trial_result(None, trial, result) == ASHAScheduler.STOP:
            break
print("ray, steps of each trial:", steps)
assert steps["sound"] == steps["diverged"] == 64
assert all(steps[name] == 1 for name in ("fair", "poor", "weak", "bad"))


def run(trial):
    name = [*final][trial.number]
    for step in range(1, 65):
        trial.report(final[name] * (1 - 0.5**step), step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return final[name]


study = optuna.create_study(
    direction="maximize",
    sampler=optuna.samplers.RandomSampler(seed=0),
    pruner=optuna.pruners.SuccessiveHalvingPruner(),
)
study.optimize(run, n_trials=6)
steps = dict(zip(final, (len(each.intermediate_values) for each in study.trials), strict=True))
print("optuna:", steps)
assert steps["sound"] == 64 and steps["diverged"] == 1
END
