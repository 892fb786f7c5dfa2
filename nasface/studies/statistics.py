"""Statistics of a few runs: means with their intervals, paired tests, rank correlation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from nasface.arrays import Float64
from nasface.random_streams import Purpose, stream


@dataclass(frozen=True)
class Mean:
    """Mean of ``count`` values and half the width of its 95 % interval by Student's t (nan for
    one value)."""

    value: float
    half: float
    count: int


@dataclass(frozen=True)
class Paired:
    """Mean difference of pairs, its 95 % interval's half, and p of two tests of no difference:
    t, and Wilcoxon's signed ranks, which knows no normality but needs six pairs to reach 0.05."""

    difference: Mean
    p_t: float
    p_wilcoxon: float


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's rho and Kendall's tau over ``count`` pairs, with their p.

    ``low`` and ``high`` are the 95 % interval of rho by the bootstrap over pairs (percentiles).
    """

    rho: float
    p_rho: float
    tau: float
    p_tau: float
    count: int
    low: float = math.nan
    high: float = math.nan


def mean_of(values: Sequence[float]) -> Mean:
    """Return the mean of values, at least one."""
    array = np.asarray(values, float)
    if len(array) < 2:
        return Mean(float(array.mean()), math.nan, len(array))
    error = float(array.std(ddof=1)) / math.sqrt(len(array))
    return Mean(float(array.mean()), float(stats.t.ppf(0.975, len(array) - 1)) * error, len(array))


def paired(ours: Sequence[float], others: Sequence[float]) -> Paired:
    """Return how values differ from others of the same seeds, in the same order."""
    differences = np.asarray(ours, float) - np.asarray(others, float)
    mean = mean_of(differences.tolist())
    if len(differences) < 2 or np.ptp(differences) == 0:
        # No spread, no test: a t statistic would divide by zero.
        same = len(differences) > 1 and not differences.any()
        return Paired(mean, 1.0 if same else math.nan, 1.0 if same else math.nan)
    return Paired(
        mean,
        float(stats.ttest_rel(ours, others).pvalue),
        float(stats.wilcoxon(differences).pvalue),
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p corrected for the number of tests (Holm 1979): whatever the tests have to do with
    each other, the chance of one false finding stays at its level. nan stays nan and counts as a
    test."""
    order = np.argsort(np.nan_to_num(np.asarray(p_values, float), nan=np.inf))
    corrected, least = [math.nan] * len(p_values), 0.0
    for rank, at in enumerate(order):
        if math.isnan(p_values[at]):
            continue
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[at]))
        corrected[at] = least
    return corrected


def runs_needed(gain: float, spread: float, *, power: float = 0.8, level: float = 0.05) -> int:
    """Return the number of pairs that a paired t test needs to find a mean difference of ``gain``
    with that power, where differences have the standard deviation ``spread``; two-sided.

    Raises:
        ValueError: unless both are above 0.
    """
    if not (gain > 0 and spread > 0):
        raise ValueError(f"gain {gain}, spread {spread}: expected numbers above 0")
    pairs = 2
    while _power(pairs, gain / spread, level) < power:
        pairs += 1
    return pairs


def detectable_effect(pairs: int, *, power: float = 0.8, level: float = 0.05) -> float:
    """Return the least mean difference, in standard deviations of the differences, that a paired t
    test of so many pairs finds with that power; two-sided, inf for fewer than two pairs."""
    if pairs < 2:
        return math.inf
    most = 1.0
    while _power(pairs, most, level) < power:
        most *= 2
    return float(optimize.brentq(lambda effect: _power(pairs, effect, level) - power, 0, most))


def _power(pairs: int, effect: float, level: float) -> float:
    bound = stats.t.ppf(1 - level / 2, pairs - 1)
    return float(stats.nct.sf(bound, pairs - 1, effect * math.sqrt(pairs)))


@dataclass(frozen=True)
class Spread:
    """Standard deviations between groups and within them, with a 95 % interval of the former."""

    between: float
    within: float
    low: float
    high: float
    groups: int
    count: int


