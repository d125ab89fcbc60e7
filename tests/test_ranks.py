"""Ranks over tasks, Friedman's and Nemenyi's test: Demšar's worked example, and SciPy."""

import math

import numpy as np
import pytest
from scipy import stats

from workbench.errors import UserError
from workbench.ranks import Ranks, ranked

# Demšar (2006), table 6: the AUC of C4.5 with and without two parameters tuned, on 14 data sets.
# On `voting` the paper ranks 0.975 and 0.975 as 2 and 3: they differ in digits it does not print.
AUC = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)


def test_the_worked_example_of_demsar() -> None:
    found = ranked(AUC)
    assert [round(mean, 3) for mean in found.mean] == [3.143, 2.000, 2.893, 1.964]
    n, k = AUC.shape
    # The paper's statistic is not corrected for ties; SciPy's, by which `ranked` goes, is.
    spread = sum(mean**2 for mean in found.mean) - k * (k + 1) ** 2 / 4
    chi2 = 12 * n / (k * (k + 1)) * spread
    assert chi2 == pytest.approx(9.28, abs=0.005)
    assert (n - 1) * chi2 / (n * (k - 1) - chi2) == pytest.approx(3.69, abs=0.005)
    ties = sum(
        (count**3 - count).sum() for row in AUC for count in [np.unique(row, return_counts=True)[1]]
    )
    assert found.friedman_chi2 == pytest.approx(chi2 / (1 - ties / (n * k * (k * k - 1))))
    assert found.friedman_p == pytest.approx(stats.chi2.sf(found.friedman_chi2, k - 1))
    assert found.critical_difference == pytest.approx(1.25, abs=0.005)
    assert found.alike() == [(3, 1, 2, 0)]  # the best and the worst are 1.179 apart


def test_friedman_is_scipys_and_nemenyi_the_papers_table() -> None:
    worth = np.random.default_rng(0).normal(size=(40, 5)).round(1)
    found, expected = ranked(worth), stats.friedmanchisquare(*worth.T)
    assert found.friedman_chi2 == pytest.approx(expected.statistic)
    assert found.friedman_p == pytest.approx(expected.pvalue)
    # Demšar's table 5a: q at 0.05 for 3 to 10 methods.
    for k, q in zip(
        range(3, 11), (2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164), strict=True
    ):
        distance = ranked(np.random.default_rng(k).normal(size=(30, k))).critical_difference
        assert distance == pytest.approx(q * math.sqrt(k * (k + 1) / 180), abs=1e-3)


def test_what_diverged_is_last_and_all_ties_are_no_difference() -> None:
    assert ranked([[1.0, math.nan, 2.0], [1.0, math.inf, math.nan]]).mean == (1.5, 2.75, 1.75)
    same = ranked(np.ones((5, 3)))
    assert (same.mean, same.friedman_chi2, same.friedman_p) == ((2.0, 2.0, 2.0), 0.0, 1.0)


def test_what_differs_by_the_order_of_a_sum_alone_ties() -> None:
    assert ranked([[0.1 + 0.2, 0.3, 0.9], [0.3, 0.1 + 0.2, 0.9]]).mean == (2.5, 2.5, 1.0)


def test_too_few_methods_or_tasks_are_refused() -> None:
    with pytest.raises(UserError, match="3 or more methods, and there are 2"):
        ranked(np.ones((5, 2)))
    with pytest.raises(UserError, match="only 1"):
        ranked(np.ones((1, 3)))


def test_groups_that_are_alike_are_the_largest_and_none_within_another() -> None:
    def groups(*mean: float) -> list[tuple[int, ...]]:
        return Ranks(mean, 9, 0.0, 0.0, 1.0).alike()

    assert groups(1.0, 2.5, 4.0) == []
    assert groups(1.0, 2.0, 4.0) == []  # as far apart as the critical difference: they differ
    assert groups(1.0, 1.5, 2.2, 2.4) == [(0, 1), (1, 2, 3)]
    assert groups(1.0, 1.2, 1.4, 9.0) == [(0, 1, 2)]
