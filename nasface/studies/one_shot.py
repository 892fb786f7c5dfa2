"""One-shot score of a cell: the loss with the weights that it inherits from a supernet.

Normalisation statistics of a supernet are those of a mixture of cells, so they are taken anew for
each cell (as SPOS does, Guo et al., ECCV 2020). What is the same for all cells is computed once:
the features before the first searched cell, and which anchors belong to which face.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor, nn

from nasface.arch.genotype import Genotype
from nasface.data.dataset import Batch, FaceDataset, make_loader
from nasface.detection.assignment import ANCHOR_RULES
from nasface.detection.matching import Matches
from nasface.device import choose_device
from nasface.engine.distributed.world import World
from nasface.engine.job import RunContext
from nasface.engine.search import SearchConfig, load_search_inputs, make_search_job
from nasface.engine.setup import images_to_device, targets_to_device
from nasface.io.settings import load_config
from nasface.nas.sampling import mixture_of
from nasface.runs.folder import RunFolder
from nasface.structures import Predictions, Targets

_Features: TypeAlias = tuple[Mapping[int, Tensor], Mapping[int, Tensor]]
"""The pyramid of a batch, and what of it enters the searched cells: level -> (B, C, H, W)."""


_PIXELS = 2**21
"""Of the crops that go through the cells together: 128 of 128 pixels. Small batches would spend
their time on calls."""


class OneShotScorer:
    """Scores cells by the supernet of a finished or stopped search; higher is better.

    ``images`` of the half that trained the weights give the statistics, and as many of the other
    half the loss; both are the same for all cells, as are the batches in which they are taken.

    Raises:
        RunError, ConfigError: for a folder without a search that can be loaded.
    """

    def __init__(self, folder: Path, data: str, images: int = 64) -> None:
        config = load_config(SearchConfig, folder / "config.yaml")
        config = replace(config, data=data)
        context = RunContext(World(), choose_device(config.device), RunFolder(folder))
        self.search = make_search_job(config, load_search_inputs(config), context)
        self.search.load_weights()
        together = max(1, _PIXELS // (config.augment.size**2 * config.batch_size))
        statistics, held_out = (
            _batches(loader.data, config.batch_size, images, together)
            for loader in self.search.loaders
        )
        model = self.search.model
        _forget_statistics(_norms(model.modules()))
        self.norms = _norms(each for part in model.after_features() for each in part.modules())
        with torch.no_grad():
            model.train()
            self.statistics = [self._features(batch) for batch, _ in statistics]
            model.eval()
            self.held_out = [self._held_out_batch(*batch) for batch in held_out]

    def _features(self, images: Tensor) -> _Features:
        model, device = self.search.model, self.search.context.device
        return model.features(images_to_device(images, device))

    def _held_out_batch(self, images: Tensor, targets: Sequence[Targets]) -> "_HeldOutBatch":
        return _HeldOutBatch(
            self._features(images), targets_to_device(targets, self.search.context.device)
        )

    @torch.no_grad()
    def __call__(self, genotype: Genotype) -> float:
        """Return minus the detection loss of the second shot on images that trained no weight: the
        mean over the images, each with the loss of its batch.

        Raises:
            SpecError: if the genotype is not of the supernet's space.
        """
        model = self.search.model
        mixture = mixture_of(self.search.space, genotype)
        _forget_statistics(self.norms)
        model.train()
        for features in self.statistics:
            model.detect(*features, mixture)
        model.eval()
        total = sum(
            len(each.targets) * self._loss(model.detect(*each.features, mixture), each)
            for each in self.held_out
        )
        return -total / sum(len(each.targets) for each in self.held_out)

    def _loss(self, shot: Predictions, batch: "_HeldOutBatch") -> float:
        loss = self.search.loss.loss
        matches = batch.matches
        if matches is None:
            matches = loss.assign(shot, batch.targets)
            if loss.match.assignment in ANCHOR_RULES:
                batch.matches = matches
        return float(loss.of(shot, matches, batch.targets))


@dataclass
class _HeldOutBatch:
    """A batch to compute the loss on; ``matches`` once they are known and the same for all."""

    features: _Features
    targets: list[Targets]
    matches: list[Matches] | None = None


def _norms(modules: Iterable[nn.Module]) -> list[nn.BatchNorm2d]:
    return [each for each in modules if isinstance(each, nn.BatchNorm2d)]


def _forget_statistics(norms: Sequence[nn.BatchNorm2d]) -> None:
    """Have the plain mean over the batches to come as statistics."""
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None


def _batches(data: FaceDataset, batch: int, images: int, together: int) -> Iterator[Batch]:
    """Yield the first batches of the data, some together."""
    loaded = list(make_loader(data, batch, 0, -(-images // batch), 0))
    for at in range(0, len(loaded), together):
        crops, targets = zip(*loaded[at : at + together], strict=True)
        yield torch.cat(crops), list(chain.from_iterable(targets))
