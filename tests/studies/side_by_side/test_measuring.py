"""Turns, shares of a pass, and models that the memory does not suffice for."""

from itertools import count

import pytest
import torch
from torch import nn

from nasface.deploy.alternating import alternate
from nasface.studies.side_by_side import measuring
from nasface.studies.side_by_side.building import ModelSize
from nasface.studies.side_by_side.measuring import SHARES, measure_group, shares_of
from nasface.studies.side_by_side.plan import ComparedModel, ModelsPlan

MODELS = (
    ComparedModel(name="a", model="retinaface-mobilenet0.25"),
    ComparedModel(name="b", model="asfd-nano", beside="a"),
)
PLAN = ModelsPlan(name="p", models=MODELS, size="160x128", rounds=2, engines=("torch",))
SIZES = {each.name: ModelSize(1000, 1000, 1.0) for each in MODELS}


def test_models_take_turns_and_the_first_round_does_not_count() -> None:
    order: list[str] = []
    ticks = count()
    steps = {name: (lambda name=name: order.append(name)) for name in "abc"}
    times = alternate(steps, 3, lambda: float(next(ticks)))
    assert "".join(order) == "cba" + "abc" + "cba" + "abc"
    assert times == {name: [1.0, 1.0, 1.0] for name in "abc"}


def test_shares_are_those_of_the_kernels() -> None:
    def step_of(kernel: int, groups: int) -> dict[str, float]:
        layer = nn.Conv2d(32, 32, kernel, padding=kernel // 2, groups=groups)
        image = torch.zeros(1, 32, 64, 64)

        def step() -> None:
            with torch.inference_mode():
                layer(image)

        return shares_of(step)

    for kernel, groups, kind in ((3, 1, "dense"), (1, 1, "pointwise"), (3, 32, "depthwise")):
        found = step_of(kernel, groups)
        assert set(found) == set(SHARES)
        assert sum(found.values()) == pytest.approx(1)
        assert found[kind] > 0.5
        assert {other for other in found if found[other] == 0} >= set(SHARES) - {kind, "other"}


def test_torch_has_times_and_shares() -> None:
    passes = []
    found = measure_group(MODELS, SIZES, "torch", PLAN, lambda: passes.append(1))
    assert {name: len(each) for name, each in found.seconds.items()} == {"a": 2, "b": 2}
    assert min(map(min, found.seconds.values())) > 0
    assert found.shares.keys() == {"a", "b"}
    assert found.skipped == {}
    assert len(passes) == len(MODELS) * (PLAN.rounds + 2)


def test_onnx_runtime_has_times() -> None:
    found = measure_group(MODELS[:1], SIZES, "onnxruntime", PLAN, lambda: None)
    assert (len(found.seconds["a"]), found.shares) == (2, {})


def test_a_model_that_does_not_fit_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    large = SIZES | {"b": ModelSize(10**12, 1, 1.0)}
    found = measure_group(MODELS, large, "torch", PLAN, lambda: None)
    assert found.seconds.keys() == {"a"}
    assert found.skipped["b"].startswith("needs about 12000200 MB, free are ")

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(measuring, "load_model", full)
    found = measure_group(MODELS, SIZES, "torch", PLAN, lambda: None)
    assert found.seconds == {}
    assert found.skipped.keys() == {"a", "b"}
