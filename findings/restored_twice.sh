#!/usr/bin/env bash
# A saved position of a data pipeline can be used once
#
# grain 0.2.18, numpy 2.4.6.
#
# Expected: a state that was taken from an iterator says where it stood; whoever sets it gets the same examples after
# it, as often as it is set.
# Seen: an iterator that interleaves several sources goes on with the very dictionary that it was given. It moves while
# the iterator moves: set a second time, after the first iterator has run to its end, the state begins elsewhere,
# leaves out some examples and gives others twice. States of plain, filtered, mixed, repeated and limited pipelines can
# be set as often as one likes, and a copy of the state made in time (copy.deepcopy) can here as well. Besides, where
# batches are cut into smaller ones and the state is taken after the last batch, the restored pipeline gives one more
# batch, with nothing in it.
#
# Why it matters: a state is set twice where training goes back to the same checkpoint more than once, or where
# a validation loop starts at the same place every time. A batch of no pictures makes a mean loss NaN.
# nasface: its loader keeps its place as an epoch, a batch and a seed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet grain==0.2.18 numpy==2.4.6
cd "$folder"
venv/bin/python -W ignore - <<'END'
import copy

from grain import IterDataset, MapDataset, experimental


def source(first, count=3):
    """The numbers from first on."""
    return MapDataset.range(first, first + count).to_iter_dataset()


PIPELINES = {
    "plain": lambda: source(0, 9),
    "filtered": lambda: source(0, 9).filter(lambda number: number % 3 > 0),
    "mixed": lambda: IterDataset.mix([source(0), source(10)], weights=[0.5, 0.5]),
    "repeated": lambda: experimental.RepeatIterDataset(source(0), num_epochs=2),
    "limited": lambda: experimental.LimitIterDataset(source(0, 9), count=4),
    "interleaved": lambda: experimental.InterleaveIterDataset([source(10 * k) for k in range(4)], cycle_length=2),
}


def after(pipeline, state):
    """All that comes after this state."""
    iterator = iter(PIPELINES[pipeline]())
    iterator.set_state(state)
    return list(iterator)


for name, pipeline in PIPELINES.items():
    iterator = iter(pipeline())
    next(iterator)
    state = iterator.get_state()
    rest = list(iterator)
    kept = copy.deepcopy(state)
    first, second = after(name, state), after(name, state)
    print(f"{name}: after the first example {rest}; restored {'alike' if first == rest else first},", end=" ")
    print(f"and again {'alike' if second == rest else second}")
    assert first == rest and (second == rest) == (name != "interleaved")
    assert after(name, kept) == rest

halved = {
    "batches of 2": lambda: source(0, 8).batch(2),
    "batches of 4 as 2": lambda: experimental.RebatchIterDataset(source(0, 8).batch(4), batch_size=2),
}
for name, pipeline in halved.items():
    iterator = iter(pipeline())
    sizes = [len(next(iterator)) for _ in range(4)]
    restored = iter(pipeline())
    restored.set_state(iterator.get_state())
    left = [len(batch) for batch in restored]
    print(f"{name}: sizes {sizes}, after the end {left}")
    assert sizes == [2] * 4 and left == ([0] if name == "batches of 4 as 2" else [])
END
