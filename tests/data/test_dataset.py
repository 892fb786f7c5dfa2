import re
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from tiny import write_tiny

from nasface.annotations.formats import read_dataset
from nasface.annotations.records import ImageRecord
from nasface.annotations.widerface import ATTRIBUTES
from nasface.data.augment import AugmentConfig
from nasface.data.dataset import FaceDataset, StepSampler, collate, make_loader
from nasface.data.decoded import DecodedImages
from nasface.data.images import write_image
from nasface.errors import DataError

CONFIG = AugmentConfig(size=64)


def make_record(path: Path, boxes: list[list[float]], invalid: list[int]) -> ImageRecord:
    attributes = {key: np.zeros(len(boxes), np.int64) for key in ATTRIBUTES}
    attributes["invalid"] = np.array(invalid, np.int64)
    return ImageRecord(path.name, path, np.array(boxes, np.float32).reshape(-1, 4), attributes)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[ImageRecord]:
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    made = []
    for i in range(7):
        path = folder / f"{i}.png"
        write_image(path, rng.integers(0, 256, (60 + i, 90, 3), dtype=np.uint8))
        boxes = [[5.0 + j, 10.0, 35.0 + j, 45.0] for j in range(i)]
        made.append(make_record(path, boxes, [0] * i))
    return made


def test_sample_is_repeatable_and_differs_by_seed_epoch_and_position(
    records: list[ImageRecord],
) -> None:
    dataset = FaceDataset(records[-1:] * 2, CONFIG, seed=1)
    image, targets = dataset[0, 0]
    again, targets_again = FaceDataset(records[-1:] * 2, CONFIG, seed=1)[0, 0]
    assert (image.dtype, image.shape) == (torch.float32, (3, 64, 64))
    assert (targets.boxes_M4.dtype, targets.ignore_M.dtype) == (torch.float32, torch.bool)
    assert torch.equal(image, again)
    assert torch.equal(targets.boxes_M4, targets_again.boxes_M4)
    others = [dataset[1, 0], dataset[0, 1], FaceDataset(records[-1:], CONFIG, seed=2)[0, 0]]
    assert not any(torch.equal(image, other) for other, _ in others)