def spread_of(groups: Sequence[Sequence[float]]) -> Spread:
    """Return how much of the spread of values lies between groups of them: a mixed model.

    A value is a mean, plus a normal effect of its group, plus a normal effect of its own; the two
    variances are those of the greatest restricted likelihood (REML, Patterson and Thompson 1971),
    the interval that of the profile likelihood. Groups may have different sizes; some need two or
    more values, or the variances cannot be told apart.

    Raises:
        ValueError: for fewer than two groups, or no group with two values.
    """
    arrays = [np.asarray(each, float) for each in groups if len(each)]
    if len(arrays) < 2 or max(map(len, arrays)) < 2:
        raise ValueError("expected two groups or more, and one with two values or more")
    scale = float(np.concatenate(arrays).std()) or 1.0
    grouped = _Groups.of([each / scale for each in arrays])
    grid = np.concatenate([[0.0], np.geomspace(1e-3, 30, 400)])
    fits = [_best_within(grouped, between) for between in grid]
    losses = np.array([loss for loss, _ in fits])
    at = int(losses.argmin())
    inside = grid[losses <= losses[at] + stats.chi2.ppf(0.95, 1) / 2]
    return Spread(
        between=float(grid[at]) * scale,
        within=fits[at][1] * scale,
        low=float(inside.min()) * scale,
        high=float(inside.max()) * scale,
        groups=len(arrays),
        count=sum(map(len, arrays)),
    )


@dataclass(frozen=True)
class _Groups:
    """What the likelihood needs of groups of values: their sizes and means, and the sum of squares
    within them."""

    sizes: Float64
    means: Float64
    within: float

    @classmethod
    def of(cls, groups: Sequence[Float64]) -> "_Groups":
        return cls(
            np.array([len(each) for each in groups], float),
            np.array([each.mean() for each in groups]),
            sum(float(((each - each.mean()) ** 2).sum()) for each in groups),
        )


def _best_within(groups: _Groups, between: float) -> tuple[float, float]:
    """Return the least loss, minus the logarithm of the restricted likelihood, and its deviation
    within groups, for a deviation between them."""
    found = optimize.minimize_scalar(
        lambda log: _loss(groups, between**2, math.exp(2 * log)), bounds=(-8, 3), method="bounded"
    )
    return float(found.fun), math.exp(float(found.x))


def _loss(groups: _Groups, between: float, within: float) -> float:
    sizes, means = groups.sizes, groups.means
    weights = sizes / (within + sizes * between)
    mean = float((weights * means).sum() / weights.sum())
    determinant = ((sizes - 1) * math.log(within) + np.log(within + sizes * between)).sum()
    squares = groups.within / within + float((weights * (means - mean) ** 2).sum())
    return float(determinant + squares + math.log(weights.sum())) / 2


def rank_correlation(
    first: Sequence[float], second: Sequence[float], *, resamples: int = 2000
) -> RankCorrelation:
    """Return how well one order agrees with another; nan where one of them is constant.

    The interval of rho is that of ``resamples`` samples of the pairs with replacement, the same in
    every call.
    """
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return RankCorrelation(math.nan, math.nan, math.nan, math.nan, len(first))
    rho, tau = stats.spearmanr(first, second), stats.kendalltau(first, second)
    low, high = _resampled_rho(np.asarray(first, float), np.asarray(second, float), resamples)
    return RankCorrelation(
        float(rho.statistic),
        float(rho.pvalue),
        float(tau.statistic),
        float(tau.pvalue),
        len(first),
        low,
        high,
    )


def _resampled_rho(first: Float64, second: Float64, resamples: int) -> tuple[float, float]:
    """Return the middle 95 % of rho over samples with replacement; samples that are constant are
    left out.

    Ranks are taken anew in every sample.
    """
    random = stream(0, Purpose.RESAMPLING)
    drawn = random.integers(len(first), size=(resamples, len(first)))
    ranks = [stats.rankdata(each[drawn], axis=1) - (len(first) + 1) / 2 for each in (first, second)]
    products = (ranks[0] * ranks[1]).sum(axis=1)
    scale = np.sqrt((ranks[0] ** 2).sum(axis=1) * (ranks[1] ** 2).sum(axis=1))
    values = products[scale > 0] / scale[scale > 0]
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)
