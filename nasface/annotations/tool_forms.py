"""Forms that annotation tools keep for themselves, which are not read: what to export instead."""

import os
from collections.abc import Sequence
from pathlib import Path

from nasface.annotations.layout import files_of, folders_of

LABELME = ('"shapes"', '"imagePath"')
"""Words that tell a file of labelme."""

_FORMS = (
    (LABELME, "the form of labelme; name its folder, in which all such files are read"),
    (('"shape_attributes"',), "a project of VGG's Image Annotator; export its annotations as CSV"),
    (('"pid"', '"fid_list"'), "a project of VGG's Image Annotator 3; write COCO or CSV of it"),
    (("CSV_HEADER", "metadata_id"), "a table of VGG's Image Annotator 3; write COCO or CSV of it"),
    (('"rectanglelabels"',), "Label Studio's own form; export COCO or YOLO"),
    (("<annotations>", "<image "), "CVAT's own form; export COCO, YOLO or Pascal VOC"),
    (('"coordinates"', '"annotations"'), "the form of CreateML; export COCO"),
    (('"file_name"', '"objects"'), "metadata of Hugging Face's datasets; write COCO or YOLO of it"),
    (
        ('"categories"', '"items"', '"label"'),
        "Datumaro's own form; export COCO, YOLO or Pascal VOC",
    ),
    (('"classes"', '"projectType"'), "a project of Supervisely; export COCO or Pascal VOC"),
    (('"classTitle"',), "Supervisely's own form; export COCO or Pascal VOC"),
    (('"data_row"',), "Labelbox's own form; write COCO or CSV of it"),
    (('"_cls"', '"filepath"'), "FiftyOne's own form; export COCODetectionDataset"),
    (('"bounding_box"', '"labels"'), "a form of FiftyOne; export COCODetectionDataset"),
    (('"assets"', '"regions"'), "VoTT's own form; export CSV or Pascal VOC"),
    (('"task_id"', '"attachment"'), "Scale's own form; write COCO or CSV of it"),
    (('"source-ref"',), "the form of SageMaker Ground Truth; write COCO or CSV of it"),
    (("<dataset>", "<box "), "dlib's own form; write Pascal VOC or CSV of it"),
    (('"gtboxes"',), "the form of CrowdHuman; write COCO or CSV of it"),
    (('"box2d"',), "the form of BDD100K and Scalabel; write COCO or CSV of it"),
    (('"ann"', '"bboxes"'), "MMDetection's own form; write COCO of it"),
    (('"prefix"', "<loc"), "the form of PaliGemma; export COCO or YOLO"),
    (("imageGcsUri",), "the form of Vertex AI; write COCO or CSV of it"),
    (("gs://", ",,"), "the form of AutoML Vision; write CSV with a header of it"),
    (('"item"', '"bounding_box"'), "the form of V7's Darwin; export COCO or YOLO"),
    (('"task"', '"boxes"'), "the form of the Ultralytics platform; export YOLO"),
    (('"regions"', '"tagName"'), "the form of Azure's Custom Vision; export COCO"),
)
"""Words at the beginning or end of a file, all of which tell a form -> the form, and a way out."""
_SUFFIXES = (".json", ".xml", ".jsonl", ".ndjson", ".manifest", ".odgt", ".csv", ".tsv")

_ENDINGS = (
    (("_bbx_gt.txt",), "annotations of WIDER FACE, whose place is wider_face_split/"),
    ((".tfrecord", ".tfrecords", ".record"), "TFRecord of TensorFlow; write COCO or CSV of it"),
    ((".parquet", ".arrow"), "a table of Hugging Face's datasets; write COCO or YOLO of it"),
    ((".rec", ".lst"), "RecordIO of MXNet; write COCO or CSV of it"),
    ((".mdb",), "LMDB; write COCO or CSV of it"),
    ((".pkl", ".pickle"), "a pickle, which may run anything and is not read; write COCO of it"),
    ((".sqlite", ".sqlite3", ".db"), "a database; write COCO or CSV of it"),
    (("gt.txt", "det.txt"), "a table of MOTChallenge; write COCO or CSV of it"),
    ((".pts",), "points of a face without a box; write COCO or CSV of it"),
    ((".mat",), "a MATLAB file; write COCO or CSV of it"),
    ((".zip", ".tar.gz", ".tgz", ".7z", ".rar"), "an archive; unpack it"),
)
"""How the name of a file ends, or where numbers follow what it has in it -> the same."""
_DARK_FACE = ("image", "label")
_SHOWN = 1 << 16


def hint_of_tool(place: Path) -> str:
    """Return what a file looks like, or one of the first of a folder or of those in it; empty for
    an unknown form."""
    folders = [place, *folders_of(place)] if place.is_dir() else []
    files = (
        file for suffix in _SUFFIXES for folder in folders for file in files_of(folder, suffix)[:3]
    )
    for file in files if place.is_dir() else [place]:
        text = _ends_of(file)
        for words, form in _FORMS:
            if all(word in text for word in words):
                return f"; {file.name} is {form}"
    for file in [each for folder in folders for each in _files_in(folder)] or [place]:
        name = file.name.lower()
        for endings, form in _ENDINGS:
            if name.endswith(endings) or any(f"{ending}-0" in name for ending in endings):
                return f"; {file.name!a:.60} is {form}"
    if all((place / name).is_dir() for name in _DARK_FACE):
        return "; folders image/ and label/ are those of DARK FACE; write COCO or CSV of it"
    return ""


def _files_in(folder: Path) -> list[Path]:
    try:
        return sorted(each for each in folder.iterdir() if each.is_file())
    except OSError:
        return []


def has_words(file: Path, words: Sequence[str]) -> bool:
    """Return whether all of some words are at the beginning or end of a file."""
    text = _ends_of(file)
    return all(word in text for word in words)


def _ends_of(file: Path) -> str:
    """Return the beginning and end of a file; empty for one that cannot be read."""
    try:
        with file.open("rb") as opened:
            shown = opened.read(_SHOWN)
            # Pictures that a tool keeps inside may come before all that tells it.
            opened.seek(max(_SHOWN, os.fstat(opened.fileno()).st_size - _SHOWN))
            shown += opened.read(_SHOWN)
    except OSError:
        return ""
    # Of UTF-16, what is ASCII is left.
    return shown.replace(b"\0", b"").decode("utf-8", "replace").replace('""', '"')
