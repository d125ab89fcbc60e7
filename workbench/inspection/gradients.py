"""Gradients along the inner loop: their norms, how they flow back, what they are made of."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from workbench.algorithms.base import Learner
from workbench.algorithms.estimators.clipped import Clipped
from workbench.algorithms.values import Adapted, trainable
from workbench.errors import UserError
from workbench.innerloop import clip_each_task, weights_of
from workbench.inspection.layers import (
    dots,
    fast_weights,
    groups_of,
    one_task,
    ratio,
    task_dots,
    unrolled_learner,
)
from workbench.inspection.variation import reset
from workbench.measures import half_width
from workbench.tasks.episode import Episode

Named = dict[str, Tensor]

_CARRIED = ("weights.", "optimizer.", "carried.")  # values that a gradient flows back through


@torch.no_grad()
def norm_frame(learner: Learner, episode: Episode, path: Sequence[Adapted]) -> pd.DataFrame:
    """How large weights, gradients and updates are: a row a task, step, layer and kind.

    task   its place in the episode
    step   after how many inner steps
    layer  a layer of the model, or 'all' together
    kind   weights; gradient (of the support loss, that the step descended); update (the change
           that the step made); distance (from where the adaptation began)
    norm   its Euclidean norm

    >>> from workbench.algorithms import MAML, adapt
    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> episode, learner = open_tasks("sinusoid").sample(2, seed=0), MAML(MLP(1, 1))
    >>> frame = norm_frame(learner, episode, list(adapt(learner, episode, steps=1)))
    >>> sorted(frame["kind"].unique())
    ['distance', 'gradient', 'update', 'weights']
    """
    weights = fast_weights(learner, path, "norm_frame")
    groups = groups_of(list(weights[0]))
    pieces: list[tuple[dict[str, object], Tensor]] = []
    for index, (adapted, now) in enumerate(zip(path, weights, strict=True)):
        kinds = {"weights": now, "distance": _minus(now, weights[0])}
        if index:
            kinds["update"] = _minus(now, weights[index - 1])
            kinds["gradient"] = _gradient_seen(learner, episode, path[index - 1], adapted)
        for kind, tensors in kinds.items():
            for layer, names in groups.items():
                norms = task_dots(tensors, tensors, names).sqrt()
                columns = {"step": adapted.step, "layer": layer, "kind": kind}
                pieces.append((columns, norms))
    return _tidy(pieces)


def flow_frame(learner: Learner, episode: Episode, path: Sequence[Adapted]) -> pd.DataFrame:
    """The meta-gradient on its way back through the inner steps: a row a task, step, layer, order.

    task   its place in the episode
    step   the norm is that of the gradient of the task's meta-loss by the value after this step;
           at the last one it sets out, at 0 it has come through every inner step
    layer  a layer of the model, or 'all' together
    order  second (exact), first (every inner gradient taken as constant), truncated where the
           learner does that, and clipped where its estimator does
    norm   its Euclidean norm, over the fast weights

    Only the values of the path are used, a step at a time: memory does not grow with the steps.

    >>> from workbench.algorithms import MAML, adapt
    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> episode, learner = open_tasks("sinusoid").sample(2, seed=0), MAML(MLP(1, 1))
    >>> frame = flow_frame(learner, episode, list(adapt(learner, episode, steps=3)))
    >>> frame["step"].max(), sorted(frame["order"].unique())
    (np.int64(3), ['first', 'second'])
    """
    checked = unrolled_learner(learner, path, "flow_frame")
    groups = groups_of(list(weights_of(path[0].values)))
    orders = ["second", "first"]
    if checked.settings.order == "truncated":
        orders.append("truncated")
    limit = None
    if isinstance(checked.estimator, Clipped):
        orders.append("clipped")
        limit = checked.estimator.limit
    pieces: list[tuple[dict[str, object], Tensor]] = []
    for order in orders:
        exact = _unrolled(learner, "second" if order == "clipped" else order, path)
        for back in _backwards(exact, episode, path, limit if order == "clipped" else None):
            gradient = weights_of(back.values)
            for layer, names in groups.items():
                norms = task_dots(gradient, gradient, names).sqrt()
                pieces.append(({"step": back.step, "layer": layer, "order": order}, norms))
    return _tidy(pieces)


@dataclass(frozen=True)
class Anatomy:
    """The meta-gradient (of the mean over tasks) in parts that sum to it exactly.

    first_order  the gradient at the adapted weights, all that first-order MAML keeps
    corrections  what the second order of each inner step adds, by the step's number from 1
    """

    first_order: Named
    corrections: dict[int, Named]

    @property
    def full(self) -> Named:
        """The second-order meta-gradient."""
        return _sum([self.first_order, *self.corrections.values()])

    @property
    def correction(self) -> Named:
        """All steps' corrections together."""
        return _minus(self.full, self.first_order)


