"""The commands as a user types them: results, exit codes, one line for a mistake."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import Output, fails
from tiny import tiny_genotype, write_tiny

from nasface.arch.io import load_genotype, save_genotype
from nasface.cli.main import VERBS, main
from nasface.data.images import read_image
from nasface.detection.checkpoint import read_checkpoint
from nasface.detection.zoo import MODELS
from nasface.engine.train import TrainConfig
from nasface.io.files import is_draft
from nasface.io.settings import load_config

SMALL = """
epochs: 1
batch_size: 2
detector: {channels: 8, head_layers: 1, extra_channels: [16, 16]}
augment: {size: 64}
"""


SEARCH = """
space: autofem2
parameters: {levels: 3-5, nodes: 2, partial: 4}
epochs: 1
warmup_epochs: 0
batch_size: 2
detector: {channels: 8, head_layers: 1, levels: [3, 4, 5]}
augment: {size: 64}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data, settings, a genotype and trained weights."""
    folder = tmp_path_factory.mktemp("place")
    write_tiny(folder / "data")
    (folder / "search.yaml").write_text(SEARCH)
    (folder / "train.yaml").write_text(SMALL)
    save_genotype(tiny_genotype(), folder / "g.yaml")
    words = f"train --config {folder}/train.yaml --data {folder}/data --genotype {folder}/g.yaml"
    assert main([*words.split(), "--out", str(folder / "trained")]) == 0
    return folder


@pytest.mark.parametrize("verb", VERBS)
def test_help_explains(verb: str, capsys: Output) -> None:
    assert main([verb, "--help"]) == 0
    assert f"usage: nasface {verb}" in capsys.readouterr().out


def test_commands_are_listed(capsys: Output) -> None:
    assert main(["--help"]) == 0
    listing = capsys.readouterr().out
    assert all(f"  {verb} " in listing for verb in VERBS)
    assert main([]) == 2
    assert "unknown command 'serach'; expected one of detect, models, sample" in fails(
        "serach", capsys
    )


def test_search_then_derive(place: Path, tmp_path: Path, capsys: Output) -> None:
    out, derived = tmp_path / "run", tmp_path / "d.yaml"
    words = f"search --config {place}/search.yaml --data {place}/data --out {out} --json"
    assert main(words.split()) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["steps"] == 2
    assert {"genotype.yaml", "genotype.svg", "arch_history.png"} <= {p.name for p in out.iterdir()}
    assert "channels: 8" in (out / "config.yaml").read_text()
    assert main(f"derive --run {out} --out {derived} --json".split()) == 0
    assert set(json.loads(capsys.readouterr().out)["operations"]) == set(
        load_genotype(derived).cells
    )
    assert load_genotype(derived).cells == load_genotype(out / "genotype.yaml").cells
    assert "exists; choose another" in fails(f"derive --run {out} --out {derived}", capsys)


def test_options_override_the_file(place: Path, tmp_path: Path) -> None:
    words = f"search --config {place}/search.yaml --data {place}/data --out {tmp_path}/r --seed 7"
    assert main(words.split()) == 0
    text = (tmp_path / "r" / "config.yaml").read_text()
    assert "seed: 7" in text
    assert "epochs: 1" in text


def test_evaluate(place: Path, tmp_path: Path, capsys: Output) -> None:
    words = f"evaluate --weights {place}/trained/best.safetensors --data {place}/data"
    capsys.readouterr()
    assert main([*words.split(), "--out", str(tmp_path / "e"), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["images"], figures["faces"]) == (3, 4)
    assert figures == json.loads((tmp_path / "e" / "evaluation.json").read_text())
    names = {path.name for path in (tmp_path / "e").iterdir()}
    assert names == {
        "config.yaml",
        "data.json",
        "environment.json",
        "evaluation.json",
        "detections",
        "curves.csv",
        "curves.png",
    }


def test_estimate_writes_nothing(place: Path, capsys: Output) -> None:
    words = f"search --config {place}/search.yaml --data {place}/data --estimate"
    assert main(words.split()) == 0
    shown = capsys.readouterr().out
    assert "activations" in shown
    assert "time         about" in shown
    assert main([*words.split(), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["fits"]


def test_a_search_needs_a_folder(place: Path, capsys: Output) -> None:
    line = fails(f"search --config {place}/search.yaml --data {place}/data", capsys)
    assert "--out: is missing" in line


def test_a_reader_that_stops_early_is_no_error() -> None:
    script = "from nasface.cli.main import main; raise SystemExit(main(['--help']))"
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_a_full_disk_is_a_line_whatever_was_being_written(
    place: Path, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the plot of an evaluation, of which no run folder tells."""
    write = Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if is_draft(path) and "curves" in path.name and path.suffix == ".png":
            raise OSError(28, "No space left on device")
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    words = f"evaluate --weights {place}/trained/best.safetensors --data {place}/data"
    capsys.readouterr()
    assert main([*words.split(), "--out", str(tmp_path / "e")]) == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    path = tmp_path / "e" / "curves.png"
    line = "No space left on device; free space there, or write elsewhere"
    assert last == f"nasface evaluate: {path}: cannot be written: {line}"
    assert not list((tmp_path / "e").glob(".*"))


