"""Where computations run."""

import torch

from nasface.errors import ConfigError


def choose_device(name: str | torch.device = "auto") -> torch.device:
    """The device of a setting; ``auto`` is a GPU where there is one.

    Raises:
        ConfigError: for a device that is not there.
    """
    if isinstance(name, torch.device):
        return name
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cpu" or (name.split(":")[0] == "cuda" and torch.cuda.is_available()):
        return torch.device(name)
    raise ConfigError(f"device: {name!r} is not there; expected cpu, auto, or cuda with a GPU")
