"""How the architecture parameters of a search moved: kept in checkpoints, written as arrays."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from nasface.arch.genotype import Genotype
from nasface.arch.io import load_search_space
from nasface.arch.space import SearchSpace
from nasface.engine.config import SearchConfig
from nasface.errors import RunError
from nasface.io.files import write_bytes
from nasface.io.settings import load_config
from nasface.search.candidates import CandidateTable, FloatArray, pair_scores, select
from nasface.search.derive import genotype_of_paths

HISTORY = "arch_history.npz"
"""Name of the file in the folder of a search."""


def history_entry(
    epoch: int, step: int, alphas: Mapping[str, FloatArray], betas: Mapping[str, FloatArray]
) -> dict[str, Any]:
    """The architecture parameters after an epoch in a form that a checkpoint takes."""
    return {
        "epoch": epoch,
        "step": step,
        "alpha": {cell: torch.from_numpy(values) for cell, values in alphas.items()},
        "beta": {cell: torch.from_numpy(values) for cell, values in betas.items()},
    }


def entry_arrays(
    entry: Mapping[str, Any],
) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """The alphas and betas of an entry."""
    alphas, betas = (
        {cell: value.numpy() for cell, value in entry[kind].items()} for kind in ("alpha", "beta")
    )
    return alphas, betas


def save_history(path: Path, history: list[dict[str, Any]]) -> None:
    """Write the architecture parameters after each epoch to an ``npz`` file.

    It holds ``epoch`` (T,) and per cell ``alpha.CELL`` (T, edges, operations) and, with edge
    normalisation, ``beta.CELL`` (T, edges).
    """
    arrays: dict[str, Any] = {"epoch": np.array([entry["epoch"] for entry in history])}
    for kind in ("alpha", "beta"):
        for cell in history[0][kind] if history else ():
            arrays[f"{kind}.{cell}"] = np.stack([entry[kind][cell].numpy() for entry in history])
    whole = io.BytesIO()
    np.savez_compressed(whole, **arrays)
    write_bytes(path, whole.getvalue())


@dataclass(frozen=True)
class ChoiceHistory:
    """How the choices of a search moved.

    ``scores`` maps each cell to the scores of its pairs after each epoch, float32 (T, E, O), nan
    where an operation is not offered.
    """

    space: SearchSpace
    epochs: list[int]
    scores: dict[str, NDArray[np.float32]]

    def genotypes(self) -> list[Genotype]:
        """What would be derived after each epoch: the searched cells alone."""
        tables = {cell: CandidateTable.of(self.space, cell) for cell in self.space.cells}
        return [
            genotype_of_paths(
                self.space,
                {cell: select(table, self.scores[cell][at]) for cell, table in tables.items()},
                name=f"epoch {epoch}",
            )
            for at, epoch in enumerate(self.epochs)
        ]


def load_history(run: Path) -> ChoiceHistory:
    """The history in the folder of a search.

    Raises:
        NasfaceError: if there is none, or none of the space that the run names.
    """
    settings = load_config(SearchConfig, run / "config.yaml")
    space = load_search_space(settings.space, settings.parameters)
    path = run / HISTORY
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            held = {name: arrays[name] for name in arrays.files}
        scores = {}
        for cell in space.cells:
            table = CandidateTable.of(space, cell)
            beta = held.get(f"beta.{cell}", [None] * len(held["epoch"]))
            each = [
                pair_scores(table, a, b) for a, b in zip(held[f"alpha.{cell}"], beta, strict=True)
            ]
            scores[cell] = np.where(table.offered_EO, np.stack(each), np.nan).astype(np.float32)
        return ChoiceHistory(space, [int(epoch) for epoch in held["epoch"]], scores)
    except FileNotFoundError:
        raise RunError(
            f"{path}: not there; a search writes it when it ends or is stopped"
        ) from None
    except Exception as problem:  # whatever a damaged file makes of the reader
        raise RunError(f"{path}: not a history of space {space.name}: {problem!a:.200}") from None
