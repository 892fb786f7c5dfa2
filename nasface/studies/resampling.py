"""An interval for a difference that seeds and images may both have brought about."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nasface.errors import RunError
from nasface.io.files import read_bytes, write_bytes
from nasface.metrics.marks import ImageMarks
from nasface.random_streams import Purpose, stream

MARKS = "marks.npz"
"""File of a run with its :class:`~nasface.metrics.marks.ImageMarks`."""


def bootstrap_difference(
    ours: Sequence[Sequence[ImageMarks]],
    others: Sequence[Sequence[ImageMarks]],
    *,
    resamples: int = 1000,
) -> tuple[float, float]:
    """Return the 95 % interval (percentiles) of the mean difference in average precision over
    seeds.

    Every sample draws seeds with replacement, those of both rows together, and images likewise, the
    same for all runs (a two-way bootstrap, Owen 2007). So it holds for other seeds and other
    images, where a test over seeds holds for these images alone. The same in every call.

    Args:
        ours: for each seed its trainings.
        others: those of the same seeds.
        resamples: number of samples; those without a face are left out.
    """
    random = stream(0, Purpose.RESAMPLING)
    images = len(ours[0][0].faces_I)
    drawn = [
        (
            random.multinomial(images, np.full(images, 1 / images)),
            random.integers(len(ours), size=len(ours)),
        )
        for _ in range(resamples)
    ]
    times_RI, seeds_RS = (np.stack(each) for each in zip(*drawn, strict=True))
    differences_SR = np.stack(
        [
            np.mean([each.resampled(times_RI) for each in our], axis=0)
            - np.mean([each.resampled(times_RI) for each in other], axis=0)
            for our, other in zip(ours, others, strict=True)
        ]
    )
    found_R = np.take_along_axis(differences_SR, seeds_RS.T, axis=0).mean(axis=0)
    low, high = np.nanquantile(found_R, [0.025, 0.975])
    return float(low), float(high)


def save_marks(folder: Path, marks: ImageMarks) -> None:
    """Write the marks of a run into its folder."""
    whole = io.BytesIO()
    np.savez_compressed(whole, **vars(marks))
    write_bytes(folder / MARKS, whole.getvalue())


def load_marks(folder: Path) -> ImageMarks | None:
    """Return the marks of a run; None if it has none, as those of older versions.

    Raises:
        RunError: for a file that holds something else.
    """
    path = folder / MARKS
    if not path.is_file():
        return None
    try:
        with np.load(io.BytesIO(read_bytes(path, RunError, "marks")), allow_pickle=False) as file:
            return ImageMarks(**{name: file[name] for name in ImageMarks.__annotations__})
    except (ValueError, KeyError, OSError) as problem:
        raise RunError(f"{path}: holds no marks of images: {problem}") from None
