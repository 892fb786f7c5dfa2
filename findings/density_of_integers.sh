#!/usr/bin/env bash
# An integer that is drawn in two of five cases has the density 0
#
# ConfigSpace 1.2.2 (which calls itself 1.2.0).
#
# Expected: pdf_values of an integer gives the probabilities with which it is drawn; they sum to 1. A
# normal prior with mu=2 and sigma=0.3 on 1..3 gives 2 in 90 of 100 draws.
# Seen: values are drawn from a density stretched over 0.5 to 3.5, and pdf_values reads another one at
# the middle of each value. beta(3, 2) on 1..3: drawn 11, 49 and 40 %, density 0, 0.56, 0. Normal as
# above: 2 in 73 draws of 100, density 0.92; all densities sum to 0.93. On 1..6 with mu=2, sigma=1 the
# value 1 is drawn as often as 34 % (26 % by a rounded normal), density 0.22. Logarithmic on 1..3:
# drawn 47, 30 and 23 %, density 1/3 each.
#
# Why it matters: the numbers of layers and channels are integers of narrow ranges. A prior on them is
# half again as wide as it was written, and what weighs a candidate by its prior divides by zero, or
# excludes what is often drawn. Give a prior as the weights of a categorical choice.
# nasface: has its own spaces of discrete choices.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet ConfigSpace==1.2.2 scipy==1.17.1 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python - <<'END'
import numpy as np
from ConfigSpace import (
    BetaIntegerHyperparameter,
    CategoricalHyperparameter,
    NormalIntegerHyperparameter,
    UniformIntegerHyperparameter,
)
from scipy.stats import norm


def compared(name, choice, values):
    """How often each value is drawn, and its density."""
    drawn = choice.sample_value(20000, seed=np.random.RandomState(0))
    share = np.array([(np.asarray(drawn) == each).mean() for each in values])
    density = choice.pdf_values(np.array(values))
    print(name, "drawn", share.round(3), "density", density.round(3), f"sum {density.sum():.3f}")
    return share, density


weighted = CategoricalHyperparameter("n", [1, 2, 3], weights=[1, 3, 1])
share, density = compared("categorical", weighted, [1, 2, 3])
assert np.allclose(share, density, atol=0.02)

share, density = compared("beta", BetaIntegerHyperparameter("n", 3, 2, lower=1, upper=3), [1, 2, 3])
assert np.allclose(share, [0.11, 0.49, 0.40], atol=0.02) and density[0] == density[2] == 0

normal = NormalIntegerHyperparameter("n", mu=2, sigma=0.3, lower=1, upper=3)
share, density = compared("normal", normal, [1, 2, 3])
rounded = np.diff(norm(2, 0.3).cdf([0.5, 1.5, 2.5, 3.5]))
print("normal, rounded to integers:", (rounded / rounded.sum()).round(3))
assert abs(share[1] - 0.73) < 0.02 and rounded[1] > 0.9 and density.sum() < 0.95

normal = NormalIntegerHyperparameter("n", mu=2, sigma=1, lower=1, upper=6)
share, density = compared("normal", normal, range(1, 7))
assert share[0] > 0.31 and density[0] < 0.23

logarithmic = UniformIntegerHyperparameter("n", 1, 3, log=True)
share, density = compared("logarithmic", logarithmic, [1, 2, 3])
assert np.allclose(density, 1 / 3) and share[0] > 0.45
END
