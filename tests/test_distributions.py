"""The sdist and the wheel: what they contain, and that the wheel works on its own."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from tiny import write_tiny

ROOT = Path(__file__).parents[1]
PACKAGES = ("nasface", "search_spaces", "genotypes")
BESIDE = ("docs", "scripts", "tests", ".ci", ".github")
TOP = (
    "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "MANIFEST.in", "README.md",
    "constraints.txt", "pyproject.toml", "setup.cfg",
)  # fmt: skip
SETTINGS = """
epochs: 1
batch_size: 2
detector: {channels: 8, head_layers: 1, extra_channels: [16, 16]}
augment: {size: 64}
"""


def files_in(folder: Path, *parts: str) -> set[str]:
    """The files below some parts of a folder, relative to it."""
    return {
        path.relative_to(folder).as_posix()
        for part in parts
        for path in (folder / part).rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout's own files, with its sdist and wheel in ``dist``."""
    folder = tmp_path_factory.mktemp("distributions")
    for name in (*PACKAGES, *BESIDE):
        ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in TOP:
        shutil.copy(ROOT / name, folder)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", "dist", "."]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(copy: Path) -> Path:
    (path,) = (copy / "dist").glob("*.whl")
    return path


def test_sdist_contains_the_checkout(copy: Path) -> None:
    (path,) = (copy / "dist").glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    expected = files_in(copy, *PACKAGES, *BESIDE) | set(TOP)
    assert any(name.endswith(".jsonl") for name in expected)
    assert expected - names == set()


def test_wheel_contains_the_packages_and_nothing_else(copy: Path, wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    mapped = {f"nasface/{name}" for name in files_in(copy, "search_spaces", "genotypes")}
    assert names == files_in(copy, "nasface") | mapped


def test_metadata_is_accepted_by_package_indexes(copy: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "twine",
        "check",
        "--strict",
        *map(str, (copy / "dist").iterdir()),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def install(wheel: Path, extras: str, folder: Path) -> dict[str, str]:
    """Install a wheel into a new environment; returns variables under which its commands run."""
    variables = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL"))
    }
    command = [str(ROOT / "scripts" / "install"), extras]
    install = {"SOURCE": str(wheel), "VENV": str(folder), "PYTHON": sys.executable}
    subprocess.run(command, env=variables | install, check=True)
    return variables | {"PATH": f"{folder / 'bin'}{os.pathsep}{variables['PATH']}"}


@pytest.mark.slow
def test_wheel_without_extras_trains_searches_and_detects(wheel: Path, tmp_path: Path) -> None:
    variables = install(wheel, "", tmp_path / "venv")
    place = tmp_path / "place"
    place.mkdir()
    write_tiny(place / "data")
    (place / "train.yaml").write_text(SETTINGS)
    (place / "search.yaml").write_text(SETTINGS + "parameters: {nodes: 4}\nwarmup_epochs: 0\n")

    def run(line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            shlex.split(line), cwd=place, env=variables, capture_output=True, text=True
        )

    for line in (
        "nasface --help",
        "nasface presets",
        "nasface search --config search.yaml --data data --out search",
        "nasface train --config train.yaml --data data --genotype search/genotype.yaml --out train",
        "nasface detect --weights train/best.safetensors --out found data/WIDER_val/images",
        "nasface cost train/best.safetensors",
    ):
        done = run(line)
        assert done.returncode == 0, (line, done.stderr)
    assert (place / "found" / "overview.jpg").is_file()
    assert not list((place / "search").glob("*.png"))
    done = run("nasface draw search/genotype.yaml")
    assert done.returncode == 2
    assert "pip install 'nasface[plots]'" in done.stderr


@pytest.mark.slow
def test_tutorial_runs_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    variables = install(wheel, "all", tmp_path / "venv")
    place = tmp_path / "place"
    place.mkdir()
    text = (ROOT / "docs" / "tutorial.md").read_text("utf-8")
    lines = "".join(re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)).splitlines()
    assert len(lines) > 8
    for line in lines:
        done = subprocess.run(
            shlex.split(line), cwd=place, env=variables, capture_output=True, text=True
        )
        assert done.returncode == 0, (line, done.stderr)
    for code in re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        subprocess.run(["python", "-c", code], cwd=place, env=variables, check=True)
    assert "Search: loss of weight steps" in (place / "report.html").read_text()
