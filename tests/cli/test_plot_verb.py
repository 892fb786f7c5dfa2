"""``nasface plot`` as typed."""

from pathlib import Path

import pytest
from benchmarks import write_fddb, write_wider
from commands import Output, fails

from nasface.cli.main import main


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    write_wider(folder)
    write_fddb(folder)
    return folder


def test_curves_of_several_results_in_one_figure(
    place: Path, tmp_path: Path, capsys: Output
) -> None:
    given = f"--data {place}/wider --detections {place}/right --out {tmp_path}"
    for name in ("one", "two"):
        assert main(f"evaluate widerface {given}/{name}".split()) == 0
    words = f"plot {tmp_path}/one {tmp_path}/two/curves.csv --out {tmp_path}/f"
    assert main(f"{words}.svg".split()) == 0
    text = (tmp_path / "f.svg").read_text()
    assert "<!-- one  1.000 -->" in text
    assert "<!-- two  1.000 -->" in text
    assert main(f"{words}.pdf --labels A B".split()) == 0
    assert (tmp_path / "f.pdf").read_bytes().startswith(b"%PDF")
    assert "labels: 1 for 2 results" in fails(f"{words}.png --labels A", capsys)
    assert "not distinct" in fails(f"{words}.png --labels A A", capsys)
    assert "expected a .png or .svg or .pdf file" in fails(f"{words}.gif", capsys)
    assert "in a folder that exists" in fails(f"plot {tmp_path}/one --out /nowhere/f.svg", capsys)
    assert "f.svg: exists" in fails(f"{words}.svg", capsys)
    assert "expected curves with the columns" in fails(
        f"plot {place}/wider/wider_face_split/wider_face_val_bbx_gt.txt --out {tmp_path}/r.png",
        capsys,
    )
    assert "cannot read curves" in fails(f"plot {tmp_path}/no --out {tmp_path}/r.png", capsys)


def test_official_curves_of_fddb_are_taken(place: Path, tmp_path: Path, capsys: Output) -> None:
    words = f"evaluate fddb --data {place}/fddb --detections {place}/ellipses --out {tmp_path}/mine"
    assert main(words.split()) == 0
    curve = "\ufeff0.5 3 0.1\r\n0.25 0 0.9\r\n0 0 1.79769e+308\r\n"
    (tmp_path / "XDiscROC.txt").write_bytes(curve.encode("utf-16-le"))
    words = f"plot {tmp_path}/mine {tmp_path}/XDiscROC.txt --out {tmp_path}/f.svg"
    assert main(words.split()) == 0
    text = (tmp_path / "f.svg").read_text()
    assert "<!-- XDiscROC  0.500 -->" in text
    assert text.count("<!-- mine  1.000 -->") == 2
    (tmp_path / "XDiscROC.txt").write_text("no numbers\n")
    assert "expected curves with the columns" in fails(words.replace("f.svg", "g.svg"), capsys)
