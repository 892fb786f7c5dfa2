"""``nasface check-data``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from nasface.annotations.formats import DataConfig
from nasface.cli.console import console_progress, pictures_if_possible, print_json, print_table, say
from nasface.cli.options import parse
from nasface.data.check import DataCheck, Finding, check_records, find_duplicates
from nasface.data.reading import part_name
from nasface.errors import RunError
from nasface.io.files import draft_folder

PROBLEMS = 1
"""Exit code where something is wrong with the data."""


@dataclass(kw_only=True)
class CheckDataCommand:
    """Check a data set for mistakes before it is trained or evaluated on.

    Reads every image and compares it with its boxes: images that cannot be read or are cut short,
    EXIF turns and which way of reading the boxes fit, images of another size than the annotations
    state, boxes outside of their image, faces without an area, boxes that are not x y w h in
    pixels, no valid face, duplicate images. Counts the faces by height and per image. Exit code: 0
    nothing is wrong, 1 something is, 2 the data set cannot be read.
    """

    settings: Annotated[DataConfig, tyro.conf.arg(name="")]
    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DATA")]
    """Folder of the data set, in any form that --data of the other commands takes, or its .json,
    .yaml, .csv or label.txt file."""
    out: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """New folder for the figures (data.json) and their picture (faces.png)."""
    json: bool = False
    """Print the figures as JSON."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """YAML file of settings; options given here override it."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    command = parse(CheckDataCommand, arguments, "check-data")
    if command.out is not None and command.out.exists():
        raise RunError(f"{command.out}: exists; choose another --out")
    records = {
        split: command.settings.read(command.folder, split, need_images=False)
        for split in command.settings.splits(command.folder)
    }
    with console_progress() as progress:
        checks = {
            split: check_records(each, progress, thorough=True) for split, each in records.items()
        }
    shared = find_duplicates(checks)
    figures: dict[str, Any] = {
        "folder": str(command.folder),
        "format": next(iter(records.values())).format,
        "assumed": list(dict.fromkeys(each.assumed for each in records.values() if each.assumed)),
        "exif": ", ".join(sorted({each.exif for part in records.values() for each in part})),
        **{split: check.figures() for split, check in checks.items()},
        "duplicates": [each.figures() for each in shared],
    }
    parts = {split: figures[split] for split in checks}
    if command.out is not None:
        _write(command.out, figures, parts)
    if command.json:
        print_json(figures)
    else:
        _print_counts(parts)
        _print_findings(checks, shared, figures["assumed"])
        if command.out is not None and (command.out / "faces.png").is_file():
            say(f"picture    {command.out / 'faces.png'}")
    found = [each for check in checks.values() for each in check.findings] + shared
    return PROBLEMS if any(each.is_problem for each in found) else 0


def _write(out: Path, figures: Mapping[str, Any], parts: Mapping[str, Mapping[str, Any]]) -> None:
    """Write the figures, and their picture if it can be drawn, into a new folder."""
    from nasface.runs.folder import RunFolder  # takes torch, which nothing else here does

    with draft_folder(out) as making:
        RunFolder(making).write_json("data.json", figures)
        with pictures_if_possible():
            from nasface.plots.data import plot_faces

            plot_faces(parts).save(making / "faces.png")


def _print_findings(
    checks: Mapping[str, DataCheck], shared: Sequence[Finding], assumed: Sequence[str]
) -> None:
    for split, check in checks.items():
        for finding in check.findings:
            say(f"{_mark(finding.is_problem)} {part_name(split)}: {finding}")
    for finding in shared:
        say(f"{_mark(finding.is_problem)} {finding}")
    for text in assumed:
        say(f"{_mark(False)} {text}")
    if not shared and not any(check.findings for check in checks.values()):
        say("ok         nothing is wrong with the data")


def _mark(is_problem: bool) -> str:
    return "problem   " if is_problem else "note      "


def _print_counts(parts: Mapping[str, Mapping[str, Any]]) -> None:
    for split, each in parts.items():
        say(
            f"{part_name(split)}: {each['images']} images, {each['faces']} faces, "
            f"{each['valid_faces']} of them valid"
        )
    columns = [part_name(split) for split in parts]
    for title, first, key in (
        ("valid faces by height", "height", "valid_faces_by_height"),
        ("images by the number of their valid faces", "faces", "images_by_valid_faces"),
    ):
        bands = next(iter(parts.values()))[key]
        rows = [[band, *(str(each[key][band]) for each in parts.values())] for band in bands]
        print_table(title, (first, *columns), rows)
