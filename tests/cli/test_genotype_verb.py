"""``nasface genotype`` as a user types it."""

import json
import re
from importlib.resources import files
from pathlib import Path

import pytest

from nasface.arch.darts_format import write_darts_text
from nasface.arch.io import load_genotype
from nasface.cli.main import main

Output = pytest.CaptureFixture[str]
NAMES = ("darts_v1", "darts_v2", "pc_darts_cifar", "pc_darts_image")


def text_of(name: str) -> str:
    return write_darts_text(load_genotype(name))


@pytest.mark.parametrize("name", NAMES)
def test_export_and_import_again(name: str, tmp_path: Path, capsys: Output) -> None:
    assert main(["genotype", "export", name]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line == text_of(name)
    source, target = tmp_path / "g.txt", tmp_path / "again.yaml"
    source.write_text(line)
    assert main(["genotype", "import", str(source), "--out", str(target)]) == 0
    assert load_genotype(target).cells == load_genotype(name).cells
    assert load_genotype(target).name == "again"
    capsys.readouterr()
    assert main(["genotype", "diff", name, str(target)]) == 0
    assert capsys.readouterr().out == "the cells are the same\n"


def test_import_chooses_and_overwrites_nothing(tmp_path: Path, capsys: Output) -> None:
    source, target = tmp_path / "genotypes.py", tmp_path / "g.yaml"
    source.write_text("".join(f"{name} = {text_of(name)}\n" for name in NAMES))
    words = ["genotype", "import", str(source), "--out", str(target)]
    assert main(words) == 2
    assert "holds darts_v1, darts_v2, pc_darts_cifar, pc_darts_image; choose" in (
        capsys.readouterr().err
    )
    assert main([*words, "--name", "enas"]) == 2
    assert "holds no 'enas'; expected one of darts_v1" in capsys.readouterr().err
    assert not target.exists()
    assert main([*words, "--name", "darts_v2"]) == 0
    assert main([*words, "--name", "darts_v1"]) == 2
    assert "exists; choose another --out" in capsys.readouterr().err
    assert load_genotype(target).cells == load_genotype("darts_v2").cells
    assert (
        main(["genotype", "import", str(tmp_path / "no"), "--out", str(tmp_path / "x.yaml")]) == 2
    )
    assert "cannot read genotype text" in capsys.readouterr().err
    assert main(["genotype", "import", str(source), "--out", str(tmp_path / "x.txt")]) == 2
    assert "expected a .yaml file" in capsys.readouterr().err


ENTRY = (
    "Genotype(normal=[('{}', 0), ('skip_connect', 1)], normal_concat=[2], "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1)], reduce_concat=[2])"
)
"""One node per cell; the operation of its first edge tells them apart."""


def import_text(text: str, folder: Path, *more: str) -> int:
    """The exit code of an import to ``g.yaml``."""
    (folder / "found.py").write_text(text)
    target = str(folder / "g.yaml")
    return main(["genotype", "import", str(folder / "found.py"), "--out", target, *more])


def test_import_from_a_file_with_other_entries(tmp_path: Path, capsys: Output) -> None:
    one, two = ENTRY.format("sep_conv_3x3"), ENTRY.format("sep_conv_5x5")
    text = f"BAD = {ENTRY.format('conv_9x9')}\nFIRST = {one[:-1]}, layout='cell')\nSECOND = {two}\n"
    assert import_text(text, tmp_path) == 2
    assert "holds FIRST, SECOND; choose one with --name" in capsys.readouterr().err
    assert import_text(text, tmp_path, "--name", "SECOND") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["note", "genotype"]
    assert "left out BAD, line 1: normal: unknown operation 'conv_9x9'" in lines[0]
    cell = load_genotype(tmp_path / "g.yaml").cells["normal"]
    assert cell.nodes[0].edges[0].operation == "sep_5x5_twice"


