"""Files of safetensors, read as a whole."""

import json
from pathlib import Path

from safetensors.torch import load
from torch import Tensor

from nasface.errors import RunError


def load_safetensors_file(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors of a file, on the CPU, and its metadata.

    Read at once, not by ``safe_open``: in safetensors 0.8 that keeps some memory for every tensor.

    Raises:
        RunError: naming the file, if it cannot be read.
    """
    try:
        data = path.read_bytes()
        tensors = load(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    except OSError as problem:
        raise RunError(f"{path}: cannot read weights: {problem.strerror}") from None
    except Exception as problem:  # a damaged file can raise anything
        raise RunError(
            f"{path}: cannot read weights: {str(problem)!a:.200}; expected a .safetensors file"
        ) from None
    return tensors, header.get("__metadata__") or {}
