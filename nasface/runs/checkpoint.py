"""Checkpoints that are either whole or not there."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from nasface.errors import NasfaceError, RunError
from nasface.io.files import write_bytes
from nasface.io.torch_file import load_torch_file
from nasface.runs.packing import pack, unpack


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write plain containers and tensors; the previous checkpoint stays until this one is whole.

    Raises:
        OutputError: if it cannot be written; the previous one stays.
    """
    # In memory first: torch turns an error of the disk into one of its own that says nothing.
    whole = io.BytesIO()
    torch.save(pack(state), whole)
    # Given back at once: a view that the traceback of an error keeps ends Python 3.12.1 when it is
    # collected.
    with whole.getbuffer() as data:
        write_bytes(path, data, sync=True)


def load_checkpoint(path: Path, kind: str) -> dict[str, Any]:
    """Return the state of a checkpoint whose ``kind`` entry is as given.

    Raises:
        RunError: naming the file, if it is missing, unreadable or of another kind.
    """
    if not path.is_file():
        raise RunError(f"{path}: there is no such file; expected the checkpoint of a {kind}")
    state = load_torch_file(path)
    if isinstance(state, dict):
        with fitting(path):
            state = unpack(state)
    if not isinstance(state, dict) or state.get("kind") != kind:
        found = state.get("kind") if isinstance(state, dict) else type(state).__name__
        raise RunError(f"{path}: holds {found!a:.60}, expected the checkpoint of a {kind}")
    return state


@contextmanager
def fitting(path: Path) -> Iterator[None]:
    """Name the checkpoint where what it holds is not what the reader of it expects.

    Raises:
        RunError: in the place of a missing entry or one of another type or shape.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as problem:
        reason = str(problem) if isinstance(problem, NasfaceError) else repr(problem)
        raise RunError(
            f"{path}: does not fit: {ascii(' '.join(reason.split()))[1:-1]:.300}; expected a "
            "checkpoint that this run wrote"
        ) from None
