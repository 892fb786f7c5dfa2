"""What ``import nasface`` offers."""

import subprocess
import sys

import pytest

import nasface


@pytest.mark.parametrize("name", nasface.__all__)
def test_every_public_name_is_there_and_explained(name: str) -> None:
    assert name in dir(nasface)
    assert getattr(nasface, name).__doc__


def test_dir_shows_public_names_only() -> None:
    assert set(dir(nasface)) == {*nasface.__all__, "__version__"}


def test_import_brings_no_torch() -> None:
    code = "import sys, nasface; dir(nasface); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
