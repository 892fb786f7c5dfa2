"""Checkpoints that are either whole or not there."""

import os
import pickle
from pathlib import Path
from typing import Any

import torch

from nasface.errors import RunError


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write plain containers and tensors; the previous checkpoint stays until this one is whole."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def load_checkpoint(path: Path, kind: str) -> dict[str, Any]:
    """The state of a checkpoint whose ``kind`` entry is as given.

    Raises:
        RunError: naming the file, if it is missing, unreadable or of another kind.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise RunError(f"{path}: no checkpoint there to resume from") from None
    except (OSError, RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as problem:
        reason = " ".join(str(problem).split())[:200]
        raise RunError(f"{path}: not a readable checkpoint: {reason}") from None
    if not isinstance(state, dict) or state.get("kind") != kind:
        found = state.get("kind") if isinstance(state, dict) else type(state).__name__
        raise RunError(f"{path}: holds {found!r}, expected the checkpoint of a {kind}")
    return state
