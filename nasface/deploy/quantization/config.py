"""How numbers become 8-bit integers, where, and what this machine sums without overflow."""

import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from nasface.kinds import Settings

Calibration = Literal["minmax", "entropy", "percentile"]
ReduceRange = Literal["auto", "yes", "no"]
KeepFloat = Literal["none", "first", "last", "first-and-last"]

_CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, kw_only=True)
class QuantizationConfig(Settings):
    """How activations and weights become 8-bit integers."""

    calibration: Calibration = "minmax"
    """From what the calibration images show to the range of each activation. minmax: all of it;
    percentile: without the rarest 0.001 %; entropy: the range that keeps most information. The last
    two take minutes."""
    reduce_range: ReduceRange = "auto"
    """Weights of 7 bits instead of 8: x86 processors without VNNI overflow on 8. auto: where this
    machine is one of them."""
    keep_float: KeepFloat = "last"
    """Convolutions that stay float32: first, the one that reads the image; last, those that give
    scores and offsets."""


class GraphNode(NamedTuple):
    """A node of a network's graph; ``inputs`` and ``outputs`` are names of values."""

    name: str
    is_convolution: bool
    inputs: Iterable[str]
    outputs: Iterable[str]


def kept_convolutions(nodes: Sequence[GraphNode], images: str, keep: KeepFloat) -> list[str]:
    """Return the names of the convolutions that stay float32.

    ``nodes`` stand in the order of computation. The first convolutions are those that read the
    value ``images``, the last those behind which there is no other.
    """
    first, last = [], []
    feeds_convolution: set[str] = set()
    for node in reversed(nodes):
        goes_on = not feeds_convolution.isdisjoint(node.outputs)
        if node.is_convolution and not goes_on:
            last.append(node.name)
        if node.is_convolution and images in node.inputs:
            first.append(node.name)
        if node.is_convolution or goes_on:
            feeds_convolution.update(node.inputs)
    return first * ("first" in keep) + last * ("last" in keep)


def uses_reduced_range(choice: ReduceRange) -> bool:
    """Return whether weights have 7 bits; ``auto`` looks at this machine."""
    return choice == "yes" or (choice == "auto" and not has_wide_dot_product())


def has_wide_dot_product() -> bool:
    """Return whether products of uint8 and int8 are summed without overflow here.

    That is so with VNNI, and on processors that are not x86. Where the system does not tell, the
    answer is no, which is safe.
    """
    if platform.machine().lower() not in ("x86_64", "amd64", "x86", "i386", "i686"):
        return True
    try:
        flags = _CPU_INFO.read_text("utf-8")
    except OSError:
        return False
    return "avx512_vnni" in flags or "avx_vnni" in flags
