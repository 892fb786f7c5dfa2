"""The phases of a run of a comparison: search, training, and ranking by its supernet.

Each can be stopped, and goes on from its checkpoint.
"""

import json
import platform
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn

import nasface
from nasface.annotations.detections import NOTHING
from nasface.annotations.records import ImageRecord
from nasface.annotations.widerface_truth import WiderGroundTruth, read_ground_truth
from nasface.arch.genotype import Genotype
from nasface.arch.io import load_genotype, load_search_space, save_genotype
from nasface.arch.space import SearchSpace
from nasface.data.reading import read_split
from nasface.detection.checkpoint import read_checkpoint
from nasface.detection.config import DetectorConfig
from nasface.detection.cost import detector_cost
from nasface.detection.latency import load_latency_table
from nasface.detection.zoo import TABLE_SIZE
from nasface.device import choose_device, wait_for
from nasface.engine.evaluate import Evaluation, evaluate_detector
from nasface.engine.search import run_search
from nasface.engine.setup import peak_memory_mb
from nasface.engine.train import TrainConfig, run_training
from nasface.errors import ConfigError
from nasface.metrics.marks import ImageMarks, ap_marks, wider_marks
from nasface.metrics.widerface import score_wider
from nasface.nas.sampling import random_genotype
from nasface.nas.selection import SELECTIONS, CellScorer
from nasface.nn.fuse import fuse_conv_bn
from nasface.progress import Progress
from nasface.runs.folder import SUMMARY_FILE, RunFolder, read_summary, resume_or_clear
from nasface.studies.halving import TRAINED, FoundCells, halve
from nasface.studies.limits import LatencyLimit
from nasface.studies.one_shot import OneShotScorer
from nasface.studies.predict import predict_cells
from nasface.studies.resampling import save_marks
from nasface.studies.spec import Figure
from nasface.studies.study_run import StudyRun

SEARCHED, RESULT = "search.json", "result.json"
RANK_CELLS, RANKED = "cells.json", "rank.json"
"""Which cells a supernet is asked about, and its scores."""
PREDICT_CELLS, PREDICTED = "predict-cells.json", "predict.json"
"""The same for zero-cost predictors."""
GENOTYPE_FILE = "genotype.yaml"
_LATENCY_ROUNDS = 7
_DRAWS = 1000
"""Random cells that are looked at for one that keeps a limit."""


def search_phase(run: StudyRun, folder: Path, progress: Progress) -> bool:
    """Find the run's genotype; whether it was found, or the search was stopped on the way."""
    if run.search_path != run.path and not run.supernet:
        first = folder.parents[2] / run.search_path
        for name in (GENOTYPE_FILE, SEARCHED):
            shutil.copyfile(first / name, folder / name)
        return True
    found = _find(run, folder, progress)
    if found is None:
        return False
    save_genotype(found.genotype, folder / GENOTYPE_FILE)
    cost = {"search_seconds": found.seconds, "search_peak_mb": found.peak_mb}
    RunFolder(folder).write_json(SEARCHED, cost)
    return True


def _find(run: StudyRun, folder: Path, progress: Progress) -> FoundCells | None:
    """Search as the run's strategy does; None if that was stopped."""
    assert run.search is not None
    if run.strategy == "random":
        space = load_search_space(run.search.space, run.search.parameters)
        return FoundCells(_first_allowed(space, run), 0.0, 0.0)
    if run.strategy in TRAINED:
        space = load_search_space(run.search.space, run.search.parameters)
        allowed = within(run.limit, run.train.detector)
        config = replace(run.train, seed=run.seed)
        place, rounds = folder / run.strategy, TRAINED[run.strategy]
        return halve(space, config, run.candidates, allowed, place, progress, rounds)
    place = _supernet_folder(run, folder)
    if not (place / SUMMARY_FILE).is_file():
        result = run_search(run.search, place, progress, resume=resume_or_clear(place))
        if not result.finished:
            return None
    summary = read_summary(place)
    genotype, seconds = load_genotype(place / GENOTYPE_FILE), summary["seconds"]
    if run.strategy in SELECTIONS:
        started = time.monotonic()
        genotype = _selected(run, place)
        seconds += round(time.monotonic() - started, 1)
    return FoundCells(genotype, seconds, summary["peak_memory_mb"])


