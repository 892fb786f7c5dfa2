"""What a handful of runs says: means with their intervals, paired tests, rank correlation."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


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
    """Spearman's rho and Kendall's tau over ``count`` pairs, with their p."""

    rho: float
    p_rho: float
    tau: float
    p_tau: float
    count: int


def mean_of(values: Sequence[float]) -> Mean:
    """The mean of values, at least one."""
    array = np.asarray(values, float)
    if len(array) < 2:
        return Mean(float(array.mean()), math.nan, len(array))
    error = float(array.std(ddof=1)) / math.sqrt(len(array))
    return Mean(float(array.mean()), float(stats.t.ppf(0.975, len(array) - 1)) * error, len(array))


def paired(ours: Sequence[float], others: Sequence[float]) -> Paired:
    """How values differ from others of the same seeds, in the same order."""
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


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> RankCorrelation:
    """How well one order agrees with another; nan where one of them is constant."""
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return RankCorrelation(math.nan, math.nan, math.nan, math.nan, len(first))
    rho, tau = stats.spearmanr(first, second), stats.kendalltau(first, second)
    return RankCorrelation(
        float(rho.statistic), float(rho.pvalue), float(tau.statistic), float(tau.pvalue), len(first)
    )
