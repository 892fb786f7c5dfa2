"""Trials at equal latency: which draws are kept."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nasface.arch.genotype import Genotype
from nasface.detection.config import DetectorConfig
from nasface.errors import ConfigError, RunError
from nasface.progress import Silent
from nasface.studies import trials
from nasface.studies.limits import EqualTime
from nasface.studies.trials import DRAWN, Trial, TunePlan, trials_at_equal_latency, trials_of

pytest.importorskip("ray", reason="the extra ray is not installed")

EQUAL = EqualTime(within=0.1)


def plan(channels: list[int], count: int = 6) -> TunePlan:
    return TunePlan(
        name="t",
        ranges={"detector.channels": channels, "detector.head_layers": [0, 1, 2]},
        data="d",
        train={"epochs": 1, "detector": {"neck": "fpn", "channels": 100}},
        trials=count,
        equal_latency=EQUAL,
    )


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Milliseconds are channels; gives those of the detectors that were built."""
    built: list[int] = []

    def whole(detector: DetectorConfig, genotype: Genotype | None, size: Any, engine: str) -> int:
        assert (genotype, size, engine) == (None, (640, 480), "onnxruntime")
        built.append(detector.channels)
        return detector.channels

    def measure(runs: Sequence[int], rounds: int) -> list[float]:
        return [float(each) for each in runs]

    monkeypatch.setattr(trials, "whole_detector", whole)
    monkeypatch.setattr(trials, "measure_interleaved", measure)
    return built


def test_the_different_draws_that_are_as_fast_are_kept_in_their_order(
    tmp_path: Path, measured: list[int]
) -> None:
    made = plan([80, 92, 100, 108, 120])
    kept = trials_at_equal_latency(made, EQUAL, tmp_path, Silent())
    assert measured[0] == 100  # the plan's own
    assert len(measured) <= 1 + 5 * 3  # each of the others once, however often it is drawn
    fast: list[Trial] = []
    for each in trials_of(TunePlan(**{**vars(made), "trials": 200, "equal_latency": None})):
        if 90 <= each.config.detector.channels <= 110 and each not in fast:
            fast.append(each)
    del fast[6:]
    assert [each.settings for each in kept] == [each.settings for each in fast]
    assert [each.config for each in kept] == [each.config for each in fast]
    assert [each.time for each in kept] == [each.config.detector.channels / 100 for each in fast]
    assert len({each.config.detector.head_layers for each in kept}) > 1


def test_what_was_drawn_holds_when_a_tuning_goes_on(tmp_path: Path, measured: list[int]) -> None:
    made = plan([92, 100, 120])
    kept = trials_at_equal_latency(made, EQUAL, tmp_path, Silent())
    before = len(measured)
    assert trials_at_equal_latency(made, EQUAL, tmp_path, Silent()) == kept
    assert len(measured) == before


@pytest.mark.parametrize(
    ("name", "value"),
    [("trials", 5), ("seed", 1), ("equal_latency", EqualTime()), ("train", {"epochs": 1})],
)
def test_what_was_drawn_for_another_plan_is_refused(
    name: str, value: Any, tmp_path: Path, measured: list[int]
) -> None:
    made = plan([92, 100, 120])
    trials_at_equal_latency(made, EQUAL, tmp_path, Silent())
    with pytest.raises(RunError, match=f"drawn.yaml: was drawn with other {name}; expected"):
        trials_at_equal_latency(replace(made, **{name: value}), EQUAL, tmp_path, Silent())


def test_the_same_detector_is_measured_once(tmp_path: Path, measured: list[int]) -> None:
    made = replace(plan([100]), ranges={"optimizer.lr": {"low": 0.001, "high": 0.1}})
    kept = trials_at_equal_latency(made, EQUAL, tmp_path, Silent())
    assert len({each.config.optimizer.lr for each in kept}) == 6
    assert len(measured) == 2


def test_ranges_without_enough_detectors_as_fast_are_named(
    tmp_path: Path, measured: list[int]
) -> None:
    with pytest.raises(ConfigError, match=r"0 different ones of 1200 draws .*, expected 6; widen"):
        trials_at_equal_latency(plan([80, 120]), EQUAL, tmp_path, Silent())
    with pytest.raises(ConfigError, match=r"3 different ones of 1200 draws .*, expected 6; widen"):
        trials_at_equal_latency(plan([80, 100]), EQUAL, tmp_path, Silent())
    assert not (tmp_path / DRAWN).exists()


def test_detectors_are_measured_for_real(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="the extra export is not installed")
    detector = {"neck": "fpn", "channels": 8, "head_layers": 1, "levels": [3, 4]}
    made = TunePlan(
        name="t",
        ranges={"detector.channels": [8]},
        data="d",
        train={"epochs": 1, "detector": detector},
        trials=1,
    )
    (one,) = trials_at_equal_latency(made, EqualTime(within=0.9), tmp_path, Silent())
    assert one.time is not None
    assert 0.1 <= one.time <= 1.9


@pytest.mark.parametrize("within", [0.0, 1.0])
def test_shares_that_mean_nothing_are_refused(within: float) -> None:
    with pytest.raises(ConfigError, match="expected 0 to 1"):
        EqualTime(within=within)


def test_without_a_number_the_combinations_as_fast_are_kept(
    tmp_path: Path, measured: list[int]
) -> None:
    made = replace(plan([80, 92, 108]), trials=None)
    kept = trials_at_equal_latency(made, EQUAL, tmp_path, Silent())
    assert [each.settings for each in kept] == [
        {"detector.channels": channels, "detector.head_layers": layers}
        for channels in (92, 108)
        for layers in (0, 1, 2)
    ]


def test_combinations_of_which_none_is_as_fast_are_named(
    tmp_path: Path, measured: list[int]
) -> None:
    made = replace(plan([80, 120]), trials=None)
    with pytest.raises(ConfigError, match=r"0 different ones of 6 draws .*, expected at least 1"):
        trials_at_equal_latency(made, EQUAL, tmp_path, Silent())
    assert not (tmp_path / DRAWN).exists()


@pytest.mark.parametrize(("count", "total"), [(4, 0), (None, 6)])
def test_draws_that_are_left_out_count_as_progress(
    count: int | None, total: int, tmp_path: Path, measured: list[int]
) -> None:
    """Their number is known of combinations alone."""
    progress = Counted()
    made = replace(plan([80, 92]), trials=count)
    with suppress(ConfigError):  # four of three
        trials_at_equal_latency(made, EQUAL, tmp_path, progress)
    assert progress.total == total
    assert progress.advanced == (6 if count is None else 4 * 200)


class Counted(Silent):
    """Keeps how far it went."""

    total, advanced = -1, 0

    def start(self, title: str, total: int, done: int = 0) -> None:
        self.total = total

    def advance(self, values: Mapping[str, float] | None = None) -> None:
        self.advanced += 1


@pytest.mark.parametrize("equal", [None, EQUAL])
def test_no_trials_are_none_to_draw(equal: EqualTime | None) -> None:
    with pytest.raises(ConfigError, match=r"trials 0, .*: expected at least 1"):
        TunePlan(name="t", ranges={"batch_size": [2]}, trials=0, equal_latency=equal)
