"""``nasface.evaluate`` and ``nasface.plot`` on objects."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import Notes, write_lively_weights, write_tiny
from wider import write_ground_truth

import nasface
from nasface.annotations.detections import ScoredBoxes
from nasface.annotations.records import AnnotatedDataset
from nasface.api.detector import FaceDetector
from nasface.cli.main import main
from nasface.engine.evaluate import evaluate_detector as evaluate_network
from nasface.errors import ConfigError, DataError, RunError
from nasface.inference.predict import InferenceConfig
from nasface.progress import Silent

ALL = InferenceConfig(score_threshold=0.0, max_detections=20)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set with official ground truth, and weights."""
    folder = tmp_path_factory.mktemp("place")
    write_tiny(folder / "data")
    write_lively_weights(folder / "w.safetensors")
    images = {}
    for record in nasface.read_dataset(folder / "data", "val"):
        rows = np.zeros((len(record.boxes_M4), 10), int)
        rows[:, :4] = np.concatenate(
            [record.boxes_M4[:, :2], record.boxes_M4[:, 2:] - record.boxes_M4[:, :2]], axis=1
        )
        every = list(range(len(rows)))
        sets = {"easy": every[:1], "medium": every, "hard": every}
        images[Path(record.name).stem] = (rows.tolist(), sets)
    write_ground_truth(folder / "data" / "ground_truth", {"0--Squares": images})
    return folder


@pytest.fixture(scope="module")
def val(place: Path) -> AnnotatedDataset:
    return nasface.read_dataset(place / "data", "val")


@pytest.fixture(scope="module")
def detector(place: Path) -> FaceDetector:
    return nasface.load_detector(place / "w.safetensors", device="cpu")


def right(data: AnnotatedDataset) -> dict[str, ScoredBoxes]:
    """Detections that are the annotated faces."""
    return {
        record.name: ScoredBoxes(record.boxes_M4, np.full(len(record.boxes_M4), 0.9))
        for record in data
    }


def test_figures_of_each_protocol_are_attributes(val: AnnotatedDataset) -> None:
    result = nasface.evaluate(right(val), val)
    assert result.ap == 1.0
    assert repr(result) == "Evaluation(ap 1.0000, AP at IoU 0.5, all valid faces, detections)"
    wider = nasface.evaluate(right(val), val, protocol="widerface")
    assert (wider.easy, wider.medium, wider.hard) == (1.0, 1.0, 1.0)
    assert {"easy", "medium", "hard", "table"} <= set(dir(wider))
    valid = nasface.evaluate(right(val), val, protocol="widerface", ground_truth="text")
    assert valid.valid == 1.0
    with pytest.raises(AttributeError, match="no attribute 'easy'"):
        _ = result.easy


def test_further_protocols_score_the_same_detections(
    detector: FaceDetector, val: AnnotatedDataset, tmp_path: Path
) -> None:
    pytest.importorskip("faster_coco_eval", reason="the extra coco is not installed")
    calls: list[object] = []
    hook = detector.module.register_forward_hook(lambda *_: calls.append(None))
    try:
        alone = nasface.evaluate(detector, val, "widerface", inference=ALL)
        once = len(calls)
        out = tmp_path / "out"
        given: dict[str, Any] = {"inference": ALL, "out": out, "also": ["coco", "ap"]}
        result = nasface.evaluate(detector, val, "widerface", **given)
        assert len(calls) == 2 * once > 0
        again = nasface.evaluate(detector, val, "widerface", **given, resume=True)
        assert len(calls) == 2 * once
    finally:
        hook.remove()
    assert result.summary == alone.summary
    assert list(result.also) == ["coco", "ap"]
    for name, each in result.also.items():
        assert each.summary == nasface.evaluate(alone.detections, val, name).summary
        assert again.also[name].summary == each.summary
        figures = json.loads((out / name / "evaluation.json").read_text())
        assert figures["ap"] == pytest.approx(each.ap, nan_ok=True)
        assert (out / name / "curves.csv").is_file()
    assert (out / "coco" / "coco_results.json").is_file()


