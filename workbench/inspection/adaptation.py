"""Frames of one adaptation: a learner, an episode, and the path that `adapt` yielded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from workbench.algorithms.base import Adapted, Learner
from workbench.algorithms.losses import example_loss, metric
from workbench.errors import UserError
from workbench.tasks.episode import Episode, Examples
from workbench.tasks.sinusoid import FAMILIES, Curves


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
    one = _one_task(episode, task)
    examples = [part for part in (one.support, one.query) if part is not None]
    if not examples or one.ways is not None or examples[0].x[0, 0].numel() != 1:
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
    x = torch.linspace(low, high, points, dtype=first.dtype, device=first.device)
    grid = x.view(1, -1, *[1] * (first.dim() - 2))
    pieces = []
    if family is not None:
        pieces.append(_points(x, family.curve(one, x), "truth"))
    for kind, part in (("support", one.support), ("query", one.query)):
        if part is not None:
            shown = _shown(part, 0)
            pieces.append(_points(part.x[0][shown], part.y[0][shown], kind))
    for adapted in path:
        prediction = learner.predict(_one_value(adapted, task), grid)
        pieces.append(_points(x, prediction, "prediction", adapted.step))
    frame = pd.concat(pieces, ignore_index=True)
    return frame.astype({"step": "Int64"})


@torch.no_grad()
def step_frame(learner: Learner, episode: Episode, path: Sequence[Adapted]) -> pd.DataFrame:
    """How well every task goes after every inner step: a row a task, step and part.

    task      its place in the episode
    step      after how many inner steps
    part      support or query; trial for control tasks
    loss      the mean loss over the part's examples (cross-entropy, or squared error)
    accuracy  for classification, a fraction; or
    mse       for regression; or
    reward    for control, in place of the loss: the sum of the rewards so far

    >>> from workbench.algorithms import MAML, adapt
    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> episode, learner = open_tasks("sinusoid").sample(2, seed=0), MAML(MLP(1, 1))
    >>> step_frame(learner, episode, list(adapt(learner, episode, steps=1))).columns.tolist()
    ['task', 'step', 'part', 'loss', 'mse']
    """
    tasks = range(len(episode))
    pieces = []
    reward = torch.zeros(len(episode), device=episode.seed.device)
    for adapted in path:
        if episode.env is not None:
            reward = reward + adapted.seen.get("reward", torch.zeros_like(reward))
            measures = {"reward": _numbers(reward)}
            pieces.append(_rows(tasks, adapted.step, "trial", measures))
            continue
        for part, examples in (("support", episode.support), ("query", episode.query)):
            if examples is None:
                continue
            prediction = learner.predict(adapted, examples.x, examples.weight)
            name = "mse" if examples.y.is_floating_point() else "accuracy"
            measures = {
                "loss": _numbers(example_loss(prediction, examples)),
                name: _numbers(metric(prediction, examples)),
            }
            pieces.append(_rows(tasks, adapted.step, part, measures))
    if not pieces:
        raise UserError("the path is empty: pass list(adapt(learner, episode))")
    return pd.concat(pieces, ignore_index=True)


@torch.no_grad()
def image_frame(
    episode: Episode,
    learner: Learner | None = None,
    adapted: Adapted | None = None,
    task: int = 0,
) -> pd.DataFrame:
    """A classification task of images: a row an image.

    part        support or query
    label       its true class, counted from 0 within the task
    name        that class's name, or its number where it has none
    shot        which image of its class it is, counted from 0
    image       array, height x width of ink in 0..1, or height x width x 3 of colour
    prediction  for query images, when a learner and an adapted value are given: the class
    confidence  the probability that it is given

    >>> from workbench.tasks import Shape, open_tasks
    >>> episode = open_tasks("digits").sample(1, seed=0, shape=Shape(ways=2, shots=1, queries=2))
    >>> image_frame(episode)["part"].tolist()
    ['support', 'support', 'query', 'query', 'query', 'query']
    """
    one = _one_task(episode, task)
    if one.ways is None or one.support is None or one.support.x.dim() not in (4, 5):
        raise UserError(
            "image_frame shows classes of images, and these tasks are of another kind: "
            "use curve_frame or step_frame"
        )
    names = _names(one)
    rows: list[dict[str, Any]] = []
    for part, examples in (("support", one.support), ("query", one.query)):
        if examples is None:
            continue
        labels = examples.y[0].tolist()
        predictions, confidences = _judged(learner, adapted, examples, task, part)
        seen: dict[int, int] = {}
        for place in _shown(examples, 0).nonzero().flatten().tolist():
            label = labels[place]
            rows.append(
                {
                    "part": part,
                    "label": label,
                    "name": names[label],
                    "shot": seen.get(label, 0),
                    "image": _pixels(examples.x[0, place]),
                    "prediction": predictions[place],
                    "confidence": confidences[place],
                }
            )
            seen[label] = seen.get(label, 0) + 1
    return pd.DataFrame(rows).astype({"prediction": "Int64", "confidence": "float64"})


def _judged(
    learner: Learner | None, adapted: Adapted | None, examples: Examples, task: int, part: str
) -> tuple[list[int | None], list[float | None]]:
    """Predicted class and confidence of every query image; nothing where none was asked for."""
    count = examples.y.shape[1]
    if learner is None or adapted is None or part == "support":
        return [None] * count, [None] * count
    logits = learner.predict(_one_value(adapted, task), examples.x, examples.weight)[0]
    confidence, prediction = logits.softmax(dim=-1).max(dim=-1)
    return prediction.tolist(), confidence.tolist()


def _one_task(episode: Episode, task: int) -> Episode:
    if not 0 <= task < len(episode):
        raise UserError(
            f"task is {task} but the episode has {len(episode)}: choose 0 to {len(episode) - 1}"
        )
    return episode[task : task + 1]


def _one_value(adapted: Adapted, task: int) -> Adapted:
    """One task's part of an adaptation."""
    one = slice(task, task + 1)
    return Adapted(
        {name: tensor[one] for name, tensor in adapted.values.items()},
        {name: tensor[one] for name, tensor in adapted.seen.items()},
        adapted.step,
    )


