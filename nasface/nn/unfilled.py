"""Modules whose tensors are about to be loaded."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_FILLING = frozenset({torch.Tensor.normal_, torch.Tensor.uniform_, torch.Tensor.fill_})


class Unfilled(TorchFunctionMode):
    """In its context new parameters keep what is in their memory, which so is not touched.

    A module that is much too large is then made as quickly as any other, and random numbers are
    left alone.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """See :class:`TorchFunctionMode`."""
        return args[0] if func in _FILLING else func(*args, **(kwargs or {}))
