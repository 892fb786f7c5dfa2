"""The kinds of files that nasface reads: whole samples, how to damage them, how they are read."""

import io
import json
import random
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import cv2
import numpy as np
import torch
from damage import damage_bytes, damage_text
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
from scipy.io import savemat
from torch import nn

from nasface.annotations.detections import read_detections
from nasface.annotations.fddb import read_fddb_detections, read_fddb_truth
from nasface.annotations.widerface import ATTRIBUTES, parse_wider_annotations, read_wider_split
from nasface.annotations.widerface_truth import (
    SETS,
    read_ground_truth,
    read_text_truth,
    select_images,
)
from nasface.arch.darts_format import write_darts_text
from nasface.arch.genotype import Genotype
from nasface.arch.genotype_text import read_genotype_text
from nasface.arch.io import load_genotype, load_search_space, parse_genotype
from nasface.arch.space import SearchSpace
from nasface.data.check import check_records
from nasface.data.images import read_image
from nasface.data.reading import ReadConfig, describe_data, read_split
from nasface.detection.backbones.pretrained import load_backbone_weights
from nasface.detection.checkpoint import read_checkpoint, save_detector
from nasface.detection.config import DetectorConfig
from nasface.detection.detector import build_detector
from nasface.engine.derive import DeriveConfig, derive_run, load_history
from nasface.engine.detect import DetectConfig, Finder
from nasface.engine.search import SearchConfig
from nasface.engine.train import TrainConfig
from nasface.errors import DataError, SpecError
from nasface.io.files import read_text
from nasface.io.settings import load_config
from nasface.io.yaml import to_yaml
from nasface.nas.derive import derive
from nasface.progress import Silent, StopRequest
from nasface.runs.arch_history import HISTORY, history_entry, save_history
from nasface.runs.folder import RunFolder
from nasface.structures import Predictions

Samples = Sequence[bytes]


@dataclass(frozen=True)
class Kind:
    """``file`` is the path, below a folder of its own, at which ``read`` expects an input."""

    file: str
    samples: Callable[[], Samples]
    read: Callable[[Path], object]
    damage: Callable[[Samples, random.Random], bytes]


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.replace("_", " ") for word in text.split())


def _text(words: Sequence[str]) -> Callable[[Samples, random.Random], bytes]:
    return partial(damage_text, words=tuple(words))


# Search spaces, genotypes, settings


@cache
def _space() -> SearchSpace:
    return load_search_space("autofem-cpm", {"nodes": 4})


def _arch_parameters(seed: int = 0) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    generator = np.random.default_rng(seed)
    space = _space()
    alphas = {
        name: generator.normal(size=(len(cell.edges), len(space.operations))).astype(np.float32)
        for name, cell in space.cells.items()
    }
    betas = {name: values[:, 0].copy() for name, values in alphas.items()}
    return alphas, betas if space.edge_normalisation else {}


def _genotype() -> Genotype:
    alphas, betas = _arch_parameters()
    return derive(_space(), alphas, betas or None, name="cpm")


def _spaces() -> Samples:
    folder = Path(__file__).parents[2] / "search_spaces"
    return [(folder / f"{name}.yaml").read_bytes() for name in ("darts", "pc-darts", "autofem-cpm")]


def _read_space(path: Path) -> object:
    space = load_search_space(path)
    return space.digest, [space.candidates(name) for name in space.cells]


def _genotypes() -> Samples:
    few = _genotype()
    one = Genotype(1, "one", few.space, {"cpm_c2": few.cells["cpm_c2"]}, few.provenance)
    return [to_yaml(load_genotype("darts_v1")).encode(), to_yaml(one).encode()]


def _read_genotype(path: Path) -> None:
    genotype = load_genotype(path)
    assert parse_genotype(to_yaml(genotype), "again") == genotype


