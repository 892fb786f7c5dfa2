"""The neck, between pyramid and heads: cells of a genotype, hand-made parts, or both.

A neck is named by its parts in their order, joined by ``+``: ``fem-fpn+fem-cpm``, or
``fem-fpn+genotype`` with the searched cells behind a hand-made pyramid.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from torch import Tensor, nn

from nasface.arch.genotype import Genotype, repeat
from nasface.detection.necks.handmade import (
    FPN,
    PAN,
    RFE,
    BiFPN,
    ContextOnLevels,
    FemContext,
    FemFPN,
    OnEachLevel,
    SshContext,
)
from nasface.detection.necks.pyramidbox import PyramidBoxContext
from nasface.detection.necks.scales import L2NormLevels
from nasface.detection.necks.top_down import LFPN, ExtdFPN, RetinaFaceFPN, SrnFPN
from nasface.errors import ConfigError, check_kind, did_you_mean
from nasface.nn.cell import build_module
from nasface.nn.keys import module_key, name_of
from nasface.registry import Registry

GENOTYPE = "genotype"
NONE = "none"


@dataclass(frozen=True)
class NeckPart:
    """A hand-made neck, or a part of one.

    ``build``: (channels, levels) -> module that maps {level: (B, channels, H, W)} to the same.
    With ``any_widths``: (widths, channels) -> module whose levels may differ in width; ``widths``
    maps levels to channels, and so does the module's attribute ``widths`` for what it gives.
    Plain Python export copies the source: a function or class of a module, or a
    ``functools.partial`` of one. ``divisor``: the channels must be a multiple of it.
    """

    build: Callable[[Any, Any], nn.Module]
    divisor: int = 1
    any_widths: bool = False


NECK_PARTS: Registry[NeckPart] = Registry("neck")
"""Name -> hand-made part."""


def register_neck(
    name: str,
    build: Callable[[Any, Any], nn.Module],
    *,
    divisor: int = 1,
    any_widths: bool = False,
) -> None:
    """Add a hand-made neck; ``--detector.neck`` may then name it, alone or joined to others.

    See :class:`NeckPart`.

    Raises:
        ConfigError: if the name is taken, or not letters, digits, hyphens and underscores.
    """
    NECK_PARTS.check_callable(name, build)
    if name in (GENOTYPE, NONE) or not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise ConfigError(
            f"neck {name!r}: expected letters, digits, hyphens and underscores, and not "
            f"{GENOTYPE} or {NONE}"
        )
    NECK_PARTS.add(name, NeckPart(build, divisor, any_widths))


# What joins levels.
register_neck("fpn", FPN)
register_neck("fem-fpn", FemFPN)
register_neck("bifpn", BiFPN)
register_neck("pan", PAN)
register_neck("retinaface-fpn", RetinaFaceFPN)
register_neck("extd-fpn", ExtdFPN)
register_neck("lfpn", LFPN, any_widths=True)
register_neck("srn-fpn", SrnFPN, any_widths=True)
# What looks at the surroundings within a level.
register_neck("fem-cpm", partial(ContextOnLevels, FemContext), divisor=4, any_widths=True)
register_neck("ssh", partial(ContextOnLevels, SshContext), divisor=4, any_widths=True)
register_neck("rfe", partial(OnEachLevel, RFE), divisor=4)
register_neck(
    "pyramidbox-cpm", partial(ContextOnLevels, PyramidBoxContext), divisor=4, any_widths=True
)
# What brings the levels to one scale.
register_neck("l2norm", L2NormLevels, any_widths=True)


def build_neck_part(name: str, channels: int, widths: Mapping[int, int]) -> nn.Module:
    """Build a hand-made part for maps of ``widths``, by consecutive levels.

    Raises:
        ConfigError: for an unknown name, a width that is no multiple of the part's divisor, or maps
            of several widths before a part that takes one.
    """
    part = NECK_PARTS.find(name)
    if channels % part.divisor:
        raise ConfigError(f"neck {name}: channels {channels} is not divisible by {part.divisor}")
    if part.any_widths:
        return part.build(widths, channels)
    if set(widths.values()) != {channels}:
        able = ", ".join(each for each, other in NECK_PARTS.items() if other.any_widths)
        raise ConfigError(
            f"neck {name}: maps of {', '.join(map(str, widths.values()))} channels; expected "
            f"{channels} on each level, by laterals projected or a part before it, or one of {able}"
        )
    return part.build(channels, tuple(widths))


class SequentialNeck(nn.Module):
    """Modules on a pyramid, one behind the other; none of them leaves it as it is."""

    def __init__(self, parts: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(dict(parts))

    def forward(self, features: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """Map level -> feature map (B, C, H, W) to the same."""
        values = dict(features)
        for part in self.parts.values():
            values = cast(dict[int, Tensor], part(values))
        return values


def neck_parts(neck: str) -> tuple[str, ...]:
    """Return the parts that a neck's name lists.

    Raises:
        ConfigError: for a name that does not list parts, each at most once.
    """
    if neck == NONE:
        return ()
    check_kind("neck", neck, str, "text")
    parts = tuple(neck.split("+"))
    known = (GENOTYPE, *NECK_PARTS)
    unknown = [each for each in parts if each not in known]
    if unknown or len(set(parts)) < len(parts):
        near = did_you_mean(unknown[0], known) if unknown else ""
        raise ConfigError(
            f"neck: {neck!r}, expected {NONE}, or different ones of {', '.join(known)}, joined by +"
            f"{near}"
        )
    return parts


def uses_genotype(neck: str) -> bool:
    """Return whether one of the neck's parts is the cells of a genotype."""
    return GENOTYPE in neck_parts(neck)


