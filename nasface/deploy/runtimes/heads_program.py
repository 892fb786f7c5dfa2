"""Folders whose runtime takes heads of one image size, converted from a program of torch.export.

The converters import much, print much and ask for releases of other packages; so each is a program
of its own in ``nasface/deploy/templates``, run by this Python or by one that
``--converter-python`` names.
"""

import subprocess
import sys
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from nasface.deploy.config import ExportConfig
from nasface.deploy.parity import ParityDifference
from nasface.deploy.runtimes.registry import Opener, compare_heads, write_decoding
from nasface.deploy.traceable import trace
from nasface.detection.checkpoint import LoadedDetector
from nasface.errors import ConfigError, ExportError
from nasface.progress import Progress

USUAL_SIZE = "640x480"
"""Width x height of the images where none is given."""


@dataclass(frozen=True)
class Converter:
    """What makes the file of a runtime from a program.

    ``script`` is a file of ``nasface/deploy/templates`` that imports ``package``; ``install`` is
    what to give to pip for it. ``halves`` says whether it can write float16.
    """

    script: str
    package: str
    install: str
    halves: bool = False

    def convert(self, program: ExportedProgram, file: Path, config: ExportConfig) -> None:
        """Write ``file``.

        Raises:
            ConfigError: for float16 where there is none, or without the converter.
            ExportError: with the last line of its output, if it fails.
        """
        if config.is_half and not self.halves:
            raise ConfigError(f"precision: fp16 is not available for {self.package}; expected fp32")
        python = config.converter_python or sys.executable
        if not config.converter_python and find_spec(self.package) is None:
            place = self.package.replace("_", "-")
            raise ConfigError(
                f"{self.package} is not installed here, and asks for releases of other packages "
                "that nasface does not run with; expected --converter-python "
                f"{place}/bin/python, after python -m venv {place} && {place}/bin/pip install "
                f"'{self.install}'"
            )
        with tempfile.TemporaryDirectory() as folder:
            given = Path(folder) / "detector.pt2"
            torch.export.save(program, given)
            script = files("nasface.deploy").joinpath("templates", self.script)
            with as_file(script) as path:
                command = [python, str(path), str(given), str(file), *["fp16"] * config.is_half]
                try:
                    done = subprocess.run(command, capture_output=True, text=True, check=False)
                except OSError as problem:
                    raise ConfigError(f"converter_python: {python}: {problem.strerror}") from None
        if done.returncode or not file.exists():
            said = (done.stderr or done.stdout).strip().splitlines() or ["wrote no file"]
            raise ExportError(f"{self.package}: {said[-1][-300:]}")


def write_heads(
    loaded: LoadedDetector,
    file: Path,
    config: ExportConfig,
    progress: Progress,
    converter: Converter,
    opener: Opener,
) -> ParityDifference:
    """Write ``file`` and how to decode what it gives; the greatest difference.

    Without ``size`` images have 640x480 pixels.

    Raises:
        ConfigError, ExportError: see :meth:`Converter.convert`. ExportError: if the file does not
            agree with the detector.
    """
    config = replace(config, size=config.size or USUAL_SIZE)
    assert config.fixed is not None
    write_decoding(loaded, file.parent, config)
    progress.note("converting")
    converter.convert(heads_program(loaded, config.fixed), file, config)
    progress.note("comparing with the detector")
    return compare_heads(loaded, opener(file, torch.get_num_threads()), config)


def heads_program(loaded: LoadedDetector, fixed: tuple[int, int, int]) -> ExportedProgram:
    """Return the program to the logits (B, A, 2) and offsets (B, A, 4) of images of one height,
    width and batch size."""
    program = trace(loaded.detector, "heads", fixed)
    with warnings.catch_warnings():
        # torch warns of its own internals.
        warnings.simplefilter("ignore")
        lowered: ExportedProgram = program.run_decompositions(
            {torch.ops.aten.upsample_nearest2d.vec: _nearest}
        )
    return lowered


def _nearest(x_BCHW: Tensor, size: Sequence[int] | None, scales: Sequence[float] | None) -> Any:
    """Enlarge by picking rows and columns, unless each is repeated the same number of times.

    torch takes row ``floor(at * height / rows)``, others the one under the middle of a row, which
    is the same for whole factors only: litert-torch 0.10.0 gives other maps and says nothing.
    """
    height, width = x_BCHW.shape[2:]
    if size is None or (size[0] % height == 0 and size[1] % width == 0):
        return NotImplemented
    # coremltools makes floats of the quotients.
    rows = (torch.arange(size[0]) * height // size[0]).to(torch.int32)
    columns = (torch.arange(size[1]) * width // size[1]).to(torch.int32)
    return x_BCHW.index_select(2, rows).index_select(3, columns)
