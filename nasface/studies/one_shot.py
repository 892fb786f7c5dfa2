"""One-shot score of a cell: the loss with the weights that it inherits from a supernet.

Normalisation statistics of a supernet are those of a mixture of cells, so they are taken anew for
each cell (as SPOS does, Guo et al., ECCV 2020). What lies before the first searched cell is the
same for all cells; its features are computed once.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from nasface.arch.genotype import Genotype
from nasface.data.dataset import Batch, FaceDataset, make_loader
from nasface.device import choose_device
from nasface.engine.distributed.world import World
from nasface.engine.job import RunContext
from nasface.engine.search import SearchConfig, load_search_inputs, make_search_job
from nasface.engine.setup import images_to, to_device
from nasface.io.settings import load_config
from nasface.nas.sampling import mixture_of
from nasface.runs.folder import RunFolder
from nasface.structures import ShotPair


class OneShotScorer:
    """Scores cells by the supernet of a finished or stopped search; higher is better.

    ``images`` of the half that trained the weights give the statistics, and as many of the other
    half the loss; both are the same for all cells.

    Raises:
        RunError, ConfigError: for a folder without a search that can be loaded.
    """

    def __init__(self, folder: Path, data: str, images: int = 64) -> None:
        config = load_config(SearchConfig, folder / "config.yaml")
        config = replace(config, data=data)
        context = RunContext(World(), choose_device(config.device), RunFolder(folder))
        self.search = make_search_job(config, load_search_inputs(config), context)
        self.search.load_weights()
        statistics, held_out = (
            _batches(loader.data, config.batch_size, images) for loader in self.search.loaders
        )
        model = self.search.model
        _forget_statistics(model)
        with torch.no_grad():
            model.train()
            self.statistics = [self._features(batch) for batch, _ in statistics]
            model.eval()
            self.held_out = [(self._features(batch), targets) for batch, targets in held_out]

    def _features(self, images: Tensor) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
        model, device = self.search.model, self.search.context.device
        return model.features(images_to(images, device))

    @torch.no_grad()
    def __call__(self, genotype: Genotype) -> float:
        """Minus the detection loss of the second shot on images that trained no weight.

        Raises:
            SpecError: if the genotype is not of the supernet's space.
        """
        model, loss = self.search.model, self.search.loss
        mixture = mixture_of(self.search.space, genotype)
        for part in model.after_features():
            _forget_statistics(part)
        model.train()
        for features in self.statistics:
            model.detect(*features, mixture)
        model.eval()
        total = 0.0
        for features, targets in self.held_out:
            shots = ShotPair(None, model.detect(*features, mixture))
            total += float(loss.loss(shots, to_device(targets, loss.device)).total)
        return -total / len(self.held_out)


def _forget_statistics(module: nn.Module) -> None:
    """Have the plain mean over the batches to come as statistics."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.reset_running_stats()
            norm.momentum = None


def _batches(data: FaceDataset, batch: int, images: int) -> Sequence[Batch]:
    return list(make_loader(data, batch, 0, -(-images // batch), 0))
