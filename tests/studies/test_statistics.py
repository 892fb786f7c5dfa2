"""Means, intervals and tests of a handful of runs against closed forms and brute force."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from nasface.studies.statistics import (
    detectable_effect,
    holm,
    mean_of,
    paired,
    rank_correlation,
    runs_needed,
    spread_of,
)


def test_interval_of_four_values() -> None:
    """t(0.975, 3 degrees of freedom) = 3.182446; the error of 1, 2, 3, 4 is sqrt(5/3)/2."""
    mean = mean_of([1.0, 2.0, 3.0, 4.0])
    assert mean.value == 2.5
    assert mean.half == pytest.approx(3.182446 * math.sqrt(5 / 3) / 2, rel=1e-6)


def test_intervals_hold_the_truth_95_times_in_100() -> None:
    generator = np.random.default_rng(0)
    means = [mean_of(generator.normal(3.0, 2.0, 4).tolist()) for _ in range(2000)]
    covered = np.mean([abs(mean.value - 3.0) <= mean.half for mean in means])
    assert 0.935 < covered < 0.965


def test_one_value_has_no_interval() -> None:
    assert mean_of([0.5]).value == 0.5
    assert math.isnan(mean_of([0.5]).half)


def test_wilcoxon_is_the_share_of_signs() -> None:
    """By brute force: all signs of the ranks of the differences that are as extreme or more."""
    ours, others = [0.5, 0.9, 0.4, 0.8, 0.7], [0.4, 0.5, 0.45, 0.5, 0.5]
    differences = np.subtract(ours, others)
    order = np.argsort(np.argsort(np.abs(differences))) + 1
    seen = abs(float((np.sign(differences) * order).sum()))
    sums = [
        abs(float(np.dot(signs, order))) for signs in itertools.product((-1, 1), repeat=len(order))
    ]
    share = np.mean([each >= seen - 1e-9 for each in sums])
    assert paired(ours, others).p_wilcoxon == pytest.approx(share)


def test_p_of_a_known_t() -> None:
    """Differences 1, 2, 3: t = 2 sqrt(3) at 2 degrees of freedom, p = 1 - t / sqrt(t^2 + 2)."""
    found = paired([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    t = 2 * math.sqrt(3)
    assert found.p_t == pytest.approx(1 - t / math.sqrt(t * t + 2))
    assert found.difference.value == 2.0


@pytest.mark.parametrize(("shift", "p"), [(0.0, 1.0), (0.5, math.nan)])
def test_differences_without_spread_are_not_tested(shift: float, p: float) -> None:
    found = paired([1.0 + shift, 2.0 + shift], [1.0, 2.0])
    assert found.difference.value == shift
    assert [found.p_t, found.p_wilcoxon] == pytest.approx([p, p], nan_ok=True)


def test_rank_correlation_by_counting_pairs() -> None:
    first, second = [1.0, 4.0, 2.0, 3.0, 5.0], [10.0, 30.0, 20.0, 50.0, 40.0]
    pairs = list(itertools.combinations(range(5), 2))
    agree = [np.sign((first[a] - first[b]) * (second[a] - second[b])) for a, b in pairs]
    found = rank_correlation(first, second)
    assert found.tau == pytest.approx(np.mean(agree))
    ranks = [np.argsort(np.argsort(each)) for each in (first, second)]
    assert found.rho == pytest.approx(np.atleast_2d(np.corrcoef(np.stack(ranks)))[0, 1])


def test_a_constant_has_no_order() -> None:
    found = rank_correlation([1.0, 1.0, 1.0], [1.0, 2.0, 3.0])
    assert math.isnan(found.rho)
    assert math.isnan(found.tau)
    assert found.count == 3


def test_holm_by_hand() -> None:
    """Three tests: .01 x 3, .02 x 2, .2 x 1; none becomes less than one before it."""
    assert holm([0.02, 0.2, 0.01]) == pytest.approx([0.04, 0.2, 0.03])
    assert holm([0.02, 0.021]) == pytest.approx([0.04, 0.04])
    assert holm([0.6, 0.7]) == pytest.approx([1.0, 1.0])
    found = holm([math.nan, 0.03])
    assert math.isnan(found[0])
    assert found[1] == pytest.approx(0.06)


@pytest.mark.parametrize(("spread", "gain", "pairs"), [(0.0605, 0.03, 34), (0.045, 0.02, 42)])
def test_runs_needed_by_tables_of_the_t_test(spread: float, gain: float, pairs: int) -> None:
    """Cohen's d of .496 and .444: 34 and 42 pairs, as G*Power and statsmodels have it."""
    assert runs_needed(gain, spread) == pytest.approx(pairs, abs=1)


