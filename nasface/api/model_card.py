"""Model cards: what a detector is, what it was trained on, and what it reaches, from its runs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nasface.arch.genotype import Genotype
from nasface.detection.checkpoint import LICENCE, PREPROCESSING
from nasface.detection.config import DetectorConfig
from nasface.detection.cost import detector_cost
from nasface.detection.zoo import TABLE_SIZE
from nasface.errors import RunError
from nasface.io.settings import read_config
from nasface.io.yaml import to_yaml
from nasface.models.hub import CARD_DRAWING
from nasface.runs.environment import ENVIRONMENT
from nasface.runs.folder import CONFIG
from nasface.runs.results import FIGURES

_SUMMARY = "summary.json"
_MADE_WITH = ("started", "nasface", "torch", "processor", "gpu")
_SHOWN = ("data", "epochs", "batch_size", "seed", "start_weights", "backbone_weights")


@dataclass(frozen=True)
class CardFacts:
    """What a card is written from. ``figures`` are those that the weights carry; ``runs`` the
    folders of their training and evaluations; ``has_drawing`` says whether the picture of the
    genotype lies beside the card."""

    name: str
    config: DetectorConfig
    genotype: Genotype | None
    figures: Mapping[str, Any]
    runs: Sequence[Path] = ()
    licence: str = "other"
    has_drawing: bool = False


def write_card(facts: CardFacts, repository: str = "") -> str:
    """Return the card as Markdown behind the front matter that the Hugging Face Hub reads.

    ``repository`` is ``owner/name``, where it is known.

    Raises:
        RunError: for a folder of no run, or files in it that cannot be read.
    """
    parts = [
        _front_matter(facts),
        f"# {facts.name}\n\nA face detector made with nasface.",
        _usage(repository),
        _architecture(facts),
        *(_run_section(run) for run in facts.runs),
    ]
    if not facts.runs:
        parts.append(_figures(facts.figures))
    parts.append(f"## Licence\n\n{facts.licence}; {LICENCE}.")
    return "\n\n".join(filter(None, parts)) + "\n"


def _front_matter(facts: CardFacts) -> str:
    lines = [
        "library_name: nasface",
        "pipeline_tag: object-detection",
        f"license: {facts.licence}",
        "tags: [face-detection, neural-architecture-search]",
    ]
    return "\n".join(["---", *lines, "---"])


def _usage(repository: str) -> str:
    address = f"hf://{repository}" if repository else "FOLDER"
    return (
        "## Use\n\n```python\nimport nasface\n\n"
        f'detector = nasface.load_detector("{address}")\n'
        '(faces,) = detector.detect(["photo.jpg"])\n'
        "print(faces.boxes, faces.scores)  # x1 y1 x2 y2 in pixels, best score first\n```\n\n"
        f"Input of the network: {PREPROCESSING}."
    )


def _architecture(facts: CardFacts) -> str:
    height, width = TABLE_SIZE
    total = detector_cost(facts.config, facts.genotype, height, width)[0]
    lines = [
        "## Architecture",
        "",
        f"Backbone `{facts.config.backbone}`, neck `{facts.config.neck}`"
        + (f", genotype `{facts.genotype.name}`" if facts.genotype else "")
        + f": {total.parameters:,} parameters, {total.macs / 1e9:.2f} G multiply-adds at "
        f"{width} x {height}.",
    ]
    if facts.has_drawing:
        lines += ["", f"![the searched cells]({CARD_DRAWING})"]
    return "\n".join([*lines, "", "```yaml", to_yaml(facts.config).rstrip("\n"), "```"])


def _run_section(run: Path) -> str:
    """What a training or an evaluation was made from, and what it gave."""
    if not (run / CONFIG).is_file():
        raise RunError(f"{run}: is no run folder (no {CONFIG} there)")
    settings = read_config(run / CONFIG)
    environment = _json(run / ENVIRONMENT)
    is_evaluation = (run / FIGURES).is_file()
    figures = _json(run / (FIGURES if is_evaluation else _SUMMARY))
    lines = [f"## {'Evaluation' if is_evaluation else 'Training'}", ""]
    if command := environment.get("command"):
        lines += [f"    {command}", ""]
    shown = {key: settings.get(key) for key in _SHOWN if settings.get(key) not in (None, "")}
    made = {key: environment[key] for key in _MADE_WITH if key in environment}
    lines += _table(("", ""), (shown | made).items())
    return "\n".join([*lines, "", _figures(figures)]).rstrip()


def _figures(figures: Mapping[str, Any]) -> str:
    """The protocol and its table; else the plain numbers."""
    rows = [(row["name"], _number(row.get("value"))) for row in figures.get("table", [])
            if not row.get("group")]  # fmt: skip
    if not rows:
        plain = {key: value for key, value in figures.items() if isinstance(value, int | float)}
        rows = [(key, _number(value)) for key, value in plain.items()]
    if not rows:
        return ""
    protocol = str(figures.get("protocol", "as the weights carry them"))
    return "\n".join([f"Figures: {protocol}", "", *_table(("", "figure"), rows)])


def _table(columns: tuple[str, str], rows: Any) -> Iterator[str]:
    yield f"| {columns[0]} | {columns[1]} |"
    yield "| --- | --- |"
    for key, value in rows:
        yield f"| {key} | {str(value).replace('|', '/')} |"


def _number(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else "none" if value is None else str(value)


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        raise RunError(f"{path}: cannot be read") from None
    return found
