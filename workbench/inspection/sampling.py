"""Sampling: how many trajectories does a policy gradient need before it is more than noise?"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from workbench.algorithms.base import Learner
from workbench.algorithms.capabilities import Plays, Unrolls
from workbench.algorithms.values import Adapted
from workbench.innerloop import weights_of
from workbench.inspection.layers import groups_of, lacking, one_task
from workbench.measures import half_width
from workbench.randomness import fold
from workbench.tasks.control.repeated import Repeated
from workbench.tasks.episode import Episode

_COUNTS = (1, 2, 5, 10, 20, 40)  # trajectories of a gradient
_DRAWS = 32  # gradients of each number


@torch.no_grad()
def sampling_frame(
    learner: Learner,
    episode: Episode,
    path: Sequence[Adapted],
    task: int = 0,
    *,
    counts: Sequence[int] = _COUNTS,
    draws: int = _DRAWS,
) -> pd.DataFrame:
    """How much of a first inner gradient is signal, by its number of trajectories: a row a layer.

    layer         a layer of the policy, or 'all' together
    trajectories  how many a gradient is made of
    signal        the norm of the gradient's expectation
    noise         the root of its summed variances
    ratio         signal to noise: with n times as many trajectories about the root of n as much
    low, high     its 95% interval over gradients (jackknife)

    Each number is tried by `draws` gradients of other trajectories of the same task, each with a
    baseline of its own. What their noise adds to the norm of their mean is taken off.

    >>> from workbench.algorithms import MAMLRL, adapt
    >>> from workbench.models import Gaussian
    >>> from workbench.tasks import open_tasks
    >>> episode, learner = open_tasks("navigation").sample(1, seed=0), MAMLRL(Gaussian(2, 2))
    >>> path = list(adapt(learner, episode, steps=0))
    >>> frame = sampling_frame(learner, episode, path, counts=[1, 2], draws=4)
    >>> frame[frame["layer"] == "all"]["trajectories"].tolist()
    [1, 2]
    """
    if not isinstance(learner, Plays):
        raise lacking(learner, Plays, "sampling_frame")
    if not isinstance(learner, Unrolls):
        raise lacking(learner, Unrolls, "sampling_frame")
    rows = []
    for count in counts:
        gradients = _gradients(learner, episode, path[0], task, count, draws)
        for layer, names in groups_of(list(gradients)).items():
            every = torch.cat([gradients[n].flatten(1) for n in names], dim=1).double()
            numbers = _signal(every @ every.T)
            rows.append({"layer": layer, "trajectories": count, **numbers})
    return pd.DataFrame(rows)


def _gradients(
    learner: Unrolls, episode: Episode, adapted: Adapted, task: int, count: int, draws: int
) -> dict[str, Tensor]:
    """Gradients of the same weights and task by other trajectories, `[draw, ...]`."""
    one, (value,) = one_task(episode, [adapted], task)
    copies = torch.zeros(draws, dtype=torch.long, device=one.seed.device)
    env: Any = one.env
    world = env.env if isinstance(env, Repeated) else env
    seeds = fold(one.seed, torch.arange(1, draws + 1, device=one.seed.device))
    many = dataclasses.replace(one[copies], seed=seeds, env=Repeated(world, count))
    start = Adapted({name: t[copies] for name, t in value.values.items()}, step=value.step)
    with torch.enable_grad():
        weights = {n: w.detach().requires_grad_() for n, w in weights_of(start.values).items()}
        loss = learner.support_loss(weights, start, many).sum()
        found = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
    return {
        n: torch.zeros_like(w) if g is None else g
        for (n, w), g in zip(weights.items(), found, strict=True)
    }


def _signal(products: Tensor) -> dict[str, float]:
    """Of gradients' inner products with each other, and the same without each of them."""
    count, own, rows = len(products), products.diagonal(), products.sum(dim=1)
    whole, alone = products.sum(), own.sum()
    signal, noise = _parts(whole, alone, count)
    left = _parts(whole - 2 * rows + own, alone - own, count - 1)
    ratios = _ratio(*left)
    # Tukey's jackknife
    spread = float(ratios.var(correction=0) * (count - 1) * count) ** 0.5
    ratio, half = float(_ratio(signal, noise)), half_width(spread, count)
    return {
        "signal": float(signal.sqrt()),
        "noise": float(noise.sqrt()),
        "ratio": ratio,
        "low": max(ratio - half, 0.0),
        "high": ratio + half,
    }


def _parts(whole: Tensor, alone: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The squares of signal and noise: products of different gradients have no noise in common."""
    signal = ((whole - alone) / (count * (count - 1))).clamp(min=0)
    return signal, alone / count - signal


def _ratio(signal: Tensor, noise: Tensor) -> Tensor:
    return (signal / noise).sqrt()