def test_the_spread_of_equal_groups_is_that_of_the_analysis_of_variance() -> None:
    """Where groups have one size and differ enough, REML is the ANOVA estimate."""
    generator = np.random.default_rng(0)
    groups = (
        0.5 + 0.03 * generator.standard_normal((24, 1)) + 0.02 * generator.standard_normal((24, 3))
    )
    found = spread_of(groups.tolist())
    within = groups.var(axis=1, ddof=1).mean()
    between = groups.mean(axis=1).var(ddof=1) - within / 3
    assert found.within == pytest.approx(math.sqrt(within), rel=0.02)
    assert found.between == pytest.approx(math.sqrt(between), rel=0.03)
    assert found.low < found.between < found.high
    assert found.low < 0.03 < found.high


def test_groups_that_do_not_differ_have_no_spread_between_them() -> None:
    generator = np.random.default_rng(1)
    values = generator.standard_normal((16, 3))
    values -= values.mean(axis=1, keepdims=True)
    found = spread_of(values.tolist())
    assert found.between == found.low == 0


def test_single_values_count_in_the_spread() -> None:
    """16 groups of three and 48 of one are all of the same spread."""
    generator = np.random.default_rng(2)
    groups = [
        (generator.normal(0, 2) + generator.normal(0, 1, size)).tolist()
        for size in [3] * 16 + [1] * 48
    ]
    found = spread_of(groups)
    assert (found.groups, found.count) == (64, 96)
    assert found.low < 2 < found.high
    with pytest.raises(ValueError, match="two values"):
        spread_of([[1.0], [2.0]])


def test_the_interval_of_rho_is_that_of_resampled_pairs() -> None:
    """Against a loop over samples, rho of each by scipy; ties among them."""
    random = np.random.default_rng(5)
    first = random.integers(0, 6, 25).astype(float)
    second = first + random.normal(0, 3, 25)
    found = rank_correlation(first.tolist(), second.tolist(), resamples=300)
    samples = np.random.default_rng(np.random.SeedSequence(0, spawn_key=(12,))).integers(
        25, size=(300, 25)
    )
    values = [float(stats.spearmanr(first[at], second[at]).statistic) for at in samples]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))
    assert found.low < found.rho < found.high
    assert math.isnan(rank_correlation([1.0, 1.0], [1.0, 2.0]).low)


@pytest.mark.parametrize(("pairs", "level"), [(2, 0.05), (10, 0.05), (20, 0.0125)])
def test_an_effect_that_can_be_detected_is_found_in_four_of_five_cases(
    pairs: int, level: float
) -> None:
    """By trying: normal differences with that mean, tested one series after another."""
    effect = detectable_effect(pairs, level=level)
    samples = np.random.default_rng(3).normal(effect, 1, (20000, pairs))
    found = stats.ttest_1samp(samples, 0, axis=1).pvalue < level
    assert float(np.mean(found)) == pytest.approx(0.8, abs=0.01)
    assert math.isinf(detectable_effect(1))


def test_seeds_needed_and_the_effect_they_detect_agree() -> None:
    needed = runs_needed(0.02, 0.045)
    assert detectable_effect(needed) <= 0.02 / 0.045 < detectable_effect(needed - 1)
