"""Where the figures of a run go as it runs: a line of JSON each, and TensorBoard where asked."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from nasface.optional import require
from nasface.runs.folder import RunFolder, read_metrics


class MetricsLog:
    """``metrics.jsonl`` of a run folder and, with ``tensorboard``, events in ``tensorboard/``;
    without a folder the rows stay in memory.

    Raises:
        MissingPackageError: if TensorBoard is asked for and not installed.
    """

    def __init__(self, folder: RunFolder | None, tensorboard: bool = False) -> None:
        self.folder = folder
        self.held: list[dict[str, Any]] = []
        self.writer: Any = None
        if tensorboard and folder is not None:
            require("nasface[tensorboard]", "tensorboard")
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(str(folder.path / "tensorboard"))

    def __enter__(self) -> "MetricsLog":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.writer is not None:
            self.writer.close()

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Add the figures of a step."""
        row = {"step": step, **values}
        if self.folder is not None:
            self.folder.append(row)
        else:
            self.held.append(row)
        if self.writer is not None:
            for name, value in values.items():
                self.writer.add_scalar(name, value, step)

    def rows(self) -> list[dict[str, Any]]:
        """All rows of the run so far, those from before it was resumed included."""
        return self.held if self.folder is None else read_metrics(self.folder.metrics)
