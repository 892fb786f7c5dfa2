"""Sums of gradients over processes, on their way while the backward pass goes on."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch import distributed as dist

from nasface.engine.distributed.world import World
from nasface.errors import BrokenRunError

BUCKET_BYTES = 4_000_000
"""Bytes of gradients that are sent together."""


@dataclass
class _Bucket:
    """Tensors that are summed together: copies of them in one, and the sum that is on its way."""

    tensors: list[Tensor]
    flat: Tensor
    work: dist.Work


@dataclass
class GradientSum:
    """Sums gradients over the processes of a ``world``. Used as::

        with gradients.sent_when_ready(parameters):
            loss.backward()
        gradients.complete(parameters)
        sums = gradients.finish(others, values)

    As in DistributedDataParallel (Li et al., VLDB 2020, section 3.2), gradients that are ready go
    in buckets, so that sums and backward pass overlap. Unlike it, a step may reach some of the
    parameters only, others than the step before, and architecture steps other ones than weight
    steps.
    """

    world: World
    bucket_bytes: int = BUCKET_BYTES
    order: list[nn.Parameter] = field(default_factory=list)
    """Parameters by when their gradient was ready; must be the same in all processes."""
    _buckets: list[_Bucket] = field(default_factory=list, repr=False)
    _waiting: list[Tensor] = field(default_factory=list, repr=False)
    _waiting_bytes: int = field(default=0, repr=False)

    @property
    def sent_bytes(self) -> int:
        """Bytes of the gradients that are on their way."""
        return sum(each.flat.nbytes for each in self._buckets)

    @contextmanager
    def sent_when_ready(self, parameters: Sequence[nn.Parameter]) -> Iterator[None]:
        """Send, within the context, the gradients that one backward pass completes."""
        self.order, self._buckets, self._waiting, self._waiting_bytes = [], [], [], 0
        hooks = [
            each.register_post_accumulate_grad_hook(self._add)
            for each in parameters
            if each.requires_grad
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def complete(self, parameters: Sequence[nn.Parameter]) -> None:
        """Add the gradients that earlier backward passes left and this one did not reach."""
        reached = set(map(id, self.order))
        for each in parameters:
            if each.grad is not None and id(each) not in reached:
                self._add(each)

    def finish(self, others: Sequence[Tensor], values: Sequence[float]) -> list[float]:
        """Wait for the sums, which replace the gradients, and sum ``others`` in place.

        Returns the sums of ``values``.
        """
        figures = torch.tensor(values, device=self.order[0].device if self.order else None)
        self._waiting += [*others, figures]
        self._send()
        for bucket in self._buckets:
            try:
                bucket.work.wait()
            except RuntimeError as problem:
                text = " ".join(str(problem).split())[:200]
                raise BrokenRunError(f"the sum of gradients failed ({text})") from None
            pieces = bucket.flat.split([each.numel() for each in bucket.tensors])
            for target, piece in zip(bucket.tensors, pieces, strict=True):
                target.copy_(piece.view_as(target))
        self._buckets = []
        return [float(value) for value in figures]

    def _add(self, parameter: nn.Parameter) -> None:
        assert parameter.grad is not None
        self.order.append(parameter)
        self._waiting.append(parameter.grad.detach())
        self._waiting_bytes += 4 * parameter.numel()
        if self._waiting_bytes >= self.bucket_bytes:
            self._send()

    def _send(self) -> None:
        flat = torch.cat([each.float().flatten() for each in self._waiting])
        work = dist.all_reduce(flat, group=self.world.gradients, async_op=True)
        assert work is not None
        self._buckets.append(_Bucket(self._waiting, flat, work))
        self._waiting, self._waiting_bytes = [], 0
