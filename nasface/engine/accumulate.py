"""Gradient accumulation: a step whose micro-batches are shared among processes."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from nasface.data.dataset import Batch
from nasface.engine.distributed.gradients import GradientSum
from nasface.engine.distributed.world import World, digest_of
from nasface.nas.accumulator import SupportsLossParts, figures_of


class GradientAccumulator:
    """Takes the mean gradient over the parts (micro-batches) of a step.

    A step has ``parts`` of ``size`` images each, of which this process sees its share. Used as::

        for micro_batch in accumulator(batch, parameters):
            accumulator.backward(loss(micro_batch))

    after which the gradient is in ``grad`` of the parameters, and ``figures`` holds the means over
    all parts of the loss and of what it is made of.

    What a step does depends on its parts, not on who takes them: gradients are summed over the
    processes, and running statistics move once a step, by the mean of what each part would move
    them by. Where the loss is not finite, they stay, and no parameter has a gradient. What the
    processes ran must be the same, by ``digest``, and so must be which parameters have a gradient
    and in which order they got it.
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
        self.gradients = GradientSum(world)
        self.buffers = list(buffers)
        self.floats = [each for each in self.buffers if each.is_floating_point()]
        self.figures: dict[str, float] = {}
        self.resize()

    def resize(self) -> None:
        """Make room for the buffers, once more after their shapes have changed."""
        self.before = [each.clone() for each in self.buffers]

    def __call__(self, batch: Batch, parameters: Sequence[nn.Parameter]) -> Iterator[Batch]:
        """Yield the parts of a batch one by one, and bring their gradients together at the end."""
        self.figures = {}
        _copy(self.before, self.buffers)
        moved: list[Tensor] = []
        *earlier, last = _split(batch, self.size)
        is_shared = self.world.size > 1
        for part in (*earlier, last):
            if moved:
                _copy(self.buffers, self.before)
            sends = is_shared and part is last
            with self.gradients.sent_when_ready(parameters) if sends else nullcontext():
                yield part
            if self.parts > 1:
                moved = self._moved(moved)
        if is_shared:
            self.gradients.complete(parameters)
            self.world.agree("architecture parameters or paths", lambda: self._digest(parameters))
            sums = self.gradients.finish(moved, list(self.figures.values()))
            self.figures = dict(zip(self.figures, sums, strict=True))
        if self.parts > 1:
            self._move(moved)
        if not math.isfinite(self.figures["loss"]):
            _copy(self.buffers, self.before)
            for each in parameters:
                each.grad = None

    def backward(self, loss: Tensor | SupportsLossParts, share: float = 1.0) -> None:
        """Add the gradient of the loss of a part, or of a share of it."""
        figures = figures_of(loss)
        (share * figures["loss"] / self.parts).backward()
        # Together, so that a GPU is waited for once; in float64 on the CPU, as MPS has none.
        values = torch.stack([each.detach() for each in figures.values()]).cpu().double()
        values = share * values / self.parts
        for name, value in zip(figures, values.tolist(), strict=True):
            self.figures[name] = self.figures.get(name, 0.0) + value

    def _digest(self, parameters: Sequence[nn.Parameter]) -> str:
        places = {id(each): str(at) for at, each in enumerate(parameters)}
        return digest_of([self.digest(), *(places[id(each)] for each in self.gradients.order)])

    @torch.no_grad()
    def _moved(self, moved: list[Tensor]) -> list[Tensor]:
        """Return by how much the parts so far moved the statistics."""
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
        if not targets:
            return  # a network without normalisations
        torch._foreach_copy_(list(targets), list(sources))


def _split(batch: Batch, size: int) -> Iterator[Batch]:
    """Yield the images and targets of a step, ``size`` at a time."""
    images, targets = batch
    for at in range(0, len(images), size):
        yield images[at : at + size], targets[at : at + size]
