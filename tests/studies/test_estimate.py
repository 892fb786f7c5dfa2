"""How much memory a run of a comparison is taken to need."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import write_tiny

from nasface.studies.estimate import memory_mb
from nasface.studies.spec import MethodSpec, StudySpec

SMALL: dict[str, Any] = {
    "batch_size": 2,
    "detector": {"channels": 8, "head_layers": 1, "extra_channels": [16, 16]},
    "augment": {"size": 64},
}
FPN = MethodSpec(name="fpn", strategy="fixed", train={"detector": {"neck": "fpn"}})
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
    plan = StudySpec(name="p", methods=(FPN,), seeds=(0,), data=str(data), train=SMALL)
    assert memory_mb(plan) == 800
