"""A short form of scripts/checks/fuzz_files.py: damaged files are read as they should be."""

import importlib
import sys
from pathlib import Path

import pytest

CHECKS = Path(__file__).parents[1] / "scripts" / "checks"
sys.path.append(str(CHECKS))
fuzz_files = importlib.import_module("fuzz_files")
SLOW_KINDS = {"weights (safetensors)": 60, "ONNX file": 60}
"""Numbers of files of the kinds that take long to read."""


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", fuzz_files.KINDS)
def test_damaged_files_are_valid_or_refused_in_a_line(name: str, tmp_path: Path) -> None:
    count = SLOW_KINDS.get(name, 300)
    tally = fuzz_files.fuzz(name, fuzz_files.KINDS[name], count, 1, tmp_path)
    slow = {fault for fault in tally.faults if fault.startswith("took")}  # says little on busy CPUs
    assert set(tally.faults) <= slow
    assert 0 < tally.accepted < count, "some are damaged and some still valid"
