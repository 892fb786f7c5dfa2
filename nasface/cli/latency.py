"""``nasface latency``: measure how long the parts of detectors take on this machine."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from nasface.api.latency import LatencyConfig, measure_table
from nasface.cli.console import console_progress, print_json, say
from nasface.cli.help import actions_text
from nasface.cli.options import check_new, parse
from nasface.detection.latency import save_latency_table
from nasface.errors import ConfigError, one_of

_ACTIONS = ("measure",)


@dataclass(kw_only=True)
class LatencyMeasureCommand:
    """Measure the parts of all detectors of a search space on this machine, and check predictions.

    The table serves `nasface cost --latency`, the latency limit of searches and their cost penalty.
    Times are medians of the processor time of this process, of all parts in turn, in one thread.
    """

    out: Annotated[Path, tyro.conf.arg(metavar="FILE.yaml")]
    """New table."""
    settings: Annotated[LatencyConfig, tyro.conf.arg(name="")] = field(
        default_factory=LatencyConfig
    )
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """YAML file of settings; options given here override it."""
    json: bool = False
    """Print the figures as JSON."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    if not arguments or arguments[0] in ("-h", "--help", "--help-all"):
        say(actions_text("latency", {"measure": LatencyMeasureCommand}))
        return 0 if arguments else 2
    action, *rest = arguments
    if action not in _ACTIONS:
        raise ConfigError(f"unknown action {action!r}; expected {one_of(action, _ACTIONS)}")
    command = parse(LatencyMeasureCommand, rest, "latency measure")
    check_new(command.out, (".yaml",))
    with console_progress() as progress:
        table, check = measure_table(command.settings, progress)
    save_latency_table(table, command.out)
    figures: dict[str, Any] = {
        "table": str(command.out),
        "engine": table.engine,
        "machine": table.machine,
        "parts": len(table.entries),
    }
    if check is not None:
        figures |= {
            "checked": len(check.measured),
            "mean_error": check.mean_error,
            "rank_correlation": check.rank_correlation,
            "milliseconds": [min(check.measured), max(check.measured)],
        }
    if command.json:
        print_json(figures)
        return 0
    say(f"table      {command.out}: {figures['parts']} parts, {table.engine} on {table.machine}")
    if check is not None:
        say(
            f"check      {len(check.measured)} random detectors of {min(check.measured):.1f} to "
            f"{max(check.measured):.1f} ms: mean error {100 * check.mean_error:.1f} %, Spearman "
            f"{check.rank_correlation:.2f}"
        )
    return 0
