"""What the documentation says is run: Python code as it stands, commands by their options."""

import ast
import importlib.util
import inspect
import json
import re
import shlex
import shutil
from pathlib import Path
from types import ModuleType

import pytest
from registries import restored
from tiny import DETECTOR, tiny_genotype, write_tiny

from nasface.arch.io import save_genotype
from nasface.detection.checkpoint import save_detector
from nasface.detection.detector import build_detector

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NOTEBOOK = ROOT / "docs" / "first-steps.ipynb"
COMMAND = re.compile(r"nasface [a-z].*")


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_are_short(page: Path) -> None:
    """Those of text; a table's row or a command is one line, and other programs write summaries."""
    if page.name == "summary.md":
        return
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    lines = [line for line in text.splitlines() if not line.startswith(("|", "    "))]
    assert [line for line in lines if len(line) > 120] == []


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )


@pytest.fixture(scope="module")
def model_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the pages' examples find there: a detector and an image."""
    place = tmp_path_factory.mktemp("place")
    genotype = tiny_genotype()
    detector = build_detector(DETECTOR, genotype)
    data = write_tiny(place / "tiny", train=1, val=1)
    image = next((data / "WIDER_val" / "images").rglob("*.jpg"))
    write_tiny(place / "data")
    for folder in (place, place / "quickstart"):
        for name in ("train", "search"):
            (folder / name).mkdir(parents=True)
        save_genotype(genotype, folder / "search" / "genotype.yaml")
        save_detector(folder / "train" / "best.safetensors", detector, genotype, {})
        sample = folder / "data" / "WIDER_val" / "images" / "0--Sample" / "val_00000.jpg"
        sample.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(image, sample)
    shutil.copy(image, place / "photo.jpg")
    return place


@pytest.fixture
def place(model_place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of its own for each page."""
    shutil.copytree(model_place, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("place")
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=str)
def test_python_code_runs(page: Path) -> None:
    with restored():
        for number, code in enumerate(blocks(page, "python"), 1):
            exec(compile(code, f"{page.name}, block {number}", "exec"), {"__name__": "docs"})


@pytest.mark.usefixtures("place")
def test_notebook_runs() -> None:
    """Cell by cell; what a cell ends with can be shown."""
    book = json.loads(NOTEBOOK.read_text("utf-8"))
    names: dict[str, object] = {"__name__": "__main__"}
    shown = []
    for cell in book["cells"]:
        if cell["cell_type"] == "code":
            lines = ast.parse("".join(cell["source"]))
            last = lines.body[-1]
            if isinstance(last, ast.Expr):
                shows = ast.Assign([ast.Name("shown", ast.Store())], last.value)
                lines.body[-1] = ast.fix_missing_locations(ast.copy_location(shows, last))
            exec(compile(lines, "notebook", "exec"), names)
            shown += [names.pop("shown")] if "shown" in names else []
    assert [type(each).__name__ for each in shown] == [
        "AnnotatedDataset", "SearchResult", "Table", "Genotype", "TrainResult", "Table",
        "DrawnImage",
    ]  # fmt: skip
    assert all(repr(each) for each in shown)


def commands(page: Path) -> list[list[str]]:
    """The commands in shell blocks, indented lines and code in running text, as words."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    lines = re.findall(r"^(?:    )?(nasface .*)$", text, re.MULTILINE)
    lines += re.findall(r"`(nasface [^`]*)`", text)
    return [shlex.split(line) for line in lines if COMMAND.fullmatch(line)]


@pytest.mark.parametrize("page", [*PAGES, NOTEBOOK], ids=str)
def test_options_exist(page: Path, reference: ModuleType) -> None:
    known = {
        # An option may have a short form, which the command's own words then name.
        words: {"--help", "--help-all"}
        | {f"--{each.name}" for each in reference.options(command) if not each.is_positional}
        | set(re.findall(r"--[a-z][a-z.-]*", inspect.getdoc(command) or ""))
        for words, command in reference.commands()
    }
    for words in commands(page):
        verb = " ".join(words[1:3]) if " ".join(words[1:3]) in known else words[1]
        if verb not in known:
            assert any(each.startswith(f"{verb} ") for each in known), words
            continue
        for word in words:
            if word.startswith("--"):
                assert word.split("=")[0] in known[verb], (verb, word)


def test_reference_is_current(reference: ModuleType) -> None:
    assert reference.PAGE.read_text("utf-8") == reference.render(), (
        "run: python scripts/reference.py"
    )


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), (page.name, target)
