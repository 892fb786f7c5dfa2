"""Protocols as a table, and COCO's figures against pairs that are known."""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import write_lively_weights, write_tiny

import nasface
from nasface.annotations.detections import ScoredBoxes
from nasface.annotations.fddb import read_fddb_detections, read_fddb_truth
from nasface.annotations.records import AnnotatedDataset, ImageRecord
from nasface.errors import ConfigError, DataError
from nasface.metrics.protocol import Protocol
from nasface.metrics.protocols.ap import annotated_truth
from nasface.metrics.protocols.coco import COCO
from nasface.metrics.protocols.fddb import read_curves
from nasface.metrics.registry import PROTOCOLS, register_protocol


def dataset(*boxes: list[list[float]], ignore: bool = False) -> AnnotatedDataset:
    records = []
    for at, faces in enumerate(boxes):
        array = np.array(faces, np.float32).reshape(-1, 4)
        flags = {"iscrowd": np.full(len(array), int(ignore))}
        records.append(ImageRecord(f"{at}.jpg", Path(f"{at}.jpg"), array, flags))
    return AnnotatedDataset(records, Path(), "val", "")


def coco(data: AnnotatedDataset, found: dict[str, ScoredBoxes]) -> dict[str, float | None]:
    pytest.importorskip("faster_coco_eval", reason="the extra coco is not installed")
    truth = annotated_truth(data)
    rows = COCO.table(COCO.score(truth, found, None))
    return {f"{row.group} {row.name}".strip(): row.value for row in rows}


def test_coco_of_right_detections_is_one() -> None:
    data = dataset([[0, 0, 20, 20]], [[0, 0, 50, 50], [60, 60, 200, 200]])
    found = {
        record.name: ScoredBoxes(record.boxes_M4, np.full(len(record.boxes_M4), 0.5))
        for record in data
    }
    assert set(coco(data, found).values()) == {1.0}


def test_coco_takes_the_mean_over_overlaps() -> None:
    """A box shifted by 2 of 20 pixels overlaps by 18/22, and passes 0.5 to 0.8: 7 of 10."""
    found = {"0.jpg": ScoredBoxes(np.array([[2.0, 0, 22, 20]]), np.array([0.5]))}
    figures = coco(dataset([[0, 0, 20, 20]]), found)
    assert figures["ap"] == pytest.approx(0.7)
    assert (figures["ap50"], figures["ap75"]) == (1.0, 1.0)
    assert figures["area small"] == pytest.approx(0.7)
    assert figures["area large"] is None


def test_coco_ignores_crowds_and_counts_beyond_a_hundred_detections() -> None:
    found = {"0.jpg": ScoredBoxes(np.array([[0.0, 0, 20, 20]]), np.array([0.5]))}
    assert coco(dataset([[0, 0, 20, 20]], ignore=True), found)["ap"] is None
    faces = [[30.0 * at, 0, 30 * at + 20, 20] for at in range(150)]
    crowd = {"0.jpg": ScoredBoxes(np.array(faces), np.full(150, 0.5))}
    assert coco(dataset(faces), crowd)["ap"] == 1.0


def test_coco_without_any_detection_is_zero() -> None:
    assert coco(dataset([[0, 0, 20, 20]]), {})["ap"] == 0.0


def test_names_of_protocols() -> None:
    assert list(PROTOCOLS)[:4] == ["ap", "widerface", "fddb", "coco"]
    with pytest.raises(
        ConfigError, match="protocol: unknown protocol 'voc'; expected one of ap, widerf"
    ):
        PROTOCOLS.find("voc")
    known = PROTOCOLS["ap"]
    for name, message in (("ap", "is there already"), ("two words", "expected a single word")):
        taken = Protocol(name, known.read_truth, known.score, known.table, known.curves)
        with pytest.raises(ConfigError, match=message):
            register_protocol(taken)


def test_fddb_rates_stand_in_the_table(nasface_data: Path) -> None:
    """Those of the official program's curves, at 1000 false positives."""
    root = nasface_data / "fddb"
    fddb = PROTOCOLS["fddb"]
    truth = fddb.read_truth(root, fddb.options())
    outputs = root / "reference_outputs"
    found = fddb.read_detections(outputs / "jfda", truth.names)
    assert set(found) == set(
        read_fddb_detections(outputs / "jfda", [each.name for each in read_fddb_truth(root)])
    )
    rows = {row.name: row.value for row in fddb.table(fddb.score(truth, found, fddb.options()))}
    for kind, file in (("discontinuous", "Disc"), ("continuous", "Cont")):
        official = read_curves(outputs / f"jfda{file}ROC.txt")
        assert official is not None
        (curve,) = official.curves
        assert curve.name == kind
        assert rows[kind] == pytest.approx(curve.value, abs=0.001)


