"""What stands between pyramid and heads: the cells of a genotype, hand-made necks, or both.

A neck is named by its parts in their order, joined by ``+``: ``fem-fpn+fem-cpm``, or
``fem-fpn+genotype`` with the searched cells behind a hand-made pyramid.
"""

from collections.abc import Mapping, Sequence
from typing import cast

from torch import Tensor, nn

from nasface.arch.genotype import Genotype, repeat
from nasface.detection.necks.handmade import CONTEXTS, PYRAMIDS, build_baseline
from nasface.errors import ConfigError
from nasface.nn.cell import build_module

GENOTYPE = "genotype"
NONE = "none"
NECK_PARTS = (GENOTYPE, *PYRAMIDS, *CONTEXTS)


class SequentialNeck(nn.Module):
    """Modules on a pyramid, one behind the other; none of them leaves it as it is."""

    def __init__(self, parts: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(dict(parts))

    def forward(self, features: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """Level -> feature map (B, C, H, W), before and after."""
        values = dict(features)
        for part in self.parts.values():
            values = cast(dict[int, Tensor], part(values))
        return values


def neck_parts(neck: str) -> tuple[str, ...]:
    """The parts that a neck's name lists.

    Raises:
        ConfigError: for a name that does not list parts, each at most once.
    """
    if neck == NONE:
        return ()
    parts = tuple(neck.split("+"))
    if not set(parts) <= set(NECK_PARTS) or len(set(parts)) < len(parts):
        raise ConfigError(
            f"neck: {neck!r}, expected {NONE}, or different ones of {', '.join(NECK_PARTS)}, "
            "joined by +"
        )
    return parts


def uses_genotype(neck: str) -> bool:
    """Whether one of the neck's parts is the cells of a genotype."""
    return GENOTYPE in neck_parts(neck)


def is_hand_made(word: str) -> bool:
    """Whether a word names a neck without a genotype."""
    return word == NONE or set(word.split("+")) <= {*PYRAMIDS, *CONTEXTS}


def build_neck(
    neck: str,
    genotype: Genotype | None,
    channels: int,
    levels: Sequence[int],
    repeats: int,
    *,
    dense: bool,
) -> nn.Module:
    """The neck of a name, with random weights; each part stands there ``repeats`` times.

    Raises:
        ConfigError: for an unknown name, or a genotype that is missing or has no place.
        SpecError: if the genotype does not fit the pyramid.
    """
    names = neck_parts(neck)
    if genotype is None and GENOTYPE in names:
        raise ConfigError(f"genotype: is missing; neck {neck} is built from one")
    if genotype is not None and GENOTYPE not in names:
        raise ConfigError(f"genotype: {genotype.name!r} has no place in neck {neck}")
    parts: dict[str, nn.Module] = {}
    for name in names:
        if name == GENOTYPE and genotype is not None:
            parts[name] = build_module(repeat(genotype, repeats), channels, levels, dense=dense)
            continue
        for round_ in range(repeats):
            key = name if round_ == 0 else f"{name}_{round_ + 1}"
            parts[key] = build_baseline(name, channels, levels)
    return parts[GENOTYPE] if names == (GENOTYPE,) else SequentialNeck(parts)


def neck_paths(neck: nn.Module) -> dict[str, str]:
    """Name -> path within the neck of each hand-made part and each cell."""
    if not isinstance(neck, SequentialNeck):
        cells = cast(nn.ModuleDict, neck.cells)
        return {name: f"cells.{name}" for name in cells}
    paths: dict[str, str] = {}
    for name, part in neck.parts.items():
        if name == GENOTYPE:
            inner = neck_paths(part)
            paths |= {key: f"parts.{name}.{path}" for key, path in inner.items()}
        else:
            # A cell of the genotype may have the name of a hand-made part.
            paths[f"neck {name}"] = f"parts.{name}"
    return paths
