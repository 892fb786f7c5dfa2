"""Models of a plan: built or read, counted, and the memory that they take."""

import hashlib
from dataclasses import dataclass

import torch

from nasface.arch.genotype import Genotype
from nasface.arch.io import load_genotype
from nasface.detection.checkpoint import LoadedDetector
from nasface.detection.config import DetectorConfig
from nasface.detection.cost import detector_cost
from nasface.detection.detector import build_detector
from nasface.detection.necks.registry import uses_genotype
from nasface.detection.zoo import MODELS, REFERENCE_GENOTYPE
from nasface.inference.loading import read_detector
from nasface.io.settings import with_settings
from nasface.io.yaml import to_yaml
from nasface.models import weights_path
from nasface.nn.cost import count_saved_bytes
from nasface.random_streams import Purpose, torch_seed
from nasface.studies.side_by_side.engines import ModelEngine
from nasface.studies.side_by_side.plan import ComparedModel

_OVERHEAD_MB = 200
"""What libraries take for themselves."""


@dataclass(frozen=True)
class ModelSize:
    """Parameters, multiply-adds of one image, and millions of bytes of all activations of it."""

    parameters: int
    macs: int
    activations_mb: float

    def needed_mb(self, engine: ModelEngine) -> float:
        """Return roughly the memory that it takes to prepare and run it, in millions of bytes."""
        weights_mb = 4 * self.parameters / 1e6
        features_mb = engine.activations * self.activations_mb
        return engine.copies * weights_mb + features_mb + _OVERHEAD_MB


def load_model(model: ComparedModel) -> LoadedDetector:
    """Return the detector of a row on the CPU, in evaluation mode; one of the zoo has random
    weights.

    Raises:
        NasfaceError: for settings or a file that cannot be used.
    """
    if model.model not in MODELS:
        return read_detector(weights_path(model.model))
    config, genotype = _settings(model)
    torch.manual_seed(torch_seed(0, Purpose.INITIAL_WEIGHTS))
    return LoadedDetector(build_detector(config, genotype).eval(), config, genotype, {})


def file_digest(model: ComparedModel) -> str:
    """Return the SHA-256 of the weights of a row, or of the genotype that it names; empty where its
    settings say all.

    Raises:
        NasfaceError: for a name or a genotype that cannot be used.
    """
    if model.model not in MODELS:
        with weights_path(model.model).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    if not model.genotype:
        return ""
    return hashlib.sha256(to_yaml(load_genotype(model.genotype)).encode()).hexdigest()


def size_of(model: ComparedModel, shape: tuple[int, int]) -> ModelSize:
    """Count a row for an image of (height, width); one of the zoo takes no memory.

    Raises:
        NasfaceError: for settings or a file that cannot be used.
    """
    if model.model in MODELS:
        config, genotype = _settings(model)
    else:
        loaded = load_model(model)
        config, genotype = loaded.config, loaded.genotype
    total = detector_cost(config, genotype, *shape)[0]
    with torch.device("meta"):
        detector = build_detector(config, genotype).eval()
        images = torch.empty(1, 3, *shape)
    with count_saved_bytes(*detector.parameters(), *detector.buffers(), images) as saved:
        detector(images)
    return ModelSize(total.parameters, total.macs, saved.total / 1e6)


def _settings(model: ComparedModel) -> tuple[DetectorConfig, Genotype | None]:
    """Return the settings and genotype of a detector of the zoo."""
    place = f"models: {model.name}: detector"
    config = with_settings(MODELS[model.model].detector, model.detector, place)
    name = model.genotype or REFERENCE_GENOTYPE
    return config, load_genotype(name) if uses_genotype(config.neck) else None
