"""Frames of an episode's examples, whatever they are: images, points, rows of numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from workbench.algorithms.base import Learner
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.inspection.layers import one_task
from workbench.measures import warned
from workbench.tasks.episode import Episode, Examples
from workbench.tasks.tables import GAP, TABLE, Column, cells, columns_of
from workbench.tasks.text import TEXT, decoded

_NUMBERS = 8  # of an input that its text shows
_UNSEEN = (0.62, 0.5, 0.75)  # the colour of a patch that is missing
_DONE = {
    "move": "moved",
    "relabel": "relabelled",
    "duplicate": "duplicate",
    "swap": "swapped",
    "noise": "noisy",
    "draw": "drawn",
}


def example_frame(episode: Episode, task: int = 0) -> pd.DataFrame:
    """A task's examples: a row for each that is no padding.

    part     support or query
    example  its place in that part
    label    its class, counted from 0 within the task; missing for regression
    name     that class's name, or its number where it has none; missing for regression
    shot     which example of its class (of the part, for regression) it is, counted from 0
    weight   how much it counts
    edited   what was done to it by hand; missing where nothing was
    index    its row in the data set; missing where it has none
    image    of images: array, height x width of ink in 0..1, or height x width x 3 of colour
    x, y     of a point: its input, and its target
    header, cells  of a table's rows: what its columns are called, with their units, and what stands
             in them, parted by tabs; — where a value is missing
    inputs   of other data: array of its numbers
    text     of texts: all of it; of rows: the cells by name; of what has a name (a film): that; of
             others: the first of its numbers
    targets  of other data: array, where a target is of several numbers

    >>> from workbench.tasks import Shape, edited, open_tasks
    >>> episode = open_tasks("digits").sample(1, seed=0, shape=Shape(ways=2, shots=1, queries=1))
    >>> episode = edited(episode, [{"what": "relabel", "task": 0, "part": "support",
    ...                             "example": 1, "label": 0}])
    >>> example_frame(episode)[["part", "label", "edited"]].values.tolist()
    [['support', 0, None], ['support', 0, 'relabelled'], ['query', 0, None], ['query', 1, None]]
    """
    one, _ = one_task(episode, [], task)
    if one.kind == "control":
        raise UserError("control tasks have no examples to show: use pull_frame")
    names, show, items = _names(one), _shown_as(one), one.info.get("items")
    rows: list[dict[str, Any]] = []
    for part, examples in one.parts.items():
        edits = _edits(episode, task, part)
        index = one.info.get(f"{part}_index")
        x, y = (t[0].detach().cpu().numpy() for t in (examples.x, examples.y))
        count = len(y)
        of_weight = [1.0] * count if examples.weight is None else examples.weight[0].tolist()
        of_index = [-1] * count if index is None else index[0].tolist()
        seen: dict[int | None, int] = {}
        for place in shown(examples):
            label = None if one.ways is None else int(y[place])
            rows.append(
                {
                    "part": part,
                    "example": place,
                    "label": label,
                    "name": None if label is None else names[label],
                    "shot": seen.get(label, 0),
                    "weight": of_weight[place],
                    "edited": edits.get(place),
                    "index": None if of_index[place] < 0 else of_index[place],
                    **show(x[place]),
                    **({"text": items[of_index[place]]} if items and of_index[place] >= 0 else {}),
                    **({} if one.ways is not None else _target(y[place])),
                }
            )
            seen[label] = seen.get(label, 0) + 1
    frame = pd.DataFrame(rows).astype({"label": "Int64", "index": "Int64"})
    frame = frame.astype({"name": object, "edited": object}).replace({"edited": {np.nan: None}})
    return warned(frame, str(one.info.get("notice", "")))


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
    if episode.ways is None or episode.support.x.dim() not in (4, 5):
        raise UserError(
            "image_frame shows classes of images, and these tasks are of another kind: "
            "use curve_frame or step_frame"
        )
    frame = example_frame(episode, task)
    prediction = pd.Series(pd.NA, index=frame.index, dtype="Int64")
    confidence = pd.Series(np.nan, index=frame.index, dtype="float64")
    if learner is not None and adapted is not None and (frame["part"] == "query").any():
        one, (value,) = one_task(episode, [adapted], task)
        logits = learner.predict(value, one.query.x, one.query.weight)[0, shown(one.query)]
        found = logits.softmax(dim=-1).max(dim=-1)
        asked = frame["part"] == "query"
        prediction[asked], confidence[asked] = found.indices.tolist(), found.values.tolist()
    columns = ["part", "label", "name", "shot", "image"]
    return frame[columns].assign(prediction=prediction, confidence=confidence)


def shown(examples: Examples) -> list[int]:
    """The places of the first task's examples that are no padding."""
    if examples.weight is None:
        return list(range(examples.y.shape[1]))
    return [int(place) for place in examples.weight[0].nonzero()]


