"""Forms that annotation tools keep for themselves, which are not read: what to export instead."""

from pathlib import Path

from nasface.annotations.layout import files_of, folders_of

#: words at the beginning of a file, all of which tell a form -> the form, and a way out
_FORMS = (
    (('"shapes"', '"imagePath"'), "the form of labelme; labelme2coco makes COCO of it"),
    (('"shape_attributes"',), "a project of VGG's Image Annotator; export its annotations as CSV"),
    (('"rectanglelabels"',), "Label Studio's own form; export COCO or YOLO"),
    (("<annotations>", "<image "), "CVAT's own form; export COCO, YOLO or Pascal VOC"),
    (('"coordinates"', '"annotations"'), "the form of CreateML; export COCO"),
    (('"file_name"', '"objects"'), "metadata of Hugging Face's datasets; write COCO or YOLO of it"),
)
_SUFFIXES = (".json", ".xml", ".jsonl", ".csv")
_START = 1 << 16


def hint_of_tool(place: Path) -> str:
    """Return what a file, or the first of its kind in a folder or a folder there, looks like; empty
    for an unknown form."""
    folders = [place, *folders_of(place)] if place.is_dir() else []
    files = (
        file for suffix in _SUFFIXES for folder in folders for file in files_of(folder, suffix)[:1]
    )
    for file in files if place.is_dir() else [place]:
        try:
            with file.open("rb") as opened:
                start = opened.read(_START).decode("utf-8", "replace").replace('""', '"')
        except OSError:
            continue
        for words, text in _FORMS:
            if all(word in start for word in words):
                return f"; {file.name} is {text}"
    return ""
