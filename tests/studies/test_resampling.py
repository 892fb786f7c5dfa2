"""A bootstrap over seeds and images against what is known of its spread."""

from pathlib import Path

import numpy as np
import pytest

from nasface.errors import RunError
from nasface.metrics.marks import ImageMarks
from nasface.studies.resampling import MARKS, bootstrap_difference, load_marks, save_marks


def marks_of(hits: list[int]) -> ImageMarks:
    """One face and one detection an image, hit or not, all with one score: the average precision is
    share times share of hits."""
    return ImageMarks(
        np.ones(len(hits)),
        np.array(hits) == 1,
        np.arange(len(hits)),
        np.ones(len(hits), np.int64),
        np.array([0.5]),
    )


def test_the_interval_is_that_of_samples_taken_one_by_one() -> None:
    random = np.random.default_rng(7)
    hits = random.integers(0, 2, (2, 3, 2, 40))
    rows = [[[marks_of(own.tolist()) for own in seed] for seed in row] for row in hits]
    found = bootstrap_difference(*rows, resamples=200)
    generator = np.random.default_rng(np.random.SeedSequence(0, spawn_key=(12,)))
    expected = []
    for _ in range(200):
        times = generator.multinomial(40, np.full(40, 1 / 40))
        seeds = generator.integers(3, size=3)
        shares = (hits * times).sum(axis=-1) / 40
        means = (shares**2).mean(axis=2)
        expected.append((means[0, seeds] - means[1, seeds]).mean())
    assert found == pytest.approx(tuple(np.quantile(expected, [0.025, 0.975])))


def test_rows_that_agree_on_every_image_differ_by_nothing() -> None:
    row = [[marks_of([1, 0, 1, 1, 0])], [marks_of([0, 0, 1, 1, 1])]]
    assert bootstrap_difference(row, row, resamples=20) == (0.0, 0.0)


def test_marks_come_back_from_their_file(tmp_path: Path) -> None:
    assert load_marks(tmp_path) is None
    marks = marks_of([1, 0, 1])
    save_marks(tmp_path, marks)
    again = load_marks(tmp_path)
    assert again is not None
    for name, value in vars(marks).items():
        assert np.array_equal(getattr(again, name), value)
    (tmp_path / MARKS).write_bytes(b"no archive")
    with pytest.raises(RunError, match=r"marks\.npz"):
        load_marks(tmp_path)
