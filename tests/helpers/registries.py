"""Tables that tests add to, and have to leave as they were."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from nasface.annotations.formats import DATASET_FORMATS
from nasface.arch.combine import COMBINE_RULES
from nasface.arch.operations import OPERATIONS
from nasface.deploy.registry import FORMATS
from nasface.detection.assignment import ASSIGNERS
from nasface.detection.backbones.registry import BACKBONES
from nasface.detection.classification_losses import CLASSIFICATION_LOSSES
from nasface.detection.head_layers import HEAD_LAYERS
from nasface.detection.necks.registry import NECK_PARTS
from nasface.metrics.registry import PROTOCOLS
from nasface.nas.policies import POLICIES
from nasface.registry import Registry
from nasface.runs.logger import LOGGERS
from nasface.studies.executors import EXECUTORS

TABLES: tuple[Registry[Any], ...] = (
    OPERATIONS,
    COMBINE_RULES,
    POLICIES,
    BACKBONES,
    NECK_PARTS,
    ASSIGNERS,
    CLASSIFICATION_LOSSES,
    HEAD_LAYERS,
    FORMATS,
    LOGGERS,
    DATASET_FORMATS,
    PROTOCOLS,
    EXECUTORS,
)


@contextmanager
def restored() -> Iterator[None]:
    """Take out in the end what was added in the block."""
    before = [set(table) for table in TABLES]
    try:
        yield
    finally:
        for table, names in zip(TABLES, before, strict=True):
            for name in set(table) - names:
                table.remove(name)
