"""``nasface derive``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nasface.api.searching import derive_genotype
from nasface.arch.io import save_genotype
from nasface.cli.console import pictures_if_possible, print_json, say
from nasface.cli.options import check_new, parse
from nasface.engine.derive import DeriveConfig
from nasface.io.files import write_text
from nasface.io.yaml import to_yaml


@dataclass(kw_only=True)
class DeriveCommand:
    """Derive the genotype from the architecture parameters of a search, and write it.

    Reads the run folder of a search, running, stopped or finished. Beside the genotype it writes a
    drawing and the settings.
    """

    settings: Annotated[DeriveConfig, tyro.conf.arg(name="")]
    out: Annotated[Path, tyro.conf.arg(metavar="FILE.yaml")]
    """New genotype file."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """YAML file of settings; options given here override it."""
    json: bool = False
    """Print the operations of each cell as JSON."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    command = parse(DeriveCommand, arguments, "derive")
    settings, picture = (command.out.with_suffix(suffix) for suffix in (".config.yaml", ".svg"))
    for path in (command.out, settings, picture):
        check_new(path, (".yaml", ".svg") if path is picture else (".yaml",))
    genotype = derive_genotype(command.settings.run, command.settings.epoch, name=command.out.stem)
    save_genotype(genotype, command.out)
    write_text(settings, to_yaml(command.settings))
    with pictures_if_possible():
        from nasface.drawing.draw import draw_genotype

        draw_genotype(genotype, picture)
    if command.json:
        cells = {
            name: [edge.operation for node in cell.nodes for edge in node.edges]
            for name, cell in genotype.cells.items()
        }
        print_json({"genotype": str(command.out), "operations": cells})
        return 0
    say(f"genotype   {command.out}")
    if picture.is_file():
        say(f"drawing    {picture}")
    return 0
