"""The short form of ``scripts/checks/kill_resume.py``."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECK = Path(__file__).parents[1] / "scripts" / "checks" / "kill_resume.py"


@pytest.mark.parametrize("kind", ["search", "training"])
def test_killed_and_resumed_is_the_uninterrupted_run(kind: str) -> None:
    command = [sys.executable, str(CHECK), "--kills", "2", "--only", kind]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{kind}: 2 kills" in done.stdout
    # Half of the kills wait for a write; another one may happen to fall into one.
    assert re.search("[12] in a write of a checkpoint", done.stdout)