def _supernet_folder(run: StudyRun, folder: Path) -> Path:
    """Return the folder of the search, which may be that of another run of the comparison."""
    owner = folder.parents[2] / run.supernet if run.supernet else folder
    return owner / "search"


def _selected(run: StudyRun, place: Path) -> Genotype:
    assert run.search is not None
    score = OneShotScorer(place, run.search.data, run.score_images)
    allowed = within(run.limit, run.train.detector)
    scorer = CellScorer(score.search.space, score, run.candidates, allowed, run.seed)
    return SELECTIONS[run.strategy](scorer)


def _first_allowed(space: SearchSpace, run: StudyRun) -> Genotype:
    """Return the first random cell of a seed that keeps the limit, of the draws for the run's
    number."""
    allowed = within(run.limit, run.train.detector)
    for at in range(_DRAWS):
        genotype = random_genotype(space, run.seed, run.cell * _DRAWS + at)
        if allowed(genotype):
            return genotype
    raise ConfigError(
        f"limit: none of {_DRAWS} random cells of space {space.name} keeps it; expected a wider one"
    )


def within(limit: LatencyLimit | None, detector: DetectorConfig) -> Callable[[Genotype], bool]:
    """Return a function that says whether the predicted time of a detector with given cells keeps a
    limit; all keep none.

    Raises:
        ConfigError: for a table that cannot be read, or is of another detector.
    """
    if limit is None:
        return lambda genotype: True
    table = load_latency_table(Path(limit.table))
    table.check_made_for(detector, table.size)
    return lambda genotype: limit.at_least <= table.predict(genotype) <= limit.milliseconds


def train_phase(run: StudyRun, folder: Path, progress: Progress) -> bool:
    """Train the run's detector, and write the row of the run; whether it came to that."""
    config = run.train
    if run.search is not None:
        config = replace(config, genotype=str(folder / GENOTYPE_FILE))
    place = folder / "train"
    result = run_training(config, place, progress, resume=resume_or_clear(place))
    if not result.finished:
        return False
    device = choose_device(config.device)
    peak = peak_memory_mb(device)
    loaded = read_checkpoint(place / "last.safetensors", device)
    evaluation, records = _evaluated(result.evaluation, loaded.detector, config, progress)
    total = detector_cost(loaded.config, loaded.genotype, *TABLE_SIZE)[0]
    summary = read_summary(place)
    row = {
        "label": run.label,
        "method": run.method,
        "strategy": run.strategy,
        "nodes": run.nodes,
        "seed": run.seed,
        "cell": run.cell,
        "training": run.training,
        **accuracies(evaluation, records, Path(config.data)),
        **_search_cost(run, folder),
        "train_seconds": summary["seconds"],
        "train_peak_mb": round(peak, 1),
        "parameters": total.parameters,
        "macs": total.macs,
        "latency_ms": round(_latency_ms(loaded.detector, device), 2),
        "search_epochs": _search_epochs(run),
        "train_steps": summary["steps"],
        "inference": config.inference.describe(),
        "images": len(records),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "nasface": nasface.__version__,
        "date": datetime.now(UTC).date().isoformat(),
    }
    marks = image_marks(evaluation, records, Path(config.data), run.metric)
    if marks is not None:
        save_marks(folder, marks)
    RunFolder(folder).write_json(RESULT, row)
    return True


def _evaluated(
    evaluation: Evaluation | None, detector: nn.Module, config: TrainConfig, progress: Progress
) -> tuple[Evaluation, Sequence[ImageRecord]]:
    """Return the evaluation of a training, made now if it was stopped after its last step, and the
    validation images."""
    if evaluation is not None:
        return evaluation, config.read(config.data, "val", need_images=config.bad_images == "stop")
    check = read_split(Path(config.data), "val", config, progress)
    evaluation = evaluate_detector(
        detector, check.records, config.inference, progress, check.left_out
    )
    return evaluation, check.records


