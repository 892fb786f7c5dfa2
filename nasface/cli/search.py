"""``nasface search``."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import tyro

import nasface
from nasface.api.searching import SearchResult, search_from_config
from nasface.api.table import Table
from nasface.arch.genotype import Genotype
from nasface.cli.console import (
    console_progress,
    pictures_if_possible,
    print_json,
    print_table,
    say,
)
from nasface.cli.options import parse, peek
from nasface.data.reading import ReadConfig
from nasface.detection.necks.registry import GENOTYPE, uses_genotype
from nasface.detection.zoo import get_model_spec
from nasface.engine.log import flat_parameters
from nasface.engine.search import SearchConfig, search_config_of
from nasface.errors import ConfigError
from nasface.io.yaml import plain_values
from nasface.progress import duration
from nasface.runs.folder import read_summary

DRAWING, HISTORY_PLOT = "genotype.svg", "arch_history.png"


@dataclass(kw_only=True)
class SearchCommand:
    """Search an architecture on the training images of a data folder.

    One half of the images trains the weights, the other half the architecture parameters. The run
    folder holds config.yaml, metrics.jsonl, checkpoint.pt, and genotype.yaml with its drawing.
    Ctrl-C stops with a checkpoint, and --resume goes on.
    """

    settings: Annotated[SearchConfig, tyro.conf.arg(name="")]
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """New folder of the run; needed except with --estimate."""
    model: str = ""
    """Detector of the zoo around the cells, which take the place of its neck: its backbone,
    anchors, heads, assignment and loss. D0's unless set."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """YAML file of settings, or preset:NAME (see nasface presets); options override it."""
    resume: bool = False
    """Go on with the stopped run in --out, with its settings."""
    estimate: bool = False
    """Estimate memory and time of the search, without starting it."""
    json: bool = False
    """Print the figures of the search as JSON."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    model = peek(arguments, "--model") or ""
    if model and "--resume" in arguments:
        raise ConfigError("--model: not together with --resume, which takes the run's own")
    command = parse(SearchCommand, arguments, "search", _defaults(model))
    if command.estimate:
        return _estimate(command)
    out = command.out
    if out is None:
        raise ConfigError("--out: is missing; expected a new folder for the run")
    with console_progress() as progress:
        result = search_from_config(
            command.settings, out=out, resume=command.resume, progress=progress
        )
    if not result.is_first:
        return 0
    _draw_genotype(result.genotype, out)
    if not result.finished:
        progress.note(f"stopped; go on with: nasface search --out {out} --resume")
        return 130
    with pictures_if_possible():
        result.plot(out / HISTORY_PLOT)
    if command.json:
        print_json({"folder": str(out), **read_summary(out), "verdict": str(result.verdict)})
    else:
        _print(result, command, out)
    return 0


def _print(result: SearchResult, command: SearchCommand, out: Path) -> None:
    """Print what was found, where it is, what it cost, and the command that trains it."""
    _print_choices(result.decisions())
    say(f"verdict    {result.verdict}")
    for each in result.verdict.advice:
        say(f"           would help: {each}")
    summary = read_summary(out)
    visited = summary["candidates"] - summary["unvisited"]
    say(f"genotype   {out / 'genotype.yaml'}")
    if (out / DRAWING).is_file():
        say(f"drawing    {out / DRAWING}")
    say(f"choices    {out / 'decisions.json'}: entropy, margin and visits of each choice")
    if (out / HISTORY_PLOT).is_file():
        say(f"history    {out / HISTORY_PLOT}")
    say(
        f"cost       {summary['seconds']:.0f} s, peak memory {summary['peak_memory_mb']:.0f} MB, "
        f"{visited} of {summary['candidates']} candidates visited"
    )
    options = shlex.join(_training_options(command.settings, command.model))
    say(f"next       nasface train --genotype {out / 'genotype.yaml'} {options} --out FOLDER")
    sides = command.settings.detector.anchors.sides
    if sides and sides != _defaults(command.model).detector.anchors.sides:
        say("           with detector.anchors.sides in a file of settings, --config FILE")


def _defaults(model: str) -> SearchConfig:
    """Return the settings before any option and file, in a detector of the zoo if one is named."""
    return search_config_of(model) if model else SearchConfig()


def _training_options(settings: SearchConfig, model: str) -> list[str]:
    """Return the options that train in the detector of a search, with its assignment and loss, on
    its images as it read them; of a ``model``, with its repeats and its form of cells."""
    usual, chosen = (flat_parameters(plain_values(each)) for each in (_defaults(model), settings))
    reading = [each.name for each in fields(ReadConfig)]
    words = ["--model", model] if model else []
    if model and not uses_genotype(get_model_spec(model).detector.neck):
        words += ["--neck", GENOTYPE, "--detector.laterals", settings.detector.laterals]
    for name, value in chosen.items():
        is_shared = name.startswith(("detector.", "match.", "loss."))
        # Lists of lists have no form on the command line.
        if name == "detector.anchors.sides" or not (is_shared or name in reading):
            continue
        if value != usual[name]:
            words.append(f"--{name.replace('_', '-')}")
            if not isinstance(value, bool):
                is_list = is_shared or name == "classes"
                words += str(value).split(",") if is_list else [str(value)]
    return words


def _estimate(command: SearchCommand) -> int:
    found = nasface.estimate_search(command.settings)
    if command.json:
        print_json({**asdict(found), "fits": found.fits})
        return 0
    say(f"steps        {found.steps}, of which {found.warmup_steps} warm-up")
    say(f"activations  {found.activations_mb:.0f} MB kept for the backward pass of a step")
    say(f"state        {found.state_mb:.0f} MB of weights, gradients and optimiser")
    say(f"available    {found.available_mb:.0f} MB: {'enough' if found.fits else 'too little'}")
    if found.seconds is None:
        say("time         not measured, since the memory would not suffice; try a smaller batch")
    else:
        say(
            f"time         about {duration(found.seconds)}: {found.seconds_per_warmup_step:.2f} s "
            f"a step in the warm-up, {found.seconds_per_step:.2f} s after it, if it has "
            "the cores to itself"
        )
    return 0


def _print_choices(decisions: Table) -> None:
    """Print a row per cell: how decided its nodes are, how often its candidates were visited."""
    choices: dict[str, list[dict[str, Any]]] = {}
    for row in decisions:
        choices.setdefault(row["cell"], []).append(row)
    rows = [
        [
            cell,
            str(len(nodes)),
            str(sum(node["candidates"] for node in nodes)),
            f"{sum(node['entropy'] for node in nodes) / len(nodes):.2f}",
            f"{min(node['margin'] for node in nodes):.3f}",
            f"{min(node['least'] for node in nodes)} to {max(node['most'] for node in nodes)}",
        ]
        for cell, nodes in choices.items()
    ]
    columns = ("cell", "choices", "candidates", "entropy", "least margin", "visits of a candidate")
    print_table("choices of each cell (entropy: mean, 1 is undecided)", columns, rows)


def _draw_genotype(genotype: Genotype, out: Path) -> None:
    with pictures_if_possible():
        drawing = nasface.draw(genotype)
        for name in (DRAWING, "genotype.png"):
            drawing.save(out / name)
