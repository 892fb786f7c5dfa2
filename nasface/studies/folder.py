"""The folder of a comparison: its plan, and the folders of its runs."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nasface.arch.io import load_genotype
from nasface.errors import ConfigError, RunError, SpecError
from nasface.io.files import make_folders, remove_folders, write_text
from nasface.io.settings import load_config
from nasface.io.strict_json import REASONS
from nasface.io.yaml import to_yaml
from nasface.models import weights_path
from nasface.optional import PACKAGE
from nasface.studies.phases import GENOTYPE_FILE, RESULT
from nasface.studies.processes import RUN
from nasface.studies.spec import StudySpec
from nasface.studies.study_run import StudyRun

PLAN = "plan.yaml"

Rows = list[dict[str, Any]]


def check_folder(out: Path, plan: str = PLAN, what: str = "a comparison") -> None:
    """Raise RunError for a folder that is something else's: neither empty nor with a ``plan``."""
    known = (out / plan).is_file()
    if out.exists() and not known and (not out.is_dir() or any(out.iterdir())):
        raise RunError(f"{out}: is not the folder of {what}; choose another --out")


def check_runs(out: Path, runs: Sequence[StudyRun]) -> None:
    """Check that runs can be computed in a folder.

    Raises:
        ConfigError: for data, weights or a genotype that are not there. RunError: if a run in the
            folder was begun with other settings.
    """
    for run in runs:
        _check_same(out, run)
        if finished(out, run) is None:
            _check_data(run)
            _check_weights(run)
            _check_genotype(run)


@contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """Make a folder, and those above it; if the block ends with an error, remove those of them
    that are empty.

    Raises:
        RunError: where nothing can be written.
    """
    made: list[Path] = []
    try:
        made = make_folders(folder)
        yield
    except OSError as problem:
        remove_folders(made)
        raise RunError(f"{folder}: cannot write there: {problem.strerror}") from None
    except BaseException:
        remove_folders(made)
        raise


def write_plan(plan: StudySpec, out: Path) -> None:
    """Write a plan into its folder, which is made.

    Raises:
        RunError: where nothing can be written; the folders that were made are removed then.
    """
    with made_folder(out):
        write_text(out / PLAN, to_yaml(plan))


def finished(out: Path, run: StudyRun) -> dict[str, Any] | None:
    """Return the row of a run, if it is done."""
    path = out / run.path / RESULT
    if not path.is_file():
        return None
    row: dict[str, Any] = json.loads(path.read_text("utf-8"))
    row.pop(REASONS, None)
    return row


def finished_rows(out: Path, runs: Sequence[StudyRun]) -> Rows:
    """Return the rows of the runs that are done."""
    return [row for run in runs if (row := finished(out, run)) is not None]


def cells_of(out: Path, runs: Sequence[StudyRun]) -> dict[str, Path]:
    """Return path of a run -> the genotype that it found."""
    paths = {run.path: out / run.path / GENOTYPE_FILE for run in runs if run.search is not None}
    return {name: path for name, path in paths.items() if path.is_file()}


def _check_same(out: Path, run: StudyRun) -> None:
    path = out / run.path / RUN
    if path.is_file() and (where := load_config(StudyRun, path).difference(run)):
        raise RunError(
            f"{path}: {where} is not what the plan has now; choose another --out, or remove the "
            "folder of this run"
        )


def _check_data(run: StudyRun) -> None:
    """Check the data before the first run starts, not once in each that fails."""
    for phase, config in (("search", run.search), ("train", run.train)):
        if config is not None and not Path(config.data).exists():
            raise ConfigError(
                f"{run.label}: {phase}.data: {config.data} does not exist, expected the folder of "
                "a data set"
            )


def _check_weights(run: StudyRun) -> None:
    """Check the weights before the first run starts, not once in each that fails."""
    named = {"train.start_weights": run.train.start_weights}
    for phase, config in (("search", run.search), ("train", run.train)):
        if config is not None and not config.backbone_weights.startswith(PACKAGE):
            named[f"{phase}.backbone_weights"] = config.backbone_weights
    for key, file in named.items():
        if file and not weights_path(file).is_file():
            raise ConfigError(
                f"{run.label}: {key}: {file} does not exist, expected a weights file or the name "
                "of a released detector"
            )


def _check_genotype(run: StudyRun) -> None:
    if run.train.genotype:
        try:
            load_genotype(run.train.genotype)
        except SpecError as problem:
            raise ConfigError(f"{run.label}: train.genotype: {problem}") from None
