"""Event files for TensorBoard, in ``tensorboard/`` of the run folder."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nasface.optional import require
from nasface.runs.logger import LoggedRun, Status


class TensorBoardLogger:
    """Scalars, images, and the settings as a text; files stay where they are.

    Raises:
        MissingPackageError: without TensorBoard.
    """

    def __init__(self) -> None:
        require("nasface[tensorboard]", "tensorboard")

    def start(self, run: LoggedRun) -> None:
        """See :class:`~nasface.runs.logger.Logger`."""
        from torch.utils.tensorboard import SummaryWriter

        folder = run.needed_folder("tensorboard") / "tensorboard"
        self.step = run.step
        # TensorBoard drops what was logged from this step on.
        self.writer = SummaryWriter(str(folder), purge_step=run.step + 1 if run.step else None)
        if not run.step:
            rows = "".join(f"| {name} | {value} |\n" for name, value in run.parameters.items())
            self.writer.add_text("parameters", "| setting | value |\n|---|---|\n" + rows, 0)

    def metrics(self, step: int, values: Mapping[str, float]) -> None:
        """See :class:`~nasface.runs.logger.Logger`."""
        self.step = step
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def image(self, name: str, picture: NDArray[np.uint8]) -> None:
        """See :class:`~nasface.runs.logger.Logger`."""
        self.writer.add_image(name, picture, self.step, dataformats="HWC")

    def artefact(self, path: Path) -> None:
        """Do nothing: TensorBoard keeps no files."""

    def end(self, status: Status) -> None:
        """See :class:`~nasface.runs.logger.Logger`."""
        self.writer.close()
