#!/usr/bin/env bash
# An integer that is drawn uniformly is half as often at its ends
#
# hyperopt 0.3.0, numpy 2.4.6.
#
# Expected: uniformint(1, 3) gives 1, 2 and 3 a third each, as randint(1, 4) does.
# Seen: it draws a real number between 1 and 3 and rounds it: 1 and 3 come a quarter each, 2 comes half of the time. Of
# 1 to 4 the inner two come a third each and the outer two a sixth. With two values, 0 and 1, both are as
# likely. Annealing and the tree of Parzen estimators start from the same draws. randint is uniform.
#
# Why it matters: numbers of layers, heads or stages are such integers, often of three or four values; the smallest and
# the largest network, between which a search is to trade off, come half as often as those between, and a random
# search that is meant as a baseline prefers the middle.
# nasface: draws its choices by index; each is as likely as the others.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet hyperopt==0.3.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python -W ignore - <<'END'
from collections import Counter

import numpy as np
from hyperopt import Trials, fmin, hp, rand
from hyperopt.pyll.stochastic import sample


def shares(space, draws=6000):
    """How often each value is drawn."""
    generator = np.random.default_rng(0)
    counts = Counter(int(sample(space, rng=generator)) for _ in range(draws))
    return {value: counts[value] / draws for value in sorted(counts)}


for low, high in ((1, 3), (1, 4), (0, 1)):
    rounded, drawn = shares(hp.uniformint("rounded", low, high)), shares(hp.randint("drawn", low, high + 1))
    print(f"{low} to {high}: uniformint", rounded, "randint", drawn)
    step = 1 / (high - low)
    for value, share in rounded.items():
        assert abs(share - (step / 2 if value in (low, high) else step)) < 0.02
        assert abs(drawn[value] - 1 / (high - low + 1)) < 0.02

trials = Trials()
options = {"max_evals": 600, "rstate": np.random.default_rng(1), "show_progressbar": False, "verbose": False}
fmin(lambda layers: 0.0, hp.uniformint("layers", 1, 3), algo=rand.suggest, trials=trials, **options)
counts = Counter(int(value) for value in trials.vals["layers"])
print("a random search of 600:", dict(sorted(counts.items())))
assert abs(counts[2] / 600 - 0.5) < 0.08
END
