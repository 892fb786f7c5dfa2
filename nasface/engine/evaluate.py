"""Evaluation: detections of a detector, or made elsewhere, scored by a protocol."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from nasface.annotations.detections import ScoredBoxes
from nasface.annotations.records import ImageRecord
from nasface.engine.distributed.world import ALONE, World
from nasface.inference.batch import detect_images
from nasface.inference.predict import InferenceConfig
from nasface.io.strict_json import REASONS
from nasface.metrics.protocol import Curves, Protocol, TableRow, Truth
from nasface.metrics.protocols.ap import AP, annotated_truth
from nasface.optional import need
from nasface.progress import Progress
from nasface.runs.results import describe_curves

if TYPE_CHECKING:
    import pandas as pd

NO_FACE = "no face to find"
"""Why a figure is None."""

DETECTIONS = "detections"
"""Folder of the detections, below that of an evaluation."""

_WEAK = 0.1
"""Detections that are made to be scored have scores below."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Figures of detections by a protocol.

    The protocol's own figures are attributes: ``ap``, or ``easy``, ``medium`` and ``hard``, None
    where there is no face to find. ``result`` is what the protocol made of the detections,
    ``source`` says how these came about, and ``left_out`` names the images that cannot be read:
    their faces count as not found. ``also`` has the results of further protocols by their names.
    """

    protocol: Protocol
    truth: Truth = field(repr=False)
    detections: Mapping[str, ScoredBoxes] = field(repr=False)
    source: str
    result: Any = field(repr=False)
    left_out: tuple[str, ...] = ()
    also: Mapping[str, "Evaluation"] = field(default_factory=dict, repr=False)

    @cached_property
    def rows(self) -> Sequence[TableRow]:
        """The figures, those of the whole first."""
        return self.protocol.table(self.result)

    @cached_property
    def summary(self) -> dict[str, float | None]:
        """The protocol's own figures."""
        return {row.name: row.value for row in self.rows if not row.group}

    @cached_property
    def curves(self) -> Curves:
        """The curves of the protocol."""
        return self.protocol.curves(self.result)

    def table(self) -> "pd.DataFrame":
        """Return the figures as a frame with the columns group, name, faces and value."""
        frame: pd.DataFrame = need("pandas", "nasface[plots]").DataFrame(
            [(row.group, row.name, row.faces, row.value) for row in self.rows],
            columns=["group", "name", "faces", self.protocol.value],
        )
        return frame

    def figures(self) -> dict[str, Any]:
        """Return everything as plain values, as ``evaluation.json`` has it; a figure without faces
        is None, with the reason beside it."""
        names = set(self.truth.names)
        missing = [name for name in self.truth.names if name not in self.detections]
        unknown = {name: NO_FACE for name, value in self.summary.items() if value is None}
        unknown |= {
            f"table.{at}.value": NO_FACE for at, row in enumerate(self.rows) if row.value is None
        }
        curves = describe_curves(self.curves)
        unknown |= {
            f"curves.values.{name}": NO_FACE
            for name, value in curves["values"].items()
            if value is None
        }
        return {
            "protocol": self.truth.about,
            "value": self.protocol.value,
            "inference": self.source,
            "images": len(names),
            "images_left_out": len(self.left_out),
            "faces": max((row.faces for row in self.rows), default=0),
            "detections": sum(
                len(each.scores_N) for name, each in self.detections.items() if name in names
            ),
            "images_without_entry": len(missing),
            "folders_without_entry": _lacking(_folders(self.truth.names), missing),
            "parts_without_entry": _lacking(self.truth.parts, missing),
            "entries_without_image": sum(name not in names for name in self.detections),
            **self.summary,
            "table": [vars(row) for row in self.rows],
            "curves": curves,
            **({REASONS: unknown} if unknown else {}),
        }

    def __getattr__(self, name: str) -> float | None:
        # The check keeps copying and unpickling, which ask before there is anything, from looping.
        if name.startswith("_") or "result" not in self.__dict__ or name not in self.summary:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self.summary[name]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self.summary]

    def __repr__(self) -> str:
        figures = [
            f"{name} {'none' if value is None else f'{value:.4f}'}"
            for name, value in self.summary.items()
        ]
        return f"Evaluation({', '.join([*figures, self.truth.about, self.source])})"


def brief(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return figures without table and curves, as a file of weights has them."""
    found = {key: figures[key] for key in figures if key not in ("table", "curves", REASONS)}
    reasons = {key: text for key, text in figures.get(REASONS, {}).items() if key in found}
    return {**found, **({REASONS: reasons} if reasons else {})}


def evaluate_detector(
    detector: nn.Module,
    truth: Truth | Sequence[ImageRecord],
    inference: InferenceConfig,
    progress: Progress,
    left_out: Collection[str] = (),
    *,
    protocol: Protocol = AP,
    options: Any = None,
    folder: Path | None = None,
    world: World = ALONE,
) -> Evaluation:
    """Apply a network to the images of a truth, or for AP to annotated images, and score it.

    In images whose name is ``left_out`` nothing is looked for. With a ``folder``, detections are
    written there as they are made, and those that are there are not made again. The processes of a
    ``world`` share the images, and each returns the whole.

    Raises:
        DataError: naming an image that cannot be read. RunError: for a process that is gone.
    """
    if not isinstance(truth, Truth):
        truth = annotated_truth(truth)
    images = [image for image in truth.images if image.name not in left_out]
    was_training = detector.training
    detector.eval()
    try:
        place = None if folder is None else folder / DETECTIONS
        mine = images[world.rank :: world.size]
        detected = world.collect(detect_images(detector, mine, inference, progress, place))
    finally:
        detector.train(was_training)
    together = {name: each for part in detected for name, each in part.items()}
    found = {image.name: together[image.name] for image in images}
    missing = tuple(name for name in truth.names if name in left_out)
    return score(found, truth, protocol, options, inference.describe(), missing)


def score(
    detections: Mapping[str, ScoredBoxes],
    truth: Truth,
    protocol: Protocol,
    options: Any,
    source: str,
    left_out: tuple[str, ...] = (),
) -> Evaluation:
    """Score detections; ``source`` says in words how they came about."""
    result = protocol.score(truth, detections, options)
    return Evaluation(protocol, truth, detections, source, result, left_out)


def _folders(names: Iterable[str]) -> Mapping[str, str]:
    """Return name -> top folder, of images that are in one."""
    return {name: name.split("/")[0] for name in names if "/" in name}


def _lacking(parts: Mapping[str, str], missing: Sequence[str]) -> list[str]:
    """Return the parts, from name -> part, all of whose images are missing."""
    lacking = set(missing)
    present = {part for name, part in parts.items() if name not in lacking}
    return [each for each in dict.fromkeys(parts.values()) if each not in present]


def note_missing_weak(given: Mapping[str, ScoredBoxes], progress: Progress) -> None:
    """Say so where weak detections seem to have been left out of those that are given."""
    lowest = min((each.scores_N.min() for each in given.values() if len(each.scores_N)), default=0)
    if _WEAK < lowest <= 1:
        progress.note(
            f"no detection scores below {lowest:.2f}: where weaker ones were left out, figures "
            "over all scores, such as AP, are too low; a score threshold of 0.02 keeps them"
        )
