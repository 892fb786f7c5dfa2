"""Classifiers: the fixed network of a genotype, and the supernet of a space.

Shape letters: B image, H height, W width, K class.
"""

from collections.abc import Iterator
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nasface.arch.genotype import Genotype
from nasface.arch.space import SearchSpace
from nasface.classification.blocks import (
    AuxiliaryHead,
    CifarStem,
    ClassifierHead,
    ImageNetStem,
    StackedCell,
)
from nasface.classification.layout import NetworkConfig, layer_cells, plan_layers, reductions
from nasface.errors import ConfigError
from nasface.nas.arch_parameters import ArchitectureParameters
from nasface.nas.mixture import Mixture
from nasface.nas.search_cell import SearchCell
from nasface.nn.cell import FixedCell


class Logits(NamedTuple):
    """Of the network and, in training, of its auxiliary head, each (B, K)."""

    main: Tensor
    auxiliary: Tensor | None


class Classifier(nn.Module):
    """The evaluation network of DARTS with the cells of a genotype.

    Raises:
        SpecError: if the genotype's cells do not fit.
    """

    def __init__(self, genotype: Genotype, config: NetworkConfig) -> None:
        super().__init__()
        layer_cells(genotype)
        genes = genotype.cells
        plan = plan_layers(config, {n: len(g.outputs[0].sources) for n, g in genes.items()})
        self.stem = _stem(config)
        self.layers = nn.ModuleList(
            StackedCell(layer, FixedCell(genes[layer.cell], layer.channels), affine=True)
            for layer in plan
        )
        widths = [len(genes[x.cell].outputs[0].sources) * x.channels for x in plan]
        self.head = ClassifierHead(widths[-1], config.classes)
        self.auxiliary_at = reductions(config.layers)[1]
        self.auxiliary = _auxiliary(config, widths[self.auxiliary_at]) if config.auxiliary else None

    def set_drop_path(self, rate: float) -> None:
        """Set the probability with which a connection is dropped in training; 0 <= rate < 1.

        Raises:
            ConfigError: for another rate.
        """
        if not 0 <= rate < 1:
            raise ConfigError(f"drop-path rate: {rate} is not in [0, 1)")
        for layer in self.layers:
            cast(FixedCell, layer.cell).drop_path.rate = rate

    def forward(self, images_B3HW: Tensor) -> Logits:
        """Return the logits of the classes."""
        before_last, last = self.stem(images_B3HW)
        auxiliary, output = None, last
        for at, layer in enumerate(self.layers):
            if at > 0:
                before_last, last = last, F.relu(output)
            output = layer(before_last, last)
            if at == self.auxiliary_at and self.training and self.auxiliary is not None:
                auxiliary = self.auxiliary(output)
        return Logits(self.head(output), auxiliary)


class SearchClassifier(nn.Module):
    """The search network of DARTS or PC-DARTS: every cell of a name shares its choices.

    Raises:
        SpecError: if the space's cells do not fit. ConfigError: for an auxiliary head, which
        search networks lack.
    """

    def __init__(
        self,
        space: SearchSpace,
        config: NetworkConfig,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        layer_cells(space)
        if config.auxiliary:
            raise ConfigError(
                "auxiliary: true, expected false; a search network has no second head"
            )
        self.space = space
        self.arch_parameters = ArchitectureParameters(space, generator)
        columns = {name: at for at, name in enumerate(space.operations)}
        nodes = {name: len(graph.nodes) for name, graph in space.cells.items()}
        plan = plan_layers(config, nodes)
        self.stem = _stem(config)
        self.layers = nn.ModuleList(
            StackedCell(
                layer,
                SearchCell(
                    space.cells[layer.cell],
                    columns,
                    layer.channels,
                    partial=space.partial_channels,
                ),
                affine=False,
            )
            for layer in plan
        )
        self.head = ClassifierHead(nodes[plan[-1].cell] * plan[-1].channels, config.classes)

    def weights(self) -> Iterator[nn.Parameter]:
        """Give the parameters other than architecture parameters."""
        for part in (self.stem, self.layers, self.head):
            yield from part.parameters()

    def forward(self, images_B3HW: Tensor, mixture: Mixture) -> Tensor:
        """Return the logits (B, K) of the network that a mixture stands for."""
        before_last, last = self.stem(images_B3HW)
        output = last
        for at, layer in enumerate(self.layers):
            if at > 0:
                before_last, last = last, F.relu(output)
            output = layer(before_last, last, (mixture[cast(StackedCell, layer).name],))
        return cast(Tensor, self.head(output))


def _stem(config: NetworkConfig) -> nn.Module:
    stem = CifarStem if config.stem == "cifar" else ImageNetStem
    return stem(config.stem_multiplier * config.channels)


def _auxiliary(config: NetworkConfig, channels: int) -> AuxiliaryHead:
    cifar = config.stem == "cifar"
    return AuxiliaryHead(channels, config.classes, stride=3 if cifar else 2, last_norm=cifar)
