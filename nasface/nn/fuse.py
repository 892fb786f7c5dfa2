"""Networks for inference: each normalisation becomes part of the convolution before it."""

import copy
from collections.abc import Iterator
from itertools import pairwise
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

Module = TypeVar("Module", bound=nn.Module)


def fuse_conv_bn(module: Module) -> Module:
    """Return a copy of a module, in evaluation mode, that computes the same without normalisations.

    A normalisation is folded into the convolution that stands before it in a Sequential, or that
    has its number, as ``conv1`` and ``bn1`` of a ResNet do; others stay. In evaluation mode both
    are linear maps of channels, so outputs agree to the rounding of their floats.
    """
    folded = copy.deepcopy(module).eval()
    for parent in list(folded.modules()):
        for before, after in list(_neighbours(parent)):
            conv, norm = parent.get_submodule(before), parent.get_submodule(after)
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, before, fuse_conv_bn_eval(conv, norm))
                setattr(parent, after, nn.Identity())
    return folded


def _neighbours(parent: nn.Module) -> Iterator[tuple[str, str]]:
    """Yield the names of children of which the second sees what the first gives."""
    names = [name for name, _ in parent.named_children()]
    if isinstance(parent, nn.Sequential):
        return pairwise(names)
    pairs = [(name, name.replace("conv", "bn")) for name in names if name.startswith("conv")]
    return iter([pair for pair in pairs if pair[1] in names])
