#!/usr/bin/env bash
# A detector that finds nothing has a Matthews correlation coefficient of 0.98
#
# torchmetrics 1.9.0, torch 2.13.0.
#
# Expected: who gives the same answer to every question correlates with nothing; the coefficient, 0 / 0 by its
# formula, is 0, as its limit is.
# Seen: where either the answers or the truth are all of one class, the value follows from how many of them are right.
# "No face" for 100 boxes, one of which is a face, gives 0.98, for 10 boxes with one face 0.84, for 10 with five 0, and
# for 10 with nine -0.84. The same holds where there is no face at all and one is found: 0.98 of 100. One right
# answer more, the face itself, gives 1; one that is found beside another mistake gives what it should.
# The value jumps therefore: a detector that calls a single wrong box a face falls from 0.98 to -0.01.
#
# Why it matters: the coefficient is taken for unequal classes just because it does not reward the majority's answer.
# Here a collapsed classifier has the best score of a sweep, and a batch without faces lifts a mean over batches.
# nasface: scores with its own average precision, which needs no coefficient.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torchmetrics==1.9.0 torch==2.13.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python -W ignore - <<'END'
import torch
from torchmetrics.functional.classification import binary_matthews_corrcoef


def coefficient(right_faces, missed, false_alarms, right_rest):
    """The coefficient of these counts by its formula, 0 for 0 / 0, and by torchmetrics."""
    answers, truth = [], []
    for count, answer, true in ((right_faces, 1, 1), (missed, 0, 1), (false_alarms, 1, 0), (right_rest, 0, 0)):
        answers += [answer] * count
        truth += [true] * count
    product = (right_faces + missed) * (right_faces + false_alarms)
    product *= (right_rest + missed) * (right_rest + false_alarms)
    exact = (right_faces * right_rest - missed * false_alarms) / product**0.5 if product else 0
    return exact, binary_matthews_corrcoef(torch.tensor(answers), torch.tensor(truth)).item()


for counts, seen in (
    ((0, 1, 0, 99), 0.985),
    ((0, 1, 0, 9), 0.843),
    ((0, 5, 0, 5), 0),
    ((0, 9, 0, 1), -0.843),
    ((0, 0, 1, 99), 0.985),
    ((9, 0, 1, 0), 0.843),
    ((1, 0, 0, 99), 1),
    ((0, 1, 1, 98), -0.01),
    ((1, 1, 1, 97), 0.49),
):
    exact, found = coefficient(*counts)
    print(f"found {counts[0]}, missed {counts[1]}, false alarms {counts[2]}, other boxes {counts[3]}:", end=" ")
    print(f"{found:.3f}, by the formula {exact:.3f}")
    assert abs(found - seen) < 1e-3
    varied = min(counts[0] + counts[1], counts[0] + counts[2], counts[3] + counts[1], counts[3] + counts[2])
    assert abs(exact - (found if varied else 0)) < 1e-3
END
