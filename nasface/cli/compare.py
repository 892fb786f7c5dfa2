"""``nasface compare``."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from nasface.cli.options import parse_line
from nasface.errors import ConfigError
from nasface.presets import preset_path

SUMMARY_PLOT = "summary.png"
"""Name of the figure in the folder of a comparison."""


@dataclass(kw_only=True)
class CompareCommand:
    """Search, train and evaluate all methods of a plan with all its seeds, and compare them.

    Runs what is missing in --out; a comparison that was stopped goes on with the same command.
    After each run it prints a line and updates runs.csv, with a row for each run, and summary.csv,
    .md and .png: means with intervals, paired tests, cost. Several calls may share a folder, as the
    ranks of torchrun do. A plan of models compares detectors as they are: sizes and times on this
    machine beside reported figures.
    """

    plan: tyro.conf.Positional[Path]
    """YAML file of the plan, or preset:NAME (see nasface presets)."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Folder of the comparison; needed except with --estimate."""
    data: str | None = None
    """Folder of the data, instead of the plan's."""
    workers: int | None = None
    """Runs side by side: 1 on this machine, or as many as Slurm gives, unless this says more."""
    on: str = "local"
    """Where runs are computed: local, ray or slurm (pip install 'nasface[ray]' or
    'nasface[slurm]')."""
    address: str = ""
    """Ray cluster for --on ray, such as ray-head:6379. Empty: that of RAY_ADDRESS, or one on this
    machine."""
    job: dict[str, int | float | str] = field(default_factory=dict)
    """Resources of a run, as Ray has them: num_cpus 4 num_gpus 0.5 memory 8e9; with --on slurm
    settings of submitit: timeout_min 240 slurm_partition gpu gpus_per_node 1."""
    estimate: bool = False
    """Time a few steps of each method and estimate the comparison, without starting it."""
    json: bool = False
    """Print the summary, or the estimate, as JSON."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; return the exit code: 1 if runs failed."""
    command = parse_line(CompareCommand, arguments, "compare")
    if command.workers is not None and command.workers < 1:
        raise ConfigError(f"workers: {command.workers}, expected 1 or more")
    path = preset_path(command.plan, "compare")
    # Here, and below, since they take torch, SciPy and pandas: help and mistakes are answered at
    # once.
    from nasface.studies.side_by_side.plan import is_models_plan

    if is_models_plan(path):
        return _run_models(path, command)
    from nasface.cli.compare_methods import estimate_methods_plan, run_methods_plan

    if command.estimate:
        return estimate_methods_plan(path, command)
    return run_methods_plan(path, command)


def _run_models(path: Path, command: CompareCommand) -> int:
    """Run a plan of models, which reads no data and measures one thing at a time."""
    given = {
        "--data": command.data is not None,
        "--workers": command.workers is not None,
        "--on": command.on != "local",
        "--address": bool(command.address),
        "--job": bool(command.job),
    }
    for option, is_given in given.items():
        if is_given:
            raise ConfigError(
                f"{option}: has no meaning for {path}; a plan of models reads no data, and they "
                "take turns in this process"
            )
    from nasface.cli.compare_models import estimate_models_plan, run_models_plan

    if command.estimate:
        return estimate_models_plan(path, json=command.json)
    return run_models_plan(path, command.out, SUMMARY_PLOT, json=command.json)
