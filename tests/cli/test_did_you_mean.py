"""Mistyped words, on the command line and in files: the answer ends with the nearest one."""

from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nasface.annotations.formats import DATASET_FORMATS
from nasface.arch.combine import COMBINE_RULES
from nasface.arch.operations import OPERATIONS
from nasface.cli.main import VERBS, main
from nasface.deploy.latency import PART_ENGINES
from nasface.deploy.registry import FORMATS
from nasface.deploy.runtimes.registry import TARGETS
from nasface.detection.assignment import ASSIGNERS
from nasface.detection.backbones.registry import BACKBONES
from nasface.detection.classification_losses import CLASSIFICATION_LOSSES
from nasface.detection.head_layers import HEAD_LAYERS
from nasface.detection.necks.registry import NECK_PARTS
from nasface.errors import NasfaceError, did_you_mean, one_of
from nasface.metrics.registry import PROTOCOLS
from nasface.nas.policies import POLICIES
from nasface.nas.selection import SELECTIONS
from nasface.registry import Registry
from nasface.runs.logger import LOGGERS
from nasface.studies.executors import EXECUTORS

Output = pytest.CaptureFixture[str]


def said(words: list[str], output: Output) -> str:
    """The one line that a mistake gives."""
    output.readouterr()
    assert main(words) == 2
    captured = output.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    return line


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("serach", "search"),
        ("check-dta x", "check-data"),
        ("genotype shw", "show"),
        ("evaluate widrface --out x", "widerface"),
        ("train --bach-size 2 --out x", "--batch-size"),
        ("train --detector.chanels=2 --out x", "--detector.channels"),
        ("train --chanels 2 --out x", "--detector.channels"),
        ("train --nek fpn --out x", "--detector.neck"),
        ("train --lr 0.1 --out x", "--optimizer.lr"),
        ("search --lr=0.1 --out x", "--optimizer.lr"),
        ("evaluate widerface --grund-truth text", "--ground-truth"),
        ("genotype import x --naem y --out z.yaml", "--name"),
        ("search --policy argmx --out x", "argmax"),
        ("train --precision bf61 --out x", "bf16"),
        ("train --model d0-dens --out x", "d0-dense"),
        ("train --neck fpm --out x", "fpn"),
        ("train --neck fem-fpn+fem-cpmm --out x", "fem-cpm"),
        ("train --genotype asfd-reff --data x --out x", "asfd-ref"),
        ("genotype show darts_v3", "darts_v2"),
        ("cost asfd-rf", "asfd-ref"),
        ("cost none --backbone resnt18", "resnet18"),
        ("cost d0-densee", "d0-dense"),
        ("search --space autofen --data x --out x", "autofem"),
        ("search --parameters node 4 --data x --out x", "nodes"),
        ("train --config preset:d0-320-trian --out x", "d0-320-train"),
        ("presets quickstart-serach", "quickstart-search"),
        ("draw darts_v1 --cells normla --out x.png", "normal"),
        ("draw darts_v1 --out x.pgn", ".png"),
        ("sample --sed 3", "--seed"),
        ("train --imgsz 640 --out x", "--augment.size"),
        ("train --lr0=0.1 --out x", "--optimizer.lr"),
        ("detect --conf 0.3 x.jpg", "--score-threshold"),
        ("detect --conf_thres 0.3 x.jpg", "--score-threshold"),
        ("detect --iou 0.3 x.jpg", "--inference.nms-iou"),
        ("export --half --out x.onnx", "--precision"),
        ("export --format ncnn --out x", "--to"),
        ("derive x --ot y.yaml", "--out"),
        ("quantize --weights asfd-nanno --out x.onnx", "asfd-nano"),
        ("export --weights asfd-nano --to onxx --out x", "onnx"),
    ],
)
def test_words_of_a_command_line(words: str, meant: str, capsys: Output) -> None:
    assert said(words.split(), capsys).endswith(f"; did you mean {meant!r}?")


