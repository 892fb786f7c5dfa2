"""Section on a run of ``nasface detect``: faces by height and score, and its drawn pictures."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from nasface.data.images import read_image
from nasface.reports.html import ReportPicture, ReportTable
from nasface.reports.reader import RunRecord
from nasface.reports.themed import photograph_uri

_HEIGHTS = (0, 16, 32, 64, 128, 256)
"""From which height in pixels a band of faces goes; the last has no end."""
_SCORES = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9)


def found_result(run: RunRecord) -> str:
    """Return how many faces there are, in words."""
    faces = sum(len(row["scores"]) for row in run.found)
    return f"{_count(faces, 'face')} in {_count(len(run.found), 'image')}"


def found_tables(run: RunRecord) -> list[ReportTable]:
    """Return the faces by height and by score, and images by the number of their faces."""
    heights = [y2 - y1 for row in run.found for _, y1, _, y2 in row["boxes"]]
    scores = [score for row in run.found for score in row["scores"]]
    each = [len(row["scores"]) for row in run.found]
    most = max(each, default=0)
    numbers = [*range(min(most, 4) + 1), *([5] if most > 4 else [])]
    return [
        _bands("Faces by height in pixels", "faces", heights, _HEIGHTS),
        _bands("Faces by score", "faces", scores, _SCORES),
        ReportTable(
            "Images by the number of their faces",
            ("faces", "images"),
            [
                [f"{n} or more", str(sum(count >= n for count in each))]
                if n == 5
                else [str(n), str(each.count(n))]
                for n in numbers
            ],
        ),
    ]


def found_pictures(run: RunRecord, count: int) -> dict[str, list[ReportPicture]]:
    """Return the drawn pictures with most faces, and those with the least certain face; ``count``
    of each. Frames of videos have none."""
    drawn = _drawn(run)
    rows = [row for row in run.found if row["scores"] and row["image"] in drawn]
    sorts: dict[str, Callable[[dict[str, Any]], float]] = {
        "Most faces": lambda row: -len(row["scores"]),
        "Least certain": lambda row: min(row["scores"]),
    }
    return {
        title: [_picture(row, drawn[row["image"]]) for row in sorted(rows, key=key)[:count]]
        for title, key in sorts.items()
        if rows
    }


def _drawn(run: RunRecord) -> dict[str, Path]:
    """Return image -> its drawn picture, which is called after its number and name."""
    waiting: dict[str, list[str]] = {}
    for row in run.found:
        waiting.setdefault(Path(row["image"]).stem, []).append(row["image"])
    found = {}
    for path in sorted(run.path.glob("[0-9]*_*.jpg")):
        if images := waiting.get(path.stem.partition("_")[2]):
            found[images.pop(0)] = path
    return found


def _picture(row: dict[str, Any], path: Path) -> ReportPicture:
    faces = _count(len(row["scores"]), "face")
    text = f"{Path(row['image']).name}: {faces}, least {min(row['scores']):.2f}"
    return ReportPicture(text, photograph_uri(read_image(path)))


def _bands(title: str, what: str, values: Sequence[float], edges: Sequence[float]) -> ReportTable:
    spans = [*pairwise(edges), (edges[-1], float("inf"))]
    rows = [
        [
            f"{low:g} to {high:g}" if high < float("inf") else f"{low:g} and more",
            str(sum(low <= value < high for value in values)),
        ]
        for low, high in spans
    ]
    return ReportTable(title, ("", what), [row for row in rows if row[1] != "0"])


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
