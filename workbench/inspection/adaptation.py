"""Frames of one adaptation: a learner, an episode, and the path that `adapt` yielded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from workbench.algorithms.base import Learner
from workbench.algorithms.capabilities import Plays
from workbench.algorithms.control.trials import rewards
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.inspection.examples import shown
from workbench.inspection.layers import one_task
from workbench.inspection.moves import playing
from workbench.inspection.tidy import table
from workbench.measures import noted
from workbench.tasks.control.environment import Box
from workbench.tasks.episode import Episode
from workbench.tasks.families.sinusoid import FAMILIES, Curves
from workbench.tasks.objectives import measures


@torch.no_grad()
def curve_frame(
    learner: Learner, episode: Episode, path: Sequence[Adapted], task: int = 0, points: int = 201
) -> pd.DataFrame:
    """A regression task of one input and one output: a row a point.

    x, y  the point
    kind  truth (where the task's curve is known), support, query, or prediction
    step  of a prediction, after how many inner steps; missing for the other kinds

    Curves are read at `points` places over the family's interval, or over that of the examples.

    >>> from workbench.algorithms import MAML, adapt
    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> episode, learner = open_tasks("sinusoid").sample(2, seed=0), MAML(MLP(1, 1))
    >>> frame = curve_frame(learner, episode, list(adapt(learner, episode, steps=1)), points=11)
    >>> frame["kind"].value_counts(sort=False).to_dict()
    {'truth': 11, 'support': 10, 'query': 10, 'prediction': 22}
    """
    one, values = one_task(episode, path, task)
    examples = list(one.parts.values())
    if one.kind != "regression" or examples[0].x[0, 0].numel() != 1:
        raise UserError(
            "curve_frame shows regression with one input, and these tasks are of another kind: "
            "use image_frame or step_frame"
        )
    family = _family(one)
    if family is not None:
        low, high = family.family.interval
    else:
        low = min(float(part.x.min()) for part in examples)
        high = max(float(part.x.max()) for part in examples)
    first = examples[0].x
    dtype = first.dtype if first.is_floating_point() else torch.get_default_dtype()
    x = torch.linspace(low, high, points, dtype=dtype, device=first.device)
    if not first.is_floating_point():
        x = x.round().unique()
    grid = x.to(first.dtype).view(1, -1, *[1] * (first.dim() - 2))
    pieces = []
    if family is not None:
        pieces.append(_points(x, family.curve(one, x), "truth"))
    for kind, part in one.parts.items():
        there = shown(part)
        pieces.append(_points(part.x[0][there], part.y[0][there], kind))
    for adapted in values:
        prediction = learner.predict(adapted, grid)
        pieces.append(_points(x, prediction, "prediction", adapted.step))
    return table(pieces).astype({"step": "Int64"})


@torch.no_grad()
def step_frame(learner: Learner, episode: Episode, path: Sequence[Adapted]) -> pd.DataFrame:
    """How well every task goes after every inner step: a row a task, step and part.

    task      its place in the episode
    step      after how many inner steps
    move      for control, after how many moves: a row a move in place of a step; not of a policy
              that plays whole episodes (MAML-RL), whose reward is the mean of its trajectories
    part      support or query; trial for control tasks
    loss      the mean loss over the part's examples, by the tasks' objective; not for control
    ...       every metric of the objective by its name: accuracy for classes, as a fraction, mse
              for numbers, reward (the sum of the rewards so far) for control, or your own

    >>> from workbench.algorithms import MAML, adapt
    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> episode, learner = open_tasks("sinusoid").sample(2, seed=0), MAML(MLP(1, 1))
    >>> step_frame(learner, episode, list(adapt(learner, episode, steps=1))).columns.tolist()
    ['task', 'step', 'part', 'loss', 'mse']
    """
    tasks = np.arange(len(episode))
    pieces: list[dict[str, Any]] = []

    def measured(prediction: Tensor, examples: Any) -> dict[str, np.ndarray]:
        metrics = episode.objective.metrics
        return {m.name: _numbers(m(prediction, examples)) for m in metrics}

    if isinstance(learner, Plays):
        pieces = list(_played(learner, episode, path))
    elif episode.kind == "control":
        pieces = list(_trial(episode, path))
    for adapted in path if not pieces else ():
        place = {"task": tasks, "step": adapted.step}
        for part, examples in episode.parts.items():
            prediction = learner.predict(adapted, examples.x, examples.weight)
            loss = _numbers(episode.loss(prediction, examples))
            found = measured(prediction, examples)
            pieces.append({**place, "part": part, "loss": loss, **found})
    if not pieces:
        raise UserError("the path is empty: pass list(adapt(learner, episode))")
    frame = table(pieces)
    ways = episode.ways if episode.present() is None else None
    return noted(frame, [m for m in measures(episode.objective, ways) if m.name in frame])


@torch.no_grad()
def prediction_frame(
    learner: Learner, episode: Episode, path: Sequence[Adapted], task: int = 0
) -> pd.DataFrame:
    """What a classification task's queries are taken for after every inner step: a row for each.

    step        after how many inner steps
    example     the query example, its place in the episode
    label       its true class
    prediction  the class that it is given
    confidence  the probability of that class
    truth       the probability of the true class
    correct     whether the two are the same

    >>> from workbench.algorithms import Prototypical, adapt
    >>> from workbench.models import MLP
    >>> from workbench.tasks import Shape, open_tasks
    >>> episode = open_tasks("digits").sample(1, seed=0, shape=Shape(2, 1, 3))
    >>> learner = Prototypical(MLP(64, None))
    >>> frame = prediction_frame(learner, episode, list(adapt(learner, episode)))
    >>> frame.groupby("step").size().to_dict()
    {0: 6, 1: 6}
    """
    one, values = one_task(episode, path, task)
    if one.ways is None or not shown(one.query):
        raise UserError(
            "prediction_frame shows which class a query is given, and these tasks have none: "
            "use curve_frame for regression, or pull_frame for control"
        )
    query = one.query
    places = shown(query)
    label = query.y[0, places]
    pieces = []
    for adapted in values:
        logits = learner.predict(adapted, query.x, query.weight)[0, places]
        probability = logits.double().softmax(dim=-1)
        confidence, prediction = probability.max(dim=-1)
        columns = {
            "step": adapted.step,
            "example": np.array(places),
            "label": label.cpu().numpy(),
            "prediction": prediction.cpu().numpy(),
            "confidence": _numbers(confidence),
            "truth": _numbers(probability.gather(-1, label.unsqueeze(-1))),
        }
        pieces.append(columns)
    frame = table(pieces)
    return frame.assign(correct=frame["label"] == frame["prediction"])


@torch.no_grad()
def pull_frame(
    learner: Learner, episode: Episode, path: Sequence[Adapted], task: int = 0
) -> pd.DataFrame:
    """A control task's trial: a row a move and action, or a row a move and number of an action.

    step         the inner step that made the move
    move         which move, counted from 1
    arm          the action, a bandit's arm; of an action that is numbers, which of them
    probability  with which the policy chose it then; not of numbers
    pulled       whether it did; not of numbers
    mean         of numbers: what the policy drew that one around
    deviation    of numbers: with what deviation
    action       of numbers: what it drew
    reward       what that brought; missing for what was not done
    value        what the policy expected of the rest of the trial, before the move; missing where
                 it expects nothing
    chance       that a bandit's arm pays, which the policy does not know; else missing

    >>> from workbench.algorithms import RL2, adapt
    >>> from workbench.models import Policy
    >>> from workbench.tasks import Shape, open_tasks
    >>> trial = open_tasks("bandit").sample(2, seed=0, shape=Shape(ways=3, shots=4))
    >>> learner = RL2(Policy(1, 3, hidden=4))
    >>> frame = pull_frame(learner, trial, list(adapt(learner, trial)), task=1)
    >>> len(frame), int(frame["pulled"].sum())
    (12, 4)
    """
    one, values = one_task(episode, path, task)
    numbers = one.env is not None and isinstance(one.env.actions, Box)
    moves = [a for a in values if ("out" if numbers else "probabilities") in a.seen]
    if one.env is None or not moves:
        raise UserError(
            "pull_frame shows the moves of a control task, and there are none: "
            "record RL² on tasks such as 'bandit', for at least 1 step"
        )
    means = one.task.get("means")
    chance = float("nan") if means is None else _numbers(means)
    pieces = []
    for move, adapted in enumerate(moves, 1):
        seen, arms = adapted.seen, np.arange(one.env.actions.size)
        reward = float(seen["reward"])
        columns: dict[str, Any] = {"step": adapted.step, "move": move, "arm": arms}
        if numbers:
            mean, logarithm = seen["out"].chunk(2, dim=-1)
            columns |= {"mean": _numbers(mean), "deviation": _numbers(logarithm.exp())}
            columns |= {"action": _numbers(seen["action"]), "reward": reward}
        else:
            pulled = arms == int(seen["action"])
            columns |= {"probability": _numbers(seen["probabilities"]), "pulled": pulled}
            columns["reward"] = np.where(pulled, reward, np.nan)
        columns["value"] = float(seen["value"]) if "value" in seen else float("nan")
        pieces.append(columns if numbers else columns | {"chance": chance})
    return table(pieces)


def _played(learner: Plays, episode: Episode, path: Sequence[Adapted]) -> Iterator[dict[str, Any]]:
    """Columns of what the policy does after every step."""
    for adapted, played in playing(learner, episode, path):
        brought = played["trajectory.reward"].mean(dim=1)
        found = {m.name: _numbers(m(brought, None)) for m in episode.objective.metrics}
        yield {"task": np.arange(len(episode)), "step": adapted.step, "part": "trial"} | found


def _trial(episode: Episode, path: Sequence[Adapted]) -> Iterator[dict[str, Any]]:
    """Columns of every move that the steps of a path made, after those of the beginning."""
    so_far = torch.zeros(len(episode), 0, device=episode.seed.device)
    columns = {"task": np.arange(len(episode)), "part": "trial"}
    for adapted in path:
        brought = rewards(adapted) if adapted.step else so_far[:, :0]
        first = so_far.shape[1] + (adapted.step > 0)
        so_far = torch.cat([so_far, brought], dim=1)
        for move in range(first, so_far.shape[1] + 1):
            found = {m.name: m(so_far[:, :move], None) for m in episode.objective.metrics}
            numbers = {name: _numbers(values) for name, values in found.items()}
            yield columns | {"step": adapted.step, "move": move} | numbers


def _family(episode: Episode) -> Curves | None:
    """The family of curves that an episode says it is from, with all its coefficients."""
    about = episode.info
    known = about.get("below", f"{about.get('dataset')}:{about.get('scheme')}")
    name, _, scheme = str(known).partition(":")
    family = FAMILIES.get((name, scheme))
    if family is None or not set(family.ranges) <= set(episode.info):
        return None
    return Curves(name, scheme, family)


def _numbers(tensor: Tensor) -> np.ndarray:
    return tensor.detach().double().cpu().flatten().numpy()


def _points(x: Tensor, y: Tensor, kind: str, step: int | None = None) -> dict[str, Any]:
    return {"x": _numbers(x), "y": _numbers(y), "kind": kind, "step": step}