@pytest.mark.parametrize(
    ("words", "usage"),
    [
        ("convert a --out b", "convert DATA OUT --to TEXT"),
        ("convert a b --to coco --out=c", "convert DATA OUT --to TEXT"),
        ("convert --data a b --to coco", "convert DATA OUT --to TEXT"),
        ("check-data --data a", "check-data DATA"),
        ("detect --source a", "detect INPUT ..."),
        ("sample --out a", "sample FOLDER"),
        ("compare --plan a --out b", "compare PLAN"),
        ("genotype show --genotype a", "genotype show GENOTYPE"),
    ],
)
def test_an_option_in_the_place_of_an_argument(words: str, usage: str, capsys: Output) -> None:
    assert said(words.split(), capsys).endswith(f"; usage: nasface {usage}")


@pytest.mark.parametrize(
    ("words", "now"),
    [
        ("train --batch 3 --out x", "--batch-size"),
        ("search --most_skips 3 --out x", "--max-skip-connections"),
        ("train --test.nms=0.3 --out x", "--inference.nms-iou"),
        ("train --module none --out x", "--detector.neck"),
        ("train --detector.module none --out x", "--detector.neck"),
        ("evaluate widerface --truth text", "--ground-truth"),
        ("detect a.jpg --threshold 0.3", "--score-threshold"),
    ],
)
def test_former_options(words: str, now: str, capsys: Output) -> None:
    assert said(words.split(), capsys).endswith(f"; it is called {now!r} now")


@pytest.mark.parametrize(
    "words",
    ["qqq", "train --qqqqq 2 --out x", "genotype show qqq", "train --model qqq --out x"],
)
def test_no_word_is_guessed_where_none_is_near(words: str, capsys: Output) -> None:
    assert "did you mean" not in said(words.split(), capsys)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("epohcs: 3", "epochs"),
        ("detector: {chanels: 8}", "channels"),
        ("detector: {anchors: {scal: 2}}", "scale"),
        ("optimizer: {name: adamv}", "adamw"),
        ("bad_images: skp", "skip"),
    ],
)
def test_keys_and_values_of_settings(text: str, meant: str, tmp_path: Path, capsys: Output) -> None:
    (tmp_path / "c.yaml").write_text(f"data: {tmp_path}\n{text}\n")
    line = said(["train", "--config", str(tmp_path / "c.yaml"), "--out", "x"], capsys)
    assert line.endswith(f"; did you mean {meant!r}?")


def test_keys_and_operations_of_spaces_and_genotypes(tmp_path: Path, capsys: Output) -> None:
    space = (
        "format: 1\nname: s\noperations: [skip, sep_3x4]\n"
        "cells: {c: {inputs: [{name: x, level: 0}], dense: {nodes: 1}, output: {}}}\n"
    )
    path = tmp_path / "s.yaml"
    for text, meant in {space: "sep_3x3", space.replace("cells:", "cels:"): "cells"}.items():
        path.write_text(text)
        line = said(["search", "--space", str(path), "--data", "x", "--out", "y"], capsys)
        assert f"; did you mean {meant!r}?" in line
    path.write_text("format: 1\nname: g\nspce: {}\ncells: {}\n")
    assert "; did you mean 'space'?" in said(["genotype", "show", str(path)], capsys)


@pytest.mark.parametrize(
    ("change", "meant"),
    [
        (("argmax", "argmx"), "argmax"),
        (("[fpn, cells]", "[fpn, cels]"), "cells"),
        (("seeds:", "sedes:"), "seeds"),
    ],
)
def test_words_of_a_plan(
    change: tuple[str, str], meant: str, tmp_path: Path, capsys: Output
) -> None:
    plan = (
        "name: p\nseeds: [0]\nmetric: ap\ndata: x\ncontrasts: [[fpn, cells]]\n"
        "search: {warmup_epochs: 1}\nmethods:\n- {name: fpn, strategy: fixed, train: {neck: fpn}}\n"
        "- {name: cells, strategy: argmax}\n"
    )
    (tmp_path / "p.yaml").write_text(plan.replace(*change))
    line = said(["compare", str(tmp_path / "p.yaml"), "--out", str(tmp_path / "o")], capsys)
    assert f"; did you mean {meant!r}?" in line


