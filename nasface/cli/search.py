"""``nasface search``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nasface.cli.console import ConsoleProgress, print_json, say
from nasface.cli.options import parse
from nasface.run.config import SearchConfig
from nasface.run.folder import read_summary
from nasface.run.history import load_pair_scores
from nasface.run.search import run_search
from nasface.spec.store import load_search_space
from nasface.view.cells import draw_genotype
from nasface.view.curves import plot_choice_history


@dataclass(kw_only=True)
class SearchCommand:
    """Search an architecture on the training images of a data folder.

    One half of the images trains the network's weights, the other half its choices. The run folder
    holds config.yaml, metrics.jsonl, checkpoint.pt, and genotype.yaml with its drawing. Ctrl-C
    stops with a checkpoint, and --resume goes on.
    """

    settings: Annotated[SearchConfig, tyro.conf.arg(name="")]
    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
    """New folder of the run."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """YAML file of settings; options given here override it."""
    resume: bool = False
    """Go on with the stopped run in --out, with its settings."""
    json: bool = False
    """Print the figures of the search as JSON."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; returns the exit code."""
    command = parse(SearchCommand, arguments, "search")
    with ConsoleProgress() as progress:
        result = run_search(command.settings, command.out, progress, resume=command.resume)
    pictures = [
        draw_genotype(result.genotype, command.out / f"genotype{s}") for s in (".svg", ".png")
    ]
    if not result.finished:
        progress.note(f"stopped; go on with: nasface search --out {command.out} --resume")
        return 130
    summary = read_summary(command.out)
    visited = summary["candidates"] - summary["unvisited"]
    history = _draw_history(command)
    if command.json:
        print_json({"folder": str(command.out), **summary})
        return 0
    say(f"genotype   {command.out / 'genotype.yaml'}")
    say(f"drawing    {pictures[0]}")
    say(f"choices    {command.out / 'choices.json'}: entropy, margin and visits of each choice")
    say(f"history    {history}")
    say(
        f"cost       {summary['seconds']:.0f} s, peak memory {summary['peak_memory_mb']:.0f} MB, "
        f"{visited} of {summary['candidates']} candidates visited"
    )
    say(
        f"next       nasface train --genotype {command.out / 'genotype.yaml'} "
        f"--data {command.settings.data} --out FOLDER"
    )
    return 0


def _draw_history(command: SearchCommand) -> Path:
    space = load_search_space(command.settings.space, command.settings.parameters)
    epochs, scores = load_pair_scores(command.out / "choices.npz", space)
    return plot_choice_history(scores, epochs, space.operations, command.out / "choices.png")
