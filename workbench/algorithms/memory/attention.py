"""Attention over entries: soft over all, or hard over k, and the ways to train what is hard.

    soft       a = softmax(s)                        s: scores, already divided by a temperature
    hard       a = 1/k at the k entries of the highest scores
    draw       a = 1/k at k entries drawn one after the other, without putting back:
               those of the highest s + Gumbel noise

A draw is trained straight through (Jang et al., 2017: forwards the draw, backwards soft's
gradient) or by REINFORCE (Williams, 1992), which needs the logarithm of its chance.
"""

from __future__ import annotations

import torch
from torch import Tensor

from workbench.errors import UserError
from workbench.randomness import uniform


def soft(scores: Tensor) -> Tensor:
    """Weights of all entries, `[..., entry]`, that sum to 1.

    >>> soft(torch.zeros(1, 4))
    tensor([[0.2500, 0.2500, 0.2500, 0.2500]])
    """
    return scores.softmax(dim=-1)


def highest(scores: Tensor, count: int) -> Tensor:
    """The `count` entries of the highest scores, the highest first: `[..., count]`.

    >>> highest(torch.tensor([0.1, 0.9, 0.5]), 2)
    tensor([1, 2])
    """
    check_count(count, scores.shape[-1])
    return scores.topk(count, dim=-1).indices


def gumbel(seed: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Noise that makes the highest score a draw from the softmax: `[task, *shape]`.

    >>> seeds = torch.arange(20_000)
    >>> scores = torch.tensor([0.25, 0.75], dtype=torch.float64).log()
    >>> noisy = scores + gumbel(seeds, (2,), torch.float64)
    >>> round(noisy.argmax(dim=-1).double().mean().item(), 2)
    0.75
    """
    draws = uniform(seed, shape, dtype)
    tiny = torch.finfo(dtype).tiny
    return -(-(draws.clamp(min=tiny)).log()).clamp(min=tiny).log()


def hard(chosen: Tensor, entries: int, like: Tensor) -> Tensor:
    """Equal weights of the chosen entries, `[..., entry]`.

    >>> hard(torch.tensor([[0, 2]]), 3, torch.zeros(1))
    tensor([[0.5000, 0.0000, 0.5000]])
    """
    index = torch.arange(entries, device=chosen.device)
    return (chosen.unsqueeze(-1) == index).to(like).mean(dim=-2)


def straight_through(forwards: Tensor, backwards: Tensor) -> Tensor:
    """The numbers of one tensor with the gradient of another."""
    return forwards.detach() + (backwards - backwards.detach())


def log_chance(scores: Tensor, chosen: Tensor) -> Tensor:
    """The logarithm of the chance that just these entries are drawn in this order: `[...]`.

    >>> scores = torch.tensor([0.5, 0.3, 0.2]).log()
    >>> log_chance(scores, torch.tensor([1, 0])).exp()  # 0.3 * 0.5 / 0.7
    tensor(0.2143)
    """
    total = torch.zeros_like(scores[..., 0])
    left = scores
    for place in chosen.unbind(dim=-1):
        own = place.unsqueeze(-1)
        total = total + left.log_softmax(dim=-1).gather(-1, own).squeeze(-1)
        left = left.scatter(-1, own, -torch.inf)
    return total


def check_count(count: int, entries: int) -> None:
    """Refuse to read more entries than there are.

    >>> check_count(5, 3)
    Traceback (most recent call last):
    ...
    workbench.errors.UserError: hard attention was asked for 5 entries and the memory has 3: ask
    for at most 3, or fill it with more
    """
    if entries == 0:
        raise UserError("the memory is empty, so nothing can be read of it: fill it first")
    if count > entries:
        raise UserError(
            f"hard attention was asked for {count} entries and the memory has {entries}: "
            f"ask for at most {entries}, or fill it with more"
        )
