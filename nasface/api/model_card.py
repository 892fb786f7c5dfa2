"""Model cards: what a detector is, what it was trained on, and what it reaches, from its runs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nasface.arch.genotype import Genotype
from nasface.detection.checkpoint import LICENCE, PREPROCESSING
from nasface.detection.config import DetectorConfig
from nasface.detection.cost import detector_cost
from nasface.detection.zoo import TABLE_SIZE
from nasface.io.yaml import to_yaml
from nasface.metrics.protocol import TableRow
from nasface.models.hub import CARD_DRAWING
from nasface.reports.reader import read_run

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
    content = {
        "library_name": "nasface",
        "pipeline_tag": "object-detection",
        "license": facts.licence,
        "tags": ["face-detection", "neural-architecture-search"],
    }
    return f"---\n{to_yaml(content)}---"


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


def _run_section(folder: Path) -> str:
    """Return what a training or an evaluation was made from, and what it gave."""
    run = read_run(folder, folder.name)
    lines = [f"## {'Evaluation' if run.evaluation else 'Training'}", ""]
    if command := run.environment.get("command"):
        lines += [f"    {command}", ""]
    shown = {key: run.settings[key] for key in _SHOWN if run.settings.get(key) not in (None, "")}
    made = {key: run.environment[key] for key in _MADE_WITH if key in run.environment}
    lines += _table(("", ""), (shown | made).items())
    figures = _figures(run.evaluation or run.summary, run.table)
    return "\n".join([*lines, "", figures]).rstrip()


def _figures(figures: Mapping[str, Any], table: Sequence[TableRow] = ()) -> str:
    """Return the protocol and its table; else the plain numbers."""
    rows = [(row.name, _number(row.value)) for row in table if not row.group]
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
        # Of a file of a run, a cell may have any text; the table has one row for it.
        plain = (" ".join(str(cell).split()).replace("|", "/") for cell in (key, value))
        yield f"| {' | '.join(plain)} |"


def _number(value: object) -> str:
    return f"{value:.4f}" if isinstance(value, float) else "none" if value is None else str(value)
