"""One-shot score of a cell: the loss with the weights that it inherits from a supernet.

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
from nasface.device import choose_device
from nasface.engine.distributed.world import World
from nasface.engine.job import RunContext
from nasface.engine.search import SearchConfig, load_search_inputs, make_search_job
from nasface.engine.setup import images_to
from nasface.io.settings import load_config
from nasface.runs.folder import RunFolder
from nasface.search.sampling import mixture_of

_BATCHES = 8
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
        config = replace(config, data=data)
        context = RunContext(World(), choose_device(config.device), RunFolder(folder))
        self.search = make_search_job(config, load_search_inputs(config), context)
        self.search.load_weights()
        self.statistics, self.held_out = (
            _batches(loader.data, config.batch_size) for loader in self.search.loaders
        )

    @torch.no_grad()
    def __call__(self, genotype: Genotype) -> float:
        """Minus the detection loss of the second shot on images that trained no weight.

        Raises:
            SpecError: if the genotype is not of the supernet's space.
        """
        model = self.search.model
        mixture = mixture_of(self.search.space, genotype)
        norms = [each for each in model.modules() if isinstance(each, nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean over the batches
        model.train()
        for images, _ in self.statistics:
            model(images_to(images, self.search.context.device), mixture)
        model.eval()
        total = 0.0
        for batch in self.held_out:
            total += float(self.search.loss(batch, mixture, arch_step=True).total)
        return -total / len(self.held_out)


def _batches(data: FaceDataset, batch: int) -> Sequence[Batch]:
    return list(make_loader(data, batch, 0, _BATCHES, 0))
