"""Combine rules by hand: in a fixed cell, and with some of the edges of a supernet's node."""

import pytest
import torch
from torch import Tensor

from nasface.arch.combine import COMBINE_RULES
from nasface.errors import SpecError
from nasface.nn.combine import Concat, SearchedConcat, WeightedSum, build_combine

A, B, C = torch.randn(3, 2, 4, 5, 6)


@pytest.mark.parametrize("searched", [False, True])
def test_sum_and_product(searched: bool) -> None:
    add = build_combine("sum", 4, 3, searched=searched)
    multiply = build_combine("product", 4, 3, searched=searched)
    for module in (add, multiply):
        assert not list(module.parameters())
        assert torch.equal(module([A]), A)
    assert torch.equal(add([A, B, C]), A + B + C)
    assert torch.equal(multiply([A, B, C]), A * B * C)
    assert torch.equal(add([A, C], [0, 2]), A + C)


def test_shares_are_those_of_the_edges_given() -> None:
    rule = build_combine("weighted_sum", 4, 3)
    assert isinstance(rule, WeightedSum)
    with torch.no_grad():
        rule.scale.copy_(torch.tensor([1.0, 2.0, 6.0]).log())
    torch.testing.assert_close(rule([A, B, C]), A / 9 + B * 2 / 9 + C * 6 / 9)
    torch.testing.assert_close(rule([C, A], [2, 0]), C * 6 / 7 + A / 7)


def test_the_searched_concatenation_is_the_fixed_one_edge_by_edge() -> None:
    fixed, searched = (build_combine("concat", 4, 2, searched=each) for each in (False, True))
    assert isinstance(fixed, Concat)
    assert isinstance(searched, SearchedConcat)
    weights: list[Tensor] = [each.weight for each in searched.merge]  # type: ignore[misc]
    with torch.no_grad():
        fixed.merge.weight.copy_(torch.cat(weights, 1))
    torch.testing.assert_close(searched([A, B], [0, 1]), fixed([A, B]))
    zero = torch.zeros_like(A)
    torch.testing.assert_close(searched([B], [1]), fixed([zero, B]))


def test_each_rule_keeps_the_shape() -> None:
    for name in COMBINE_RULES:
        for searched in (False, True):
            assert build_combine(name, 4, 2, searched=searched)([A, B]).shape == A.shape


def test_an_unknown_rule_is_named() -> None:
    with pytest.raises(SpecError, match="unknown combine rule 'mean'; expected one of sum"):
        build_combine("mean", 4, 2)
