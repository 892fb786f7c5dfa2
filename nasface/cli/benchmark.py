"""``nasface benchmark``."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nasface.cli.console import console_progress, print_json, print_table, say
from nasface.cli.options import parse_line
from nasface.deploy.benchmark import BenchmarkConfig, LatencyRow, benchmark
from nasface.errors import ConfigError
from nasface.optional import require


@dataclass(kw_only=True)
class BenchmarkCommand:
    """Measure latency and memory of detectors in any form, side by side.

    Files of nasface export (.onnx, .pt2, .mnn, .xml of OpenVINO, .param of ncnn), weights, and
    released detectors by name. Each runs in a process of its own, and they take turns. Times are
    those of the network on random images, with decoding where the file has it.
    """

    files: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="FILE ...")]
    """What is measured: files and folders of nasface export, weights, released detectors; times are
    also given over those of the first."""
    settings: Annotated[BenchmarkConfig, tyro.conf.arg(name="")]
    figure: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """File of a figure: .png, .svg or .pdf."""
    json: bool = False
    """Print the figures as JSON."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    command = parse_line(BenchmarkCommand, arguments, "benchmark")
    settings = command.settings
    if not command.files:
        raise ConfigError("files: is empty; expected files of nasface export or detectors")
    if command.figure is not None:
        require("nasface[plots]", "matplotlib", "pandas")
        from nasface.plots.figure import check_suffix

        check_suffix(command.figure)
    with console_progress() as progress:
        rows = benchmark(command.files, settings, progress)
    if command.json:
        print_json([asdict(each) for each in rows])
    else:
        _print(rows, settings)
    if command.figure is not None:
        from nasface.plots.latency import plot_latencies

        bars = [(_name(each), each.threads, each.median) for each in rows]
        plot_latencies(bars, f"{settings.batch} x {settings.size}").save(command.figure)
        if not command.json:
            say(f"figure     {command.figure}")
    return 0


def _name(row: LatencyRow) -> str:
    """Return the file as it is known: with its folder, and its runtime."""
    return f"{'/'.join(Path(row.file).parts[-2:])} ({row.runtime})"


def _print(rows: Sequence[LatencyRow], settings: BenchmarkConfig) -> None:
    """Print a table narrow enough for 80 columns: files are numbered, and named below it."""
    numbers = {file: str(at) for at, file in enumerate(dict.fromkeys(row.file for row in rows), 1)}
    print_table(
        f"{settings.batch} x {settings.size}, {settings.repeats} times: median, fastest and "
        "slowest in ms,\nmedian over that of the first, memory in MiB, file in MB",
        ("", "runtime", "threads", "median", "range", "ratio", "MiB", "MB"),
        [[numbers[each.file], *_cells(each)] for each in rows],
    )
    for file, number in numbers.items():
        say(f"{number:<3}{file}")


def _cells(row: LatencyRow) -> list[str]:
    times = (f"{row.median:.1f}", f"{row.fastest:.1f}-{row.slowest:.1f}", f"{row.relative:.2f}")
    return [row.runtime, str(row.threads), *times, f"{row.memory:.0f}", f"{row.megabytes:.2f}"]
