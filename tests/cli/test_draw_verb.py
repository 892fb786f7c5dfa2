import shlex
from pathlib import Path

import pytest
import torch

from nasface.arch.io import load_search_space
from nasface.cli.main import main
from nasface.runs.arch_history import save_history


def test_draws_a_packaged_genotype_into_the_named_file(tmp_path: Path) -> None:
    out = tmp_path / "cell.png"
    assert main(["draw", "darts_v2", "--out", str(out), "--cells", "normal"]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")


def test_names_its_file_after_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["draw", "darts_v2"]) == 0
    assert main(["draw", "--diff", "darts_v1", "darts_v2"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "darts_v1-darts_v2.svg",
        "darts_v2.svg",
    ]


def test_draws_models_by_name_under_their_whole_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["draw", "retinaface-mobilenet0.25"]) == 0
    assert main(["draw", "d0", "--genotype", "autofem-quickstart", "--out", "mine.svg"]) == 0
    assert main(["draw", "extd-64", "--neck", "genotype", "--out", "CELLS.SVG"]) == 0
    assert "Searched cells: asfd&#45;ref." in (tmp_path / "CELLS.SVG").read_text("utf-8")
    assert {path.name for path in tmp_path.iterdir()} == {
        "CELLS.SVG",
        "mine.svg",
        "retinaface-mobilenet0.25.svg",
    }
    assert "Searched cells: autofem&#45;quickstart." in (tmp_path / "mine.svg").read_text("utf-8")


def test_replaces_a_picture_only_when_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "cell.svg"
    out.write_text("mine")
    assert main(["draw", "darts_v2", "--out", str(out)]) == 2
    assert "exists; choose another file, or --overwrite" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert main(["draw", "darts_v2", "--out", str(out), "--overwrite"]) == 0
    assert out.read_text() != "mine"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("darts_v1 darts_v2", "2 sources: expected one, or two with --diff"),
        ("--diff darts_v1", "1 sources: expected two genotypes with --diff"),
        ("--diff darts_v1 darts_v2 --frames x.gif", "frames: not together with --diff"),
        ("--diff darts_v1 darts_v2 --cells fpn", "no 'fpn'; expected some of normal, reduce"),
        ("darts_v2 --frames x.gif", "frames: darts_v2 is not the folder of a search"),
        ("darts_v2 --out x.gif", "cannot write this type; expected .png, .svg, .pdf, .dot"),
        ("darts_v2 --out nowhere/x.svg", "expected a file in a folder that exists"),
        ("darts_v3", "did you mean 'darts_v"),
        ("--diff darts_v1 darts_v2 --genotype asfd-ref", "genotype: is for a model of the zoo"),
        ("asfd-nano --genotype asfd-ref", "is for a model of the zoo, which asfd-nano is not"),
        (".", "cannot read weights: is a folder; expected a file, or a folder with model"),
        ("''", "model: unknown ''; expected weights"),
        ("family", "family: stands for several detectors; expected one, such as d0"),
        ("--diff d0 asfd-nano", "--diff compares genotypes: unknown genotype 'd0'"),
        ("--diff darts_v1 darts_v2 --neck fpn", "neck: is for a model of the zoo"),
        ("d0 --neck fpm", "neck: 'fpm', expected none, or different ones of"),
        ("d0 --genotype ''", "unknown genotype ''"),
    ],
)
def test_mistakes_are_named(
    words: str,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["draw", *shlex.split(words)]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.fixture
def search(tmp_path: Path) -> Path:
    """The folder of a search of two epochs, as far as it is drawn."""
    folder = tmp_path / "search"
    folder.mkdir()
    (folder / "config.yaml").write_text("space: darts\nparameters: {nodes: 2}\n")
    space = load_search_space("darts", {"nodes": 2})
    alpha = {
        cell: torch.zeros(len(graph.edges), len(space.operations))
        for cell, graph in space.cells.items()
    }
    entries = [{"epoch": at, "step": at, "alpha": alpha, "beta": {}} for at in (1, 2)]
    save_history(folder, entries)
    return folder


def test_a_search_is_drawn_with_its_probabilities(
    search: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["draw", str(search), "--probabilities", "now.svg", "--cells", "normal"]) == 0
    text = (tmp_path / "now.svg").read_text()
    candidates = len(load_search_space("darts").cells["normal"].edges[0].operations)
    # Four edges lead into the two nodes; all candidates are equally probable.
    assert text.count(f" {1 / candidates:.2f}</text>") == 4
    assert not (tmp_path / "search-choices.svg").exists()


def test_a_search_is_drawn_epoch_by_epoch(
    search: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["draw", str(search), "--frames", "cells.gif"]) == 0
    assert main(["draw", str(search)]) == 0
    assert (tmp_path / "cells.gif").read_bytes().startswith(b"GIF")
    assert "share of each candidate" in (tmp_path / "search-choices.svg").read_text()
