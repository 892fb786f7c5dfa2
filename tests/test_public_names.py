"""What ``import nasface`` offers."""

import ast
import pkgutil
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

import nasface


@pytest.mark.parametrize("name", nasface.__all__)
def test_every_public_name_is_there_and_explained(name: str) -> None:
    assert name in dir(nasface)
    assert getattr(nasface, name).__doc__


def test_dir_shows_public_names_only() -> None:
    assert set(dir(nasface)) == {*nasface.__all__, "__version__"}


def test_type_checkers_know_the_same_names() -> None:
    source = ast.parse(Path(nasface.__file__).read_text("utf-8"))
    (known,) = [
        node
        for node in source.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    names = {
        alias.name: node.module
        for node in known.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert names == dict(nasface._MODULES)
    assert sorted(names) == sorted(nasface.__all__)


def test_no_function_hides_behind_a_room_of_its_name() -> None:
    rooms = {room.name for room in pkgutil.iter_modules(nasface.__path__)}
    assert not rooms & set(nasface.__all__)


def test_import_brings_no_torch() -> None:
    code = "import sys, nasface; dir(nasface); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def defined_names(path: Path) -> set[str]:
    """Public names that a module defines at its top level, type variables left out."""
    found = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
        elif isinstance(node, ast.Assign) and "TypeVar(" not in ast.unparse(node.value):
            targets = [each for target in node.targets for each in ast.walk(target)]
            found |= {each.id for each in targets if isinstance(each, ast.Name)}
    return {name for name in found if not name.startswith("_")}


def test_no_public_name_stands_in_two_modules() -> None:
    """But for ``run``, which every verb of the command line has."""
    places = defaultdict(list)
    root = Path(nasface.__file__).parent
    for path in sorted(root.rglob("*.py")):
        place = path.relative_to(root).as_posix()
        for name in defined_names(path):
            # Programs that exports write are no modules of the package.
            if not (name == "run" and place.startswith("cli/")) and "/templates/" not in place:
                places[name].append(place)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_where_the_changelog_says_that_names_are_they_are() -> None:
    root = Path(nasface.__file__).parent
    text = (Path(__file__).parents[1] / "CHANGELOG.md").read_text("utf-8")
    _, table = text.split("### Python names of version 0.1")
    named = re.findall(
        r"`([\w.]+\.\w+|nasface\.\w+)`", "".join(re.findall(r"\|([^|]*)\|$", table, re.M))
    )
    assert len(named) > 50
    for name in named:
        *folders, last = name.removeprefix("nasface.").split(".")
        path = root.joinpath(*folders)
        is_module = (path / last).is_dir() or (path / f"{last}.py").is_file()
        module = path.with_suffix(".py")
        is_there = is_module or (module.is_file() and last in defined_names(module))
        assert is_there or name.removeprefix("nasface.") in nasface.__all__, name