@cache
def _bench_space() -> SearchSpace:
    """A space whose cell is that of NAS-Bench-201."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.yaml"
        path.write_text(
            "{format: 1, name: bench, operations: [none, skip, conv_1x1, dense_3x3], cells: {cell: "
            "{inputs: [{name: x, level: 0}], dense: {nodes: 3, keep: all}, "
            "output: {rule: cat-leaf, projection: none}}}}"
        )
        return load_search_space(path)


def _read_genotype_text(path: Path) -> None:
    text = read_text(path, SpecError, "genotype text")
    found = read_genotype_text(text, str(path), _bench_space())
    for genotype in found.genotypes.values():
        assert parse_genotype(to_yaml(genotype), "again") == genotype
        try:
            written = write_darts_text(genotype)
        except SpecError:  # nodes of one edge, say
            continue
        again, _ = read_genotype_text(written, "again").choose()
        assert again.cells == genotype.cells
    found.choose()


def _genotype_texts() -> Samples:
    one, two = (write_darts_text(load_genotype(name)) for name in ("darts_v2", "pc_darts_cifar"))
    grouped = "[[('skip_connect', 0, 0.5), ('skip_connect', np.int64(1), .1)]]"
    edges = "[('skip_connect', 2, 0), ('sep_conv_3x3', 2, 1), ('skip_connect', 3, 2)]"
    cell = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|skip_connect~0|skip_connect~1|{}~2|"
    nni = {"op_2_0": "sep_conv_3x3", "input_2_0": [0], "op_2_1": "skip_connect", "input_2_1": [1]}
    first = {"n2_p0": "maxpool", "n2_p1": 3, "n2_switch": ["normal_n2_p0", "normal_n2_p1"]}
    texts = [
        f"NAME = {one}\n",
        f"A = B = {two}  # best\nC = {{'x': {one}, 'y': [{two}, {one}]}}\nD = A\n",
        f"10:00 genotype = {one}\n10:05 genotype = {two}\n",
        f"X = Genotype (\n  normal={grouped},  # node 2\n  normal_concat=list(range(2, 3)), "
        f"reduce={edges}, reduce_concat=(2, 3), layout='cell')\n",
        f"A = '{cell.format('skip_connect')}'\nB = '{cell.format('nor_conv_3x3')}'\n",
        json.dumps({f"{name}/{k}": v for name in ("normal", "reduce") for k, v in nni.items()}),
        json.dumps({f"{name}_{k}": v for name in ("normal", "reduce") for k, v in first.items()}),
    ]
    return [text.encode() for text in texts]


# Annotations and detections

_ROW = "{} {} {} {} 0 0 1 0 2 0 \n"
WIDER = (
    "0--Parade/one.jpg\n2\n" + _ROW.format(10, 20, 30, 40) + _ROW.format(1, 2, 3, 4),
    "0--Parade/none.jpg\n0\n0 0 0 0 0 0 0 0 0 0 \n1--Two/two.jpg\n1\n" + _ROW.format(5, 6, 7, 8),
)
ELLIPSES = "2002/08/11/big/img_591\n1\n123.58 85.5 1.265 269.6 161.7  1\n2002/b\n0\n2002/c\n1\n"
ELLIPSES += "12 8 -1.2 29.6 16.7  1\n"
RECTANGLES = "2002/a\n2\n1.5 2 30 40 0.9\n5 6 7 8 .25\n2002/b\n0\n2002/c\n1\n1 2 3 4 1e-3\n"
EVENT_NAMES = ["event/a.jpg", "event/b.png", "event/name.jpg"]
FDDB_NAMES = ["2002/08/11/big/img_591.jpg", *(f"2002/{name}.jpg" for name in "abc")]
DETECTIONS = "name\n2\n10.5 20 30 40 0.998\n1 2 3 4 0.02\n"


def _read_wider(path: Path) -> None:
    for _, rows in parse_wider_annotations(read_text(path, DataError, "annotations"), str(path)):
        assert rows.dtype == np.int64
        assert rows.shape[1] == 4 + len(ATTRIBUTES)


def _read_fddb_truth(path: Path) -> None:
    for fold in range(2, 11):
        (path.parent / f"FDDB-fold-{fold:02d}-ellipseList.txt").touch()
    for image in read_fddb_truth(path.parent):
        assert np.isfinite(image.ellipses_M5).all()


def _read_fddb_detections(path: Path) -> None:
    for found in read_fddb_detections(path, FDDB_NAMES).values():
        assert np.isfinite(found.as_rows()).all()


def _read_detections(path: Path) -> None:
    place = path.parent.parent if path.suffix == ".txt" else path
    for found in read_detections(place, EVENT_NAMES).values():
        assert found.boxes_N4.shape[1] == 4
        assert np.isfinite(found.as_rows()).all()


def _archives() -> Samples:
    found = []
    for mode in ("w", "w:gz"):
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode=mode) as archive:
            for name in ("set/event/a.txt", "set/event/b.txt"):
                member = tarfile.TarInfo(name)
                member.size = len(DETECTIONS)
                archive.addfile(member, io.BytesIO(DETECTIONS.encode()))
        found.append(data.getvalue())
    return found


def _zips() -> Samples:
    found = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w", method) as packed:
            for name in ("set/event/a.txt", "set/event/b.txt"):
                packed.writestr(name, DETECTIONS)
        found.append(data.getvalue())
    return found


def _coded() -> Samples:
    """Annotations in the codings that a byte order mark announces, with all ends of lines."""
    codings = ("utf-8-sig", "utf-16", "utf-32")
    return [
        text.replace("\n", end).encode(coding)
        for text, end, coding in zip(WIDER * 2, ("\r\n", "\r", "\n"), codings, strict=False)
    ]


def _read_list(path: Path) -> None:
    """A list of images, in a ground truth of names of all depths and suffixes."""
    listed = path.with_name("truth.txt")
    names = ("a.jpg", "event/a.jpg", "event/b.png", "event/deep/c.JPG")
    listed.write_text("".join(f"{name}\n0\n" for name in names))
    truth = read_text_truth(listed)
    chosen = select_images(truth, path)
    assert chosen
    assert {each.name for each in chosen} <= set(names)


def _read_checked_set(path: Path) -> None:
    """A data set whose annotations, or one of whose images, are damaged."""
    root = path.parents[1] if path.suffix == ".txt" else path.parents[3]
    images = root / "WIDER_val" / "images" / "0--Parade"
    images.mkdir(parents=True, exist_ok=True)
    for name in ("one.jpg", "none.jpg"):
        if not (images / name).exists():
            (images / name).write_bytes(_images()[0])
    listing = root / "wider_face_split" / "wider_face_val_bbx_gt.txt"
    listing.parent.mkdir(exist_ok=True)
    if not listing.exists():
        listing.write_text(WIDER[0] + WIDER[1].partition("1--Two")[0])
    config = ReadConfig(bad_images="skip")
    try:
        check = read_split(root, "val", config, Silent())
    except DataError as error:
        # Images that a damaged name leads to are missing; their annotations are not named.
        raise DataError(f"{path}: {error}") from None
    json.loads(json.dumps([check.figures(), describe_data({"val": check})], allow_nan=False))
    assert check.readable
    records = read_wider_split(root, "val", need_images=False)
    thorough = check_records(records, Silent(), thorough=True)
    assert thorough.left_out == check.left_out
    if check.unreadable:
        raise DataError(f"{path}: {check.unreadable[0][1]}")


class _UpperHalf(nn.Module):
    """Finds one face, the upper half of whatever it is shown."""

    def forward(self, images: torch.Tensor) -> Predictions:
        height, width = images.shape[-2:]
        half = torch.tensor([[0.0, 0.0, float(width), height / 2]])
        return Predictions(torch.tensor([[[0.0, 5.0]]]), torch.zeros(1, 1, 4), half)


def _detect(path: Path) -> None:
    """An image among others: the lists are written whatever it is, as strict JSON."""
    good = path.with_name("good.png")
    if not good.exists():
        good.write_bytes(_images()[1])
    with tempfile.TemporaryDirectory() as place:
        folder = RunFolder(Path(place) / "out")
        folder.path.mkdir()
        finder = Finder(_UpperHalf(), DetectConfig(), folder)
        finder.images([path, good], Silent(), StopRequest())
        finder.finish(Silent())
        for name in ("detections.json", "coco.json"):
            json.loads((folder.path / name).read_text("utf-8"), parse_constant=_refuse)
        rows = json.loads((folder.path / "detections.json").read_text("utf-8"))
        assert [row["image"] for row in rows][-1] == str(good)
        if finder.found.unread:
            raise DataError(finder.found.unread[0])


def _refuse(word: str) -> object:
    raise ValueError(f"{word} is no JSON")


def _truths() -> Samples:
    """Official ground truth of three images, each of the four files alike."""

    def cells(values: Sequence[object]) -> np.ndarray:
        array = np.empty((len(values), 1), dtype=object)
        array[:, 0] = values
        return array

    faces = [np.array([[10.0, 20, 30, 40], [1, 2, 3, 4]]), np.zeros((1, 4)), np.ones((1, 4))]
    per_event = [faces[:2], faces[2:]]
    content: dict[str, object] = {
        "event_list": cells(["0--Parade", "1--Two"]),
        "file_list": cells([cells(["a", "b"]), cells(["c"])]),
        "face_bbx_list": cells([cells(event) for event in per_event]),
        "gt_list": cells([cells([np.ones((1, 1)) for _ in event]) for event in per_event]),
    }
    for key in ATTRIBUTES:
        labels = [cells([np.zeros((len(each), 1)) for each in event]) for event in per_event]
        content[f"{key}_label_list"] = cells(labels)
    found = []
    for compress in (False, True):
        data = io.BytesIO()
        savemat(data, content, do_compression=compress)
        found.append(data.getvalue())
    return found


def _read_truth(path: Path) -> None:
    for name in SETS:
        other = path.with_name(f"wider_{name}_val.mat")
        if not other.exists():
            other.write_bytes(_truths()[0])
    for image in read_ground_truth(path.parent):
        assert np.isfinite(image.boxes_M4).all()
        assert all(len(each) == len(image.boxes_M4) for each in image.sets.values())
        assert all(len(each) == len(image.boxes_M4) for each in image.attributes.values())


# Binary files of nasface


def _checkpoints() -> Samples:
    alphas, betas = _arch_parameters()
    model = {f"neck.arch_parameters.alpha.{k}": torch.from_numpy(v) for k, v in alphas.items()}
    state = {
        "kind": "search",
        "space_digest": _space().digest,
        "step": 3,
        "result_epoch": None,
        "history": [history_entry(1, 3, alphas, betas)],
        "model": model,
    }
    return [_saved(state), _saved({**state, "result_epoch": 1})]


def _saved(state: object) -> bytes:
    data = io.BytesIO()
    torch.save(state, data)
    return data.getvalue()


def _write_search_config(folder: Path) -> None:
    config = folder / "config.yaml"
    if not config.exists():
        config.write_text(to_yaml(SearchConfig(space="autofem-cpm", parameters={"nodes": 4})))


def _read_checkpoint(path: Path) -> None:
    _write_search_config(path.parent)
    derive_run(DeriveConfig(run=str(path.parent)), "derived")


def _backbones() -> Samples:
    return [_saved(nn.Conv2d(3, 4, 3).state_dict())]


def _read_backbone(path: Path) -> None:
    load_backbone_weights(nn.Conv2d(3, 4, 3), path)


@cache
def _weights() -> Samples:
    config = DetectorConfig(channels=8, head_layers=0, extra_channels=(8, 8))
    genotype = _genotype()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.safetensors"
        save_detector(path, build_detector(config, genotype), genotype, {"ap": 0.5})
        return [path.read_bytes()]


def _read_weights(path: Path) -> None:
    loaded = read_checkpoint(path)
    assert all(value.device.type == "cpu" for value in loaded.detector.state_dict().values())


def _damaged_header(samples: Samples, generator: random.Random) -> bytes:
    """A weights file with another header; most keep a length that is right."""
    data = generator.choice(samples)
    length = int.from_bytes(data[:8], "little")
    header, tensors = data[8 : 8 + length], data[8 + length :]
    if generator.random() < 0.1:
        return damage_bytes([data[: 8 + length]], generator) + tensors
    if generator.random() < 0.5:
        values = json.loads(header)
        key = generator.choice(sorted(values["__metadata__"]))
        text = values["__metadata__"][key].encode()
        changed = damage_text([text], generator, words=YAML).decode(errors="replace")
        values["__metadata__"][key] = changed
        header = json.dumps(values).encode()
    else:
        header = damage_text([header], generator, words=JSON)
    return struct.pack("<Q", len(header)) + header + tensors


def _damaged_onnx(samples: Samples, generator: random.Random) -> bytes:
    """A file with other metadata, or damaged as a whole."""
    data = generator.choice(samples)
    if generator.random() < 0.3:
        return damage_bytes([data], generator)
    return damaged_metadata(
        data, lambda value: damage_text([value], generator, (*YAML, *JSON, "boxes"))
    )


def _damaged_shard(samples: Samples, generator: random.Random) -> bytes:
    """A shard with another description of an image, or damaged as a whole."""
    return damaged_shard(
        samples,
        generator,
        lambda data: damage_text([data], generator, (*JSON, "[]", "boxes", "exif")),
        lambda data: damage_bytes([data], generator),
    )


def _damaged_zip(samples: Samples, generator: random.Random) -> bytes:
    """A zip file with a damaged part and right checksums, or damaged as a whole."""
    data = generator.choice(samples)
    if generator.random() < 0.3:
        return damage_bytes([data], generator)
    parts: list[tuple[str, bytes]] = []
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = [(name, archive.read(name)) for name in archive.namelist()]
    likely = [at for at, (name, _) in enumerate(parts) if name.endswith((".pkl", ".npy", ".txt"))]
    at = generator.choice(likely) if generator.random() < 0.9 else generator.randrange(len(parts))
    parts[at] = (parts[at][0], damage_bytes([parts[at][1]], generator))
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        for name, content in parts:
            archive.writestr(name, content)
    return whole.getvalue()


@cache
def _histories() -> Samples:
    with tempfile.TemporaryDirectory() as folder:
        entries = [history_entry(epoch, epoch, *_arch_parameters(epoch)) for epoch in (1, 2)]
        save_history(Path(folder), entries)
        return [(Path(folder) / HISTORY).read_bytes()]


def _read_history(path: Path) -> object:
    _write_search_config(path.parent)
    return load_history(path.parent)


def _images() -> Samples:
    image = np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8)
    suffixes = (".jpg", ".png", ".bmp", ".webp", ".tif", ".ppm")
    found = [cv2.imencode(suffix, image)[1].tobytes() for suffix in suffixes]
    found.append(cv2.imencode(".png", image.astype(np.uint16) * 257)[1].tobytes())
    found.append(cv2.imencode(".tif", image.astype(np.float32))[1].tobytes())
    progressive = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 2]
    found.append(cv2.imencode(".jpg", image, progressive)[1].tobytes())
    found += [found[0] + b"film \xff\xda film", found[-1][:-2], found[1][:-12]]
    return found


def _read_image(path: Path) -> None:
    image = read_image(path)
    assert image.dtype == np.uint8
    assert image.ndim == 3


YAML = _words(
    r"""{ } [ ] :_ -_ *a &a_ !!python/name:os.system !!float $nodes ?_ |_ null true .nan .inf
    1:1:1:1 2001-01-01 0x <<:_ "\u ' # %YAML_9.9 --- ... none stride up2 name format keep"""
)
"""Words of each language, separated by blanks; "_" stands for a blank inside one."""
JSON = _words(r"""{ } [ ] : , " null true 1e999 "dtype" "F64" "\ud800" """)
PYTHON = _words(
    r"""( ) [ ] range(2,_6) ('skip_connect',_1) 'none' **x lambda:_0 = Genotype( normal= -
    import('os') '\d' 1j True b'' f'{x}' # ' \ : = np.int64( list( {'a':_ "normal/op_2_0":
    [[ ~0|+|"""
)
XML = _words("<!DOCTYPE_a> <!ENTITY_b_'c'> &b; </a> <object> <bndbox> <name/> ]]> &#0; <?x?> ../")
CELLS = _words(""" , ; " "" {} [ filename xmin bbox split train \t """)
ROWS = _words(r"0 1 1000000 . nan inf 1e400 a/b.jpg ../x.jpg /etc/x.jpg \ ")

