import configparser
import os
import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

import nasface
from nasface.arch.io import load_genotype, load_search_space, packaged_names

ROOT = Path(__file__).parents[1]


def setup_config() -> configparser.ConfigParser:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return setup


def test_package_list_is_complete() -> None:
    on_disk = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "nasface").rglob("__init__.py")
    }
    mapped = {"nasface.search_spaces", "nasface.genotypes"}
    assert set(setup_config()["options"]["packages"].split()) == on_disk | mapped


def test_tests_mirror_the_package() -> None:
    """Each folder of tests is one of the package, and each folder at its top has tests."""
    tests, package = ROOT / "tests", ROOT / "nasface"
    with_tests = {path.parent.relative_to(tests) for path in tests.rglob("test_*.py")}
    folders = {path.parent.relative_to(package) for path in package.rglob("__init__.py")}
    assert with_tests <= folders
    top = {Path(each.parts[0]) for each in folders if each.parts}
    assert top - with_tests == {Path("models")}  # tests/test_models.py


def test_no_module_is_over_16_kilobytes() -> None:
    sizes = {
        path.relative_to(ROOT).as_posix(): path.stat().st_size
        for path in (ROOT / "nasface").rglob("*.py")
    }
    assert {path: size for path, size in sizes.items() if size > 16 * 1024} == {}


def test_version_is_a_release_or_its_forerunner() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?", nasface.__version__)


def packages_imported_by(code: str) -> set[str]:
    """Packages outside the standard library that code imports in a new interpreter."""
    code = f"import sys; before = set(sys.modules); {code}; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}
    return imported - set(sys.stdlib_module_names)


@pytest.mark.parametrize(
    "code",
    [
        "import nasface",
        "import nasface; dir(nasface)",
        "from nasface.cli.main import main; main(['--help'])",
        "from nasface.cli.main import main; main(['--version'])",
    ],
)
def test_a_start_imports_no_other_package(code: str) -> None:
    assert packages_imported_by(code) == {"nasface"}


def test_spaces_and_genotypes_need_no_torch() -> None:
    code = "import nasface; nasface.load_search_space('autofem'); nasface.load_genotype('asfd-ref')"
    assert not packages_imported_by(code) & {"cv2", "matplotlib", "numpy", "pandas", "torch"}


def test_citation_names_software_and_paper() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["title"] == "nasface"
    (paper,) = citation["references"]
    authors = [f"{each['family-names']}, {each['given-names']}" for each in paper["authors"]]
    # The same as the README's entry, in the same order.
    entry = " ".join((ROOT / "README.md").read_text("utf-8").split())
    assert f"author = {{{' and '.join(authors)}}}" in entry
    assert paper["url"] == setup_config()["metadata"]["project_urls"].split(" = ")[1]


def test_hosted_ci_tests_every_version_that_is_declared() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text("utf-8"))
    jobs = workflow["jobs"]
    declared = re.findall(r"Python :: (3\.\d+)", setup_config()["metadata"]["classifiers"])
    assert jobs["test"]["strategy"]["matrix"]["python"] == declared
    assert setup_config()["options"]["python_requires"] == f">={declared[0]}"
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert commands == ["scripts/test", "scripts/test-lower-bounds"]
    assert all(os.access(ROOT / command, os.X_OK) for command in commands)


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