def test_classes_of_a_data_set(tmp_path: Path, capsys: Output) -> None:
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    (tmp_path / "classes.txt").write_text("face\nhand\n")
    line = said(["check-data", str(tmp_path), "--classes", "fase"], capsys)
    assert line.endswith("has no class 'fase'; it has 'face', 'hand'; did you mean 'face'?")


def test_names_in_a_file_of_genotypes(tmp_path: Path, capsys: Output) -> None:
    pairs = "[('skip_connect', 0), ('skip_connect', 1)]"
    entry = f"Genotype(normal={pairs}, normal_concat=[2], reduce={pairs}, reduce_concat=[2])"
    (tmp_path / "g.py").write_text(f"FIRST = {entry}\nSECOND = {entry}\n")
    words = ["genotype", "import", str(tmp_path / "g.py"), "--out", str(tmp_path / "g.yaml")]
    assert said([*words, "--name", "SECND"], capsys).endswith("; did you mean 'SECOND'?")


@given(st.sampled_from(sorted(VERBS)), st.integers(0, 30), st.sampled_from("abcxyz-"))
def test_the_word_is_the_nearest(word: str, at: int, letter: str) -> None:
    at %= len(word)
    for typed in (word[:at] + letter + word[at + 1 :], word[:at] + word[at + 1 :], word.upper()):
        near = {each: SequenceMatcher(None, each, typed.lower()).ratio() for each in VERBS}
        answers = {
            f"; did you mean {each!r}?"
            for each, ratio in near.items()
            if ratio == max(near.values())
        }
        assert max(near.values()) >= 0.6
        assert did_you_mean(typed, VERBS) in answers


TABLES: list[Registry[Any]] = [
    *(ASSIGNERS, BACKBONES, CLASSIFICATION_LOSSES, COMBINE_RULES, DATASET_FORMATS, PART_ENGINES),
    *(EXECUTORS, FORMATS, HEAD_LAYERS, LOGGERS, NECK_PARTS, OPERATIONS, POLICIES, PROTOCOLS),
    *(SELECTIONS, TARGETS),
]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.kind)
@given(st.data())
def test_names_of_every_table(table: Registry[Any], data: st.DataObject) -> None:
    """A letter too few, too many or wrong; against the ratio over all names."""
    name = data.draw(st.sampled_from(sorted(table)))
    at = data.draw(st.integers(0, len(name) - 1))
    letter = data.draw(st.sampled_from(["", "x", "-", name[at] * 2]))
    typed = name[:at] + letter + name[at + 1 :]
    if typed in table:
        return
    with pytest.raises(NasfaceError) as caught:
        table.find(typed)
    ratios = {each: SequenceMatcher(None, each.lower(), typed.lower()).ratio() for each in table}
    best = max(ratios.values())
    answers = [
        f"; did you mean {each!r}?" for each, ratio in ratios.items() if ratio == best >= 0.6
    ]
    said = str(caught.value)
    assert any(map(said.endswith, answers)) if answers else "did you mean" not in said


def test_a_released_detector_in_the_place_of_a_model(capsys: Output) -> None:
    line = said(["train", "--model", "asfd-nano", "--data", "x", "--out", "x"], capsys)
    assert "expected --config preset:asfd-nano-finetune" in line


def test_messages() -> None:
    assert did_you_mean("x", []) == ""
    assert did_you_mean("Darts", ["darts", "autofem"]) == "; did you mean 'darts'?"
    assert one_of("autofen", ["darts", "autofem"]) == (
        "one of darts, autofem; did you mean 'autofem'?"
    )
    assert one_of("qqq", iter(["darts", "autofem"])) == "one of darts, autofem"
