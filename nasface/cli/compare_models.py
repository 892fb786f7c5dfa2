"""``nasface compare`` with a plan of models."""

from dataclasses import asdict
from pathlib import Path

from nasface.cli.console import console_progress, print_json, print_table, say
from nasface.errors import ConfigError
from nasface.progress import duration
from nasface.studies.side_by_side.estimate import estimate_models
from nasface.studies.side_by_side.figure import plot_models
from nasface.studies.side_by_side.plan import load_models_plan
from nasface.studies.side_by_side.running import ModelsOutcome, compare_models
from nasface.studies.side_by_side.tables import MODELS_TABLE, write_models_tables
from nasface.studies.tables import REPORT


def run_models_plan(path: Path, out: Path | None, figure: str, *, json: bool) -> int:
    """Count and measure the models of a plan; return the exit code: 130 if it was stopped, 1 if
    models were left out."""
    plan = load_models_plan(path)
    if out is None:
        raise ConfigError("--out: is missing; expected a folder for the comparison")

    def write(outcome: ModelsOutcome) -> tuple[str, bool]:
        text = write_models_tables(plan, outcome, out)
        plot = plot_models(plan, outcome.rows)
        if plot is not None:
            plot.save(out / figure)
        return text, plot is not None

    with console_progress() as progress:
        outcome = compare_models(plan, out, progress, write)
    text, drawn = write(outcome)
    if json:
        print_json(outcome.rows)
    else:
        say(text)
        say(f"models     {out / MODELS_TABLE}")
        say(f"summary    {out / REPORT}{f', {out / figure}' if drawn else ''}")
    if outcome.stopped:
        progress.note("stopped; go on with the same command")
        return 130
    return 1 if outcome.skipped else 0


def estimate_models_plan(path: Path, *, json: bool) -> int:
    """Say what the models of a plan will take; return the exit code."""
    plan = load_models_plan(path)
    with console_progress() as progress:
        found = estimate_models(plan, progress)
    total = sum(each.seconds or 0.0 for each in found)
    if json:
        print_json({"models": [asdict(each) for each in found], "seconds": round(total, 1)})
        return 0
    print_table(
        f"estimate for {plan.name}",
        ("model", "memory, MB", "time"),
        [
            [
                each.name,
                f"{each.needed_mb:.0f}",
                "does not fit" if each.seconds is None else duration(each.seconds),
            ]
            for each in found
        ],
    )
    say(
        f"time       about {duration(total)} for {', '.join(plan.used_engines)}; files for ONNX "
        "Runtime and compilation take some of it more"
    )
    return 0
