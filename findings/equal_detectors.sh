#!/usr/bin/env bash
# Of two equal detectors the first is better, with a probability of 0.7
#
# baycomp 1.0.3, numpy 2.4.6.
#
# Expected: the Bayesian signed-rank test of two detectors with the same score on every data set says one half
# for each, NaN, or fails. With a region of practical equivalence (rope) it says that they are equal.
# Seen: the latter is right. Without a region, which is the default, the first is better with 0.66 to 0.77,
# for 2 to 30 data sets, whichever is named first. In every sample of the posterior both get one half, and
# which half is the larger is the rounding of a sum: 0.5 and 0.5 plus or minus 1e-16. No warning is given.
# A single difference of 0.001 in one of 12 data sets makes it 1 and 0 (that was foreseen), and two of
# opposite sign one half each. SignTest of the same package gives NaN.
#
# Why it matters: a change of runtime, a saved and loaded file, a faster augmentation leave the scores as
# they are, and then the test speaks for what stands on the left. Of scores rounded to two digits most are
# equal, and the few that are not decide for certain. Give a region, however small.
# nasface: compares runs by paired t tests over seeds, and does not use this package.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet baycomp==1.0.3 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python -W ignore - <<'END'
import math

import numpy as np
from baycomp import SignedRankTest, SignTest


def better(first, second, rope=0.0):
    """The probabilities that the first, neither (if there is a region) and the second is better."""
    given = {"rope": rope, "random_state": 0, "nsamples": 5000}
    return [round(float(each), 3) for each in SignedRankTest.probs(first, second, **given)]


for count in (2, 5, 12, 30):
    scores = np.linspace(0.5, 0.9, count)
    equal, region = better(scores, scores.copy()), better(scores, scores.copy(), 1e-9)
    print(f"{count} equal scores: {equal}, with a region of 1e-9: {region}")
    assert equal[0] > 0.6 and region == [0, 1, 0]
assert all(math.isnan(each) for each in SignTest.probs(scores, scores, rope=0, random_state=0))

scores = np.linspace(0.5, 0.9, 12)
changed = scores.copy()
changed[3] += 0.001
print("one of 12 is 0.001 higher:", better(scores, changed), better(changed, scores))
assert better(scores, changed) == [0, 1] and better(changed, scores) == [1, 0]
changed[5] -= 0.001
print("and another 0.001 lower:", better(scores, changed))
assert abs(better(scores, changed)[0] - 0.5) < 0.03
END
