"""A short form of ``scripts/checks/mutation.py``."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

CHECKS = Path(__file__).parents[1] / "scripts" / "checks"
sys.path.append(str(CHECKS))
mutation = importlib.import_module("mutation")


def test_pytest_takes_the_plugin() -> None:
    pytest.PytestPluginManager().register(mutation.MutationPlugin("nasface.nas.derive", 1, 0))


@pytest.mark.parametrize("name", mutation.MODULES)
def test_modules_and_their_tests_are_where_the_table_says(name: str) -> None:
    assert mutation.MutationPlugin(name, 1, 0).file.is_file()
    assert (Path(__file__).parent / mutation.MODULES[name]).is_file()


@pytest.mark.slow
def test_changes_of_a_module_are_noticed() -> None:
    words = [sys.executable, str(CHECKS / "mutation.py"), "nasface.nas.derive", "--most", "1"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 tried, 1 noticed, 0 survived" in done.stdout