def anatomy(learner: Learner, episode: Episode, path: Sequence[Adapted]) -> Anatomy:
    """Take the exact second-order meta-gradient apart.

    With v_k the gradient of the meta-loss by the value after step k, the correction of step k is
    v_(k-1) - v_k: for plain gradient descent -alpha H v_k, H the support loss's Hessian there.
    What reaches a meta-parameter beside the weights that adapt (a rate, a layer that does not
    adapt) at a step counts to that step too.
    """
    unrolled_learner(learner, path, "anatomy_frame")
    exact = _unrolled(learner, "second", path)
    size = len(episode)
    names = [name for name, _ in trainable(exact)]
    # Where v_k arrives among the meta-parameters: begin copies them, so its transpose sums up.
    arrivals: dict[int, Named] = {}
    outside: dict[int, Named] = {}
    for back in _backwards(exact, episode, path):
        arrivals[back.step] = _through_begin(exact, episode, back.values, names)
        outside[back.step] = back.outside
    last = path[-1].step
    first = _sum([arrivals[last], outside[last]])
    corrections = {}
    for step in sorted(arrivals)[:-1]:
        corrections[step + 1] = _sum([_minus(arrivals[step], arrivals[step + 1]), outside[step]])
    return Anatomy(
        _scaled(first, 1 / size), {k: _scaled(part, 1 / size) for k, part in corrections.items()}
    )


def anatomy_frame(learner: Learner, episode: Episode, path: Sequence[Adapted]) -> pd.DataFrame:
    """What the meta-gradient is made of: a row a layer and term.

    layer   a layer of the model, or 'all' together
    term    first order (the gradient at the adapted weights); step (the correction by one inner
            step's Hessian); second order (all corrections together); full (their sum, the exact
            meta-gradient of the mean over tasks)
    step    which inner step a correction is of, counted from 1; missing for other terms
    norm    Euclidean norm of the term
    size    that norm over the norm of the full gradient. Of the term 'second order' it is the
            second-order part: the norm of all steps' Hessian corrections together, over the norm
            of the whole meta-gradient: what first-order MAML leaves out
    low, high  the 95% interval of size over tasks (jackknife); missing for steps and single tasks
    cosine  between the term and the full gradient
    share   the term's projection on the full gradient, as a fraction of it: first order and
            steps sum to 1, and none of them says how large what it leaves out is

    The anatomy is that of the exact gradient also where the learner leaves the second order out:
    it then shows what is left out.

    >>> from workbench.algorithms import MAML, adapt
    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> episode, learner = open_tasks("sinusoid").sample(2, seed=0), MAML(MLP(1, 1))
    >>> frame = anatomy_frame(learner, episode, list(adapt(learner, episode, steps=2)))
    >>> frame[frame["layer"] == "all"]["term"].tolist()
    ['first order', 'step', 'step', 'second order', 'full']
    """
    parts = anatomy(learner, episode, path)
    several = range(len(episode)) if len(episode) > 1 else ()
    alone = [anatomy(learner, *one_task(episode, path, task)) for task in several]
    full = parts.full
    terms: list[tuple[str, int | None, Mapping[str, Tensor]]] = [
        ("first order", None, parts.first_order),
        *(("step", step, part) for step, part in parts.corrections.items()),
        ("second order", None, parts.correction),
        ("full", None, full),
    ]
    rows = []
    for layer, names in groups_of(list(full)).items():
        whole = dots(full, full, names)
        for term, step, part in terms:
            along, norm = dots(part, full, names), dots(part, part, names) ** 0.5
            size = ratio(norm, whole**0.5)
            half = _over_tasks(term, alone, names)
            rows.append(
                {
                    "layer": layer,
                    "term": term,
                    "step": step,
                    "norm": norm,
                    "size": size,
                    "low": size - min(half, size) if half == half else math.nan,
                    "high": size + half,
                    "cosine": ratio(along, norm * whole**0.5),
                    "share": ratio(along, whole),
                }
            )
    return pd.DataFrame(rows).astype({"step": "Int64"})