KINDS: Mapping[str, Kind] = {
    "search space": Kind("fuzz/space.yaml", _spaces, _read_space, _text(YAML)),
    "genotype": Kind("fuzz/genotype.yaml", _genotypes, _read_genotype, _text(YAML)),
    "genotype text": Kind("fuzz/genotypes.py", _genotype_texts, _read_genotype_text, _text(PYTHON)),
    "settings": Kind(
        "fuzz/config.yaml",
        lambda: [to_yaml(TrainConfig()).encode()],
        partial(load_config, TrainConfig),
        _text(YAML),
    ),
    "WIDER FACE annotations": Kind(
        "fuzz/gt.txt", lambda: [each.encode() for each in WIDER], _read_wider, _text(ROWS)
    ),
    "FDDB annotations": Kind(
        "fuzz/FDDB-fold-01-ellipseList.txt",
        lambda: [ELLIPSES.encode()],
        _read_fddb_truth,
        _text(ROWS),
    ),
    "FDDB detections": Kind(
        "fuzz/fold-01-out.txt",
        lambda: [RECTANGLES.encode(), ELLIPSES.encode()],
        _read_fddb_detections,
        _text(ROWS),
    ),
    "WIDER FACE detections": Kind(
        "fuzz/event/name.txt", lambda: [DETECTIONS.encode()], _read_detections, _text(ROWS)
    ),
    "archive of detections": Kind("fuzz/d.tar.gz", _archives, _read_detections, damage_bytes),
    "zip of detections": Kind("fuzz/d.zip", _zips, _read_detections, _damaged_zip),
    "annotations in other codings": Kind("fuzz/gt.txt", _coded, _read_wider, damage_bytes),
    "list of images": Kind(
        "fuzz/list.txt",
        lambda: [b"a.jpg\nevent/b.png\n", b"event/a.jpg\n1\n1 2 3 4 0 0 0 0 0 0\n"],
        _read_list,
        _text(ROWS),
    ),
    "checked annotations": Kind(
        "fuzz/wider_face_split/wider_face_val_bbx_gt.txt",
        lambda: [(WIDER[0] + WIDER[1].partition("1--Two")[0]).encode()],
        _read_checked_set,
        _text(ROWS),
    ),
    "checked image": Kind(
        "fuzz/WIDER_val/images/0--Parade/one.jpg", _images, _read_checked_set, damage_bytes
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
    "detected image": Kind("fuzz/image.png", _images, _detect, damage_bytes),
    "ground truth .mat": Kind("fuzz/wider_face_val.mat", _truths, _read_truth, damage_bytes),
    "checkpoint": Kind("fuzz/checkpoint.pt", _checkpoints, _read_checkpoint, _damaged_zip),
    "backbone weights": Kind("fuzz/backbone.pth", _backbones, _read_backbone, _damaged_zip),
    "weights (safetensors)": Kind(
        "fuzz/best.safetensors", _weights, _read_weights, _damaged_header
    ),
    "history (npz)": Kind("fuzz/arch_history.npz", _histories, _read_history, _damaged_zip),
    "image": Kind("fuzz/image.png", _images, _read_image, damage_bytes),
}
