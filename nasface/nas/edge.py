"""An edge of the supernet: its candidate operations, run one at a time or as a weighted sum."""

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

from nasface.arch.graph import Edge
from nasface.arch.operations import OPERATIONS
from nasface.nn.blocks import resample, shuffle_together
from nasface.nn.keys import module_key
from nasface.nn.operations import build_operation


class SearchEdge(nn.Module):
    """All candidates of an edge. With several of them only 1/K of the channels passes through."""

    def __init__(
        self, edge: Edge, columns: Mapping[str, int], channels: int, partial: int, affine: bool
    ) -> None:
        super().__init__()
        self.is_open = len(edge.operations) > 1
        self.partial = partial if self.is_open else 1
        self.channels, self.affine = channels, affine
        self.transform = edge.transform
        self.column_names = {columns[name]: name for name in edge.operations}
        self.operations = nn.ModuleDict(self.candidates(self.partial))

    def candidates(self, partial: int) -> dict[str, nn.Module]:
        """Return new operations for one of ``partial`` parts of the channels, by their keys."""
        stride = 2 if self.transform == "stride" else 1
        width = self.channels // partial
        found = {}
        for name in self.column_names.values():
            operation = build_operation(name, width, stride, self.affine or not self.is_open)
            if OPERATIONS[name].needs_norm and self.is_open:
                operation = nn.Sequential(operation, nn.BatchNorm2d(width, affine=self.affine))
            found[module_key(name)] = operation
        return found

    def path(self, x_BCHW: Tensor, column: int, size: tuple[int, int] | None) -> Tensor:
        """Return the edge with one of its operations; no other is executed."""
        x = resample(x_BCHW, self.transform, size)
        name = self.column_names[column]
        inside, around = self._divide(x)
        if around is not None and OPERATIONS[name].needs_norm:
            # Pooling keeps its input for the backward pass; as a view it would keep all channels.
            inside = inside.clone()
        return self._join(self.operations[module_key(name)](inside), around)

    def mixed(self, x_BCHW: Tensor, weights_O: Tensor, size: tuple[int, int] | None) -> Tensor:
        """Return the edge with all operations, weighted; ``weights_O`` over the columns of the
        space."""
        if len(self.column_names) == 1:
            return self.path(x_BCHW, next(iter(self.column_names)), size)
        x = resample(x_BCHW, self.transform, size)
        inside, around = self._divide(x)
        total = sum(
            weights_O[column] * self.operations[module_key(name)](inside)
            for column, name in self.column_names.items()
        )
        return self._join(cast(Tensor, total), around)

    def _divide(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor | None]:
        if self.partial == 1:
            return x_BCHW, None
        channels = x_BCHW.shape[1]
        width = channels // self.partial
        # One split: the gradients of two slices would each be filled up with zeros, and added.
        inside, around = x_BCHW.split([width, channels - width], dim=1)
        return inside, around

    def _join(self, inside: Tensor, around: Tensor | None) -> Tensor:
        if around is None:
            return inside
        if self.transform == "stride":
            around = nn.functional.max_pool2d(around, 2, 2, ceil_mode=True)
        return shuffle_together(inside, around)