def _family(episode: Episode) -> Curves | None:
    """The family of curves that an episode says it is from, with all its coefficients."""
    name, scheme = str(episode.info.get("dataset")), str(episode.info.get("scheme"))
    family = FAMILIES.get((name, scheme))
    if family is None or not set(family.ranges) <= set(episode.info):
        return None
    return Curves(name, scheme, family)


def _shown(examples: Examples, task: int) -> Tensor:
    """Which examples of a task are no padding."""
    if examples.weight is None:
        return torch.ones(examples.x.shape[1], dtype=torch.bool, device=examples.x.device)
    return examples.weight[task] > 0


def _names(episode: Episode) -> list[str]:
    """What each class of the task is called."""
    names, classes = episode.info.get("class_names"), episode.info.get("classes")
    ways = range(episode.ways or 0)
    if names is None or classes is None:
        return [f"class {way}" for way in ways]
    return [str(names[int(classes[0, way])]) for way in ways]


def _pixels(image: Tensor) -> np.ndarray:
    """Ink or colour in 0..1, channels last; other ranges are stretched to it."""
    pixels = image.detach().cpu().float().numpy()
    if pixels.ndim == 3:
        pixels = pixels[0] if pixels.shape[0] == 1 else np.moveaxis(pixels, 0, -1)
    low, high = float(pixels.min()), float(pixels.max())
    if low < 0 or high > 1:
        pixels = (pixels - low) / max(high - low, 1e-12)
    return pixels


def _numbers(tensor: Tensor) -> np.ndarray:
    return tensor.detach().double().cpu().flatten().numpy()


def _points(x: Tensor, y: Tensor, kind: str, step: int | None = None) -> pd.DataFrame:
    return pd.DataFrame({"x": _numbers(x), "y": _numbers(y), "kind": kind, "step": step})


def _rows(tasks: range, step: int, part: str, measures: dict[str, np.ndarray]) -> pd.DataFrame:
    return pd.DataFrame({"task": tasks, "step": step, "part": part, **measures})
