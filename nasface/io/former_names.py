"""Settings of version 0.1: read under their present names."""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from types import MappingProxyType
from typing import Any, get_args, get_type_hints

from nasface.kinds import without_none

FORMER_NAMES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "SuppressionConfig": {
            "confidence": "score_threshold",
            "before_nms": "pre_nms_top_k",
            "nms": "nms_iou",
            "keep": "max_detections",
        },
        "JobConfig": {"batch": "batch_size"},
        "BilevelConfig": {
            "choice_lr": "arch_lr",
            "choice_weight_decay": "arch_weight_decay",
            "complexity": "cost_penalty",
            "most_skips": "max_skip_connections",
        },
        "SearchConfig": {"before": "prefix_genotype", "complexity_size": "cost_penalty_size"},
        "TrainConfig": {
            "average": "ema_decay",
            "statistics_until": "freeze_bn_after",
            "test": "inference",
        },
        "EvaluateConfig": {"test": "inference"},
        "WiderOptions": {"truth": "ground_truth"},
        "DetectConfig": {"threshold": "score_threshold", "test": "inference"},
        "DetectorConfig": {"module": "neck"},
        "MatchConfig": {"compensate": "min_anchors_per_face"},
        "LossConfig": {"margin": "logit_margin"},
        "MethodSpec": {"how": "strategy"},
        "StudySpec": {"figure": "metric"},
    }
)
"""Dataclass -> former name of a field -> its name now."""

FORMER_VALUES: Mapping[str, Mapping[str, tuple[str, Callable[[bool], object]]]] = MappingProxyType(
    {"JobConfig": {"tensorboard": ("log", lambda on: ["tensorboard"] if on else [])}}
)
"""Dataclass -> former field whose values have changed too -> its name now, and its value now."""


def current_words(word: str) -> str:
    """Return an option of version 0.1 as it is written now, ``--inference.nms-iou`` for
    ``--test.nms``; another one as it is."""
    former = {
        old.replace("_", "-"): new.replace("_", "-")
        for names in FORMER_NAMES.values()
        for old, new in names.items()
    }
    parts = word.removeprefix("--").replace("_", "-").split(".")
    return "--" + ".".join(former.get(part, part) for part in parts)


def with_current_names(kind: Any, values: Any) -> tuple[Any, list[str]]:
    """Return the plain values of a dataclass with fields by their names of today, and what was
    renamed.

    A former name beside its successor is left as it is, for the reader to refuse.
    """
    kind = without_none(kind)
    notes: list[str] = []
    if is_dataclass(kind) and isinstance(kind, type) and isinstance(values, Mapping):
        former = {old: new for each in kind.__mro__ for old, new in _former(each).items()}
        hints = get_type_hints(kind)
        known = {each.name for each in fields(kind)}
        result: dict[Any, Any] = {}
        for key, value in values.items():
            name = former.get(key, key) if key not in known else key
            if name != key and name in values:
                name = key
            if name != key:
                notes.append(f"{key!r} is now called {name!r}")
            result[name], inner = with_current_names(hints.get(str(name)), value)
            notes += inner
        return _with_current_values(kind, result, notes), notes
    if isinstance(values, list | tuple) and get_args(kind):
        pairs = [with_current_names(get_args(kind)[0], each) for each in values]
        return [value for value, _ in pairs], [note for _, inner in pairs for note in inner]
    return values, notes


def _with_current_values(kind: type, values: dict[Any, Any], notes: list[str]) -> dict[Any, Any]:
    for each in kind.__mro__:
        for old, (new, convert) in FORMER_VALUES.get(each.__name__, {}).items():
            if isinstance(values.get(old), bool) and new not in values:
                was = values.pop(old)
                values[new] = convert(was)
                notes.append(f"'{old}: {str(was).lower()}' is now written '{new}: {values[new]}'")
    return values


def _former(kind: type) -> Mapping[str, str]:
    return FORMER_NAMES.get(kind.__name__, {})
