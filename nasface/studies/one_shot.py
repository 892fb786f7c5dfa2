"""What a supernet thinks of a cell: the loss with the weights that the cell inherits from it.

Normalisation statistics of a supernet are those of a mixture of cells, so they are taken anew for
each cell (as SPOS does, Guo et al., ECCV 2020).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from nasface.arch.genotype import Genotype
from nasface.data.dataset import Batch, FaceDataset, make_loader
from nasface.engine.config import SearchConfig
from nasface.engine.search import Search
from nasface.engine.setup import detection_loss, images_to, to_device
from nasface.io.settings import load_config
from nasface.runs.folder import RunFolder
from nasface.search.sampling import mixture_of

BATCHES = 8
"""Batches for the statistics, from the half that trained the weights, and as many for the loss,
from the other half."""


class OneShotScorer:
    """Scores cells by the supernet of a finished or stopped search; higher is better.

    The batches are the same for all cells.

    Raises:
        RunError, ConfigError: for a folder without a search that can be loaded.
    """

    def __init__(self, folder: Path, data: str) -> None:
        config = load_config(SearchConfig, folder / "config.yaml")
        self.search = Search(replace(config, data=data), RunFolder(folder))
        self.search.load_weights()
        self.statistics, self.held_out = (
            _batches(each, config.batch_size) for each in self.search.data
        )

    @torch.no_grad()
    def __call__(self, genotype: Genotype) -> float:
        """Minus the detection loss of the second shot on images that trained no weight.

        Raises:
            SpecError: if the genotype is not of the supernet's space.
        """
        model, config = self.search.model, self.search.config
        mixture = mixture_of(self.search.space, genotype)
        norms = [each for each in model.modules() if isinstance(each, nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean over the batches
        model.train()
        for images, _ in self.statistics:
            model(images_to(images, self.search.device), mixture)
        model.eval()
        total = 0.0
        for images, targets in self.held_out:
            shot = model(images_to(images, self.search.device), mixture)
            wanted = to_device(targets, self.search.device)
            total += float(detection_loss(None, shot, wanted, config))
        return -total / len(self.held_out)


def _batches(data: FaceDataset, batch: int) -> Sequence[Batch]:
    return list(make_loader(data, batch, 0, BATCHES, 0))