def _shown_as(episode: Episode) -> Callable[[np.ndarray], Mapping[str, Any]]:
    """What makes columns of an example: it is a text, a table's row, or what its shape says."""
    inputs = episode.info.get("inputs")
    if inputs == TEXT:
        return lambda x: {"text": decoded(x)}
    if inputs == TABLE:
        columns = columns_of(episode.info["columns"])
        return lambda x: _row(cells(x, columns), columns)
    return _inputs


def _row(found: Sequence[str], columns: Sequence[Column]) -> Mapping[str, Any]:
    pairs = zip(columns, found, strict=True)
    text = ", ".join(
        f"{column.name} {cell}{f' {column.unit}' if column.unit and cell != GAP else ''}"
        for column, cell in pairs
    )
    heads = "\t".join(column.head for column in columns)
    return {"header": heads, "cells": "\t".join(found), "text": text}


def _inputs(x: np.ndarray) -> Mapping[str, Any]:
    """What an example is, as columns."""
    if x.ndim in (2, 3):
        return {"image": _pixels(x)}
    numbers = x.astype("float32").flatten()
    if numbers.size == 1:
        return {"x": float(numbers[0])}
    text = " ".join(f"{number:.3g}" for number in numbers[:_NUMBERS])
    return {"inputs": numbers, "text": text + (" …" if numbers.size > _NUMBERS else "")}


def _target(y: np.ndarray) -> Mapping[str, Any]:
    return {"y": float(y.item())} if y.size == 1 else {"targets": y.flatten()}


def _edits(episode: Episode, task: int, part: str) -> dict[int, str]:
    """What was done to each example of a part, in words."""
    found: dict[int, list[str]] = {}
    for edit in episode.info.get("edits", ()):
        if (edit["task"], edit["part"]) == (task, part) and edit["what"] in _DONE:
            place = edit.get("place", edit["example"])
            every = range(getattr(episode, part).y.shape[1])
            for one in every if place is None else [place]:
                done = found.setdefault(one, [])
                if edit["what"] in ("duplicate", "swap", "draw"):  # what was before is gone
                    done.clear()
                if _DONE[edit["what"]] not in done:
                    done.append(_DONE[edit["what"]])
    return {place: ", ".join(done) for place, done in found.items()}


def _names(episode: Episode) -> list[str]:
    """What each class of the task is called."""
    names, classes = episode.info.get("class_names"), episode.info.get("classes")
    ways = range(episode.ways or 0)
    if names is None or classes is None:
        return [f"class {way + 1}" for way in ways]
    return [str(names[int(classes[0, way])]) for way in ways]


def _pixels(image: np.ndarray) -> np.ndarray:
    """Ink or colour in 0..1, channels last; other ranges are stretched to it."""
    pixels = image.astype("float32")
    if pixels.ndim == 3 and len(pixels) == 2:  # ink, and where it was not seen: there it is violet
        unseen = pixels[1][..., None] > 0
        return np.where(unseen, np.array(_UNSEEN, "float32"), 1 - pixels[0][..., None])
    if pixels.ndim == 3:
        pixels = pixels[0] if pixels.shape[0] == 1 else np.moveaxis(pixels, 0, -1)
    low, high = float(pixels.min()), float(pixels.max())
    if low < 0 or high > 1:
        pixels = (pixels - low) / max(high - low, 1e-12)
    return pixels
