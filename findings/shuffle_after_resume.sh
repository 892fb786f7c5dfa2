#!/usr/bin/env bash
# A resumed loader finishes its epoch, and then shuffles otherwise
#
# torchdata 0.11.0, torch 2.13.0.
#
# Expected: a StatefulDataLoader that takes up the state of another goes on as if there had been no
# stop: the rest of this epoch, and the epochs after it, in the same order.
# Seen: so with workers (num_workers=2), and with the global generator. With a generator of one's own
# and num_workers=0 the rest of the epoch is right, and every later epoch has an order that the run
# without a stop never had; also where the state was taken at the end of an epoch.
#
# Why it matters: a seeded generator is given to make a run repeatable, and the state is saved to make
# it resumable; the first epoch checked says that both work. After a stop the run is another one, and
# a comparison of methods at equal seeds no longer compares at equal data. Seed the generator from the
# epoch, or use workers.
# nasface: orders the images of an epoch by seed and epoch alone, and does not use this package.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torchdata==0.11.0 torch==2.13.0 numpy==2.4.6
cd "$folder"
OMP_NUM_THREADS=1 venv/bin/python -W ignore - <<'END'
import torch
from torchdata.stateful_dataloader import StatefulDataLoader


def loader(workers, own_generator):
    torch.manual_seed(0)
    return StatefulDataLoader(
        list(range(11)),
        batch_size=3,
        shuffle=True,
        num_workers=workers,
        generator=torch.Generator().manual_seed(3) if own_generator else None,
    )


def epoch(batches):
    return [batch.tolist() for batch in batches]


def resumed(workers, own_generator, batches):
    """Whether the rest of the epoch is right after so many batches, and which epochs of the run
    without a stop the next three are."""
    whole = loader(workers, own_generator)
    orders = [epoch(whole) for _ in range(6)]
    stopped = loader(workers, own_generator)
    iterator = iter(stopped)
    for _ in range(batches):
        next(iterator)
    state = stopped.state_dict()
    again = loader(workers, own_generator)
    again.load_state_dict(state)
    rest = epoch(again) == orders[0][batches:]
    later = [epoch(again) for _ in range(3)]
    return rest, [orders.index(each) if each in orders else None for each in later]


for workers, own_generator, seen in (
    (0, True, [None, None, None]),
    (0, False, [1, 2, 3]),
    (2, True, [1, 2, 3]),
):
    for batches in (1, 2, 4):
        rest, later = resumed(workers, own_generator, batches)
        kind = "own generator" if own_generator else "global generator"
        print(f"{workers} workers, {kind}, stop after {batches}: rest right {rest}, then {later}")
        assert rest and later == seen
END
