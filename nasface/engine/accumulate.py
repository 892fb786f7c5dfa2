"""The gradient of a step whose images come in parts, some of them at other processes."""

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from nasface.data.dataset import Batch
from nasface.engine.distributed.world import World, digest_of


class GradientAccumulator:
    """Takes the mean gradient over the ``parts`` of a step, each of ``size`` images, of which this
    process sees its share.

    What a step does depends on its parts, not on who takes them: gradients are summed over the
    processes, and running statistics move once a step, by the mean of what each part would move
    them by. Where the loss is not finite, they stay, and no parameter has a gradient. What the
    processes ran must be the same, by ``digest``, and so must be which parameters have a gradient.
    """

    def __init__(
        self,
        world: World,
        parts: int,
        size: int,
        buffers: Sequence[Tensor],
        digest: Callable[[], str] = str,
    ) -> None:
        self.digest = digest
        self.world, self.parts, self.size = world, parts, size
        self.buffers = list(buffers)
        self.floats = [each for each in self.buffers if each.is_floating_point()]
        self.before = [each.clone() for each in self.buffers]

    def __call__(
        self, loss: Callable[[Batch], Tensor], batch: Batch, parameters: Sequence[nn.Parameter]
    ) -> float:
        """Add the gradient to ``grad`` of the parameters; returns the mean loss over the parts."""
        _copy(self.before, self.buffers)
        total = 0.0
        moved: list[Tensor] = []
        for part in _split(batch, self.size):
            if moved:
                _copy(self.buffers, self.before)
            share = loss(part) / self.parts
            share.backward()
            total += float(share.detach())
            self.world.tick()
            if self.parts > 1:
                moved = self._moved(moved)
        if self.parts > 1:
            self.world.agree("architecture parameters or paths", lambda: self._digest(parameters))
            (total,) = self.world.sum_gradients(parameters, moved, (total,))
            self._move(moved)
        if not math.isfinite(total):
            _copy(self.buffers, self.before)
            for each in parameters:
                each.grad = None
        return total

    def _digest(self, parameters: Sequence[nn.Parameter]) -> str:
        reached = "".join("-" if each.grad is None else "x" for each in parameters)
        return digest_of([self.digest(), reached])

    @torch.no_grad()
    def _moved(self, moved: list[Tensor]) -> list[Tensor]:
        """By how much the parts so far moved the statistics."""
        old = [each for each in self.before if each.is_floating_point()]
        now = [new - before for new, before in zip(self.floats, old, strict=True)]
        return [a + b for a, b in zip(moved, now, strict=True)] if moved else now

    @torch.no_grad()
    def _move(self, moved: Sequence[Tensor]) -> None:
        old = [each for each in self.before if each.is_floating_point()]
        for buffer, before, change in zip(self.floats, old, moved, strict=True):
            buffer.copy_(before + change / self.parts)


def _copy(targets: Sequence[Tensor], sources: Sequence[Tensor]) -> None:
    with torch.no_grad():
        torch._foreach_copy_(list(targets), list(sources))


def _split(batch: Batch, size: int) -> Iterator[Batch]:
    """The images and targets of a step, ``size`` at a time."""
    images, targets = batch
    for at in range(0, len(images), size):
        yield images[at : at + size], targets[at : at + size]
