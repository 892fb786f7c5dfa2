"""Messages of a job to its loggers: settings at the start, results at the end."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from nasface.engine.job import Job, JobConfig
from nasface.errors import MissingPackageError
from nasface.io.yaml import plain_values
from nasface.progress import Progress
from nasface.runs.folder import RunFolder
from nasface.runs.logger import LoggedRun
from nasface.runs.metrics_log import MetricsLog


def logged_run(job: Job, config: JobConfig, folder: RunFolder | None) -> LoggedRun:
    """Describe a job that is about to take its next steps."""
    return LoggedRun(
        id=uuid4().hex if folder is None else folder.run_id(),
        name=job.kind if folder is None else folder.path.resolve().name,
        kind=job.kind,
        folder=None if folder is None else folder.path,
        parameters=flat_parameters(plain_values(config)),
        step=job.step,
    )


def flat_parameters(values: Mapping[str, Any]) -> dict[str, str | int | float | bool | None]:
    """Join nested names by dots, and write lists as texts with commas."""
    flat: dict[str, str | int | float | bool | None] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{inner}": each for inner, each in flat_parameters(value).items()}
        elif isinstance(value, list):
            flat[name] = ",".join(map(str, value))
        else:
            flat[name] = value
    return flat


def log_results(job: Job, log: MetricsLog, progress: Progress) -> None:
    """Log the picture of the genotype, and the files that the job has written."""
    if not log.has_loggers:
        return
    genotype = job.drawn_genotype()
    if genotype is not None:
        try:
            from nasface.drawing.draw import draw_genotype

            log.image("genotype", draw_genotype(genotype).pixels())
        except MissingPackageError as problem:
            progress.note(f"the picture of the genotype is not logged: {problem}")
    output = job.context.output
    for name in job.artefacts:
        if output is not None and (output.path / name).is_file():
            log.artefact(output.path / name)
