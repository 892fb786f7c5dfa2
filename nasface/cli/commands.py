"""All commands with the dataclasses that hold their options."""

import importlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from nasface.cli.evaluate import DEFAULT_PROTOCOL, evaluate_command
from nasface.cli.main import VERBS
from nasface.metrics.registry import PROTOCOLS

ACTIONS: Mapping[str, Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "genotype": {
            action: ("genotype", f"Genotype{action.capitalize()}Command")
            for action in ("show", "diff", "validate", "import", "export")
        },
        "latency": {"measure": ("latency", "LatencyMeasureCommand")},
    }
)
"""Verb -> its actions, each a command of its own: (module, class)."""


def commands() -> Iterator[tuple[str, type[Any]]]:
    """Yield the words such as ``evaluate fddb`` with the dataclass of the command."""
    for verb in VERBS:
        if verb == "evaluate":
            for protocol in PROTOCOLS:
                words = verb if protocol == DEFAULT_PROTOCOL else f"{verb} {protocol}"
                yield words, evaluate_command(protocol)
            continue
        name = f"{verb.title().replace('-', '')}Command"
        own = {"": (verb.replace("-", "_"), name)}
        for action, (module, name) in ACTIONS.get(verb, own).items():
            found = importlib.import_module(f"nasface.cli.{module}")
            yield f"{verb} {action}".strip(), getattr(found, name)
