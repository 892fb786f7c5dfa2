"""Whether an exported detector gives what the original gives."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nasface.errors import ExportError
from nasface.random_streams import Purpose, torch_seed

Function = Callable[[Tensor], tuple[Tensor, ...]]

TOLERANCE = 1e-4
HALF_TOLERANCE = 3e-2
"""For float16, whose numbers are 5e-4 apart: over a hundred layers."""
SIZES = (
    (64, 64),
    (33, 47),
    (97, 131),
    (128, 256),
    (130, 259),
    (192, 320),
    (240, 160),
    (301, 211),
)
"""Height and width of the images that both see: even and odd, wide and tall, smaller than the
largest stride and larger."""
BATCHES = (1, 4)
InputShapes = Sequence[tuple[int, int, int]]
"""Height, width and batch of the images that both see."""
INPUTS: InputShapes = [(*size, batch) for size in SIZES for batch in BATCHES]


@dataclass(frozen=True)
class ParityDifference:
    """The greatest difference of an output, over its greatest magnitude, at a size."""

    height: int
    width: int
    batch: int
    output: str
    relative: float

    def __str__(self) -> str:
        return (
            f"{self.output} at {self.height}x{self.width}, batch {self.batch}: {self.relative:.1e}"
        )


def check(
    original: Function,
    exported: Function,
    names: Sequence[str],
    inputs: InputShapes = INPUTS,
    *,
    tolerance: float = TOLERANCE,
) -> ParityDifference:
    """Compare on random images; the worst difference.

    ``tolerance`` 0 asks for the same bits. What is not a number differs.

    Raises:
        ExportError: naming the output, size and batch that differ by more than ``tolerance``.
    """
    found = list(differences(original, exported, names, inputs))
    worst = max(found, key=lambda each: each.relative)
    if not worst.relative <= tolerance:
        raise ExportError(f"differs from the detector: {worst}, expected at most {tolerance:.0e}")
    return worst


def differences(
    original: Function, exported: Function, names: Sequence[str], inputs: InputShapes = INPUTS
) -> Iterator[ParityDifference]:
    """Give the difference of each output at each size and batch."""
    for height, width, batch in inputs:
        images = random_images(batch, height, width)
        with torch.inference_mode():
            wanted, given = original(images), exported(images)
        for name, one, other in zip(names, wanted, given, strict=True):
            yield ParityDifference(height, width, batch, name, relative(one, other))


def random_images(batch: int, height: int, width: int) -> Tensor:
    """Return the normalised images (B, 3, H, W), always the same for a size."""
    generator = torch.Generator().manual_seed(torch_seed(0, Purpose.PARITY, height, width))
    return torch.randn(batch, 3, height, width, generator=generator)


def relative(wanted: Tensor, given: Tensor) -> float:
    """Return the greatest difference over the greatest magnitude; infinite for another shape or no
    number."""
    if wanted.shape != given.shape or not (wanted.isfinite().all() and given.isfinite().all()):
        return float("inf")
    if not wanted.numel():
        return 0.0
    scale = wanted.abs().max().clamp(min=torch.finfo(torch.float32).tiny)
    return float((wanted - given).abs().max() / scale)