def is_hand_made(word: str) -> bool:
    """Return whether a word names a neck without a genotype."""
    return word == NONE or set(word.split("+")) <= set(NECK_PARTS)


def build_neck(
    neck: str,
    genotype: Genotype | None,
    channels: int,
    widths: Mapping[int, int],
    repeats: int,
    *,
    dense: bool,
) -> nn.Module:
    """Return the neck of a name, with random weights; each part stands there ``repeats`` times.

    It takes maps of ``widths``, by level, and works with ``channels``.

    Raises:
        ConfigError: for an unknown name, a genotype that is missing or has no place, or a part that
            does not take maps of these widths.
        SpecError: if the genotype does not fit the pyramid.
    """
    names = neck_parts(neck)
    if genotype is None and GENOTYPE in names:
        raise ConfigError(f"genotype: is missing; neck {neck} is built from one")
    if genotype is not None and GENOTYPE not in names:
        raise ConfigError(
            f"genotype: {genotype.name!r} has no place in neck {neck}; expected neck {GENOTYPE} "
            "or one that it is a part of"
        )
    parts: dict[str, nn.Module] = {}
    for key, name in neck_keys(neck, repeats).items():
        if genotype is not None and name == GENOTYPE:
            if set(widths.values()) != {channels}:
                raise ConfigError(
                    f"neck {neck}: the cells of a genotype take maps of {channels} channels on "
                    "each level; expected laterals projected, or a part that gives them before it"
                )
            parts[key] = build_module(repeat(genotype, repeats), channels, [*widths], dense=dense)
        else:
            parts[key] = build_neck_part(name, channels, widths)
            widths = widths_given(parts[key], widths)
    return parts[GENOTYPE] if names == (GENOTYPE,) else SequentialNeck(parts)


def widths_given(neck: nn.Module, widths: Mapping[int, int]) -> Mapping[int, int]:
    """Return the channels by level of what a neck, or a part of one, makes of maps of
    ``widths``."""
    if isinstance(neck, SequentialNeck):
        for part in neck.parts.values():
            widths = widths_given(part, widths)
        return widths
    return cast(Mapping[int, int], getattr(neck, "widths", widths))


def neck_keys(neck: str, repeats: int) -> dict[str, str]:
    """Return key in a :class:`SequentialNeck` -> name of the part; a genotype's cells have one
    key."""
    found = {}
    for name in neck_parts(neck):
        for round_ in range(1 if name == GENOTYPE else repeats):
            key = name if round_ == 0 else f"{name}_{round_ + 1}"
            found[module_key(key)] = name
    return found


def neck_paths(neck: nn.Module) -> dict[str, str]:
    """Return name -> path within the neck of each hand-made part and each cell."""
    if not isinstance(neck, SequentialNeck):
        cells = cast(nn.ModuleDict, neck.cells)
        return {name_of(key): f"cells.{key}" for key in cells}
    paths: dict[str, str] = {}
    for name, part in neck.parts.items():
        if name == GENOTYPE:
            inner = neck_paths(part)
            paths |= {key: f"parts.{name}.{path}" for key, path in inner.items()}
        else:
            # A cell of the genotype may have the name of a hand-made part.
            paths[f"neck {name}"] = f"parts.{name}"
    return paths
