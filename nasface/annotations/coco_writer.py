"""Writing of data sets in the JSON form of COCO, which :mod:`nasface.annotations.coco` reads."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nasface.annotations.classes import FACE
from nasface.annotations.coco import OTHERS
from nasface.annotations.image_size import image_size
from nasface.annotations.layout import write_below
from nasface.annotations.records import ImageRecord
from nasface.io.strict_json import to_json


def write_coco(root: Path, parts: Mapping[str, Sequence[ImageRecord]]) -> None:
    """Write ``annotations/instances_train.json`` and the like.

    Ignored faces are crowds, which every evaluator leaves out; why they are ignored, and what else
    is known of a face, stands in ``attributes``.
    """
    for split, records in parts.items():
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for number, record in enumerate(records, 1):
            height, width = image_size(record.path, record.exif)
            images.append(
                {"id": number, "file_name": record.name, "width": width, "height": height}
            )
            for at, annotation in enumerate(_annotations(record)):
                others = {
                    key: int(values[at])
                    for key, values in record.attributes.items()
                    if key in OTHERS
                }
                annotation["attributes"] = others
                annotations.append({"id": len(annotations) + 1, "image_id": number, **annotation})
        content = {
            "images": images,
            "annotations": annotations,
            "categories": [{"id": 1, "name": FACE}],
        }
        write_below(root / "annotations" / f"instances_{split}.json", to_json(content, None))


def _annotations(record: ImageRecord) -> Iterator[dict[str, Any]]:
    for box, ignored in zip(record.boxes_M4, record.ignored_M, strict=True):
        x1, y1, x2, y2 = map(float, box)
        bbox = [round(value, 4) for value in (x1, y1, x2 - x1, y2 - y1)]
        area = round(bbox[2] * bbox[3], 4)
        yield {"category_id": 1, "bbox": bbox, "area": area, "iscrowd": int(ignored)}