def test_detect_goes_on_past_a_broken_image(place: Path, tmp_path: Path, capsys: Output) -> None:
    photos = tmp_path / "photos"
    shutil.copytree(place / "data" / "WIDER_val" / "images" / "0--Squares", photos)
    (photos / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    words = f"detect --weights {place}/trained/best.safetensors --out {tmp_path}/d --json {photos}"
    capsys.readouterr()
    assert main([*words.split(), "--score-threshold", "0.0"]) == 0
    captured = capsys.readouterr()
    assert len(json.loads(captured.out)) == 3
    assert "left out" in captured.err
    assert "broken.jpg" in captured.err
    assert read_image(tmp_path / "d" / "overview.jpg").shape == (240, 6 * 280, 3)
    drawn = sorted((tmp_path / "d").glob("0*.jpg"))
    assert [path.name[6:] for path in drawn] == ["0.jpg", "1.jpg", "2.jpg"]
    assert not np.array_equal(read_image(drawn[0]), read_image(photos / "0.jpg"))


def test_a_member_of_the_family(place: Path, tmp_path: Path, capsys: Output) -> None:
    """Its settings are the start; a file and options override them; all are in the run's file."""
    (tmp_path / "d0.yaml").write_text(
        "model: d0\nepochs: 1\nbatch_size: 2\naugment: {size: 64}\ndetector: {head_layers: 1}\n"
    )
    words = f"train --config {tmp_path}/d0.yaml --data {place}/data --out {tmp_path}/run"
    assert main([*words.split(), "--detector.channels", "8"]) == 0
    config = load_config(TrainConfig, tmp_path / "run" / "config.yaml")
    assert (config.model, config.genotype) == ("d0", "asfd-ref")
    expected = replace(MODELS["d0"].detector, channels=8, head_layers=1)
    assert config.detector == expected
    loaded = read_checkpoint(tmp_path / "run" / "last.safetensors")
    assert (loaded.config, loaded.metrics["model"]) == (expected, "d0")
    words = f"train --model d9 --data {place}/data --out {tmp_path}/no"
    assert "model: unknown 'd9'; expected one of d0" in fails(words, capsys)


def test_mistakes_name_their_place(place: Path, tmp_path: Path, capsys: Output) -> None:
    out = tmp_path / "out"
    train = f"train --config {place}/train.yaml --out {out}"
    assert "/nowhere: does not exist" in fails(
        f"{train} --genotype {place}/g.yaml --data /nowhere", capsys
    )
    assert "data: is missing" in fails(f"{train} --genotype {place}/g.yaml", capsys)
    assert "expected a YAML file or one of" in fails(
        f"{train} --genotype nothing --data {place}/data", capsys
    )
    (tmp_path / "typo.yaml").write_text("epoch: 3\n")
    assert "typo.yaml: epoch: unknown key; expected one of data, data_format, " in fails(
        f"train --config {tmp_path}/typo.yaml --out {out}", capsys
    )
    assert "batch_size: 9 is more than the 8 images" in fails(
        f"{train} --genotype {place}/g.yaml --data {place}/data --batch-size 9", capsys
    )
    search = f"search --data {place}/data --batch-size 2 --out {out}"
    assert "both have a cell named 'cpm_c2'" in fails(
        f"{search} --space autofem-cpm --prefix-genotype {place}/g.yaml", capsys
    )
    text = (place / "g.yaml").read_text()
    (tmp_path / "op.yaml").write_text(text.replace("sep_3x3", "sep_9x9"))
    assert "unknown operation 'sep_9x9'" in fails(
        f"{train} --genotype {tmp_path}/op.yaml --data {place}/data", capsys
    )
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("train --epohcs 3 --out x", "Unrecognized options: --epohcs, 3; did you mean '--epochs'?"),
        ("train --epochs x --out x", "Error parsing --epochs"),
        ("train --optimizer.lr nan --out x", "optimizer: lr: is nan, expected a finite number"),
        ("train --detector.channels 1 --out x", "channels 1"),
        ("compare", "nasface compare: something is missing; usage: nasface compare PLAN"),
        ("convert A", "usage: nasface convert DATA OUT --to "),
        ("train", "usage: nasface train --out FOLDER"),
        ("genotype show a b", "Unrecognized options: b"),
        ("export asfd-nano --out x.onnx", "asfd-nano; did you mean '--weights asfd-nano'?"),
        ("derive runs/a --out x.yaml", "runs/a; usage: nasface derive --out FILE.yaml"),
    ],
)
def test_options_that_cannot_be_understood(words: str, said: str, capsys: Output) -> None:
    assert said in fails(words, capsys)


