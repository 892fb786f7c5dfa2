"""The kinds of files that nasface reads: whole samples, how to damage them, how they are read."""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from damage import damage_bytes, damage_text
from fuzz_boxes import (
    DETECTIONS,
    ELLIPSES,
    RECTANGLES,
    WIDER,
    archives,
    coded,
    detect_among_others,
    image_files,
    read_checked_set,
    read_detections_file,
    read_fddb_detections_file,
    read_fddb_truth_file,
    read_image_file,
    read_list,
    read_truth,
    read_wider_file,
    truths,
    zips,
)
from fuzz_datasets import (
    CELEBA,
    CSV,
    KITTI,
    LABELME,
    LABELS,
    PARTS,
    RETINAFACE,
    SETTINGS,
    VOC,
    damaged_shard,
    encoded,
    json_samples,
    read_parts,
    read_shard,
    reader,
    shards,
)
from fuzz_results import (
    coco_results,
    curves,
    damaged_metadata,
    figures,
    latency_tables,
    onnx_files,
    plans,
    read_card,
    read_curves,
    read_onnx,
    read_plan,
    read_results,
    read_run_files,
    read_table,
    read_video,
    run_files,
    videos,
)
from fuzz_searches import (
    genotype_texts,
    genotypes,
    read_genotype,
    read_genotype_text_file,
    read_space,
    spaces,
)
from fuzz_weights import (
    backbones,
    checkpoints,
    damaged_header,
    damaged_zip,
    histories,
    read_backbone,
    read_checkpoint_file,
    read_history,
    read_weights,
    weights_files,
)
from fuzz_words import CELLS, JSON, PYTHON, ROWS, XML, YAML

from nasface.engine.train import TrainConfig
from nasface.io.settings import load_config
from nasface.io.yaml import to_yaml

Samples = Sequence[bytes]


@dataclass(frozen=True)
class Kind:
    """``file`` is the path, below a folder of its own, at which ``read`` expects an input."""

    file: str
    samples: Callable[[], Samples]
    read: Callable[[Path], object]
    damage: Callable[[Samples, random.Random], bytes]


def _text(words: Sequence[str]) -> Callable[[Samples, random.Random], bytes]:
    return partial(damage_text, words=tuple(words))


def _damaged_onnx(samples: Samples, generator: random.Random) -> bytes:
    """Return a file with other metadata, or damaged as a whole."""
    data = generator.choice(samples)
    if generator.random() < 0.3:
        return damage_bytes([data], generator)
    return damaged_metadata(
        data, lambda value: damage_text([value], generator, (*YAML, *JSON, "boxes"))
    )


def _damaged_shard(samples: Samples, generator: random.Random) -> bytes:
    """Return a shard with another description of an image, or damaged as a whole."""
    return damaged_shard(
        samples,
        generator,
        lambda data: damage_text([data], generator, (*JSON, "[]", "boxes", "exif")),
        lambda data: damage_bytes([data], generator),
    )


