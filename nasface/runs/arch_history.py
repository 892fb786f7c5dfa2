"""History of the architecture parameters: kept in checkpoints, written as arrays."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nasface.arrays import Float32
from nasface.errors import RunError
from nasface.io.files import write_bytes

HISTORY = "arch_history.npz"
"""Name of the file in the folder of a search."""

PARAMETER_KINDS = ("alpha", "beta", "gamma")
"""The architecture parameters: of operations, of edges, of combine rules and widths."""


def history_entry(
    epoch: int,
    step: int,
    alphas: Mapping[str, Float32],
    betas: Mapping[str, Float32],
    gammas: Mapping[str, Float32] | None = None,
) -> dict[str, Any]:
    """Return the architecture parameters after an epoch in a form that a checkpoint takes."""
    return {
        "epoch": epoch,
        "step": step,
        "alpha": {cell: torch.from_numpy(values) for cell, values in alphas.items()},
        "beta": {cell: torch.from_numpy(values) for cell, values in betas.items()},
        "gamma": {cell: torch.from_numpy(values) for cell, values in (gammas or {}).items()},
    }


def entry_arrays(
    entry: Mapping[str, Any],
) -> tuple[dict[str, Float32], dict[str, Float32], dict[str, Float32]]:
    """Return the alphas, betas and gammas of an entry."""
    alphas, betas, gammas = (
        {cell: value.numpy() for cell, value in entry.get(kind, {}).items()}
        for kind in PARAMETER_KINDS
    )
    return alphas, betas, gammas


def save_history(folder: Path, history: list[dict[str, Any]]) -> None:
    """Write the architecture parameters after each epoch into the folder of a search.

    The file holds ``epoch`` (T,) and per cell ``alpha.CELL`` (T, edges, operations) and, with edge
    normalisation, ``beta.CELL`` (T, edges), and ``gamma.CELL`` (T, nodes and widths, rules) where
    nodes choose their combine rule or cells their width.
    """
    whole = io.BytesIO()
    np.savez_compressed(whole, **history_arrays(history))
    write_bytes(folder / HISTORY, whole.getvalue())


def history_arrays(history: list[dict[str, Any]]) -> dict[str, Any]:
    """Return entries as the arrays that :func:`save_history` writes."""
    arrays: dict[str, Any] = {"epoch": np.array([entry["epoch"] for entry in history])}
    for kind in PARAMETER_KINDS:
        for cell in history[0].get(kind, {}) if history else ():
            arrays[f"{kind}.{cell}"] = np.stack([entry[kind][cell].numpy() for entry in history])
    return arrays


def load_history_arrays(folder: Path) -> dict[str, Any]:
    """Return the arrays that :func:`save_history` wrote.

    Raises:
        RunError: if there are none.
    """
    path = folder / HISTORY
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except FileNotFoundError:
        raise RunError(
            f"{path}: not there; a search writes it when it ends or is stopped"
        ) from None
    except Exception as problem:  # numpy raises anything for a damaged file
        raise RunError(f"{path}: not a history: {problem!a:.200}") from None
