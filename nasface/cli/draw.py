"""``nasface draw``."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import tyro

from nasface.api.drawing import draw
from nasface.arch.io import load_genotype
from nasface.cli.console import say
from nasface.cli.options import parse_line
from nasface.drawing.animation import ANIMATION, draw_frames
from nasface.errors import ConfigError, RunError, SpecError

_FILE = re.compile(r"\.(ya?ml|safetensors|onnx|xml|pth)$", re.IGNORECASE)
"""Ends of the files that are drawn; names of models may have dots, too."""


@dataclass(kw_only=True)
class DrawCommand:
    """Draw a genotype as a graph, or a detector: backbone, neck and heads with widths, sizes and
    costs, and its searched cells. With --diff, what two genotypes share and where they differ; of
    the folder of a search, how its choices moved from epoch to epoch.
    """

    sources: tyro.conf.Positional[tuple[str, ...]]
    """Genotype (packaged name or YAML file), detector of the zoo, weights (.safetensors, .onnx, or
    a released detector by name) or run folder; two genotypes with --diff."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Picture: .svg, .png, .pdf, and .dot for graphs. By default an .svg named after its source."""
    genotype: Annotated[str | None, tyro.conf.arg(metavar="GENOTYPE")] = None
    """Cells of a detector of the zoo that takes some; asfd-ref by default."""
    neck: Annotated[str | None, tyro.conf.arg(metavar="NECK")] = None
    """Neck of a detector of the zoo in the place of its own, such as bifpn, or genotype for
    searched cells."""
    diff: bool = False
    """Draw two genotypes over each other: grey what both have, two colours for the rest."""
    cells: tuple[str, ...] = ()
    """Cells to draw, such as cpm_c3; all by default."""
    frames: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Of a search: its cells at each epoch, as an animation (.gif) or a strip (.svg, .png, .pdf)
    in which each change is shown."""
    probabilities: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Of a search: its cells after the last epoch, with the probability of each choice."""
    overwrite: bool = False
    """Replace pictures that exist."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    command = parse_line(DrawCommand, arguments, "draw")
    expected = 2 if command.diff else 1
    if len(command.sources) != expected:
        raise ConfigError(
            f"{len(command.sources)} sources: expected "
            f"{'two genotypes with --diff' if command.diff else 'one, or two with --diff'}"
        )
    is_search = not command.diff and _is_search(Path(command.sources[0]))
    for name, value in (("genotype", command.genotype), ("neck", command.neck)):
        if value is not None and (command.diff or is_search):
            raise ConfigError(f"{name}: is for a model of the zoo, not for --diff or a search")
    if command.diff:
        _diff(command)
    elif is_search:
        _history(command, Path(command.sources[0]))
    else:
        _single(command)
    return 0


def _single(command: DrawCommand) -> None:
    source = command.sources[0]
    if _given_for_searches(command):
        raise ConfigError(f"{_given_for_searches(command)}: {source} is not the folder of a search")
    out = _out(command, _FILE.sub("", Path(source).name))
    draw(
        _genotype_of(source),
        out,
        genotype=command.genotype,
        neck=command.neck,
        cells=command.cells,
    )
    say(f"drawing    {out}")


def _diff(command: DrawCommand) -> None:
    if _given_for_searches(command):
        raise ConfigError(f"{_given_for_searches(command)}: not together with --diff")
    try:
        first, second = (load_genotype(_genotype_of(source)) for source in command.sources)
    except SpecError as problem:
        raise ConfigError(f"--diff compares genotypes: {problem}") from None
    names = [Path(source).stem for source in command.sources]
    out = _out(command, "-".join(names))
    draw(first, out, against=second, cells=command.cells)
    say(f"drawing    {out}")


def _is_search(path: Path) -> bool:
    if not path.is_dir():
        return False
    from nasface.runs.arch_history import HISTORY  # takes torch, which genotypes do not

    return (path / HISTORY).is_file()


def _history(command: DrawCommand, folder: Path) -> None:
    from nasface.engine.derive import load_history
    from nasface.plots.arch_history import plot_choice_history

    history = load_history(folder)
    if not _given_for_searches(command) or command.out is not None:
        out = _out(command, f"{folder.resolve().name}-choices")
        for name in command.cells:
            if name not in history.scores:
                known = ", ".join(history.scores)
                raise ConfigError(f"cells: the search has no {name!r}; expected some of {known}")
        chosen = {name: history.scores[name] for name in command.cells or history.scores}
        plot_choice_history(history.space, history.epochs, chosen).save(out)
        say(f"choices    {out}")
    if command.frames is not None:
        _check_new(command, command.frames)
        draw_frames(history.genotypes(), command.frames, cells=command.cells)
        kind = "animation" if command.frames.suffix.lower() == ANIMATION else "strip"
        say(f"{kind:<11}{command.frames}")
    if command.probabilities is not None:
        _check_new(command, command.probabilities)
        last = replace(history.genotypes()[-1], name=folder.resolve().name)
        shares = history.probabilities()
        draw(last, command.probabilities, cells=command.cells, probabilities=shares)
        say(f"drawing    {command.probabilities}")


def _given_for_searches(command: DrawCommand) -> str:
    """Return the options given that only the folder of a search takes."""
    given = {"frames": command.frames, "probabilities": command.probabilities}
    return ", ".join(name for name, path in given.items() if path is not None)


def _genotype_of(source: str) -> str:
    """Return the file of a run folder's genotype; another word as it is."""
    inside = Path(source) / "genotype.yaml"
    return str(inside) if inside.is_file() else source


def _out(command: DrawCommand, name: str) -> Path:
    out = command.out or Path(f"{name}.svg")
    _check_new(command, out)
    return out


def _check_new(command: DrawCommand, path: Path) -> None:
    if path.exists() and not command.overwrite:
        raise RunError(f"{path}: exists; choose another file, or --overwrite")
    if not path.parent.is_dir():
        raise RunError(f"{path}: expected a file in a folder that exists")
