"""Differentiable neural architecture search for face detectors."""

import importlib
import os
import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nasface.annotations.form import DatasetFormat
    from nasface.annotations.formats import read_dataset, register_dataset_format
    from nasface.annotations.records import ImageRecord
    from nasface.api.converting import convert
    from nasface.api.detector import FaceDetector
    from nasface.api.drawing import draw
    from nasface.api.evaluation import evaluate
    from nasface.api.exporting import export
    from nasface.api.loading import load_detector
    from nasface.api.models import create_detector, create_neck, list_models
    from nasface.api.plotting import plot
    from nasface.api.quantizing import quantize
    from nasface.api.searching import SearchResult, derive_genotype, search, search_from_config
    from nasface.api.spaces import list_genotypes, list_search_spaces
    from nasface.api.table import Table
    from nasface.api.training import TrainResult, train, train_from_config
    from nasface.arch.combine import CombineRule, register_combine
    from nasface.arch.diff import GenotypeDiff, diff
    from nasface.arch.genotype import Genotype
    from nasface.arch.io import load_genotype, load_search_space
    from nasface.arch.operations import Operation, register_operation
    from nasface.arch.space import SearchSpace
    from nasface.deploy.registry import ExportFormat, register_export_format
    from nasface.detection.assignment import register_assigner
    from nasface.detection.backbones.registry import register_backbone
    from nasface.detection.classification_losses import (
        ClassificationLoss,
        register_classification_loss,
    )
    from nasface.detection.head_layers import register_head
    from nasface.detection.necks.registry import register_neck
    from nasface.drawing.draw import Drawing
    from nasface.engine.estimate import estimate_search
    from nasface.engine.search import SearchConfig
    from nasface.engine.train import TrainConfig
    from nasface.errors import NasfaceError
    from nasface.metrics.protocol import Protocol
    from nasface.metrics.registry import register_protocol
    from nasface.nas.policies import register_policy
    from nasface.plots.figure import Plot
    from nasface.runs.logger import register_logger
    from nasface.studies.executors import register_executor

if sys.platform == "darwin":  # read when torch is imported: what MPS cannot do is done by the CPU
    os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")

__version__ = "0.2.0.dev0"

_MODULES: Mapping[str, str] = MappingProxyType(
    {
        "ClassificationLoss": "nasface.detection.classification_losses",
        "CombineRule": "nasface.arch.combine",
        "DatasetFormat": "nasface.annotations.form",
        "Drawing": "nasface.drawing.draw",
        "ExportFormat": "nasface.deploy.registry",
        "FaceDetector": "nasface.api.detector",
        "Genotype": "nasface.arch.genotype",
        "GenotypeDiff": "nasface.arch.diff",
        "ImageRecord": "nasface.annotations.records",
        "NasfaceError": "nasface.errors",
        "Operation": "nasface.arch.operations",
        "Plot": "nasface.plots.figure",
        "Protocol": "nasface.metrics.protocol",
        "SearchConfig": "nasface.engine.search",
        "SearchResult": "nasface.api.searching",
        "SearchSpace": "nasface.arch.space",
        "Table": "nasface.api.table",
        "TrainConfig": "nasface.engine.train",
        "TrainResult": "nasface.api.training",
        "convert": "nasface.api.converting",
        "create_detector": "nasface.api.models",
        "create_neck": "nasface.api.models",
        "derive_genotype": "nasface.api.searching",
        "diff": "nasface.arch.diff",
        "draw": "nasface.api.drawing",
        "estimate_search": "nasface.engine.estimate",
        "evaluate": "nasface.api.evaluation",
        "export": "nasface.api.exporting",
        "list_genotypes": "nasface.api.spaces",
        "list_models": "nasface.api.models",
        "list_search_spaces": "nasface.api.spaces",
        "load_detector": "nasface.api.loading",
        "load_genotype": "nasface.arch.io",
        "load_search_space": "nasface.arch.io",
        "plot": "nasface.api.plotting",
        "quantize": "nasface.api.quantizing",
        "read_dataset": "nasface.annotations.formats",
        "register_assigner": "nasface.detection.assignment",
        "register_backbone": "nasface.detection.backbones.registry",
        "register_classification_loss": "nasface.detection.classification_losses",
        "register_combine": "nasface.arch.combine",
        "register_dataset_format": "nasface.annotations.formats",
        "register_export_format": "nasface.deploy.registry",
        "register_head": "nasface.detection.head_layers",
        "register_logger": "nasface.runs.logger",
        "register_executor": "nasface.studies.executors",
        "register_neck": "nasface.detection.necks.registry",
        "register_operation": "nasface.arch.operations",
        "register_policy": "nasface.nas.policies",
        "register_protocol": "nasface.metrics.registry",
        "search": "nasface.api.searching",
        "search_from_config": "nasface.api.searching",
        "train": "nasface.api.training",
        "train_from_config": "nasface.api.training",
    }
)
"""Public name -> module that defines it; imported on first use, so that a start needs no torch."""

__all__ = [
    "ClassificationLoss",
    "CombineRule",
    "DatasetFormat",
    "Drawing",
    "ExportFormat",
    "FaceDetector",
    "Genotype",
    "GenotypeDiff",
    "ImageRecord",
    "NasfaceError",
    "Operation",
    "Plot",
    "Protocol",
    "SearchConfig",
    "SearchResult",
    "SearchSpace",
    "Table",
    "TrainConfig",
    "TrainResult",
    "convert",
    "create_detector",
    "create_neck",
    "derive_genotype",
    "diff",
    "draw",
    "estimate_search",
    "evaluate",
    "export",
    "list_genotypes",
    "list_models",
    "list_search_spaces",
    "load_detector",
    "load_genotype",
    "load_search_space",
    "plot",
    "quantize",
    "read_dataset",
    "register_assigner",
    "register_backbone",
    "register_classification_loss",
    "register_combine",
    "register_dataset_format",
    "register_executor",
    "register_export_format",
    "register_head",
    "register_logger",
    "register_neck",
    "register_operation",
    "register_policy",
    "register_protocol",
    "search",
    "search_from_config",
    "train",
    "train_from_config",
]


if not TYPE_CHECKING:  # type checkers know the names from above, and no others

    def __getattr__(name: str) -> Any:
        """Import a public name on first use."""
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(_MODULES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*__all__, "__version__"})