def test_what_the_first_protocol_leaves_open_has_the_default_of_the_other(
    val: AnnotatedDataset,
) -> None:
    """``exif`` of ap is that of the annotations' form."""
    found = right(val)
    result = nasface.evaluate(found, val.root, also=["widerface"]).also["widerface"]
    assert result.summary == nasface.evaluate(found, val.root, "widerface").summary


def test_a_command_scores_by_several_protocols(
    place: Path, val: AnnotatedDataset, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", "widerface", "--weights", str(place / "w.safetensors"), "--data"]
    assert main([*words, str(val.root), "--also", "ap", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert {"easy", "also"} <= figures.keys()
    assert figures["also"]["ap"]["protocol"] == "AP at IoU 0.5, all valid faces"
    assert main([*words, str(val.root), "--also", "ap"]) == 0
    assert "AP at IoU 0.5, all valid faces" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("also", "error", "message"),
    [
        (["none"], ConfigError, "also: unknown protocol 'none'"),
        (["widerface"], ConfigError, "also: widerface: is scored by already"),
        (["ap", "ap"], ConfigError, "also: ap: is scored by already"),
        ("ap", ConfigError, "also: is of type str; expected names of protocols"),
    ],
)
def test_further_protocols_that_cannot_be(
    also: Any, error: type[Exception], message: str, val: AnnotatedDataset
) -> None:
    with pytest.raises(error, match=message):
        nasface.evaluate(right(val), val, "widerface", also=also)


def test_further_protocols_count_no_other_images(val: AnnotatedDataset, tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text(f"{val.names[0]}\n")
    with pytest.raises(DataError, match=r"also: ap counts .* images that widerface leaves out"):
        nasface.evaluate({}, val.root, "widerface", images=str(tmp_path / "one.txt"), also=["ap"])


def test_given_detections_take_no_settings_of_inference(
    val: AnnotatedDataset, tmp_path: Path
) -> None:
    settings = {"preset": "flip", "score_threshold": 0.1}
    with pytest.raises(ConfigError, match="inference: score_threshold, preset: is for a detector"):
        nasface.evaluate(right(val), val, inference=settings, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert nasface.evaluate(right(val), val, inference={"preset": "original"}).ap == 1.0


@pytest.mark.parametrize("protocol", ["ap", "widerface", "coco"])
def test_an_evaluation_goes_to_another_process(val: AnnotatedDataset, protocol: str) -> None:
    result = nasface.evaluate(right(val), val, protocol)
    again = pickle.loads(pickle.dumps(result))  # noqa: S301 - it is ours
    assert again.figures() == result.figures()


def test_what_is_no_detector_is_said_to_be_none(val: AnnotatedDataset) -> None:
    with pytest.raises(ConfigError, match="detector: int, expected a detector, the file of one"):
        nasface.evaluate(5, val)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="no image that is evaluated on: '0' is none"):
        nasface.evaluate({"0": right(val)[val.names[0]]}, val)


def test_tables_and_curves(val: AnnotatedDataset) -> None:
    result = nasface.evaluate(right(val), val, protocol="widerface")
    table = result.table()
    assert isinstance(table, pd.DataFrame)
    assert list(table.columns) == ["group", "name", "faces", "AP"]
    assert table[table.name == "easy"].faces.tolist() == [3]
    assert np.isnan(table[table.name == "300 px and more"].AP).all()
    assert [each.name for each in result.curves.curves] == ["easy", "medium", "hard"]


def test_a_detector_is_scored_as_its_network(detector: FaceDetector, val: AnnotatedDataset) -> None:
    result = detector.evaluate(val, inference=ALL)
    alone = evaluate_network(detector.network(), val, ALL, Silent())
    assert result.ap == alone.ap
    again = nasface.evaluate(result.detections, val)
    assert again.ap == result.ap
    where = torch.device("cpu")
    assert nasface.evaluate(detector, val, inference=ALL, device=where).ap == result.ap
    assert detector.evaluate(val.root, inference=ALL).ap == result.ap
    faces = detector.detect([record.path for record in val], 0.0, inference=ALL)
    assert nasface.evaluate(dict(zip(val.names, faces, strict=True)), val).ap == result.ap


def test_a_slice_of_a_data_set_counts_alone(val: AnnotatedDataset) -> None:
    for protocol in ("ap", "widerface"):
        part = nasface.evaluate(right(val), val[:2], protocol)
        figures = part.figures()
        assert (figures["images"], figures["faces"]) == (2, 3)
        assert figures["entries_without_image"] == 1
    assert part.truth.about.endswith("only 2 of 3 images")


def test_what_is_written_scores_the_same(
    detector: FaceDetector, val: AnnotatedDataset, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    result = detector.evaluate(val, "widerface", inference=ALL, out=out)
    assert json.loads((out / "evaluation.json").read_text()) == result.figures()
    assert json.loads((out / "environment.json").read_text())["kind"] == "evaluation"
    given = nasface.evaluate(out / "detections", val, "widerface")
    assert given.summary == pytest.approx(result.summary, abs=1e-9)
    again = detector.evaluate(val, "widerface", inference=ALL, out=out, resume=True)
    assert again.figures() == result.figures()
    with pytest.raises(RunError, match="exists and is not empty"):
        detector.evaluate(val, "widerface", inference=ALL, out=out)
    with pytest.raises(RunError, match="inference is"):
        detector.evaluate(val, "widerface", out=out, resume=True)
    # A result in memory and one on disk in one figure.
    text = nasface.plot([result, out], labels=["a", "b"]).render("svg").decode()
    for name in ("easy", "hard"):
        value = result.summary[name]
        assert f"<!-- a  {value:.3f} -->" in text
        assert f"<!-- b  {value:.3f} -->" in text


def test_mistakes_are_named(detector: FaceDetector, val: AnnotatedDataset, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="unknown protocol 'wider'; expected one of ap, widerface"
    ):
        nasface.evaluate(detector, val, "wider")
    with pytest.raises(ConfigError, match="protocol ap: there is no 'ellipses'; expected one of"):
        nasface.evaluate(detector, val, ellipses=True)
    with pytest.raises(DataError, match="does not exist"):
        nasface.evaluate(detector, tmp_path / "none")
    with pytest.raises(DataError, match=r"wider_face_val\.mat: cannot be read"):
        nasface.evaluate(detector, tmp_path, "widerface")
    with pytest.raises(DataError, match="does not exist, expected a folder or a tar"):
        nasface.evaluate(tmp_path / "no.tar", val)
    with pytest.raises(ConfigError, match="expected at least one folder"):
        nasface.plot([])
    with pytest.raises(ConfigError, match="cannot write this type"):
        nasface.plot(tmp_path / "none", tmp_path / "f.jpg")


def test_two_images_of_one_name_are_refused(val: AnnotatedDataset) -> None:
    found = {val[0].name: ScoredBoxes(val[0].boxes_M4, np.ones(len(val[0].boxes_M4)))}
    with pytest.raises(DataError, match=r"^dataset: image '0--Squares/.*' occurs twice, expected"):
        nasface.evaluate(found, [val[0], val[1], val[0]], progress=False)


@pytest.mark.parametrize(("weakest", "told"), [(0.5, True), (0.02, False), (20.0, False)])
def test_detections_without_weak_ones_are_noted(
    val: AnnotatedDataset, weakest: float, told: bool
) -> None:
    """As nasface detect writes them; scores above 1 are of a scale of their own."""
    notes, first = Notes(), val[0]
    faces = ScoredBoxes(first.boxes_M4, np.full(len(first.boxes_M4), weakest))
    nasface.evaluate({first.name: faces}, val, progress=notes)
    assert [each[:31] for each in notes.notes] == ["no detection scores below 0.50:"] * told
