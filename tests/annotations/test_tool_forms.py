import json
from pathlib import Path

import pytest

from nasface.annotations.formats import read_dataset
from nasface.errors import DataError

RECTANGLE = {"shape_attributes": {"name": "rect", "x": 1, "y": 2, "width": 3, "height": 4}}
VALUE = {"x": 1, "y": 2, "width": 3, "height": 4, "rectanglelabels": ["face"]}
CREATEML = [{"image": "a.jpg", "annotations": [{"label": "face", "coordinates": {"x": 1}}]}]
DATUMARO = json.dumps({"categories": {"label": {"labels": []}}, "items": []})
CELL = json.dumps([VALUE]).replace('"', '""')


@pytest.mark.parametrize(
    ("name", "text", "tool"),
    [
        ("via.json", json.dumps({"a.jpg9": {"regions": [RECTANGLE]}}), "VGG's Image Annotator"),
        ("project.json", json.dumps([{"annotations": [{"value": VALUE}]}]), "Label Studio"),
        ("project.csv", f'id,image,label\n1,a.jpg,"{CELL}"\n', "Label Studio"),
        ("annotations.xml", "<annotations><image id='0'></image></annotations>", "CVAT"),
        ("train/_annotations.createml.json", json.dumps(CREATEML), "CreateML"),
        ("project.tsv", f'id\timage\tlabel\n1\ta.jpg\t"{CELL}"\n', "Label Studio"),
        ("train.json", DATUMARO, "Datumaro"),
        ("meta.json", '{"classes": [{"title": "face"}], "projectType": "images"}', "Supervisely"),
        ("ann/a.jpg.json", '{"objects": [{"classTitle": "face"}]}', "Supervisely"),
        ("samples.json", '{"samples": [{"filepath": "a.jpg", "x": {"_cls": "D"}}]}', "FiftyOne"),
        ("labels.json", '{"labels": {"a": [{"label": 0, "bounding_box": []}]}}', "FiftyOne"),
        ("x-export.json", '{"assets": {"1": {"asset": {}, "regions": []}}}', "VoTT"),
        ("export.ndjson", '{"data_row": {"external_id": "a.jpg"}}\n', "Labelbox"),
        ("output.manifest", '{"source-ref": "s3://b/a.jpg"}\n', "SageMaker"),
        ("faces.xml", "<dataset><images><image file='a'><box top='1'/>", "dlib"),
        ("p.json", '{"project": {"pid": "1"}, "view": {"1": {"fid_list": []}}}', "VGG's .* 3"),
        ("v.csv", '# CSV_HEADER = metadata_id,file_list\n"1","[""a.jpg""]"\n', "VGG's .* 3"),
        ("metadata.jsonl", '{"file_name": "a.jpg", "objects": {"bbox": []}}\n', "Hugging Face"),
    ],
)
def test_forms_that_tools_keep_for_themselves(
    tmp_path: Path, name: str, text: str, tool: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    for place in (tmp_path, path):
        with pytest.raises(DataError, match=rf"; {path.name} is .*{tool}.*; expected"):
            read_dataset(place)


BOXES = {"boxes": [[0, 0.5, 0.5, 0.1, 0.1]]}


@pytest.mark.parametrize(
    ("name", "text", "tool"),
    [
        ("annotation_train.odgt", '{"ID": "a", "gtboxes": [{"hbox": [1, 2, 3, 4]}]}', "CrowdHuman"),
        ("f.json", json.dumps([{"labels": [{"box2d": {"x1": 1}}]}]), "BDD100K"),
        ("f.json", json.dumps([{"ann": {"bboxes": [[1, 2, 3, 4]]}}]), "MMDetection"),
        ("a.jsonl", '{"prefix": "detect face", "suffix": "<loc0001> face"}', "PaliGemma"),
        ("f.jsonl", '{"imageGcsUri": "gs://b/a.jpg"}', "Vertex AI"),
        ("f.csv", "TRAIN,gs://b/a.jpg,face,0.1,0.2,,,0.3,0.4,,\n", "AutoML Vision"),
        ("a.json", json.dumps({"item": {}, "annotations": [{"bounding_box": {}}]}), "Darwin"),
        ("f.ndjson", json.dumps({"task": "detect", "annotations": BOXES}), "Ultralytics"),
        ("f.json", json.dumps({"images": [{"regions": [{"tagName": "face"}]}]}), "Custom Vision"),
        (
            "wider_face_train_bbx_gt.txt",
            "a.jpg\n0\n",
            "WIDER FACE, whose place is wider_face_split",
        ),
        ("train.tfrecord-00000-of-00002", "", "TensorFlow"),
        ("data/train-00000-of-00001.parquet", "", "Hugging Face"),
        ("train.rec", "", "MXNet"),
        ("data.mdb", "", "LMDB"),
        ("train.pkl", "", "pickle, which may run anything"),
        ("aflw.sqlite", "", "a database"),
        ("MAFA.mat", "", "MATLAB"),
        ("train.record", "", "TensorFlow"),
        ("s.json", '[{"task_id": "1", "params": {"attachment": "a.jpg"}}]', "Scale"),
        ("gt/gt.txt", "1,1,10,20,30,40,1,1,1\n", "MOTChallenge"),
        ("a.pts", "version: 1\nn_points: 1\n{\n1 2\n}\n", "points of a face without a box"),
        ("faces.ZIP", "", "an archive; unpack it"),
        ("faces.tar.gz", "", "an archive; unpack it"),
    ],
)
def test_further_forms_that_are_not_read(tmp_path: Path, name: str, text: str, tool: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    for place in (tmp_path, path):
        with pytest.raises(DataError, match=rf"; '?{path.name}'? is .*{tool}.*; expected"):
            read_dataset(place)


@pytest.mark.parametrize("picture", ["", "A" * 200_000])
def test_one_file_of_labelme(tmp_path: Path, picture: str) -> None:
    path = tmp_path / "b.json"
    path.write_text(json.dumps({"imageData": picture, "shapes": [], "imagePath": "b.jpg"}))
    with pytest.raises(DataError, match=r"; b\.json is the form of labelme; name its folder"):
        read_dataset(path)


def test_no_hint_without_a_sign(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(DataError, match=r"it holds 'a\.json'; expected one of"):
        read_dataset(tmp_path)


def test_folders_of_dark_face(tmp_path: Path) -> None:
    (tmp_path / "label").mkdir()
    (tmp_path / "label" / "1.txt").write_text("1\n10 20 40 60\n")
    (tmp_path / "image").mkdir()
    with pytest.raises(DataError, match=r"; folders image/ and label/ are those of DARK FACE; "):
        read_dataset(tmp_path)
