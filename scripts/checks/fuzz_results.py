"""Files of results, plans and exports: whole samples, and how damaged ones are read."""

import json
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
import onnx
import torch
from torch import nn

from nasface.annotations.coco_results import read_coco_results
from nasface.annotations.records import CocoKeys
from nasface.api.model_card import CardFacts, write_card
from nasface.data.video import Video
from nasface.deploy.config import ExportConfig
from nasface.deploy.onnx import to_onnx
from nasface.detection.checkpoint import LoadedDetector
from nasface.detection.config import DetectorConfig
from nasface.detection.cost import detector_cost
from nasface.detection.detector import build_detector
from nasface.detection.latency import LatencyEntry, LatencyPart, LatencyTable, load_latency_table
from nasface.detection.zoo import TABLE_SIZE
from nasface.engine.detect import DetectConfig
from nasface.errors import ConfigError, NasfaceError
from nasface.inference.loading import read_detector
from nasface.io.strict_json import to_json
from nasface.io.yaml import parse_yaml, to_yaml
from nasface.reports.found import found_result, found_tables
from nasface.reports.reader import read_run
from nasface.runs.results import read_result_curves
from nasface.studies.spec import load_plan
from nasface.studies.study_run import runs_of

NAMES = ("e/a.jpg", "e/b.png", "000000000139.jpg")
KEYS = {name: CocoKeys(at, frozenset({1})) for at, name in enumerate(NAMES)}
SMALL = DetectorConfig(channels=8, head_layers=0, extra_channels=(8, 8), neck="none")
PLAN = """name: small
seeds: [0]
metric: ap
data: data
search: {space: darts, epochs: 2, warmup_epochs: 1, detector: {channels: 8}}
train: {epochs: 1, batch_size: 2, optimizer: {lr: 0.01}}
methods:
  - {name: fpn, strategy: fixed, train: {detector: {neck: fpn}}}
  - {name: cells, strategy: argmax, nodes: [4], search: {space: autofem-cpm}}
contrasts: [[fpn, cells 4]]
"""
IMAGE = torch.zeros(1, 3, 129, 129)
cost_once = cache(detector_cost)
"""All cards are of one detector; to count its cost anew is nine tenths of the time of a card."""


def coco_results() -> Sequence[bytes]:
    """Return a list, and annotations with scores."""
    rows = [
        {"image_id": at % 3, "category_id": 1, "bbox": [1, 2, 3.5, 4], "score": 0.5}
        for at in range(4)
    ]
    images = [{"id": at, "file_name": name} for at, name in enumerate(NAMES)]
    kinds = [{"id": 1, "name": "face"}]
    whole = {"images": images, "annotations": rows, "categories": kinds}
    return [json.dumps(rows).encode(), json.dumps(whole, indent=1).encode()]


def read_results(path: Path) -> None:
    """Score results by ids or, in every second file, by names."""
    keys = KEYS if path.stat().st_size % 2 else {}
    for found in read_coco_results(path, NAMES, keys).values():
        assert np.isfinite(found.as_rows()).all()
        assert found.boxes_N4.shape == (len(found.scores_N), 4)


def plans() -> Sequence[bytes]:
    """Return a plan of two methods with a space as small as there is."""
    return [PLAN.encode()]


def read_plan(path: Path) -> None:
    """Read a plan: an accepted one has runs, unless its methods' settings are refused."""
    plan = load_plan(path)
    if len(plan.seeds) * sum(len(each.nodes or (1,)) for each in plan.methods) > 100:
        raise ConfigError(f"{path}: too many runs for this check")
    try:
        assert runs_of(plan)
    except NasfaceError as error:
        raise ConfigError(f"{path}: {error}") from None


def latency_tables() -> Sequence[bytes]:
    """Return a table of two parts."""
    parts = (LatencyPart("trunk", "", 480, 640, 8), LatencyPart("operation", "skip", 8, 8, 8, 2))
    entries = tuple(LatencyEntry(part, 1.5) for part in parts)
    table = LatencyTable(1, "torch", "a machine", 1, (640, 480), SMALL, entries, 1.1)
    return [to_yaml(table).encode()]


def read_table(path: Path) -> None:
    """Read a table: all times of an accepted one are finite."""
    table = load_latency_table(path)
    assert np.isfinite([table.factor, *table.times.values()]).all()


def curves() -> Sequence[bytes]:
    """Return the curves of an evaluation, and of FDDB's own program."""
    return [
        b"set,score,recall,precision\neasy,0.9,0.1,1\neasy,0.5,0.2,0.75\nhard,,0,1\n",
        b"0.5 3 0.1\n0.25 0 0.9\n0 0 1.79769e+308\n",
        b"\xff\xfe" + "0.5 3\n0.25 0\n".encode("utf-16-le"),
    ]