def _over_tasks(term: str, tasks: Sequence[Anatomy], names: Sequence[str]) -> float:
    """Half the 95% interval of a term's size: Tukey's jackknife, each task left out in turn."""
    which = {"first order": "first_order", "second order": "correction", "full": "full"}
    if term not in which or not tasks:
        return math.nan

    def left(parts: Sequence[Named]) -> Tensor:
        """The norm of the sum of all tasks but one, `[task]`."""
        each = torch.stack([torch.cat([p[n].double().flatten() for n in names]) for p in parts])
        return (each.sum(dim=0) - each).norm(dim=1)

    found = left([getattr(t, which[term]) for t in tasks]) / left([t.full for t in tasks])
    count = len(tasks)
    return half_width(float(found.var(correction=0) * (count - 1) * count) ** 0.5, count)


# ---- back through the inner steps, one at a time -------------------------------------------------


@dataclass(frozen=True)
class _Back:
    """The gradient of the tasks' summed meta-losses at one value of the path.

    values   by the value's own tensors, `[task, ...]`
    outside  what reaches the meta-parameters by the step that follows (at the last value: by the
             loss), other than through the value
    """

    step: int
    values: Named
    outside: Named


def _unrolled(learner: Learner, order: str, path: Sequence[Adapted]) -> Learner:
    """The learner differentiated in an order, taking as many steps as the path has."""
    steps = path[-1].step
    return reset(learner, order=order, train_steps=steps, test_steps=steps, rematerialise=False)


def reaches_back(learner: Learner, episode: Episode, path: Sequence[Adapted]) -> bool:
    """Whether the meta-loss is a differentiable function of the values of its path."""
    with torch.enable_grad():
        return learner.meta_loss([_leaves(adapted) for adapted in path], episode).requires_grad


