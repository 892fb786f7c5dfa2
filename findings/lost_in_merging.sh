#!/usr/bin/env bash
# Merging the boxes of two tiles loses a third one
#
# sahi 0.12.8, numpy 2.4.6.
#
# Expected: greedy merging, the default for pictures cut into tiles, puts those boxes together that lie far enough
# within the best one of them, and keeps the others; the result covers all boxes that it was given.
# Seen: the members are chosen by what they share with the best box, and then put in one by one if they share as much
# with the box that has grown meanwhile. One that no longer does is in neither: not in the merged box, and
# not in the result by itself. A narrow piece (score 0.9) lies half in a box above it and half in one below it. Either
# of both alone is merged with it; of both together the better one is merged, and the other, five sixths of which lie
# outside the result, is gone. Merging that is not greedy loses it as well, and which of both depends on the
# order of the list.
#
# Why it matters: pieces of a face at the border of two tiles are such boxes, and the default measure, the part of the
# smaller box, lets a small piece choose many. What is lost may be the whole face, or another one.
# nasface: cuts no pictures into tiles; its box voting averages boxes and gives each to one group.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet sahi==0.12.8 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python -W ignore - <<'END'
from itertools import permutations

from sahi.postprocess.combine import GreedyNMMPostprocess, NMMPostprocess
from sahi.prediction import ObjectPrediction

PIECE, ABOVE, BELOW = (0, 40, 40, 60, 0.9), (0, 0, 40, 50, 0.8), (0, 50, 40, 110, 0.7)


def merged(boxes, way):
    """Boxes after merging, as left, top, right, bottom, score."""
    parts = [
        ObjectPrediction(bbox=list(box[:4]), score=box[4], category_id=0, category_name="face", full_shape=[200, 200])
        for box in boxes
    ]
    merge = way(match_threshold=0.5, match_metric="IOS", class_agnostic=True)
    return sorted((*map(int, part.bbox.to_xyxy()), part.score.value) for part in merge(parts))


for way in (GreedyNMMPostprocess, NMMPostprocess):
    print(way.__name__)
    for boxes, seen in (
        ((PIECE, ABOVE), [(0, 0, 40, 60, 0.9)]),
        ((PIECE, BELOW), [(0, 40, 40, 110, 0.9)]),
        ((ABOVE, BELOW), sorted((ABOVE, BELOW))),
        ((PIECE, ABOVE, BELOW), [(0, 0, 40, 60, 0.9)]),
    ):
        print(boxes, "become", merged(boxes, way))
        assert merged(boxes, way) == seen
    results = {str(merged(boxes, way)) for boxes in permutations((PIECE, ABOVE, BELOW))}
    print("in any order:", results)
    assert len(results) == (1 if way is GreedyNMMPostprocess else 2)
END
