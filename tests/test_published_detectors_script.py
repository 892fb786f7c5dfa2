"""The check of published detectors at full width, on the smallest one."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "checks" / "published_detectors.py"


@pytest.mark.slow
def test_every_step_ends_well(tmp_path: Path) -> None:
    pytest.importorskip("skimage.data", reason="scikit-image has the photographs")
    words = [SCRIPT, "extd-32", "--out", tmp_path / "out", "--csv", tmp_path / "rows.csv"]
    command = [sys.executable, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with (tmp_path / "rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["exit code"] for row in rows] == ["0"] * 10
    assert {"train", "search around it", "export to python"} < {row["step"] for row in rows}
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["data"]
