import configparser
import subprocess
import sys
import zipfile
from importlib.resources import files
from pathlib import Path

import pytest

import nasface
from nasface.arch.io import load_genotype, load_search_space, packaged_names

ROOT = Path(__file__).parents[1]


def test_package_list_is_complete() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    on_disk = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "nasface").rglob("__init__.py")
    }
    mapped = {"nasface.search_spaces", "nasface.genotypes"}
    assert set(setup["options"]["packages"].split()) == on_disk | mapped


def test_version_needs_no_torch() -> None:
    code = "import sys, nasface, nasface.arch.io; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert nasface.__version__.count(".") == 2


def test_yaml_folders_are_package_data() -> None:
    for package, folder in (
        ("nasface.search_spaces", "search_spaces"),
        ("nasface.genotypes", "genotypes"),
    ):
        installed = {
            entry.name for entry in files(package).iterdir() if entry.name.endswith(".yaml")
        }
        assert installed == {path.name for path in (ROOT / folder).glob("*.yaml")}


def test_every_packaged_file_loads() -> None:
    for name in packaged_names("nasface.search_spaces"):
        assert load_search_space(name).name == name
    for name in packaged_names("nasface.genotypes"):
        assert load_genotype(name).name == name


@pytest.mark.slow
def test_wheel_contains_the_yaml_folders(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "-w",
        str(tmp_path),
        str(ROOT),
    ]
    subprocess.run(command, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    spaces = {f"nasface/search_spaces/{path.name}" for path in (ROOT / "search_spaces").glob("*")}
    expected = {name for name in spaces if name.endswith((".yaml", ".py"))}
    assert {*expected, "nasface/genotypes/__init__.py", "nasface/py.typed"} <= names
