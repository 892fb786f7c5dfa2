"""Random streams: none is shared by two purposes, places or seeds, and there are no others."""

import ast
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny import AUGMENT, DETECTOR, OPTIMIZER, write_tiny

import nasface
from nasface import random_streams
from nasface.engine.search import SearchConfig, run_search
from nasface.progress import Silent
from nasface.random_streams import Purpose, stream, torch_seed

Key = tuple[int, ...]
PACKAGE = Path(nasface.__file__).parent


def first_numbers(key: Key) -> tuple[int, ...]:
    """What a stream begins with; equal for two only if they are the same."""
    seed, purpose, *place = key
    return tuple(stream(seed, Purpose(purpose), *place).integers(2**63, size=4).tolist())


def test_no_two_purposes_places_or_seeds_share_a_stream() -> None:
    places = [place for length in range(4) for place in product(range(4), repeat=length)]
    keys = [(seed, purpose, *place) for seed in range(4) for purpose in Purpose for place in places]
    assert len({first_numbers(key) for key in keys}) == len(keys)
    seeds = {torch_seed(seed, Purpose(purpose), *place) for seed, purpose, *place in keys}
    assert len(seeds) == len(keys)
    assert len({torch.Generator().manual_seed(each).initial_seed() for each in seeds}) == len(keys)


keys = st.tuples(
    st.integers(0, 2**70),
    st.sampled_from([int(each) for each in Purpose]),
    *[st.integers(0, 2**20)] * 2,
)


@given(keys, keys)
def test_two_streams_are_equal_if_their_keys_are(one: Key, other: Key) -> None:
    assert (first_numbers(one) == first_numbers(other)) == (one == other)
    assert first_numbers(one) == first_numbers(one)


def test_streams_do_not_change_between_versions() -> None:
    drawn = stream(7, Purpose.AUGMENTATION, 1, 2, 0).integers(1000, size=4).tolist()
    sequence = np.random.SeedSequence(7, spawn_key=(3, 1, 2, 0))
    expected = np.random.Generator(np.random.PCG64(sequence)).integers(1000, size=4).tolist()
    assert drawn == expected == [108, 946, 164, 182]
    assert [int(each) for each in Purpose] == list(range(15))


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="non-negative"):
        stream(-1, Purpose.ORDER, 0)


def test_neighbouring_searches_share_no_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every stream that two searches open, purpose by purpose."""
    opened: list[Key] = []
    sequence = random_streams._sequence

    def record(seed: int, purpose: Purpose, place: tuple[int, ...]) -> np.random.SeedSequence:
        opened.append((seed, purpose, *place))
        return sequence(seed, purpose, place)

    monkeypatch.setattr(random_streams, "_sequence", record)
    data = str(write_tiny(tmp_path / "data"))
    used = []
    for seed in (0, 1):
        settings: dict[str, Any] = {"space": "autofem-fpn", "epochs": 2, "warmup_epochs": 1}
        config = SearchConfig(
            data=data,
            seed=seed,
            batch_size=2,
            detector=DETECTOR,
            augment=AUGMENT,
            optimizer=OPTIMIZER,
            **settings,
        )
        opened.clear()
        run_search(config, tmp_path / f"run-{seed}", Silent())
        used.append(set(opened))
    zero, one = used
    purposes = {
        Purpose.INITIAL_WEIGHTS,
        Purpose.HALVES,
        Purpose.ORDER,
        Purpose.AUGMENTATION,
        Purpose.WORKERS,
        Purpose.WEIGHT_PATHS,
        Purpose.ARCH_PATHS,
        Purpose.LAYERS,
    }
    assert {Purpose(key[1]) for key in zero} == purposes
    drawn = {key: first_numbers(key) for key in zero | one}
    assert len(set(drawn.values())) == len(drawn)
    assert not {drawn[key] for key in zero} & {drawn[key] for key in one}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_there_is_no_other_source_of_random_numbers(path: Path) -> None:
    """Of generators that are made or seeded; torch's own stream is seeded by ``torch_seed``."""
    if path == PACKAGE / "random_streams.py":
        return
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        name = getattr(node, "attr", getattr(node, "id", ""))
        assert name not in {"default_rng", "RandomState", "SeedSequence", "PCG64", "Random"}, (
            f"{path.name}:{getattr(node, 'lineno', 0)}"
        )
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in {"manual_seed", "seed"}:
            (seed,) = node.args
            assert isinstance(seed, ast.Call), f"{path.name}:{node.lineno}"
            assert getattr(seed.func, "id", "") == "torch_seed", f"{path.name}:{node.lineno}"