def test_files_of_coco_are_taken_by_its_tools(tmp_path: Path) -> None:
    """``loadRes`` takes the results as they are, and the figures are the same."""
    tools = pytest.importorskip("faster_coco_eval", reason="the extra coco is not installed")
    weights = write_lively_weights(tmp_path / "w.safetensors")
    data = write_tiny(tmp_path / "data")
    result = nasface.evaluate(weights, data, "coco", out=tmp_path / "out", progress=False)
    with contextlib.redirect_stdout(io.StringIO()):
        truth = tools.COCO(str(tmp_path / "out" / "coco_annotations.json"))
        found = truth.loadRes(str(tmp_path / "out" / "coco_results.json"))
        scored = tools.COCOeval_faster(truth, found, iouType="bbox", print_function=print)
        scored.params.maxDets = [1, 10, 1000]
        scored.evaluate()
        scored.accumulate()
    assert len(found.anns) == result.figures()["detections"] > 0
    np.testing.assert_array_equal(scored.eval["precision"][:, :, 0, :, -1], result.result.precision)


def test_detections_of_one_run_are_scored_by_several_protocols(tmp_path: Path) -> None:
    pytest.importorskip("faster_coco_eval", reason="the extra coco is not installed")
    weights = write_lively_weights(tmp_path / "w.safetensors")
    data = write_tiny(tmp_path / "data")
    nasface.evaluate(weights, data, out=tmp_path / "out", progress=False)
    again = nasface.evaluate(tmp_path / "out" / "detections", data, "coco", progress=False)
    direct = nasface.evaluate(weights, data, "coco", progress=False)
    assert again.ap == pytest.approx(direct.ap, abs=1e-6)


def test_results_of_coco_are_scored_by_every_protocol(tmp_path: Path) -> None:
    """With the ids and the category of the data set's own file, in which they are written, too."""
    pytest.importorskip("faster_coco_eval", reason="the extra coco is not installed")
    weights = write_lively_weights(tmp_path / "w.safetensors")
    nasface.convert(write_tiny(tmp_path / "tiny"), "coco", tmp_path / "data")
    for path in (tmp_path / "data" / "annotations").iterdir():
        content = json.loads(path.read_text())
        content["categories"] = [{"id": 5, "name": "hand"}, {"id": 3, "name": "face"}]
        for image in content["images"]:
            image["id"] += 100
        for each in content["annotations"]:
            each.update(image_id=each["image_id"] + 100, category_id=3)
        path.write_text(json.dumps(content))
    direct = {
        name: nasface.evaluate(
            weights, tmp_path / "data", name, out=tmp_path / name, progress=False
        )
        for name in ("ap", "coco")
    }
    results = tmp_path / "coco" / "coco_results.json"
    rows = json.loads(results.read_text())
    assert {row["category_id"] for row in rows} == {3}
    assert {row["image_id"] for row in rows} == {101, 102, 103}
    results.write_text(json.dumps([*rows, {**rows[0], "category_id": 5, "score": 1}]))
    for name, expected in direct.items():
        found = nasface.evaluate(results, tmp_path / "data", name, progress=False)
        assert found.ap == pytest.approx(expected.ap, abs=1e-6)
        assert found.figures()["images_without_entry"] == 0


@pytest.mark.parametrize("protocol", ["ap", "coco", "widerface", "fddb"])
def test_no_face_to_score_detections_by(tmp_path: Path, protocol: str) -> None:
    root = write_tiny(tmp_path / "tiny")
    listing = root / "wider_face_split" / "wider_face_val_bbx_gt.txt"
    names = [line for line in listing.read_text().splitlines() if line.endswith(".jpg")]
    listing.write_text("".join(f"{name}\n0\n" for name in names))
    (root / "FDDB-fold-01-ellipseList.txt").write_text("2002/a\n0\n")
    found = ScoredBoxes(np.array([[1.0, 2, 3, 4]]), np.array([0.5]))
    options: dict[str, Any] = {"ground_truth": "text"} if protocol == "widerface" else {}
    with pytest.raises(DataError, match=r"no .*face on the"):
        nasface.evaluate({names[0]: found}, root, protocol, **options)
