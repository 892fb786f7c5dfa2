"""Torch's own files, read as tensors and plain values alone."""

import warnings
from pathlib import Path
from typing import Any

import torch

from nasface.errors import RunError


def load_torch_file(path: Path) -> Any:
    """Return what a file of ``torch.save`` holds, on the CPU; nothing in it is run.

    Raises:
        RunError: naming the file, if it cannot be read or holds anything but tensors and plain
            values.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what a damaged file looks like to torch
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as problem:
        raise RunError(f"{path}: cannot be read: {problem.strerror or problem}") from None
    except Exception as problem:  # a damaged file can raise anything
        # Torch's own words are a page of advice, among it to load the file without this check.
        reason = type(problem).__name__
        raise RunError(
            f"{path}: is damaged, or holds other things than tensors and plain values ({reason})"
        ) from None
