"""``nasface quantize``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from nasface.api.loading import load_detector
from nasface.api.quantizing import FORMS, QuantizeConfig, Quantized, quantize
from nasface.cli.console import console_progress, print_json, print_table, rounded, say
from nasface.cli.options import parse


@dataclass(kw_only=True)
class QuantizeCommand:
    """Write a detector as a file that computes with 8-bit integers.

    The suffix of --out says for which runtime: .onnx for ONNX Runtime and others, .xml for
    OpenVINO. Weights of convolutions are int8, one scale per output channel; the ranges of
    activations are taken from images like those that it is to see. Decoding and scores stay
    float32. Prints size and time beside the same file in float32, and with annotated validation
    images AP by height of the faces.
    """

    settings: Annotated[QuantizeConfig, tyro.conf.arg(name="")]
    out: Annotated[Path, tyro.conf.arg(metavar="FILE")]
    """The .onnx or .xml file to write."""
    config: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """YAML file of settings; options given here override it."""
    overwrite: bool = False
    """Replace what is there."""
    json: bool = False
    """Print the figures as JSON."""


def run(arguments: Sequence[str]) -> int:
    """Run the command; return the exit code."""
    command = parse(QuantizeCommand, arguments, "quantize")
    settings = command.settings
    detector = load_detector(settings.weights, "cpu")
    with console_progress() as progress:
        result = quantize(
            detector,
            command.out,
            settings.data,
            images=settings.images,
            config=settings,
            overwrite=command.overwrite,
            progress=progress,
        )
    if command.json:
        print_json(result.figures())
    else:
        _print(result, settings)
    return 0


def _print(result: Quantized, settings: QuantizeConfig) -> None:
    if result.average_precisions:
        print_table(
            "AP at IoU 0.5, by height of the faces",
            ("", "faces", *FORMS),
            [
                [
                    each["name"],
                    str(each["faces"]),
                    rounded(each["before"], 3),
                    rounded(each["after"], 3),
                ]
                for each in result.average_precisions
            ],
        )
    timing = settings.timing
    print_table(
        f"{timing.batch} x {timing.size}, {timing.repeats} times",
        ("", "threads", "median ms", "fastest", "of float32", "MB"),
        [
            [
                row.file,
                str(row.threads),
                f"{row.median:.1f}",
                f"{row.fastest:.1f}",
                f"{row.relative:.2f}",
                f"{row.megabytes:.2f}",
            ]
            for row in result.times
        ],
    )
    bits = ", weights of 7 bits" if result.reduced_range else ""
    say(f"wrote      {result.path}, calibrated with {result.samples} images{bits}")
    if result.slower_with:
        threads = " and ".join(map(str, result.slower_with))
        say(f"slower     than float32 on this machine, threads: {threads}")
    if not result.average_precisions:
        say("unknown    what it costs: no annotated validation images; expected --data with some")