def test_a_training_is_no_search(place: Path, tmp_path: Path, capsys: Output) -> None:
    line = fails(f"derive --run {place}/trained --out {tmp_path}/d.yaml", capsys)
    assert "holds 'training', expected the checkpoint of a search" in line


def test_damaged_data_names_the_file(place: Path, tmp_path: Path, capsys: Output) -> None:
    train = f"train --config {place}/train.yaml --genotype {place}/g.yaml --data {tmp_path}/data"
    shutil.copytree(place / "data", tmp_path / "data")
    annotations = tmp_path / "data" / "wider_face_split" / "wider_face_train_bbx_gt.txt"
    image = tmp_path / "data" / "WIDER_train" / "images" / "0--Squares" / "3.jpg"
    image.write_bytes(image.read_bytes()[:200])
    assert "0--Squares/3.jpg" in fails(f"{train} --workers 1 --out {tmp_path}/a", capsys)
    image.unlink()
    assert "0--Squares/3.jpg" in fails(f"{train} --out {tmp_path}/b", capsys)
    annotations.write_text("")
    assert "wider_face_train_bbx_gt.txt" in fails(f"{train} --out {tmp_path}/c", capsys)


def test_nothing_is_written_over(place: Path, tmp_path: Path, capsys: Output) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    (out / "notes.txt").write_text("precious")
    weights = f"{place}/trained/best.safetensors"
    for words in (
        f"search --data {place}/data --config {place}/search.yaml --out {out}",
        f"train --data {place}/data --genotype {place}/g.yaml --batch-size 4 --out {out}",
        f"evaluate --data {place}/data --weights {weights} --out {out}",
        f"detect --weights {weights} --out {out} {place}/data",
        f"sample {out} --train 1 --val 1",
    ):
        assert "exists and is not empty" in fails(words, capsys)
    assert [path.name for path in out.iterdir()] == ["notes.txt"]


def test_a_hand_made_module_is_trained_used_and_counted(
    place: Path, tmp_path: Path, capsys: Output
) -> None:
    out = tmp_path / "fpn"
    train = f"train --config {place}/train.yaml --data {place}/data --out {out} --neck fpn+ssh"
    assert main(train.split()) == 0
    assert not (out / "genotype.yaml").exists()
    assert main(f"train --out {out} --resume".split()) == 0
    weights = out / "last.safetensors"
    assert read_checkpoint(weights).config.neck == "fpn+ssh"
    found = f"{tmp_path}/e"
    assert main(f"evaluate --weights {weights} --data {place}/data --out {found}".split()) == 0
    capsys.readouterr()
    sizes = []
    for what in (str(weights), "fpn+ssh --channels 8 --head-layers 1 --extra-channels 16 16"):
        assert main(f"cost {what} --json".split()) == 0
        sizes.append(json.loads(capsys.readouterr().out)["parts"][0]["parameters"])
    assert sizes[0] == sizes[1]


def test_a_genotype_and_a_hand_made_module_are_one_too_many(place: Path, capsys: Output) -> None:
    genotype = f"{place}/g.yaml"
    train = f"train --config {place}/train.yaml --data {place}/data --genotype {genotype}"
    assert "has no place in neck fpn" in fails(f"{train} --neck fpn --out x", capsys)
    # A model of the zoo with a neck of its own is no reason to leave the genotype out.
    model = f"train --model retinaface-mobilenet0.25 --data {place}/data --genotype {genotype}"
    assert "expected detector.neck genotype" in fails(f"{model} --out x", capsys)
    assert "has no place for genotype" in fails(f"cost {genotype} --neck fpn", capsys)
    cost = f"cost retinaface-mobilenet0.25 --genotype {genotype}"
    assert "has no place in retinaface-mobilenet0.25" in fails(cost, capsys)
    assert not Path("x").exists()
