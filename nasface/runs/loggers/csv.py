"""Figures as a table, ``metrics.csv`` in the run folder, for spreadsheets and pandas."""

import csv
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nasface.io.files import draft, write_text
from nasface.runs.logger import LoggedRun, Status


class CsvLogger:
    """A row for each call of :meth:`metrics`, a column for each figure; what a row does not have is
    empty. The settings are in ``parameters.csv``, pictures in PNG files beside it."""

    def start(self, run: LoggedRun) -> None:
        """See :class:`~nasface.runs.logger.Logger`."""
        self.folder = run.needed_folder("csv")
        self.path = self.folder / "metrics.csv"
        rows = [row for row in self._rows() if int(row["step"]) <= run.step]
        self.columns = list(rows[0]) if rows else ["step"]
        write_text(self.path, self._text(rows, header=True))
        table = StringIO()
        csv.writer(table, lineterminator="\n").writerows(
            [("name", "value"), *run.parameters.items()]
        )
        write_text(self.folder / "parameters.csv", table.getvalue())

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """See :class:`~nasface.runs.logger.Logger`."""
        added = [name for name in values if name not in self.columns]
        if added:
            rows = self._rows()
            self.columns += added
            write_text(self.path, self._text(rows, header=True))
        with self.path.open("a", encoding="utf-8", newline="") as file:
            file.write(self._text([{"step": step, **values}]))

    def image(self, name: str, picture: NDArray[np.uint8]) -> None:
        """See :class:`~nasface.runs.logger.Logger`."""
        with draft(self.folder / f"{name}.png") as path:
            Image.fromarray(picture).save(path, format="PNG")

    def artefact(self, path: Path) -> None:
        """Do nothing: the file is in the run folder already."""

    def end(self, status: Status) -> None:
        """Do nothing: each row is written at once."""

    def _rows(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        with self.path.open(encoding="utf-8", newline="") as file:
            # A killed run may have left an unfinished last row.
            return [row for row in csv.DictReader(file) if None not in row.values()]

    def _text(self, rows: list[dict[str, Any]], header: bool = False) -> str:
        text = StringIO()
        writer = csv.DictWriter(text, self.columns, restval="", lineterminator="\n")
        if header:
            writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()
