"""The time and memory that the runs of a comparison are taken to need."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from comparisons import FPN, RANDOM, SMALL, plan
from tiny import write_tiny

from nasface.progress import Silent
from nasface.studies.estimate import estimate_comparison, memory_mb
from nasface.studies.spec import MethodSpec, StudySpec

LARGE = replace(FPN, name="large", train={**FPN.train, "batch_size": 6})
SEARCHED = MethodSpec(name="searched", strategy="argmax", nodes=(4,))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("data"))


def test_memory_is_that_of_the_largest_step(data: Path) -> None:
    def needed(*methods: MethodSpec, **train: Any) -> float:
        search = {"space": "autofem-cpm", **SMALL}
        return memory_mb(
            StudySpec(
                name="p",
                methods=methods,
                seeds=(0, 1),
                data=str(data),
                search=search,
                train={**SMALL, **train},
            )
        )

    two, four, six = (needed(FPN, batch_size=count) for count in (2, 4, 6))
    assert six - four == pytest.approx(four - two, rel=0.02)
    assert two < four
    assert needed(FPN, LARGE) == needed(LARGE) == pytest.approx(six)
    assert needed(FPN, SEARCHED) == needed(SEARCHED) > two


def test_a_device_keeps_what_a_step_needs(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nasface.studies.estimate.choose_device", lambda _: torch.device("cuda"))
    made = StudySpec(name="p", methods=(FPN,), seeds=(0,), data=str(data), train=SMALL)
    assert memory_mb(made) == 850


def test_an_estimate_names_every_method(data: Path) -> None:
    made = plan(data, FPN, RANDOM, seeds=(0, 1))
    fpn, random = estimate_comparison(made, Silent())
    assert (fpn.label, fpn.runs, fpn.search_seconds) == ("fpn", 2, 0.0)
    assert (random.label, random.search_seconds) == ("random 4", 0.0)
    assert fpn.seconds == 2 * fpn.train_seconds > 0
    assert (fpn.searches, random.searches) == (0, 0)


def test_an_estimate_counts_a_search_once_for_the_trainings_of_a_seed(data: Path) -> None:
    made = plan(
        data, MethodSpec(name="argmax", strategy="argmax", nodes=(4,), trainings=3), seeds=(0, 1)
    )
    (found,) = estimate_comparison(made, Silent())
    assert (found.runs, found.searches) == (6, 2)
    assert found.search_seconds > 0
    assert found.seconds == 2 * found.search_seconds + 6 * found.train_seconds
