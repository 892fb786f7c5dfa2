"""The two steps of SRN: what is filtered, where anchors go, what learns from what."""

import torch

from nasface.detection.boxes import decode
from nasface.detection.two_step import THRESHOLD, compose_offsets, filter_background, refine

ANCHORS = torch.tensor([[0.0, 0, 8, 10], [10, 20, 30, 44], [5, 5, 69, 85], [-9, 3, 55, 90]])


def test_the_second_step_starts_where_the_first_has_led() -> None:
    """By way of the boxes: decode the first offsets, and the second ones from there."""
    torch.manual_seed(0)
    first, second = torch.randn(2, 2, 4, 4)
    moved = decode(first, ANCHORS)
    found = decode(compose_offsets(first, second), ANCHORS)
    for at in range(2):
        torch.testing.assert_close(found[at], decode(second[at], moved[at]))


def test_easy_background_is_filtered() -> None:
    torch.manual_seed(0)
    sure = torch.tensor([[9.0, 0.0], [0.0, 0.0], [4.7, 0.0], [4.5, 0.0]])
    probability = sure.softmax(1)[:, 1]
    assert (probability < THRESHOLD).tolist() == [True, False, True, False]
    later = torch.randn(1, 4, 2)
    found = filter_background(sure[None], later)
    torch.testing.assert_close(found[0, [1, 3]], later[0, [1, 3]])
    assert (found[0, [0, 2]].softmax(1)[:, 1] < 1e-4).all()


def test_each_step_learns_what_it_is_asked_for() -> None:
    torch.manual_seed(0)
    first, second = (
        [
            (torch.randn(1, 3, 2).requires_grad_(), torch.randn(1, 3, 4).requires_grad_())
            for _ in range(2)
        ]
        for _ in range(2)
    )
    asked, answers = refine(first, second, fine=1)
    outputs = [each for step in (asked, answers) for level in step for each in level]
    torch.stack([each.sum() for each in outputs]).sum().backward()

    def learns(level: tuple[torch.Tensor, torch.Tensor]) -> list[bool]:
        return [each.grad is not None and bool((each.grad != 0).any()) for each in level]

    assert [learns(level) for level in first] == [[True, False], [False, True]]
    assert [learns(level) for level in second] == [[True, True], [True, True]]
