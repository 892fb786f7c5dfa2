"""Environment of a run: command, versions, hardware."""

import platform
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path

import torch

import nasface
from nasface.machine import cores, processor

ENVIRONMENT = "environment.json"
"""Name of the file in a run folder."""


def describe_environment() -> dict[str, str]:
    """Return the command line, date, versions and hardware of this process, as texts."""
    words = [Path(sys.argv[0]).name, *sys.argv[1:]]
    found = {
        "command": shlex.join(words),
        "started": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "nasface": nasface.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": str(cores()),
        "threads": str(torch.get_num_threads()),
    }
    if torch.cuda.is_available():
        count = torch.cuda.device_count()
        found["gpu"] = ", ".join(torch.cuda.get_device_name(at) for at in range(count))
    return found
