"""Random numbers: one stream for every purpose, and for every place at which it draws.

A stream is that of ``numpy.random.SeedSequence`` for the seed, a purpose and a place such as
(epoch, index), hashed together. So it can be made again wherever it is needed, in any process and
in any order, and neither two purposes nor two seeds share one, as they would if a purpose took
the next seed. Numbers that torch draws start from :func:`torch_seed`.
"""

from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What random numbers are for, and the place that goes with it.

    The numbers are part of the streams: a new purpose takes a new one, and none changes.
    """

    INITIAL_WEIGHTS = 0
    """Weights and architecture parameters at the start."""
    HALVES = 1
    """Which images train weights, which the architecture."""
    ORDER = 2
    """Images of an epoch: (epoch, half)."""
    AUGMENTATION = 3
    """A training sample: (epoch, position, half)."""
    WORKERS = 4
    """The base seed of a loader's processes: (half)."""
    WEIGHT_PATHS = 5
    """What a weight step executes: (cell, ...), see ``nas.policy``."""
    ARCH_PATHS = 6
    """What an architecture step executes, likewise."""
    RANDOM_CELLS = 7
    """Genotypes drawn at random: (index, cell)."""
    SAMPLE_DATA = 8
    """Images of the sample data set: (part, index)."""
    PARITY = 9
    """Inputs on which an export is compared: sizes."""
    TRAININGS = 10
    """Seeds of further trainings of what a search found: (training)."""
    SELECTION = 11
    """Which cells a supernet is asked about: (index)."""
    RESAMPLING = 12
    """Samples of a bootstrap."""
    TRIALS = 13
    """Settings that a tuning draws from its ranges."""
    LAYERS = 14
    """What layers of a network draw in training, such as dropout: (step, process)."""


def stream(seed: int, purpose: Purpose, *place: int) -> np.random.Generator:
    """Return the generator of a seed (at least 0), purpose and place."""
    return np.random.default_rng(_sequence(seed, purpose, place))


def torch_seed(seed: int, purpose: Purpose, *place: int) -> int:
    """Return the seed of a torch generator for the same."""
    high, low = _sequence(seed, purpose, place).generate_state(2)
    return int(high) << 32 | int(low)


def further_seed(seed: int, training: int) -> int:
    """Return the seed of the training of that number, from 1, of what was found with a seed.

    Below 2**31, and spread over all of them, so that no two searches share one.
    """
    (word,) = _sequence(seed, Purpose.TRAININGS, (training,)).generate_state(1)
    return int(word) >> 1


def _sequence(seed: int, purpose: Purpose, place: tuple[int, ...]) -> np.random.SeedSequence:
    # As a spawn key, purpose and place stand apart from the seed however long it is; (1,) and
    # (1, 0) differ, too, which as entropy they would not.
    return np.random.SeedSequence(seed, spawn_key=(purpose, *place))