KINDS: Mapping[str, Kind] = {
    "search space": Kind("fuzz/space.yaml", spaces, read_space, _text(YAML)),
    "genotype": Kind("fuzz/genotype.yaml", genotypes, read_genotype, _text(YAML)),
    "genotype text": Kind(
        "fuzz/genotypes.py", genotype_texts, read_genotype_text_file, _text(PYTHON)
    ),
    "settings": Kind(
        "fuzz/config.yaml",
        lambda: [to_yaml(TrainConfig()).encode()],
        partial(load_config, TrainConfig),
        _text(YAML),
    ),
    "WIDER FACE annotations": Kind(
        "fuzz/gt.txt", lambda: [each.encode() for each in WIDER], read_wider_file, _text(ROWS)
    ),
    "FDDB annotations": Kind(
        "fuzz/FDDB-fold-01-ellipseList.txt",
        lambda: [ELLIPSES.encode()],
        read_fddb_truth_file,
        _text(ROWS),
    ),
    "FDDB detections": Kind(
        "fuzz/fold-01-out.txt",
        lambda: [RECTANGLES.encode(), ELLIPSES.encode()],
        read_fddb_detections_file,
        _text(ROWS),
    ),
    "WIDER FACE detections": Kind(
        "fuzz/event/name.txt", lambda: [DETECTIONS.encode()], read_detections_file, _text(ROWS)
    ),
    "archive of detections": Kind("fuzz/d.tar.gz", archives, read_detections_file, damage_bytes),
    "zip of detections": Kind("fuzz/d.zip", zips, read_detections_file, damaged_zip),
    "annotations in other codings": Kind("fuzz/gt.txt", coded, read_wider_file, damage_bytes),
    "list of images": Kind(
        "fuzz/list.txt",
        lambda: [b"a.jpg\nevent/b.png\n", b"event/a.jpg\n1\n1 2 3 4 0 0 0 0 0 0\n"],
        read_list,
        _text(ROWS),
    ),
    "checked annotations": Kind(
        "fuzz/wider_face_split/wider_face_val_bbx_gt.txt",
        lambda: [(WIDER[0] + WIDER[1].partition("1--Two")[0]).encode()],
        read_checked_set,
        _text(ROWS),
    ),
    "checked image": Kind(
        "fuzz/WIDER_val/images/0--Parade/one.jpg", image_files, read_checked_set, damage_bytes
    ),
    "COCO annotations": Kind(
        "fuzz/a.json", json_samples, reader("coco", "."), _text((*JSON, "[]", "-1", "bbox"))
    ),
    "Pascal VOC annotations": Kind(
        "fuzz/Annotations/a.xml", encoded([VOC]), reader("voc", "../JPEGImages"), _text(XML)
    ),
    "KITTI labels": Kind(
        "fuzz/labels/a.txt", encoded([KITTI]), reader("kitti", "../images"), _text((*ROWS, *CELLS))
    ),
    "labelme annotations": Kind(
        "fuzz/a.json", encoded([json.dumps(LABELME)]), reader("labelme", "."), _text(JSON)
    ),
    "CelebA boxes": Kind(
        "fuzz/list_bbox_celeba.txt", encoded([CELEBA]), reader("celeba", "img_celeba"), _text(ROWS)
    ),
    "CSV annotations": Kind("fuzz/a.csv", encoded(CSV), reader("csv", "."), _text((*ROWS, *CELLS))),
    "RetinaFace annotations": Kind(
        "fuzz/label.txt", encoded(RETINAFACE), reader("retinaface", "images"), _text((*ROWS, "#"))
    ),
    "YOLO settings": Kind(
        "fuzz/data.yaml", encoded(SETTINGS), reader("yolo", "images"), _text((*YAML, "images"))
    ),
    "YOLO labels": Kind(
        "fuzz/labels/a.txt", encoded([LABELS]), reader("labels", "../images"), _text(ROWS)
    ),
    "parts of a data set": Kind(
        "fuzz/parts.yaml", encoded(PARTS), read_parts, _text((*YAML, "val", "a.jpg"))
    ),
    "shards": Kind("fuzz/set/train-000000.tar", shards, read_shard, _damaged_shard),
    "COCO results": Kind(
        "fuzz/results.json", coco_results, read_results, _text((*JSON, "[]", "-1", "bbox", "score"))
    ),
    "curves": Kind("fuzz/curves.txt", curves, read_curves, _text((*ROWS, ",", "set"))),
    "plan of a comparison": Kind("fuzz/plan.yaml", plans, read_plan, _text((*YAML, "preset:x"))),
    "latency table": Kind("fuzz/table.yaml", latency_tables, read_table, _text(YAML)),
    "files of a run": Kind(
        "fuzz/run/environment.json", run_files, read_run_files, _text((*JSON, "[]", "table"))
    ),
    "hub card": Kind(
        "fuzz/run/evaluation.json", figures, read_card, _text((*JSON, "[]", "table", "---"))
    ),
    "ONNX file": Kind("fuzz/d.onnx", onnx_files, read_onnx, _damaged_onnx),
    "video": Kind("fuzz/v.avi", videos, read_video, damage_bytes),
    "detected image": Kind("fuzz/image.png", image_files, detect_among_others, damage_bytes),
    "ground truth .mat": Kind("fuzz/wider_face_val.mat", truths, read_truth, damage_bytes),
    "checkpoint": Kind("fuzz/checkpoint.pt", checkpoints, read_checkpoint_file, damaged_zip),
    "backbone weights": Kind("fuzz/backbone.pth", backbones, read_backbone, damaged_zip),
    "weights (safetensors)": Kind(
        "fuzz/best.safetensors", weights_files, read_weights, damaged_header
    ),
    "history (npz)": Kind("fuzz/arch_history.npz", histories, read_history, damaged_zip),
    "image": Kind("fuzz/image.png", image_files, read_image_file, damage_bytes),
}