def _backwards(
    learner: Learner, episode: Episode, path: Sequence[Adapted], limit: float | None = None
) -> Iterator[_Back]:
    """From the last value to the first; each step is computed anew from the value before it.

    `limit` is the greatest norm of what a step hands back, where that is clipped.
    """
    names, parameters = zip(*trainable(learner), strict=True)
    with torch.enable_grad():
        leaves = [_leaves(adapted) for adapted in path]
        losses = learner.meta_loss(leaves, episode)
        if not losses.requires_grad:
            raise UserError(
                f"what {type(learner).__name__} learns from does not depend on the values of its "
                "path in a way that can be differentiated: look at its rewards and strategy instead"
            )
        wanted = [(i, n, t) for i, a in enumerate(leaves) for n, t in _carried(a).items()]
        found = torch.autograd.grad(
            losses.sum(), [*(t for _, _, t in wanted), *parameters], allow_unused=True
        )
    direct: list[Named] = [{} for _ in leaves]
    for (i, name, tensor), gradient in zip(wanted, found, strict=False):
        direct[i][name] = torch.zeros_like(tensor) if gradient is None else gradient
    outside = _filled(names, parameters, found[len(wanted) :])
    arriving = direct[-1]
    yield _Back(path[-1].step, arriving, outside)
    for i in range(len(path) - 2, -1, -1):
        with torch.enable_grad():
            start = _leaves(path[i])
            inputs = _carried(start)
            reached = _carried(learner.step(start, episode))
            # A branch with another optimizer let go of what the old one kept.
            pairs = [
                (t, arriving[n]) for n, t in reached.items() if t.requires_grad and n in arriving
            ]
            found = torch.autograd.grad(
                [t for t, _ in pairs],
                [*inputs.values(), *parameters],
                [g for _, g in pairs],
                allow_unused=True,
            )
        back = [g for g in found[: len(inputs)] if g is not None]
        clipped = iter(back if limit is None else clip_each_task(back, limit))
        arriving = {
            name: direct[i][name] if gradient is None else direct[i][name] + next(clipped)
            for name, gradient in zip(inputs, found, strict=False)
        }
        yield _Back(path[i].step, arriving, _filled(names, parameters, found[len(inputs) :]))


def _through_begin(learner: Learner, episode: Episode, values: Named, names: list[str]) -> Named:
    """What a gradient at the starting value is, by the meta-parameters it was made from."""
    parameters = [p for _, p in trainable(learner)]
    with torch.enable_grad():
        start = learner.begin(episode).values
        pairs = [(start[n], g) for n, g in values.items() if n in start and start[n].requires_grad]
        found = torch.autograd.grad(
            [t for t, _ in pairs], parameters, [g for _, g in pairs], allow_unused=True
        )
    return _filled(names, parameters, found)


def _leaves(adapted: Adapted) -> Adapted:
    """The same value with fast weights and optimizer state to differentiate by."""
    values = {
        name: t.detach().requires_grad_() if name.startswith(_CARRIED) else t
        for name, t in adapted.values.items()
    }
    return Adapted(values, adapted.detach().seen, adapted.step)


def _carried(adapted: Adapted) -> Named:
    return {n: t for n, t in adapted.values.items() if n.startswith(_CARRIED)}


def _gradient_seen(learner: Learner, episode: Episode, before: Adapted, after: Adapted) -> Named:
    """What the step descended; taken again where the tape let it go for want of memory."""
    seen = after.seen
    if not any(name.startswith("gradient.") for name in seen):
        seen = learner.step(before, episode).seen
    head = "gradient."
    return {n.removeprefix(head): t for n, t in seen.items() if n.startswith(head)}


def _filled(
    names: Sequence[str], parameters: Sequence[Tensor], found: Sequence[Tensor | None]
) -> Named:
    return {
        n: torch.zeros_like(p) if g is None else g.detach()
        for n, p, g in zip(names, parameters, found, strict=True)
    }


def _sum(parts: Sequence[Named]) -> Named:
    return {name: torch.stack([part[name] for part in parts]).sum(dim=0) for name in parts[0]}


def _minus(a: Named, b: Named) -> Named:
    return {name: a[name] - b[name] for name in a}


def _scaled(a: Named, factor: float) -> Named:
    return {name: factor * tensor for name, tensor in a.items()}


def _tidy(pieces: Sequence[tuple[dict[str, object], Tensor]]) -> pd.DataFrame:
    """A row a piece and task; each piece has its columns and `[task]` norms."""
    norms = torch.stack([norm for _, norm in pieces]).cpu().numpy()
    count, tasks = norms.shape
    columns = {
        name: np.repeat([columns[name] for columns, _ in pieces], tasks) for name in pieces[0][0]
    }
    task = np.tile(np.arange(tasks), count)
    return pd.DataFrame({"task": task, **columns, "norm": norms.flatten()})
