"""Checkpoints that are either whole or not there."""

import io
import os
import pickle
from pathlib import Path
from typing import Any

import torch

from nasface.errors import RunError


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write plain containers and tensors; the previous checkpoint stays until this one is whole.

    Raises:
        RunError: if it cannot be written; the previous one stays.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    # In memory first: torch turns an error of the disk into one of its own that says nothing.
    whole = io.BytesIO()
    torch.save(state, whole)
    try:
        with temporary.open("wb") as file:
            file.write(whole.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as problem:
        temporary.unlink(missing_ok=True)
        raise RunError(
            f"{path}: cannot be written: {problem.strerror or problem}; the last checkpoint is "
            "kept, and --resume goes on from it"
        ) from None


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
