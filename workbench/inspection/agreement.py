"""Agreement: do the gradients of tasks, and those of a task's shots, point the same way?"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import pandas as pd
import torch
from torch import Tensor

from workbench.algorithms.base import Learner
from workbench.algorithms.capabilities import Unrolls
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.innerloop import weights_of
from workbench.inspection.layers import dots, groups_of, lacking, one_task, ratio
from workbench.tasks.episode import Episode

Named = dict[str, Tensor]


def task_gradients(learner: Learner, episode: Episode) -> list[Named]:
    """The meta-gradient of every task by itself, as the learner defines it."""
    with torch.enable_grad():
        return [learner.meta_gradient(episode[i : i + 1]).gradients for i in range(len(episode))]


def shot_gradients(
    learner: Learner, episode: Episode, adapted: Adapted, task: int = 0
) -> list[Named]:
    """The gradient of each support example's loss, or trajectory's, by a task's fast weights."""
    if not isinstance(learner, Unrolls):
        raise lacking(learner, Unrolls, "shot_gradients")
    one, (value,) = one_task(episode, [adapted], task)
    with torch.enable_grad():
        weights = {n: w.detach().requires_grad_() for n, w in weights_of(value.values).items()}
        (losses,), weight = learner.shot_losses(weights, value, one)
        counted = range(len(losses)) if weight is None else weight[0].nonzero()
        found = []
        for place in (int(k) for k in counted):
            gradients = torch.autograd.grad(
                losses[place], list(weights.values()), retain_graph=True, allow_unused=True
            )
            found.append(
                {
                    n: torch.zeros_like(w) if g is None else g
                    for (n, w), g in zip(weights.items(), gradients, strict=True)
                }
            )
    return found


def agreement_frame(
    learner: Learner, episode: Episode, path: Sequence[Adapted], task: int = 0
) -> pd.DataFrame:
    """Cosines between gradients, pair by pair: a row a kind, layer and pair.

    between  tasks (their meta-gradients) or shots (the gradients of the losses of one task's
             support examples, before the first inner step)
    layer    a layer of the model, or 'all' together
    first    the one of the pair, its place in the episode or among the support
    second   the other; every pair once
    cosine   between their gradients: 1 agree, 0 have nothing in common, below 0 in conflict

    >>> from workbench.algorithms import MAML, adapt
    >>> from workbench.models import MLP
    >>> from workbench.tasks import Shape, open_tasks
    >>> episode = open_tasks("sinusoid").sample(3, seed=0, shape=Shape(1, 4, 5))
    >>> learner = MAML(MLP(1, 1))
    >>> frame = agreement_frame(learner, episode, list(adapt(learner, episode)))
    >>> frame[frame["layer"] == "all"]["between"].value_counts().to_dict()
    {'shots': 6, 'tasks': 3}
    """
    rows = []
    for between, gradients in _gradients(learner, episode, path, task).items():
        for layer, names in groups_of(list(gradients[0])).items():
            for first, second in combinations(range(len(gradients)), 2):
                cosine = _cosine(gradients[first], gradients[second], names)
                rows.append((between, layer, first, second, cosine))
    return pd.DataFrame(rows, columns=["between", "layer", "first", "second", "cosine"])


def signal_frame(
    learner: Learner, episode: Episode, path: Sequence[Adapted], task: int = 0
) -> pd.DataFrame:
    """How much of the gradients is common: a row a kind and layer.

    between   tasks or shots, as in `agreement_frame`
    layer     a layer of the model, or 'all' together
    count     how many gradients
    signal    the norm of their mean
    noise     the root of their summed variances about it
    ratio     signal to noise, of a single gradient
    cosine    the mean cosine of pairs
    conflict  the fraction of pairs whose cosine is below 0
    """
    rows = []
    for between, gradients in _gradients(learner, episode, path, task).items():
        for layer, names in groups_of(list(gradients[0])).items():
            rows.append({"between": between, "layer": layer, **signal_of(gradients, names)})
    return pd.DataFrame(rows)


def signal_of(gradients: Sequence[Named], names: Sequence[str]) -> dict[str, float]:
    """How much is common to gradients over some of their tensors: a row of `signal_frame`.

    >>> one, other = {"w": torch.tensor([1.0])}, {"w": torch.tensor([3.0])}
    >>> round(signal_of([one, other], ["w"])["ratio"], 3)
    1.414
    """
    count = len(gradients)
    rows = torch.stack([torch.cat([g[n].flatten() for n in names]) for g in gradients]).double()
    mean = rows.mean(dim=0)
    signal = float(mean.norm())
    noise = float((rows - mean).square().sum() / (count - 1)) ** 0.5
    products = rows @ rows.T
    norms = products.diagonal().sqrt()
    pairs = tuple(torch.triu_indices(count, count, 1))
    cosines = pd.Series((products / norms / norms.unsqueeze(1))[pairs].tolist())
    return {
        "count": count,
        "signal": signal,
        "noise": noise,
        "ratio": ratio(signal, noise),
        "cosine": cosines.mean(),
        "conflict": (cosines < 0).mean(),
    }


def _gradients(
    learner: Learner, episode: Episode, path: Sequence[Adapted], task: int
) -> dict[str, list[Named]]:
    """Those kinds of gradients of which there are at least two."""
    found = {"tasks": task_gradients(learner, episode)}
    if isinstance(learner, Unrolls):
        found["shots"] = shot_gradients(learner, episode, path[0], task)
    several = {between: gradients for between, gradients in found.items() if len(gradients) > 1}
    if not several:
        raise UserError("agreement needs at least two gradients: sample an episode of more tasks")
    return several


def _cosine(a: Named, b: Named, names: Sequence[str]) -> float:
    return ratio(dots(a, b, names), (dots(a, a, names) * dots(b, b, names)) ** 0.5)
