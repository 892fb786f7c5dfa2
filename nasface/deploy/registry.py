"""Export formats by the suffix of the file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nasface.deploy.config import ExportConfig
from nasface.deploy.decoding_files import decoding_files
from nasface.deploy.onnx import export_onnx
from nasface.deploy.outputs import check_output, named_refusals
from nasface.deploy.parity import ParityDifference
from nasface.deploy.python_source.file import export_python
from nasface.deploy.torch_export import export_program
from nasface.detection.checkpoint import LoadedDetector
from nasface.errors import ConfigError, one_of
from nasface.inference.onnx_runtime import Outputs
from nasface.optional import require
from nasface.progress import Progress, Silent
from nasface.registry import Registry

Writer = Callable[[LoadedDetector, Path, ExportConfig, Progress], ParityDifference]
"""Writes a detector to a file that agrees with it, or no file; returns the greatest difference."""


@dataclass(frozen=True)
class ExportFormat:
    """A form of a detector that runs without this toolkit.

    ``beside``: suffixes of the files that are written beside the first. ``needs``: packages without
    which it cannot be written; ``install`` is what to give to pip for them.
    """

    suffix: str
    text: str
    write: Writer
    beside: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    install: str = ""

    def files(self, path: Path, outputs: Outputs = "boxes") -> list[Path]:
        """Return the files that an export to ``path`` writes."""
        files = [path, *(path.with_suffix(suffix) for suffix in self.beside)]
        return files + (decoding_files(path) if outputs == "heads" else [])


FORMATS: Registry[ExportFormat] = Registry("export format")
"""Suffix -> format."""


def register_export_format(entry: ExportFormat) -> None:
    """Add an export format.

    Raises:
        ConfigError: for a suffix without its dot, one that has a format, or what is no format.
    """
    FORMATS.check_entry(entry, ExportFormat)
    if not entry.suffix.startswith("."):
        raise ConfigError(f"export format {entry.suffix!r}: expected a suffix such as .abc")
    FORMATS.add(entry.suffix.lower(), entry)


register_export_format(
    ExportFormat(
        ".onnx",
        "ONNX, for ONNX Runtime and others",
        export_onnx,
        needs=("onnx", "onnxscript", "onnxruntime"),
        install="nasface[export]",
    )
)
register_export_format(ExportFormat(".pt2", "a program of torch.export", export_program))
register_export_format(
    ExportFormat(".py", "plain Python, to read and change", export_python, (".safetensors",))
)


def export_format(path: Path) -> ExportFormat:
    """Return the format that a file name asks for.

    Raises:
        ConfigError: if there is none of its suffix.
    """
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(
            f"{path}: unknown export format {path.suffix!r}; expected "
            f"{one_of(path.suffix, FORMATS)}; other runtimes have a folder each: --to NAME, "
            'in Python to="NAME"'
        )
    return FORMATS[path.suffix.lower()]


def write_export(
    loaded: LoadedDetector,
    path: Path,
    config: ExportConfig | None = None,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> ParityDifference:
    """Write a detector in the format of the file's suffix, after comparing the file with it.

    Each step is a note of ``progress``.

    Returns:
        The greatest difference of the file's outputs from the detector's.

    Raises:
        ConfigError: for an unknown suffix, or a file that would replace the weights in use.
        ExportError: if a file is there already (without ``overwrite``), or does not agree with the
            detector. No file is written then.
        MissingPackageError: if a package that the format needs is missing.
        OutputError: if the file cannot be written.
    """
    form, config = export_format(path), config or ExportConfig()
    weights = Path(config.weights) if config.weights else None
    for file in form.files(path, config.outputs):
        check_output(file, weights, overwrite=overwrite)
    require(form.install or " ".join(form.needs), *form.needs)
    with named_refusals(path):
        return form.write(loaded, path, config, progress or Silent())
