"""The short form of ``scripts/checks/rank_faults.py``."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

CHECK = Path(__file__).parents[1] / "scripts" / "checks" / "rank_faults.py"


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["1x2", "2x1"])
def test_a_job_that_lost_a_process_ends_as_if_it_had_not(layout: str, tmp_path: Path) -> None:
    """By itself, in the files of an undisturbed one."""
    table = tmp_path / "table.csv"
    words = ["--layouts", layout, "--faults", "killed", "--epochs", "12", "--csv", str(table)]
    done = subprocess.run(
        [sys.executable, str(CHECK), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (row,) = csv.DictReader(table.read_text("utf-8").splitlines())
    assert row["equal"] == "yes"
    assert float(row["noticed"]) < float(row["goes on"])