def test_a_cache_changes_no_sample_and_keeps_to_its_size(
    records: list[ImageRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = FaceDataset(records, CONFIG, seed=1)
    cached = FaceDataset(records, CONFIG, seed=1, cache_mb=0.04)
    for position in range(len(records)):
        for epoch in range(2):
            one, other = plain[epoch, position], cached[epoch, position]
            assert torch.equal(one[0], other[0])
            assert torch.equal(one[1].boxes_M4, other[1].boxes_M4)
    # Of images of 60 x 90 and more, 16 200 bytes each, two fit.
    assert [path.name for path in cached.cache.kept] == ["0.png", "1.png"]
    wanted = plain[3, 1]
    monkeypatch.setattr("nasface.data.decoded.read_image", None)
    assert torch.equal(cached[3, 1][0], wanted[0])


def test_images_that_are_kept_on_disk_give_the_same_samples(
    records: list[ImageRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = FaceDataset(records, CONFIG, seed=1)
    kept = FaceDataset(records, CONFIG, seed=1, decoded=DecodedImages(tmp_path / "kept"))
    wanted = [plain[0, position] for position in range(len(records))]
    for _ in range(2):
        for position, (image, targets) in enumerate(wanted):
            again, targets_again = kept[0, position]
            assert torch.equal(again, image)
            assert torch.equal(targets_again.boxes_M4, targets.boxes_M4)
        monkeypatch.setattr("nasface.data.decoded.read_image", None)


def test_the_last_epochs_have_no_mosaics(
    records: list[ImageRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = AugmentConfig(size=64, mosaic=1, plain_end=0.25)
    read: list[Path] = []

    def note(path: Path, *, exif: bool) -> np.ndarray:
        read.append(path)
        return np.zeros((60, 90, 3), np.uint8)

    dataset = FaceDataset(records, config, seed=0, epochs=4)
    monkeypatch.setattr("nasface.data.decoded.read_image", note)
    counts = []
    for epoch in range(4):
        read.clear()
        dataset[epoch, 0]
        counts.append(len(read))
    assert counts == [4, 4, 4, 1]


def test_invalid_faces_come_as_ignored_and_flat_ones_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_image(path, np.zeros((64, 64, 3), np.uint8))
    record = make_record(path, [[8, 8, 40, 40], [10, 10, 50, 50], [9, 9, 9, 30]], [0, 1, 0])
    config = AugmentConfig(size=64, face_crop=0, whole=1, flip=0)
    _, targets = FaceDataset([record], config, seed=0)[0, 0]
    assert targets.boxes_M4.tolist() == [[8, 8, 40, 40], [10, 10, 50, 50]]
    assert targets.ignore_M.tolist() == [False, True]


def test_pixels_are_the_stored_ones_normalised(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    write_image(path, image)
    config = AugmentConfig(size=64, face_crop=0, whole=1, flip=0, photometric=0)
    tensor, targets = FaceDataset([make_record(path, [], [])], config, seed=0)[0, 0]
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    expected = ((image / 255 - mean) / std).transpose(2, 0, 1)
    np.testing.assert_allclose(tensor.numpy(), expected, atol=1e-5)
    assert targets.boxes_M4.shape == (0, 4)


def test_exif_orientation_does_not_turn_the_picture_under_its_boxes(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    jpeg = cv2.imencode(".jpg", np.full((32, 64, 3), 255, np.uint8))[1].tobytes()
    quarter_turn = struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x0112, 3, 1, 6, 0, 0)
    body = b"Exif\0\0" + quarter_turn
    path.write_bytes(jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:])
    config = AugmentConfig(size=64, face_crop=0, whole=1, photometric=0)
    tensor, _ = FaceDataset([make_record(path, [], [])], config, seed=0)[0, 0]
    is_picture = tensor[0] > 1
    assert is_picture.all(dim=1).sum() == 32
    assert is_picture.sum() == 32 * 64


def test_sampler_gives_each_position_once_an_epoch_in_an_order_of_its_own() -> None:
    pairs = [pair for batch in StepSampler(20, 5, 3, 0, 8) for pair in batch]
    orders = [[position for _, position in pairs[at : at + 20]] for at in (0, 20)]
    assert [epoch for epoch, _ in pairs] == [0] * 20 + [1] * 20
    assert all(sorted(order) == list(range(20)) for order in orders)
    assert orders[0] != orders[1]
    assert list(StepSampler(20, 5, 4, 0, 8)) != list(StepSampler(20, 5, 3, 0, 8))


@pytest.mark.parametrize("first", [0, 1, 3, 4, 9])
def test_sampler_started_later_gives_the_rest_of_the_same_batches(first: int) -> None:
    whole = list(StepSampler(10, 3, 7, 0, 9))
    assert list(StepSampler(10, 3, 7, first, 9)) == whole[first:]
    assert len(StepSampler(10, 3, 7, first, 9)) == 9 - first
    assert all(len(batch) == 3 for batch in whole)


def test_collate_keeps_images_and_targets_together(records: list[ImageRecord]) -> None:
    dataset = FaceDataset(records, CONFIG, seed=0)
    samples = [dataset[0, i] for i in (6, 0, 3)]
    images, targets = collate(samples)
    assert images.shape == (3, 3, 64, 64)
    for i, (image, target) in enumerate(samples):
        assert torch.equal(images[i], image)
        assert targets[i] is target


def test_workers_do_not_change_the_batches(records: list[ImageRecord]) -> None:
    def run(workers: int) -> list[torch.Tensor]:
        loader = make_loader(FaceDataset(records, CONFIG, 5), 2, 0, 6, workers)
        tensors: list[torch.Tensor] = []
        for images, targets in loader:
            tensors.append(images)
            for target in targets:
                tensors += [target.boxes_M4, target.ignore_M]
        return tensors

    state = torch.get_rng_state()
    alone, shared = run(0), run(2)
    assert len(alone) == len(shared) == 6 * (1 + 2 * 2)
    assert all(torch.equal(a, b) for a, b in zip(alone, shared, strict=True))
    assert torch.equal(torch.get_rng_state(), state), "loading leaves torch's global stream alone"


def test_too_few_images_for_a_batch_are_refused(records: list[ImageRecord]) -> None:
    dataset = FaceDataset(records, CONFIG, 0)
    assert len(make_loader(dataset, 7, 0, 1, 0)) == 1
    with pytest.raises(DataError, match="batch_size: 8 is more than the 7 images"):
        make_loader(dataset, 8, 0, 1, 0)


@pytest.mark.parametrize("workers", [0, 1])
def test_unreadable_image_is_named(tmp_path: Path, workers: int) -> None:
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"no picture")
    dataset = FaceDataset([make_record(path, [], [])], CONFIG, 0)
    loader = make_loader(dataset, 1, 0, 1, workers)
    with pytest.raises(DataError, match=re.escape(str(path))):
        next(iter(loader))


def test_worker_processes_may_be_started_afresh(tmp_path: Path) -> None:
    """As on Windows and macOS: nothing is inherited, all is sent; the batches are the same."""
    records = read_dataset(write_tiny(tmp_path), "train")
    dataset = FaceDataset(records, AugmentConfig(size=64), seed=0)
    here = list(make_loader(dataset, 4, 0, 2, workers=0))
    loader = make_loader(dataset, 4, 0, 2, workers=1)
    loader.multiprocessing_context = "spawn"
    for one, other in zip(here, loader, strict=True):
        torch.testing.assert_close(one[0], other[0], rtol=0, atol=0)
        for a, b in zip(one[1], other[1], strict=True):
            torch.testing.assert_close(a.boxes_M4, b.boxes_M4, rtol=0, atol=0)
