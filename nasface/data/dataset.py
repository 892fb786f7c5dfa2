"""Training crops as a torch data set whose every sample can be drawn again."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from nasface.annotations.records import ImageRecord
from nasface.arrays import Image
from nasface.data.augment import AugmentConfig, Sample
from nasface.data.decoded import DECODES_ANEW, DecodedImages
from nasface.data.mixing import draw_sample
from nasface.data.tensors import to_tensor
from nasface.errors import DataError
from nasface.random_streams import Purpose, stream, torch_seed
from nasface.structures import Targets

Example = tuple[Tensor, Targets]
Batch = tuple[Tensor, list[Targets]]


class FaceDataset(Dataset[Example]):
    """Augmented square crops of annotated images.

    The index is a pair ``(epoch, position)``, as ``StepSampler`` gives it. All random numbers of
    a sample come from the stream of ``(seed, epoch, position)``, so it does not matter which worker
    makes it. ``half``, 0 or 1: of the images of a search; each has random numbers of its own.
    ``epochs`` are those of the whole training, which ends with samples of single images.
    ``cache_mb``: how much of the decoded images each process keeps, in MB; ``decoded`` keeps them
    on disk.
    """

    def __init__(
        self,
        records: Sequence[ImageRecord],
        config: AugmentConfig,
        seed: int,
        half: int = 0,
        *,
        epochs: int | None = None,
        cache_mb: float = 0.0,
        decoded: DecodedImages = DECODES_ANEW,
    ) -> None:
        self.records = records
        self.config = config
        self.seed, self.half = seed, half
        self.mixing_epochs = math.inf if epochs is None else epochs * (1 - config.plain_end)
        self.cache = ImageCache(cache_mb, decoded)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: tuple[int, int]) -> Example:
        """Return float32 (3, size, size) as of ``to_tensor`` and its faces in output pixels.

        Raises DataError when the image cannot be read.
        """
        epoch, position = index
        generator = stream(self.seed, Purpose.AUGMENTATION, epoch, position, self.half)
        image, boxes, ignore = draw_sample(
            self._load,
            len(self.records),
            position,
            self.config,
            generator,
            mixes=epoch < self.mixing_epochs,
        )
        return to_tensor(image), Targets(torch.from_numpy(boxes), torch.from_numpy(ignore))

    def _load(self, position: int) -> Sample:
        """Return an image as it is, with its faces."""
        record = self.records[position]
        return Sample(self.cache.read(record), record.boxes_M4, ~record.valid_M)


class ImageCache:
    """Reads images and keeps the first of them, decoded, up to ``megabytes`` in all."""

    def __init__(self, megabytes: float, decoded: DecodedImages) -> None:
        self.left = megabytes * 1e6
        self.decoded = decoded
        self.kept: dict[Path, Image] = {}

    def read(self, record: ImageRecord) -> Image:
        """Return the image of a record, not to be written to. Raises as ``read_image`` does."""
        image = self.kept.get(record.path)
        if image is None:
            image = self.decoded.read(record.path, exif=record.exif == "apply")
            if image.nbytes <= self.left:
                self.kept[record.path] = image
                self.left -= image.nbytes
        return image


@dataclass(frozen=True)
class Shard:
    """The part of each batch that one of ``size`` processes loads, ``parts`` to a batch."""

    rank: int = 0
    size: int = 1
    parts: int = 1


WHOLE = Shard()


class StepSampler(Sampler[list[tuple[int, int]]]):
    """The batches of the steps ``first`` to ``last`` (excluded) of a training.

    Each epoch goes through the images in an order given by seed and epoch; images that do not
    fill the last batch of an epoch are left out. A batch depends on its step alone, so a job that
    goes on at a step sees what it would have seen. Of a batch cut into ``shard.parts``, only every
    ``size``-th part from ``rank`` on is given.
    """

    def __init__(
        self,
        length: int,
        batch: int,
        seed: int,
        first: int,
        last: int,
        shard: Shard = WHOLE,
        half: int = 0,
    ) -> None:
        self.length, self.batch, self.seed, self.half = length, batch, seed, half
        self.first, self.last, self.shard = first, last, shard

    def __len__(self) -> int:
        return max(0, self.last - self.first)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        shard = self.shard
        epoch, order = -1, np.empty(0, dtype=np.int64)
        for step in range(self.first, self.last):
            now, at = divmod(step, self.length // self.batch)
            if now != epoch:
                epoch = now
                generator = stream(self.seed, Purpose.ORDER, epoch, self.half)
                order = generator.permutation(self.length)
            whole = order[at * self.batch : (at + 1) * self.batch]
            chosen = np.concatenate(np.split(whole, shard.parts)[shard.rank :: shard.size])
            yield [(epoch, int(position)) for position in chosen]


def collate(batch: Sequence[Example]) -> Batch:
    """Stack samples into ``images_B3HW`` and keep their targets in a list of length B."""
    images, targets = zip(*batch, strict=True)
    return torch.stack(images), list(targets)


def check_batch(images: Sequence[object], batch: int) -> None:
    """Raise :class:`DataError` unless there are images for a batch."""
    if len(images) < batch:
        raise DataError(
            f"batch_size: {batch} is more than the {len(images)} images to draw it from; "
            f"expected at most {len(images)}"
        )


def make_loader(
    dataset: FaceDataset,
    batch: int,
    first: int,
    last: int,
    workers: int,
    shard: Shard = WHOLE,
) -> DataLoader[Example]:
    """Load the batches of steps ``first`` to ``last`` (excluded), as of :class:`StepSampler`.

    The number of worker processes does not change them. Raises DataError as of
    :func:`check_batch`.
    """
    check_batch(dataset.records, batch)
    return DataLoader(
        dataset,
        batch_sampler=StepSampler(
            len(dataset), batch, dataset.seed, first, last, shard, dataset.half
        ),
        num_workers=workers,
        collate_fn=collate,
        worker_init_fn=_start_worker,
        # The loader draws a base seed; not from torch's global stream.
        generator=torch.Generator().manual_seed(
            torch_seed(dataset.seed, Purpose.WORKERS, dataset.half)
        ),
    )


def _start_worker(_worker: int) -> None:
    # One process a core is the parallelism; OpenCV's own threads would fight over the cores.
    cv2.setNumThreads(0)
