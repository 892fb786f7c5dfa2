"""Measuring latency tables."""

from typing import Any, cast

import pytest
import torch

from nasface.arch.io import load_search_space
from nasface.deploy import latency
from nasface.deploy.latency import (
    PART_ENGINES,
    Copies,
    LatencyCheck,
    build_part,
    check_latency,
    measure_interleaved,
    measure_latency,
)
from nasface.deploy.traceable import Graph
from nasface.detection.config import DetectorConfig
from nasface.detection.detector import build_detector
from nasface.detection.latency import LatencyPart, space_parts
from nasface.errors import ConfigError
from nasface.nas.sampling import random_genotype
from nasface.nn.fuse import fuse_conv_bn

DETECTOR = DetectorConfig(channels=8, levels=(3, 4, 5))
SPACE = load_search_space("autofem2-cpm", levels="3-5", nodes=2)


def test_every_part_of_a_space_is_built_at_its_size() -> None:
    for part in space_parts(load_search_space("autofem2", levels="3-5"), 8, (96, 64)):
        module, shapes = build_part(part)
        out = module.eval()(*[torch.randn(shape) for shape in shapes])
        assert out.shape == (1, 8, part.height, part.width), part


def test_parts_of_narrow_cells_lead_in_and_out() -> None:
    space = load_search_space("autofem2-cpm", levels="3-5", nodes=2, width="any")
    for part in space_parts(space, 8, (96, 64)):
        module, shapes = build_part(part)
        out = module.eval()(*[torch.randn(shape) for shape in shapes])
        assert out.shape == (1, part.outputs or part.channels, part.height, part.width), part
        assert {shape[1] for shape in shapes} == {part.channels}


def test_copies_have_inputs_of_their_own() -> None:
    x = torch.arange(6.0)
    first, second = (build_part(LatencyPart("combine", "sum", 1, 1, 1, inputs=2))[0] for _ in "ab")
    found = Copies([first, second])(*x[:4])
    assert [float(each) for each in found] == [0 + 1, 2 + 3]


def test_onnxruntime_runs_what_torch_runs() -> None:
    x = torch.randn(1, 8, 6, 4)
    part = build_part(LatencyPart("operation", "narrow_3x3", 6, 4, 8))[0].eval()
    (found,) = cast(list[Any], PART_ENGINES["onnxruntime"](Copies([part]), [x])())
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(found), part(x), atol=1e-5, rtol=1e-4)


def test_a_whole_detector_is_run_as_detection_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it was recorded, without torch's exporter."""
    monkeypatch.setattr(latency, "_traced", None)
    detector = build_detector(DETECTOR, random_genotype(SPACE, 0)).eval()
    image = torch.rand(1, 3, 64, 96)
    run = PART_ENGINES["onnxruntime"](Graph(fuse_conv_bn(detector), "heads"), [image])
    with torch.no_grad():
        expected = detector(image)
    for found, tensor in zip(
        cast(list[Any], run()), (expected.logits_BA2, expected.deltas_BA4), strict=True
    ):
        torch.testing.assert_close(torch.from_numpy(found), tensor, atol=1e-4, rtol=1e-3)


@pytest.mark.slow
def test_a_table_of_onnxruntime() -> None:
    table = measure_latency(DETECTOR, SPACE, size=(96, 64), rounds=2)
    assert table.engine == "onnxruntime"
    assert len(table.entries) == 1 + len(space_parts(SPACE, 8, (96, 64)))
    assert table.entries[0].milliseconds > 0


def test_a_measured_table_predicts_the_detectors_of_its_space() -> None:
    examples = [random_genotype(SPACE, 0, at) for at in range(2)]
    table = measure_latency(
        DETECTOR, SPACE, size=(96, 64), engine="torch", rounds=2, examples=examples
    )
    parts = space_parts(SPACE, 8, (96, 64))
    assert [each.part for each in table.entries[1:]] == parts
    assert all(each.milliseconds >= 0 for each in table.entries)
    found = check_latency(table, examples, rounds=1)
    assert len(found.measured) == len(found.predicted) == 2
    assert found.predicted == tuple(map(table.predict, examples))


def test_error_and_order_by_hand() -> None:
    check = LatencyCheck((10.0, 20.0, 40.0), (11.0, 20.0, 30.0))
    assert check.mean_error == pytest.approx((0.1 + 0 + 0.25) / 3)
    assert check.rank_correlation == pytest.approx(1)
    assert LatencyCheck((1.0, 2.0), (2.0, 1.0)).rank_correlation == pytest.approx(-1)


def test_functions_take_turns() -> None:
    calls: list[str] = []
    measure_interleaved([lambda: calls.append("a"), lambda: calls.append("b")], rounds=2)
    assert calls == ["b", "a", "a", "b", "b", "a"]


@pytest.mark.parametrize("engine", ["torch", "onnxruntime"])
def test_numbers_that_are_nearly_zero_take_no_time_of_their_own(engine: str) -> None:
    """Some processors take many times as long for products such as this, of 1e-30 and 1e-10."""
    if not torch.set_flush_denormal(False):
        pytest.skip("this processor has no such mode")
    part = build_part(LatencyPart("combine", "product", 1, 1, 8, inputs=2))[0].eval()
    small = [torch.full((1, 8, 1, 1), value) for value in (1e-30, 1e-10)]
    run = PART_ENGINES[engine](Copies([part]), small)
    seen: list[float] = []
    measure_interleaved([lambda: seen.append(float(abs(cast(Any, run())[0]).max()))], rounds=1)
    assert seen == [0.0, 0.0]
    assert float(abs(cast(Any, run())[0]).max()) == pytest.approx(1e-40, rel=1e-4)


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected one of onnxruntime, torch"):
        measure_latency(DETECTOR, SPACE, engine="tvm")
