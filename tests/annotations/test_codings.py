"""Files of annotations as programs of any system write them: marks, codings and ends of lines."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from tiny import write_tiny

import nasface
from nasface.annotations.formats import DATASET_FORMATS, read_dataset

FORMS = [
    name for name, form in DATASET_FORMATS.items() if form.writer is not None and name != "shards"
]
"""Shards hold their texts in archives."""
TEXTS = {".txt", ".json", ".yaml", ".csv", ".xml"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny data in every form that can be written."""
    folder = tmp_path_factory.mktemp("codings")
    write_tiny(folder / "tiny")
    for form in FORMS:
        nasface.convert(folder / "tiny", form, folder / form, images="link")
    return folder


def content(root: Path, **options: Any) -> list[Any]:
    return [
        (each.name, each.boxes_M4.tolist(), {k: v.tolist() for k, v in each.attributes.items()})
        for split in ("train", "val")
        for each in read_dataset(root, split, **options)
    ]


@pytest.mark.parametrize("end", ["\r\n", "\r"], ids=["windows", "old-mac"])
@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("form", FORMS)
def test_all_readers_take_them_alike(
    place: Path, tmp_path: Path, form: str, coding: str, end: str
) -> None:
    shutil.copytree(place / form, tmp_path / "data", symlinks=True)
    texts = [each for each in (tmp_path / "data").rglob("*") if each.suffix in TEXTS]
    assert texts
    for path in texts:
        path.write_bytes(path.read_text("utf-8").replace("\n", end).encode(coding))
    assert content(tmp_path / "data") == content(place / form)


@pytest.mark.parametrize("coding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("suffix", [".txt", ".yaml"])
def test_files_that_divide_a_data_set(
    place: Path, tmp_path: Path, coding: str, suffix: str
) -> None:
    names = [record.name for record in read_dataset(place / "coco")][:3]
    text = "\r\n".join(names) if suffix == ".txt" else f"val: [{', '.join(names)}]\r\n"
    path = tmp_path / f"parts{suffix}"
    path.write_bytes(text.encode(coding))
    found = read_dataset(place / "coco", "val", split_file=path)
    assert found.names == names