def read_curves(path: Path) -> None:
    """Read curves: the axes of an accepted one have one length."""
    for each in read_result_curves(path).curves:
        assert len(each.scores) == len(each.x) == len(each.y)


def run_files() -> Sequence[bytes]:
    """Return what a run leaves as JSON: figures, a list of faces, lines of metrics."""
    rows = [{"group": "", "name": "ap", "faces": 3, "value": 0.5}]
    figures = {"ap": 0.5, "table": rows, "protocol": "AP", "detections": 7, "reasons": {}}
    found = [{"image": "a.jpg", "boxes": [[1, 2, 3, 4]], "scores": [0.5], "width": 9, "height": 9}]
    lines = [{"step": 1, "loss": 0.5}, {"step": 2, "loss": None, "reasons": {"loss": "infinite"}}]
    return [
        to_json(figures).encode(),
        to_json(found).encode(),
        "".join(to_json(line, None) + "\n" for line in lines).encode(),
    ]


def read_run_files(path: Path) -> None:
    """Read a run whose every file is the damaged one."""
    data = path.read_bytes()
    (path.parent / "config.yaml").write_text(to_yaml(DetectConfig()))
    names = ("summary.json", "evaluation.json", "detections.json", "metrics.jsonl")
    for name in (*names, "decisions.json"):
        (path.parent / name).write_bytes(data)
    problems = []
    read: Sequence[Callable[[], object]] = (
        lambda: len(run.table),
        lambda: run.figure("ap"),
        lambda: [found_tables(run), found_result(run)],
        lambda: [f"{row.entropy:.3f}" for row in run.decisions],
        lambda: run.metrics.shape,
    )
    run = read_run(path.parent, "run")
    for each in read:
        try:
            each()
        except NasfaceError as error:
            problems.append(error)
    if len(problems) == len(read):
        raise problems[0]


def figures() -> Sequence[bytes]:
    """Return the figures of an evaluation, and of a training."""
    cost_once(SMALL, None, *TABLE_SIZE)
    return [run_files()[0], to_json({"ap": 0.5, "epochs": 3, "reasons": {}}).encode()]


def read_card(path: Path) -> None:
    """Write the card of a detector whose evaluation has damaged figures; its front matter stays
    what the Hub reads, and a table has a row a line."""
    (path.parent / "config.yaml").write_text(to_yaml({"data": "d", "weights": "w", "seed": 0}))
    licence = path.read_text("utf-8", "replace")[:20]
    with mock.patch("nasface.api.model_card.detector_cost", cost_once):
        card = write_card(CardFacts("fuzz", SMALL, None, {}, [path.parent], licence))
    _, front, text = card.split("---\n", 2)
    assert parse_yaml(front, "card", ConfigError)["license"] == licence
    assert all(line.endswith(" |") for line in text.splitlines() if line.startswith("| "))


@cache
def onnx_files() -> Sequence[bytes]:
    """Return a small detector."""
    torch.manual_seed(0)
    loaded = LoadedDetector(build_detector(SMALL, None).eval(), SMALL, None, {})
    return [to_onnx(loaded, ExportConfig()).SerializeToString()]


def damaged_metadata(data: bytes, damage: Callable[[bytes], bytes]) -> bytes:
    """Return an ONNX file one of whose metadata is damaged, and the rest as it was."""
    model = onnx.load_from_string(data)
    at = len(damage(b"0123456789")) % len(model.metadata_props)
    entry = model.metadata_props[at]
    entry.value = damage(entry.value.encode()).decode("utf-8", "replace")
    return bytes(model.SerializeToString())


@torch.no_grad()
def read_onnx(path: Path) -> None:
    """Read an ONNX file: an accepted one can be applied, or says why not."""
    loaded = read_detector(path)
    assert isinstance(loaded.detector, nn.Module)
    loaded.detector(IMAGE)


@cache
def videos() -> Sequence[bytes]:
    """Return three frames of motion JPEG and of MPEG-4."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for suffix, code in ((".avi", "MJPG"), (".mp4", "mp4v")):
            path = Path(folder) / f"v{suffix}"
            fourcc = cv2.VideoWriter.fourcc(*code)
            writer = cv2.VideoWriter(str(path), fourcc, 5, (32, 24))
            for at in range(3):
                writer.write(np.full((24, 32, 3), 40 * at, np.uint8))
            writer.release()
            found.append(path.read_bytes())
    return found


def read_video(path: Path) -> None:
    """Read at most ten frames, as uint8 RGB."""
    video = Video(str(path))
    for at, frame in enumerate(video):
        assert frame.dtype == np.uint8
        assert frame.ndim == 3
        if at == 10:
            break
