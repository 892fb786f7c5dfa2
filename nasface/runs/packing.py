"""Thousands of small tensors as one of each type, which a file takes a fraction of the time for."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

_STATE, _FORMS, _VALUES = "packed", "forms", "values"
_PLACE = "tensor number"
"""The only key of the map that stands in the place of a tensor."""


def pack(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested maps, lists and tuples with their tensors put together.

    A tensor comes back with its values, shape and memory format (channels last or the usual one),
    without gradient, and shares its memory with no other.
    """
    tensors: list[Tensor] = []

    def put(value: Any) -> Any:
        if isinstance(value, Tensor):
            tensors.append(value.detach())
            return {_PLACE: len(tensors) - 1}
        if isinstance(value, Mapping):
            return {key: put(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(map(put, value))
        return value

    packed = put(state)
    forms, values = [], defaultdict(list)
    for tensor in tensors:
        kind, last = str(tensor.dtype), _is_channels_last(tensor)
        forms.append((kind, last, tuple(tensor.shape)))
        values[kind].append((tensor.movedim(1, -1) if last else tensor).reshape(-1).cpu())
    together = {kind: torch.cat(each) for kind, each in values.items()}
    return {_STATE: packed, _FORMS: forms, _VALUES: together}


def unpack(packed: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was packed; what was not, as it is.

    Raises:
        LookupError, TypeError, ValueError, RuntimeError: for something else.
    """
    if _STATE not in packed:
        return dict(packed)
    tensors = list(_tensors(packed[_FORMS], packed[_VALUES]))

    def take(value: Any) -> Any:
        if isinstance(value, dict):
            if value.keys() == {_PLACE}:
                return tensors[value[_PLACE]]
            return {key: take(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(map(take, value))
        return value

    return dict(take(packed[_STATE]))


def _tensors(
    forms: list[tuple[str, bool, tuple[int, ...]]], values: Mapping[str, Tensor]
) -> Iterator[Tensor]:
    pieces = {
        kind: iter(each.split([math.prod(shape) for other, _, shape in forms if other == kind]))
        for kind, each in values.items()
    }
    for kind, last, shape in forms:
        piece = next(pieces[kind]).clone()
        if last:
            count, channels, *size = shape
            yield piece.view(count, *size, channels).movedim(-1, 1)
        else:
            yield piece.view(shape)


def _is_channels_last(tensor: Tensor) -> bool:
    return (
        tensor.dim() == 4
        and not tensor.is_contiguous()
        and tensor.is_contiguous(memory_format=torch.channels_last)
    )
