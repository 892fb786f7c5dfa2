"""The folder of a run: settings, metrics, checkpoint and results, each under a fixed name."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from nasface.errors import RunError
from nasface.io.files import is_draft, make_folders, remove_folders, write_text
from nasface.io.settings import load_config
from nasface.io.strict_json import REASONS, to_json
from nasface.io.yaml import to_yaml
from nasface.runs.checkpoint import save_checkpoint
from nasface.runs.environment import ENVIRONMENT, describe_environment

DATA = "data.json"
"""Name of the file that says what data a run reads."""

CONFIG = "config.yaml"
"""Name of the file of settings in a run folder."""


Kind = Literal["search", "training", "evaluation", "detection"]
"""What a run did; ``environment.json`` says it under ``kind``."""


SUMMARY_FILE = "summary.json"
"""Name of the file with the figures of a finished run."""


class RunFolder:
    """Paths and writers of a run folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / CONFIG
        self.metrics = path / "metrics.jsonl"
        self.checkpoint = path / "checkpoint.pt"
        self._made: list[Path] = []

    def check_free(self, kind: Kind | None = None) -> None:
        """Raise :class:`RunError` if the folder exists and is not empty; ``kind`` is that of the
        run that it is wanted for."""
        if self.path.exists() and not self._is_free():
            hint = (
                ", or go on with a stopped run by --resume (in Python: resume=True)"
                if kind != "detection" and self.path.is_dir()
                else ""
            )
            what = "exists and is not empty" if self.path.is_dir() else "is a file"
            raise RunError(f"{self.path}: {what}; choose another --out{hint}")

    def create(self, config: object, kind: Kind | None = None, launch: str | None = None) -> None:
        """Make the folder; write kind, command and hardware of the run, and the complete settings.

        ``launch`` names the ``torchrun`` that it was started by, see :meth:`launch`.

        Raises:
            RunError: if the folder exists and is not empty, or cannot be written to; what was made
                is removed then.
        """
        self.check_free(kind)
        try:
            self._made = make_folders(self.path)
            named = {"kind": kind, "torchrun": launch}
            named = {key: value for key, value in named.items() if value is not None}
            self.write_json(ENVIRONMENT, named | {"id": uuid4().hex} | describe_environment())
            write_text(self.config, to_yaml(config))  # last: with it the run has begun
        except OSError as problem:
            self._discard()
            raise RunError(f"{self.path}: cannot write there: {problem.strerror}") from None

    @contextmanager
    def discarded_on_failure(self, has_results: Callable[[], bool]) -> Iterator[None]:
        """Remove what a new run has written if it fails before it has any results, so that the same
        command can be given again.

        The folder was free when the run began, so that all in it is the run's.
        """
        try:
            yield
        except BaseException:  # Ctrl-C among them; it is raised again
            if not has_results():
                self._discard()
            raise

    def _discard(self) -> None:
        """Remove what is in the folder, and the folder and those above it that were made for it."""
        with suppress(OSError):
            for each in self.path.iterdir():
                if each.is_dir() and not each.is_symlink():
                    shutil.rmtree(each, ignore_errors=True)
                else:
                    each.unlink()
        remove_folders(self._made)

    def has_figures(self) -> bool:
        """Return whether there is a checkpoint, or anything was measured."""
        return self.checkpoint.exists() or bool(_read_rows(self.metrics))

    def run_id(self) -> str:
        """Return the name that tells this run from all others, also after it is resumed."""
        text = (self.path / ENVIRONMENT).read_text("utf-8")
        # Version 0.1 wrote none.
        return json.loads(text).get("id") or hashlib.sha256(text.encode()).hexdigest()[:32]

    def launch(self) -> str | None:
        """Return the name of the ``torchrun`` that began the run, None where no other began it."""
        if not is_run_folder(self.path):
            return None
        found = json.loads((self.path / ENVIRONMENT).read_text("utf-8")).get("torchrun")
        return found if isinstance(found, str) else None

    def _is_free(self) -> bool:
        """Return whether nothing is there but what a run left that was killed before it began."""
        return self.path.is_dir() and all(
            is_draft(each) or each.name == ENVIRONMENT for each in self.path.iterdir()
        )

    def check_same(self, config: object) -> None:
        """Raise :class:`RunError` unless the run was started with these settings."""
        before = load_config(type(config), self.config)
        for field in fields(before):  # type: ignore[arg-type]  # configs are dataclasses
            old, new = getattr(before, field.name), getattr(config, field.name)
            if old != new:
                raise RunError(
                    f"{self.config}: {field.name} is {old!r}, asked for is {new!r}; a resumed run "
                    "keeps its settings"
                )

    def keep_data(self, data: Mapping[str, Any]) -> None:
        """Write what the run reads into ``data.json``, or see that it is what was read before.

        Raises:
            RunError: if a resumed run would read other images.
        """
        path = self.path / DATA
        if not path.exists():
            self.write_json(DATA, data)
            return
        try:
            before = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            raise RunError(f"{path}: cannot be read; it says what data the run has read") from None
        if before != data:
            raise RunError(
                f"{path}: the data are not what they were when the run began; a resumed run needs "
                "the same images"
            )

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a line to ``metrics.jsonl``; what is not finite becomes null, with its reason."""
        with self.metrics.open("a", encoding="utf-8") as file:
            file.write(to_json(row, indent=None) + "\n")

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        """Write the checkpoint, and see that the metrics up to it are on the disk before."""
        with self.metrics.open("a", encoding="utf-8") as file:
            os.fsync(file.fileno())
        save_checkpoint(self.checkpoint, state)

    def rewind(self, step: int) -> None:
        """Drop the metrics of steps after ``step``, which a resumed run will take again.

        Drafts of files that the killed run left behind go as well.
        """
        for path in filter(is_draft, self.path.iterdir()):
            path.unlink()
        rows = [row for row in _read_rows(self.metrics) if row["step"] <= step]
        write_text(self.metrics, "".join(to_json(row, indent=None) + "\n" for row in rows))

    def write_json(self, name: str, value: object) -> Path:
        """Write a JSON file into the folder, see :func:`to_json`."""
        path = self.path / name
        write_text(path, to_json(value) + "\n")
        return path


def is_run_folder(path: Path) -> bool:
    """Return whether a folder is that of a run or of results, whole or not."""
    return all((path / name).is_file() for name in (CONFIG, ENVIRONMENT))


def resume_or_clear(path: Path) -> bool:
    """Return whether a run can go on from its checkpoint; without one, remove its folder."""
    if RunFolder(path).checkpoint.is_file():
        return True
    if path.is_dir():
        shutil.rmtree(path)
    return False


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the figures in a ``metrics.jsonl``, None for those that were not finite; an unfinished
    last line (a killed run) is left out."""
    return [
        {name: value for name, value in row.items() if name != REASONS} for row in _read_rows(path)
    ]


def _read_rows(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    rows = []
    for line in path.read_text("utf-8", "replace").splitlines():
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not isinstance(row, dict):
            break
        rows.append(row)
    return rows


def read_summary(folder: Path) -> dict[str, Any]:
    """Return the figures of a finished run.

    Raises:
        RunError: if there are none.
    """
    path = folder / SUMMARY_FILE
    try:
        summary = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        summary = None
    if not isinstance(summary, dict):
        raise RunError(f"{path}: no figures there; expected the folder of a finished run")
    return summary
