"""``nasface tune``."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from nasface.cli.console import console_progress, print_json, print_table, say
from nasface.cli.options import parse_line

_SHOWN = 10


@dataclass(kw_only=True)
class TuneCommand:
    """Tune settings of training: draw trials from ranges, and go on with the better ones.

    Successive halving by ASHA of Ray Tune (pip install 'nasface[ray]'). Writes a run folder for
    each trial, trials.csv, and the settings of the best one as best.yaml, which nasface train
    --config takes. Ctrl-C stops, and the same command goes on from the checkpoints.
    """

    plan: tyro.conf.Positional[Path]
    """YAML file of the plan."""
    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
    """Folder of the tuning."""
    data: str | None = None
    """Folder of the data, instead of the plan's."""
    address: str = ""
    """Ray cluster, such as head:6379. Empty: that of RAY_ADDRESS, or one on this machine."""
    json: bool = False
    """Print the trials as JSON."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; return the exit code: 1 if trials failed."""
    command = parse_line(TuneCommand, arguments, "tune")
    # Here, since it takes torch: help and mistakes are answered at once.
    from nasface.engine.setup import check_plan_images
    from nasface.studies.trials import load_tune_plan, trials_of
    from nasface.studies.tuning import BEST, TRIALS, run_tuning

    plan = load_tune_plan(command.plan, command.data)
    with console_progress() as progress:
        if not command.address:
            check_plan_images([trial.config for trial in trials_of(plan)], progress)
        outcome = run_tuning(plan, command.out, progress, command.address or None)
    for folder, reason in outcome.failed.items():
        progress.note(f"failed: {folder}: {reason}")
    if command.json:
        print_json(outcome.rows)
    elif outcome.best is not None:
        best_first = sorted(outcome.rows, key=lambda row: (-row["epochs"], -row["ap"]))
        print_table(
            f"trials of {plan.name}",
            ("settings", "trial", "epochs", "AP"),
            [
                [
                    _drawn(row, plan.ranges),
                    str(row["trial"]),
                    str(row["epochs"]),
                    f"{row['ap']:.4f}",
                ]
                for row in best_first[:_SHOWN]
            ],
        )
        say(f"trials     {command.out / TRIALS}")
        say(f"best       {command.out / BEST}")
        say(f"next       nasface train --config {command.out / BEST} --out FOLDER")
    if outcome.stopped:
        progress.note("stopped; go on with the same command")
        return 130
    return 1 if outcome.failed else 0


def _drawn(row: Mapping[str, Any], names: Iterable[str]) -> str:
    """Return the settings of a trial as words, without the group that all belong to."""
    groups = {name.rpartition(".")[0] for name in names}
    start = len(groups.pop()) + 1 if len(groups) == 1 and groups != {""} else 0
    values = {name[start:]: row[name] for name in names}
    return ", ".join(
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in values.items()
    )