def image_marks(
    evaluation: Evaluation, records: Sequence[ImageRecord], data: Path, figure: Figure
) -> ImageMarks | None:
    """Return what a figure needs of each image; None where :func:`accuracies` has none."""
    found = evaluation.detections
    if figure == "ap":
        return ap_marks(
            [found.get(record.name, NOTHING) for record in records],
            [(record.boxes_M4, ~record.valid_M) for record in records],
        )
    truth = _ground_truth(records, data)
    return wider_marks(truth, found, figure) if truth else None


def accuracies(
    evaluation: Evaluation, records: Sequence[ImageRecord], data: Path
) -> dict[str, float | None]:
    """Return AP at IoU 0.5 over all valid faces and, where the official ground truth is at hand,
    easy, medium and hard by the protocol of WIDER FACE over the images of the data folder."""
    found: dict[str, float | None] = {"ap": evaluation.ap}
    truth = _ground_truth(records, data)
    if not truth:
        return {**found, "easy": None, "medium": None, "hard": None}
    scored = score_wider(truth, evaluation.detections)
    return {**found, **{name: each.ap for name, each in scored.sets.items()}}


def _ground_truth(records: Sequence[ImageRecord], data: Path) -> list[WiderGroundTruth]:
    """Return the official ground truth of images, where the data folder has it."""
    if not (data / "ground_truth").is_dir():
        return []
    names = {record.name for record in records}
    return [each for each in read_ground_truth(data / "ground_truth") if each.name in names]


def rank_phase(run: StudyRun, folder: Path, progress: Progress) -> bool:
    """Score the cells that :data:`RANK_CELLS` lists (paths of genotypes) by the run's supernet."""
    assert run.search is not None
    place = _supernet_folder(run, folder)
    score = OneShotScorer(place, run.search.data, run.score_images)
    paths = json.loads((folder / RANK_CELLS).read_text("utf-8"))["cells"]
    progress.start("rank", len(paths))
    scores = {}
    for path in paths:
        scores[path] = score(load_genotype(folder / path))
        progress.advance({"score": scores[path]})
    RunFolder(folder).write_json(RANKED, scores)
    return True


def predict_phase(run: StudyRun, folder: Path, progress: Progress) -> bool:
    """Score the cells that :data:`PREDICT_CELLS` lists by zero-cost predictors."""
    asked = json.loads((folder / PREDICT_CELLS).read_text("utf-8"))
    found = predict_cells(run.train, folder, asked["cells"], asked["by"], progress)
    RunFolder(folder).write_json(PREDICTED, found)
    return True


PHASES: dict[str, Callable[[StudyRun, Path, Progress], bool]] = {
    "search": search_phase,
    "train": train_phase,
    "rank": rank_phase,
    "predict": predict_phase,
}


def _search_cost(run: StudyRun, folder: Path) -> dict[str, Any]:
    if run.search is None:
        return {"search_seconds": None, "search_peak_mb": None}
    found: dict[str, Any] = json.loads((folder / SEARCHED).read_text("utf-8"))
    return found


def _search_epochs(run: StudyRun) -> int | None:
    if run.search is None:
        return None
    return 0 if run.strategy in ("random", *TRAINED) else run.search.epochs


@torch.no_grad()
def _latency_ms(detector: nn.Module, device: torch.device) -> float:
    """Return the median time of the network on one image of 640 x 480, normalisations folded."""
    network = fuse_conv_bn(detector)
    image = torch.rand(1, 3, *TABLE_SIZE, device=device)
    times = []
    for _ in range(_LATENCY_ROUNDS + 1):
        started = time.perf_counter()
        network(image)
        wait_for(device)
        times.append(1e3 * (time.perf_counter() - started))
    return statistics.median(times[1:])
