"""The gradient of a step, from a whole batch or accumulated over parts of it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from torch import Tensor, nn

Batch = TypeVar("Batch")


class SupportsLossParts(Protocol):
    """A loss with its parts."""

    @property
    def total(self) -> Tensor:
        """The scalar to minimise."""
        ...

    def figures(self) -> Mapping[str, Tensor]:
        """Return scalars to log beside it."""
        ...


class Accumulator(Protocol[Batch]):
    """Puts the gradient of a loss on a batch into parameters, micro-batch by micro-batch::

    for micro_batch in accumulator(batch, parameters):
        accumulator.backward(loss(micro_batch))

    A micro-batch may have several losses, each with its share of the whole.
    """

    figures: dict[str, float]
    """Means of the ``loss`` and its parts over the batch that was gone through last."""

    def __call__(self, batch: Batch, parameters: Sequence[nn.Parameter], /) -> Iterator[Batch]:
        """Yield the micro-batches; when they are through, the gradient is complete."""
        ...

    def backward(self, loss: Tensor | SupportsLossParts, share: float = 1.0) -> None:
        """Add the gradient of a loss of a micro-batch, times its share."""
        ...


class WholeBatch(Generic[Batch]):
    """An :class:`Accumulator` that does not split batches."""

    def __init__(self) -> None:
        self.figures: dict[str, float] = {}

    def __call__(self, batch: Batch, _parameters: Sequence[nn.Parameter]) -> Iterator[Batch]:
        """See :class:`Accumulator`."""
        self.figures = {}
        yield batch

    def backward(self, loss: Tensor | SupportsLossParts, share: float = 1.0) -> None:
        """See :class:`Accumulator`."""
        figures = figures_of(loss)
        (share * figures["loss"]).backward()
        for name, each in figures.items():
            self.figures[name] = self.figures.get(name, 0.0) + share * float(each.detach())


def figures_of(loss: Tensor | SupportsLossParts) -> dict[str, Tensor]:
    """Return a loss, as ``loss``, and its parts."""
    if isinstance(loss, Tensor):
        return {"loss": loss}
    return {"loss": loss.total, **loss.figures()}
