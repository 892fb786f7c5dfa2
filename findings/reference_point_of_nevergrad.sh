#!/usr/bin/env bash
# One point beyond the reference turns the hypervolume of the others negative
#
# nevergrad 1.0.12.
#
# Expected: a point beyond the reference adds nothing to the hypervolume.
# Seen: HypervolumeIndicator multiplies its signed distances. With the reference (1, 1) the point
# (0.6, 0.6) has 0.16, right; together with (0.5, 3) it is -0.04; the point (3, 3) alone has 4. The
# optimisers use it: with a MultiobjectiveReference the first candidate stays in the front though it is
# beyond, and the next good ones get a loss that is too high, (0.6, 0.6) here 0.04 in place of -0.16.
# pymoo leaves such points out, optuna refuses them.
#
# Why it matters: the first candidates of a search are often too slow or too weak for the bounds one
# has set, so this is the usual start. Comparisons of fronts by this number favour the worst of them.
# Drop the points beyond the reference before.
# nasface: has no hypervolume; its fronts are kept by dominance alone.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet nevergrad==1.0.12 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python -W ignore - <<'END'
import nevergrad
import numpy as np
from nevergrad.optimization.multiobjective import HypervolumeIndicator

reference = np.array([1.0, 1.0])


def area(points, steps=1000):
    """The part of the square from 0 to the reference that is dominated, by counting small squares."""
    x, y = np.meshgrid(*[(np.arange(steps) + 0.5) / steps] * 2)
    dominated = np.zeros_like(x, bool)
    for point in points:
        dominated |= (x >= point[0]) & (y >= point[1])
    return dominated.mean()


for points, seen in (
    ([[0.6, 0.6]], 0.16),
    ([[0.5, 3.0], [0.6, 0.6]], -0.04),
    ([[3.0, 3.0]], 4.0),
):
    volume = HypervolumeIndicator(reference).compute(points)
    print(points, f"nevergrad {volume:.3f}, counted {area(points):.3f}")
    assert abs(volume - seen) < 1e-9
assert abs(area([[0.5, 3.0], [0.6, 0.6]]) - 0.16) < 1e-3

for start, seen in (([], -0.16), ([[0.5, 3.0]], 0.04)):
    optimizer = nevergrad.optimizers.OnePlusOne(nevergrad.p.Scalar(), budget=20)
    optimizer.tell(nevergrad.p.MultiobjectiveReference(), reference)
    for losses in [*start, [0.6, 0.6]]:
        candidate = optimizer.ask()
        optimizer.tell(candidate, losses)
    print("OnePlusOne told", [*start, [0.6, 0.6]], f"loss of the last {candidate.loss:.3f}")
    assert abs(candidate.loss - seen) < 1e-9
END
