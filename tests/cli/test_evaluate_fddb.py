"""``nasface evaluate fddb`` as typed."""

import shutil
from pathlib import Path

import pytest
from benchmarks import write_fddb, write_untrained
from commands import Output, fails, figures

from nasface.cli.main import main


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("place")
    write_fddb(folder)
    write_untrained(folder)
    return folder


@pytest.mark.parametrize(
    "written",
    ["{}.jpg", "\ufeff{}", "originalPics/{}.jpg", "joined"],
)
def test_fddb_names_however_they_are_written(
    place: Path, tmp_path: Path, capsys: Output, written: str
) -> None:
    """In one file, of a part of the images."""
    (tmp_path / "fold-01-out.txt").write_text(
        "".join(
            f"{_written(name, written)}\r\n1\r\n{20 + at} 10 1.5 {20 + at} 30 0.9\r\n"
            for at, name in enumerate(("2002/01/img_1", "2002/02/img_1"), 1)
        )
    )
    words = f"evaluate fddb --data {place}/fddb --detections {tmp_path}/fold-01-out.txt"
    found = figures(words, capsys)
    assert (found["images_without_entry"], found["detections"]) == (8, 2)


def _written(name: str, form: str) -> str:
    return name.replace("/", "_") if form == "joined" else form.format(name)


def test_a_part_of_the_folds_is_said_to_be_one(place: Path, tmp_path: Path, capsys: Output) -> None:
    folds = tmp_path / "fddb" / "FDDB-folds"
    shutil.copytree(place / "fddb" / "FDDB-folds", folds)
    whole = "".join(path.read_text() for path in sorted(folds.iterdir()))
    for path in sorted(folds.iterdir())[3:]:
        path.unlink()
    words = f"evaluate fddb --data {tmp_path}/fddb --detections {place}/ellipses"
    found = figures(words, capsys)
    assert found["protocol"] == (
        "FDDB, only 3 of ten folds: 1, 2, 3, borders of 3 images not known"
    )
    assert (found["images"], found["entries_without_image"]) == (3, 7)
    assert found["continuous"] == 1.0
    shutil.rmtree(folds)
    (tmp_path / "fddb" / "all-ellipseList.txt").write_text(whole)
    found = figures(words, capsys)
    assert found["protocol"].startswith("FDDB, 10 images of one file")
    assert found["continuous"] == 1.0


def test_detections_of_a_part_of_the_folds_are_said_to_be(
    place: Path, tmp_path: Path, capsys: Output
) -> None:
    shutil.copytree(place / "ellipses", tmp_path / "part")
    for fold in range(4, 11):
        (tmp_path / "part" / f"{fold}.txt").unlink()
    words = f"evaluate fddb --data {place}/fddb --detections {tmp_path}/part"
    found = figures(words, capsys)
    assert found["parts_without_entry"] == [f"fold {number}" for number in range(4, 11)]
    assert main(words.split()) == 0
    assert (
        "missing    7 of 10 images have no detections, among them all of fold 4, fold 5, fold 6, "
        "fold 7, fold 8, fold 9, fold 10; their faces count as not found"
    ) in capsys.readouterr().out
    found = figures(f"evaluate fddb --data {place}/fddb --detections {place}/ellipses", capsys)
    assert found["parts_without_entry"] == []


def test_right_ellipses_score_one(place: Path, tmp_path: Path, capsys: Output) -> None:
    words = f"evaluate fddb --data {place}/fddb --detections {place}/ellipses"
    found = figures(f"{words} --out {tmp_path}/out", capsys)
    assert (found["discontinuous"], found["continuous"]) == (1.0, 1.0)
    assert [row["name"] for row in found["table"][2:6]] == [
        f"{number} false positives" for number in (100, 500, 1000, 2000)
    ]
    assert {row["value"] for row in found["table"]} == {1.0}
    assert found["protocol"] == "FDDB, ten folds pooled"
    assert (tmp_path / "out" / "curves.png").stat().st_size > 1000
    assert "are ellipses already" in fails(f"{words} --ellipses", capsys)
    assert main(words.split()) == 0
    assert "discontinuous │    20 │             1.0000" in capsys.readouterr().out


def test_weights_on_fddb(place: Path, tmp_path: Path, capsys: Output) -> None:
    words = f"evaluate fddb --data {place}/fddb --weights {place}/w.safetensors"
    words += " --inference.max-detections 20"
    found = figures(f"{words} --inference.score-threshold 0 --out {tmp_path}/out", capsys)
    assert found["images_without_entry"] == 0
    assert found["detections"] == 200
    assert len(list((tmp_path / "out").glob("fold-*-out.txt"))) == 10
    given = f"evaluate fddb --data {place}/fddb --detections {tmp_path}/out"
    (tmp_path / "out" / "note.txt").write_text("")
    again = figures(given, capsys)
    assert again["continuous"] == pytest.approx(found["continuous"], abs=1e-9)
