#!/usr/bin/env bash
# Two detectors that always agree differ with p = 0
#
# statsmodels 0.15.0.
#
# Expected: McNemar's test of a table without disagreement gives p = 1, or NaN: there is nothing to
# test. So does the exact form of `mcnemar` (1), and so does the chi-square form without correction
# (NaN).
# Seen: the chi-square form with its continuity correction, which is the default once exact=False is
# asked for, gives infinity and p = 0, with no more than numpy's warning of a division by zero. One
# disagreement on each side, and p is 0.48.
#
# Why it matters: the test is used to compare two detectors face by face, and where a change alters
# nothing (a runtime, a rounding, a file saved and loaded) the table has no disagreement. A table of
# p-values over many subsets then shows the ones without any difference as the most significant. Look
# at the disagreements first, or use exact=True.
# nasface: compares runs by paired t tests over seeds, and does not use this package.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet statsmodels==0.15.0 scipy==1.17.1 pandas==3.1.1 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python -W ignore - <<'END'
import math

from statsmodels.stats.contingency_tables import mcnemar

p = {}
for one_sided in (0, 1):
    table = [[400, one_sided], [one_sided, 100]]  # both find it, one alone, the other alone, none
    for exact, correction in ((True, True), (False, False), (False, True)):
        result = mcnemar(table, exact=exact, correction=correction)
        p[one_sided, exact, correction] = result.pvalue
        print(table, f"exact={exact} correction={correction}: p = {result.pvalue:.3f}")
assert p[0, True, True] == p[1, True, True] == p[1, False, False] == 1
assert math.isnan(p[0, False, False])
assert p[0, False, True] == 0
assert abs(p[1, False, True] - 0.4795) < 1e-4
END
