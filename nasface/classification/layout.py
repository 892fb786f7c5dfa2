"""How cells are stacked into a network for CIFAR or ImageNet (DARTS, section 3)."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from nasface.arch.genotype import CellGene, Genotype
from nasface.arch.graph import CellGraph
from nasface.arch.space import SearchSpace
from nasface.errors import ConfigError, SpecError
from nasface.kinds import Settings

CELLS = ("normal", "reduce")
"""The cells of a network, by name; a network has many copies of each."""


@dataclass(frozen=True, kw_only=True)
class NetworkConfig(Settings):
    """The network around the cells; the defaults are those of DARTS on CIFAR-10."""

    channels: int = 36
    """Width of the first cells; each reduction doubles it."""
    classes: int = 10
    """Number of classes."""
    layers: int = 20
    """Number of cells, of which those at 1/3 and 2/3 reduce the resolution."""
    stem: Literal["cifar", "imagenet"] = "cifar"
    """Full resolution, or a quarter and an eighth of it for the two inputs of the first cell."""
    stem_multiplier: int = 3
    """Width of the stem in ``channels``."""
    auxiliary: bool = False
    """A second classifier after 2/3 of the cells, in training only."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels < 2 or min(self.classes, self.layers, self.stem_multiplier) < 1:
            raise ConfigError(
                f"channels {self.channels}, classes {self.classes}, layers {self.layers}, "
                f"stem_multiplier {self.stem_multiplier}: expected at least 2, 1, 1 and 1"
            )


NETWORKS: Mapping[str, NetworkConfig] = MappingProxyType(
    {
        "cifar": NetworkConfig(auxiliary=True),
        "imagenet": NetworkConfig(
            channels=48, classes=1000, layers=14, stem="imagenet", stem_multiplier=1, auxiliary=True
        ),
        "cifar-search": NetworkConfig(channels=16, layers=8),
        "imagenet-search": NetworkConfig(channels=16, classes=1000, layers=8, stem="imagenet"),
    }
)
"""The networks of DARTS and PC-DARTS: evaluation and search on CIFAR-10 and ImageNet."""


@dataclass(frozen=True)
class Layer:
    """A cell's place in the stack.

    ``widths``: channels of its two inputs, the outputs of the cell before the last and of the last.
    ``shrink_first``: the first input is twice as large as the second, since the last cell reduced.
    """

    cell: str
    channels: int
    widths: tuple[int, int]
    shrink_first: bool


def plan_layers(config: NetworkConfig, concatenated: Mapping[str, int]) -> list[Layer]:
    """Return the stack; ``concatenated`` is the number of nodes in the output of each cell."""
    stem = config.stem_multiplier * config.channels
    widths, channels = (stem, stem), config.channels
    # The second stem of the ImageNet network halves the resolution, as a reduction cell would.
    shrink_first = config.stem == "imagenet"
    layers = []
    for at in range(config.layers):
        cell = CELLS[at in reductions(config.layers)]
        if cell == "reduce":
            channels *= 2
        layers.append(Layer(cell, channels, widths, shrink_first))
        widths = (widths[1], concatenated[cell] * channels)
        shrink_first = cell == "reduce"
    return layers


def reductions(layers: int) -> tuple[int, int]:
    """Return the positions of the two reduction cells."""
    return layers // 3, 2 * layers // 3


def layer_cells(source: SearchSpace | Genotype) -> dict[str, CellGraph | CellGene]:
    """Return the two cells of a space or a genotype.

    Raises:
        SpecError: if it has other cells, or one that does not fit into the stack.
    """
    name = f"{'space' if isinstance(source, SearchSpace) else 'genotype'} {source.name!r}"
    if set(source.cells) != set(CELLS):
        raise SpecError(
            f"{name}: cells are {', '.join(source.cells)}; a classifier needs normal and reduce"
        )
    for cell in CELLS:
        found = source.cells[cell]
        levels = (*(i.level for i in found.inputs), *sorted({n.level for n in found.nodes}))
        if levels != (0, 0, CELLS.index(cell)) or not _is_concatenation(found):
            raise SpecError(
                f"{name}: cell {cell!r} does not fit into a classifier; expected two inputs at "
                f"level 0, nodes at level {CELLS.index(cell)} and no projection of the output"
            )
    return dict(source.cells)


def _is_concatenation(cell: CellGraph | CellGene) -> bool:
    projection = cell.output.projection if isinstance(cell, CellGraph) else cell.projection
    return projection == "none"
