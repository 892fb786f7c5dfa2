"""The cells of a genotype as the neck of any detector, between a backbone and its heads.

Feature maps have the form that other toolkits expect: lists and tuples (mmdetection), or mappings
by name (torchvision).
"""

from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import count, islice, pairwise
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from nasface.arch.genotype import Genotype
from nasface.arch.io import as_genotype
from nasface.errors import SpecError, check_kind
from nasface.nn.blocks import conv_norm_relu
from nasface.nn.cell import build_module

Maps = Sequence[Tensor] | Mapping[Hashable, Tensor]


class Neck(nn.Module):
    """The module of a genotype behind a 1x1 convolution for each map.

    Forward: as many maps as ``in_channels`` has, finest first, map i of (B, in_channels[i], H, W)
    and each next one of half the size, odd sizes rounded up -> ``num_outs`` maps of
    ``out_channels``. Maps that the backbone lacks are made from its last one by 3x3 convolutions of
    stride 2. A list or a tuple gives a tuple; a mapping gives an OrderedDict with the same names,
    and further maps under the numbers that come next.

    Args:
        genotype: a genotype, the name of a packaged one, or a YAML file.
        in_channels: the width of each map of the backbone.
        out_channels: the width of every map of the neck.
        num_outs: number of maps given; as many as the genotype has levels if None.
        first_level: level of the genotype that the finest map stands for; its finest if None. The
            number of a level says which maps are neighbours, not what stride they must have.
        dense: cells on a single level as bottlenecks of dense convolutions.

    Raises:
        SpecError: if the genotype does not fit so many maps, or ``in_channels`` is no list.
    """

    def __init__(
        self,
        genotype: Genotype | str | Path,
        in_channels: Sequence[int],
        out_channels: int,
        num_outs: int | None = None,
        *,
        first_level: int | None = None,
        dense: bool = False,
    ) -> None:
        super().__init__()
        check_kind("in_channels", in_channels, Sequence, "a list of widths", SpecError)
        _check_numbers("channels", (*in_channels, out_channels))
        _check_numbers("num_outs", () if num_outs is None else (num_outs,))
        found = as_genotype(genotype)
        used = levels_of(found)
        first = used[0] if first_level is None else first_level
        number = used[-1] - first + 1 if num_outs is None else num_outs
        if not 1 <= len(in_channels) <= number:
            raise SpecError(
                f"genotype {found.name!r}: {len(in_channels)} maps in, {number} out; expected at "
                "least one, and no more than come out"
            )
        self.levels = range(first, first + number)
        self.out_channels = out_channels
        self.laterals = nn.ModuleList(conv_norm_relu(each, out_channels) for each in in_channels)
        widths = [in_channels[-1], *[out_channels] * (number - len(in_channels))]
        self.extra = nn.ModuleList(conv_norm_relu(each, out_channels, 3, 2) for each in widths[:-1])
        self.cells = build_module(found, out_channels, self.levels, dense=dense)

    def forward(self, maps: Maps) -> tuple[Tensor, ...] | OrderedDict[Hashable, Tensor]:
        """See the class."""
        given = list(maps.values()) if isinstance(maps, Mapping) else list(maps)
        self._check(given)
        values = [lateral(x) for lateral, x in zip(self.laterals, given, strict=True)]
        last = given[-1]
        for layer in self.extra:
            last = layer(last)
            values.append(last)
        enhanced = self.cells(dict(zip(self.levels, values, strict=True)))
        outputs = tuple(cast(Tensor, enhanced[level]) for level in self.levels)
        if not isinstance(maps, Mapping):
            return outputs
        numbers = (str(at) for at in count(len(maps)))
        further = (each for each in numbers if each not in maps)
        return OrderedDict(
            zip([*maps, *islice(further, len(outputs) - len(maps))], outputs, strict=True)
        )

    def _check(self, maps: Sequence[Tensor]) -> None:
        if len(maps) != len(self.laterals):
            raise ValueError(f"neck was given {len(maps)} maps, expected {len(self.laterals)}")
        if torch.compiler.is_compiling():
            return
        sizes = [tuple(each.shape[-2:]) for each in maps]
        for (height, width), size in pairwise(sizes):
            half = (-(-height // 2), -(-width // 2))
            if size != half:
                raise ValueError(
                    f"neck was given maps of {sizes}; expected each half the one before, rounded up"
                )


class BackboneWithNeck(nn.Module):
    """A backbone that gives several maps, and a neck behind it, as torchvision's detectors take it.

    Forward: images -> what the neck gives for the maps of ``body``. ``out_channels`` is the neck's.
    """

    def __init__(self, body: nn.Module, neck: Neck) -> None:
        super().__init__()
        self.body = body
        self.neck = neck
        self.out_channels = neck.out_channels

    def forward(self, images: Tensor) -> tuple[Tensor, ...] | OrderedDict[Hashable, Tensor]:
        """See the class."""
        found: tuple[Tensor, ...] | OrderedDict[Hashable, Tensor] = self.neck(self.body(images))
        return found


def levels_of(genotype: Genotype) -> list[int]:
    """Return the levels that the cells of a genotype take or give, finest first."""
    genes = genotype.cells.values()
    taken = {each.level for gene in genes for each in gene.inputs}
    return sorted(taken | {each.level for gene in genes for each in gene.outputs})


def _check_numbers(name: str, given: Iterable[object]) -> None:
    for each in given:
        if not isinstance(each, int | np.integer) or isinstance(each, bool) or each < 1:
            raise SpecError(f"{name}: {each!r:.60}, expected whole numbers from 1")
