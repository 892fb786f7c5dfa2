"""Settings of version 0.1 are read under the names of today."""

from dataclasses import fields
from pathlib import Path

import pytest

from nasface.api.evaluate_config import EvaluateConfig
from nasface.detection.config import DetectorConfig
from nasface.detection.losses import LossConfig
from nasface.detection.matching import MatchConfig
from nasface.engine.detect import DetectConfig
from nasface.engine.job import JobConfig
from nasface.engine.search import SearchConfig
from nasface.engine.train import TrainConfig
from nasface.errors import ConfigError
from nasface.inference.predict import SuppressionConfig
from nasface.io.former_names import FORMER_NAMES, FORMER_VALUES, with_current_names
from nasface.io.settings import load_config
from nasface.io.yaml import parse_dataclass
from nasface.metrics.protocols.widerface import WiderOptions
from nasface.nas.config import BilevelConfig
from nasface.studies.spec import MethodSpec, StudySpec, load_plan
from nasface.studies.study_run import runs_of

OF_0_1 = """
batch: 3
average: 0.9
statistics_until: 0.5
detector: {module: fpn+ssh, channels: 8}
match: {compensate: 6}
loss: {margin: 0.2}
test: {preset: vga, confidence: 0.1, before_nms: 7, nms: 0.4, keep: 5}
"""


def test_a_file_of_0_1_is_read_and_its_words_are_named(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(OF_0_1)
    with pytest.warns(FutureWarning) as notes:
        config = load_config(TrainConfig, tmp_path / "t.yaml")
    assert (config.batch_size, config.ema_decay, config.freeze_bn_after) == (3, 0.9, 0.5)
    assert config.detector == DetectorConfig(neck="fpn+ssh", channels=8)
    assert (config.match.min_anchors_per_face, config.loss.logit_margin) == (6, 0.2)
    found = config.inference
    assert (found.score_threshold, found.pre_nms_top_k, found.nms_iou) == (0.1, 7, 0.4)
    assert found.max_detections == 5
    said = [str(note.message) for note in notes]
    assert len(said) == 11
    assert f"{tmp_path / 't.yaml'}: 'batch' is now called 'batch_size'" in said


@pytest.mark.parametrize(("was", "log"), [("true", ("tensorboard",)), ("false", ())])
def test_the_flag_of_tensorboard_is_a_logger_now(
    was: str, log: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "t.yaml").write_text(f"tensorboard: {was}")
    with pytest.warns(FutureWarning, match=f"'tensorboard: {was}' is now written 'log: "):
        config = load_config(TrainConfig, tmp_path / "t.yaml")
    assert config.log == log
    for values in ({"tensorboard": "yes"}, {"tensorboard": True, "log": []}):
        with pytest.raises(ConfigError, match=r"tensorboard: unknown key|tensorboard'"):
            parse_dataclass(TrainConfig, values, "t", ConfigError)


def test_names_of_a_search_of_0_1() -> None:
    values = {"choice_lr": 0.1, "complexity": {"weight": 0.0}, "most_skips": 2, "before": "x"}
    config = parse_dataclass(SearchConfig, values, "s", ConfigError)
    assert (config.arch_lr, config.max_skip_connections) == (0.1, 2)
    assert config.prefix_genotype == "x"


def test_a_former_name_beside_its_successor_is_refused() -> None:
    with pytest.raises(ConfigError, match="batch: unknown key"):
        parse_dataclass(TrainConfig, {"batch": 2, "batch_size": 3}, "t", ConfigError)


def test_names_of_today_stay_as_they_are() -> None:
    values = {"batch_size": 2, "detector": {"neck": "fpn"}, "inference": {"nms_iou": 0.5}}
    assert with_current_names(TrainConfig, values) == (values, [])


def test_a_plan_of_0_1_is_read(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        "name: p\nseeds: [0]\nfigure: easy\ntrain: {batch: 4, test: {preset: vga}}\n"
        "methods: [{name: a, how: fixed, train: {batch: 5, detector: {module: fpn}}}]\n"
    )
    with pytest.warns(FutureWarning, match="is now called"):
        plan = load_plan(tmp_path / "p.yaml")
    (run,) = runs_of(plan)
    assert (run.metric, run.strategy, run.train.batch_size) == ("easy", "fixed", 5)
    assert (run.train.detector.neck, run.train.inference.preset) == ("fpn", "vga")


def test_the_table_names_settings_that_exist() -> None:
    kinds = [
        BilevelConfig, DetectConfig, DetectorConfig, EvaluateConfig, JobConfig, LossConfig,
        MatchConfig, MethodSpec, SearchConfig, StudySpec, SuppressionConfig, TrainConfig,
        WiderOptions,
    ]  # fmt: skip
    assert {kind.__name__ for kind in kinds} == set(FORMER_NAMES)
    assert set(FORMER_VALUES) <= set(FORMER_NAMES)
    for kind in kinds:
        names = {each.name for each in fields(kind)}
        values = FORMER_VALUES.get(kind.__name__, {})
        renamed = {former: name for former, (name, _) in values.items()}
        for former, name in {**FORMER_NAMES[kind.__name__], **renamed}.items():
            assert name in names
            assert former not in names
