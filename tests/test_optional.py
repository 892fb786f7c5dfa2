import ast
import configparser
import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nasface.errors import MissingPackageError
from nasface.optional import need, require

ROOT = Path(__file__).parents[1]

PLAIN = (
    "sample", "check_data", "presets", "search", "derive", "train", "detect", "export", "genotype",
    "cost",
)  # fmt: skip
"""Commands that `pip install nasface` alone is enough for."""

OPTIONAL = (
    "pygraphviz", "matplotlib", "pandas", "scipy", "jinja2", "skimage", "sklearn", "onnx",
    "onnxscript", "onnxruntime", "tensorboard", "wandb", "mlflow", "huggingface_hub", "submitit",
    "ray",
)  # fmt: skip
"""Import names of the packages that only extras bring."""

BY_NAME = (
    "backbones", "coreml", "executorch", "litert", "mnn", "mlflow", "ncnn", "nncf", "openvino",
    "ray", "wandb",
)  # fmt: skip
"""Extras that "all" leaves out; setup.cfg says why."""


@pytest.fixture(scope="module")
def extras() -> dict[str, set[str]]:
    """Extra -> import names of the packages that it brings, those of extras within it included."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = {name: text.split() for name, text in setup["options.extras_require"].items()}
    names: dict[str, set[str]] = {}
    for module, distributions in importlib.metadata.packages_distributions().items():
        for each in distributions:
            names.setdefault(each.lower(), set()).add(module)

    def packages(extra: str) -> Iterator[str]:
        for line in lines[extra]:
            if line.startswith("nasface["):
                for inner in line.removeprefix("nasface[").removesuffix("]").split(","):
                    yield from packages(inner)
            else:
                name = re.split(r"[\[>]", line)[0].lower()
                # What is not installed here is imported by its own name.
                yield from names.get(name, {name.replace("-", "_")})

    return {extra: set(packages(extra)) for extra in lines if extra != "dev"}


def calls() -> Iterator[tuple[str, list[str]]]:
    """The extra and the packages of each call of ``need`` and ``require`` that names an extra."""
    for path in (ROOT / "nasface").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            words = [str(each.value) for each in node.args if isinstance(each, ast.Constant)]
            if node.func.id == "need" and len(words) == 2:
                yield words[1], [words[0].partition(".")[0]]
            elif node.func.id == "require" and len(words) > 1:
                yield words[0], words[1:]


def test_extras_named_in_the_code_bring_the_packages(extras: dict[str, set[str]]) -> None:
    found = list(calls())
    assert len(found) > 8
    for install, packages in found:
        if install.startswith("nasface"):
            extra = install.removeprefix("nasface[").removesuffix("]")
            brought = {each.lower() for each in extras[extra]}
            assert {each.lower() for each in packages} <= brought, (extra, packages)


def test_all_brings_every_extra_but_those_asked_for_by_name(extras: dict[str, set[str]]) -> None:
    united = set().union(*(each for name, each in extras.items() if name not in BY_NAME))
    assert united == extras["all"]
    assert set(OPTIONAL) - {"ray", "sklearn", "wandb", "mlflow"} <= extras["all"]


def test_need_imports_modules() -> None:
    assert need("pandas", "nasface[plots]").__name__ == "pandas"
    assert need("scipy.optimize", "nasface[evaluate]").__name__ == "scipy.optimize"


def test_a_missing_package_is_named_with_its_extra() -> None:
    expected = r"^no_such_package is not installed; expected: pip install 'nasface\[plots\]'$"
    with pytest.raises(MissingPackageError, match=expected):
        need("no_such_package.inner", "nasface[plots]")
    with pytest.raises(ImportError, match=expected):
        require("nasface[plots]", "pandas", "no_such_package")


def test_a_package_that_cannot_be_loaded_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_there.py").write_text("raise ImportError('libx.so.1: no such file')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingPackageError, match=r"^half_there cannot be loaded: libx\.so\.1: no"):
        need("half_there", "nasface[plots]")


def test_drawings_without_the_libraries_of_graphviz(tmp_path: Path) -> None:
    """As in a container that lacks those of X11."""
    (tmp_path / "pygraphviz.py").write_text("raise ImportError('libXrender.so.1: no such file')")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from nasface.cli.main import main\n"
        "sys.exit(main(['draw', 'd0', '--out', 'd0.svg']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 2
    assert (
        done.stderr == "nasface draw: pygraphviz cannot be loaded: libXrender.so.1: no such file\n"
    )


def test_pip_adds_an_extra_to_what_is_installed() -> None:
    """As messages say, without a nasface on an index."""
    words = ["pip", "install", "--dry-run", "--no-index", "--no-deps", "nasface[plots]"]
    done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "already satisfied: nasface[plots]" in done.stdout


def run_without_extras(code: str) -> subprocess.CompletedProcess[str]:
    """Run Python code where none of the optional packages can be imported."""
    blocked = f"import sys; sys.modules.update(dict.fromkeys({OPTIONAL!r})); "
    command = [sys.executable, "-c", blocked + code]
    return subprocess.run(command, capture_output=True, text=True)


def test_detect_train_and_search_need_no_extra() -> None:
    imports = "; ".join(f"import nasface.cli.{verb}" for verb in PLAIN)
    done = run_without_extras(f"{imports}; import nasface; nasface.load_detector")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        ("draw", "plots"),
        ("plot", "plots"),
        ("compare preset:first-look", "studies"),
        ("report", "report"),
    ],
)
def test_other_commands_name_their_extra(command: str, extra: str) -> None:
    words = command.split()
    done = run_without_extras(f"from nasface.cli.main import main; sys.exit(main({words}))")
    assert done.returncode == 2
    assert done.stderr.startswith(f"nasface {words[0]}: ")
    assert done.stderr.endswith(f"pip install 'nasface[{extra}]'\n")