def test_import_asks_for_an_entry_of_a_map(tmp_path: Path, capsys: Output) -> None:
    entries = [f"'{name}': {ENTRY.format(name)}" for name in ("sep_conv_3x3", "sep_conv_5x5")]
    text = f"FOUND = {{\n  {entries[0]},\n  {entries[1]},\n}}\n"
    assert import_text(text, tmp_path) == 2
    assert "holds FOUND.sep_conv_3x3, FOUND.sep_conv_5x5; choose" in capsys.readouterr().err
    assert not (tmp_path / "g.yaml").exists()
    assert import_text(text, tmp_path, "--name", "FOUND.sep_conv_3x3") == 0
    assert capsys.readouterr().out == f"genotype   {tmp_path / 'g.yaml'}\n"


def test_import_of_pairs_grouped_per_node(tmp_path: Path) -> None:
    text = ENTRY.format("sep_conv_3x3").replace("[(", "[[(").replace(")]", ")]]")
    assert import_text(text.replace("[2]", "range(2, 3)"), tmp_path) == 0
    cell = load_genotype(tmp_path / "g.yaml").cells["normal"]
    assert [edge.operation for edge in cell.nodes[0].edges] == ["sep_3x3_twice", "skip"]


def test_import_runs_nothing(tmp_path: Path, capsys: Output) -> None:
    mark, source = tmp_path / "mark", tmp_path / "evil.py"
    call = f"__import__('pathlib').Path({str(mark)!r}).touch()"
    source.write_text(text_of("darts_v1").replace("range(2, 6)", call))
    words = ["genotype", "import", str(source), "--out", str(tmp_path / "g.yaml")]
    assert main(words) == 2
    assert "line 1: normal_concat: expected range(2, 6)" in capsys.readouterr().err
    assert not mark.exists()


def test_show(capsys: Output) -> None:
    assert main(["genotype", "show"]) == 0
    assert set(NAMES) <= set(capsys.readouterr().out.split())
    assert main(["genotype", "show", "pc_darts_cifar"]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("normal", "reduce", "sep_5x5_twice(c1), stride"))
    assert main(["genotype", "show", "darts_v1", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["cells"]) == {"normal", "reduce"}


def test_validate_goes_on_after_a_bad_one(tmp_path: Path, capsys: Output) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("format: 1\nname: x\n")
    assert main(["genotype", "validate", "darts_v1", str(bad), "autofem-quickstart"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["valid", "invalid", "valid"]
    assert str(bad) in lines[1]
    assert main(["genotype", "validate", *NAMES]) == 0


def test_diff(capsys: Output) -> None:
    assert main(["genotype", "diff", "darts_v1", "darts_v2"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "- normal.n2: skip(c0)" in lines
    assert "+ normal.n2: sep_3x3_twice(c0)" in lines
    assert main(["genotype", "diff", "darts_v1", "darts_v2", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert len(found["differences"]) + len(found["cells"]) == len(lines)
    assert lines[-1] == "reduce: 4 edits apart"
    assert found["cells"][-1]["distance"] == {"edits": 4, "is_exact": True}


def test_diff_says_what_differs_in_names_alone(tmp_path: Path, capsys: Output) -> None:
    text = files("nasface.genotypes").joinpath("darts_v2.yaml").read_text("utf-8")
    normal, rest = text.split("reduce:")
    swapped = re.sub("n[34]", lambda found: {"n3": "n4", "n4": "n3"}[found[0]], normal)
    path = tmp_path / "other.yaml"
    path.write_text(f"{swapped}reduce:{rest}")
    assert main(["genotype", "diff", "darts_v2", str(path)]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "normal: isomorphic, equal with n4 for n3, n3 for n4"


def test_help_and_mistakes(capsys: Output) -> None:
    assert main(["genotype"]) == 2
    assert main(["genotype", "--help"]) == 0
    assert "import" in capsys.readouterr().out
    assert main(["genotype", "import", "--help"]) == 0
    assert "parsed as data" in capsys.readouterr().out
    assert main(["genotype", "eat"]) == 2
    assert "unknown action 'eat'; expected one of import, export" in capsys.readouterr().err
    assert main(["genotype", "export", "autofem-quickstart"]) == 2
    assert "the DARTS form has normal and reduce" in capsys.readouterr().err
