"""Memory: what was written to it, what queries read of it, and where examples are embedded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from workbench.algorithms.base import Learner
from workbench.algorithms.capabilities import Embeds, Unrolls
from workbench.algorithms.memory.learner import MemoryLearner
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.innerloop import weights_of
from workbench.inspection.examples import shown
from workbench.inspection.layers import lacking, one_task
from workbench.inspection.tidy import table
from workbench.tasks.episode import Episode, Examples


@torch.no_grad()
def memory_frame(
    learner: Learner, episode: Episode, path: Sequence[Adapted], task: int = 0
) -> pd.DataFrame:
    """What each query of a task reads of the memory: a row a step, query, head and entry.

    step   after how many inner steps, from the first at which there was something to read
    query  its place among the query examples
    label  its true class; missing for regression
    entry  which slot of the memory: a support example, a class for prototypes, ...
    class  the class of what was written there most; missing where nothing was
    kind   attention (a share of what the query reads) or distance (squared, to a prototype)
    value  of it
    head   by which head it was read

    Slots that hold nothing and are hardly read (below 0.001 by all queries) are left out.

    >>> from workbench.algorithms import Prototypical, adapt
    >>> from workbench.models import MLP
    >>> from workbench.tasks import Shape, open_tasks
    >>> episode = open_tasks("digits").sample(1, seed=0, shape=Shape(2, 1, 3))
    >>> learner = Prototypical(MLP(64, None))
    >>> frame = memory_frame(learner, episode, list(adapt(learner, episode)))
    >>> len(frame), frame["kind"].unique().tolist()
    (12, ['distance'])
    """
    learner, one, values = _remembering(learner, episode, path, task)
    query, labels = one.query, _labels(one, one.query)
    places = np.array(shown(query))
    asked = np.array([labels[place] for place in places], dtype=float)
    pieces: list[dict[str, Any]] = []
    for adapted, held in zip(values[1:], _held(learner, one, values), strict=True):
        found = learner.reads(adapted, query.x, query.weight)
        distances = learner.distances(adapted, query.x, query.weight) if found else None
        kind = "attention" if distances is None else "distance"
        empty = learner.empty(adapted)
        holds = held.any(dim=1) if empty is None else held.any(dim=1) & ~empty[0].cpu()
        for head, read in found.items():
            amounts = (read if distances is None else distances)[0].double().cpu()
            worth = holds | ((amounts.abs().amax(dim=0) >= _LITTLE) & (kind == "attention"))
            if len(found) > 1:  # a head may be for some slots alone
                worth = worth & amounts.any(dim=0)
            entries = worth.nonzero().flatten().numpy()
            classes = np.array([_class(held, entry, one) for entry in entries], dtype=float)
            pieces.append(
                {
                    "step": adapted.step,
                    "query": np.repeat(places, len(entries)),
                    "label": np.repeat(asked, len(entries)),
                    "entry": np.tile(entries, len(places)),
                    "class": np.tile(classes, len(places)),
                    "kind": kind,
                    "value": amounts[places][:, entries].flatten().numpy(),
                    "head": head,
                }
            )
    pieces = [piece for piece in pieces if len(piece["entry"])]
    if not pieces:
        raise UserError(
            f"nothing stands in the memory of {type(learner).__name__} that could be read: "
            "record more steps, or empty fewer slots"
        )
    return _whole(table(pieces), "label", "class")


@torch.no_grad()
def slot_frame(
    learner: Learner, episode: Episode, path: Sequence[Adapted], task: int = 0
) -> pd.DataFrame:
    """What was written to the memory of a task: a row a step, slot and support example.

    step     the inner step in which it was written
    slot     where to
    example  the support example that wrote it, by its place
    class    that example's class; missing for regression
    weight   how much of the slot's new content it is, over all heads
    erased   whether the slot was cleared for it

    >>> from workbench.algorithms import Matching, adapt
    >>> from workbench.models import MLP
    >>> from workbench.tasks import Shape, open_tasks
    >>> episode = open_tasks("digits").sample(1, seed=0, shape=Shape(2, 1, 3))
    >>> learner = Matching(MLP(64, None))
    >>> slot_frame(learner, episode, list(adapt(learner, episode)))["slot"].tolist()
    [0, 1]
    """
    learner, one, values = _remembering(learner, episode, path, task)
    labels = _labels(one, one.support)
    columns: dict[str, list[Any]] = {name: [] for name in _WRITTEN}
    for adapted in values[1:]:
        written = learner.writes(adapted, one)[0].double().cpu()
        slots, examples = (written > _NOTHING).nonzero(as_tuple=True)
        erased = _erased(adapted, len(written))
        columns["step"] += [adapted.step] * len(slots)
        columns["slot"] += slots.tolist()
        columns["example"] += examples.tolist()
        columns["class"] += [labels[example] for example in examples.tolist()]
        columns["weight"] += written[slots, examples].tolist()
        columns["erased"] += [erased[slot] for slot in slots.tolist()]
    if not columns["slot"]:
        raise UserError(
            f"{type(learner).__name__} wrote nothing to its memory in these steps: record those "
            "that do; a task memory is written by its `update`"
        )
    return _whole(pd.DataFrame(columns), "class")


@torch.no_grad()
def usage_frame(
    learner: Learner, episode: Episode, path: Sequence[Adapted], task: int = 0
) -> pd.DataFrame:
    """How full and how used the memory of a task was: a row a step and slot.

    step     after so many inner steps, from 1
    slot     its number
    written  how much was written to it in that step
    before   how much it held before the first step: of a knowledge base, or of earlier tasks
    held     how much it holds: that, and what was written to it since it was last cleared
    usage    how much it was used lately, where the method keeps account of that; else missing
    erased   whether it was cleared in that step
    evicted  whether that step cleared what had been written there before

    >>> from workbench.algorithms import MANN, adapt
    >>> from workbench.algorithms.memory.mann import MANNSettings
    >>> from workbench.models import MLP
    >>> from workbench.tasks import Shape, open_tasks
    >>> episode = open_tasks("digits").sample(1, seed=0, shape=Shape(2, 3, 1))
    >>> learner = MANN(MLP(64, None), 40, 2, MANNSettings(slots=8, heads=2))
    >>> frame = usage_frame(learner, episode, list(adapt(learner, episode)))
    >>> len(frame), bool(frame["evicted"].any())  # 6 items, 2 slots each, 8 slots
    (48, True)
    """
    learner, one, values = _remembering(learner, episode, path, task)
    held, frames = None, []
    for adapted in values[1:]:
        written = learner.writes(adapted, one)[0].sum(dim=1).double().cpu()
        erased = torch.tensor(_erased(adapted, len(written)))
        if held is None:
            before = learner.held_before(values[0])
            old = torch.zeros_like(written) if before is None else before[0].double().cpu()
            held = old
        usage = adapted.values.get("usage")
        frames.append(
            pd.DataFrame(
                {
                    "step": adapted.step,
                    "slot": range(len(written)),
                    "written": written.numpy(),
                    "before": old.numpy(),
                    "held": torch.where(erased, 0, held).add(written).numpy(),
                    "usage": float("nan") if usage is None else usage[0].double().cpu().numpy(),
                    "erased": erased.numpy(),
                    "evicted": (erased & (held > _HELD)).numpy(),
                }
            )
        )
        held = torch.where(erased, 0, held) + written
    return pd.concat(frames, ignore_index=True)


_WRITTEN = ("step", "slot", "example", "class", "weight", "erased")
_LITTLE = 1e-3  # a share that is not worth a row
_NOTHING = 1e-6  # a write that rounding may have left
_HELD = 0.05  # written to a slot since it was cleared, by which it counts as holding something


def _remembering(
    learner: Learner, episode: Episode, path: Sequence[Adapted], task: int
) -> tuple[MemoryLearner, Episode, list[Adapted]]:
    """A learner with a memory, and one task of what it did."""
    one, values = one_task(episode, path, task)
    if not isinstance(learner, MemoryLearner) or one.kind == "control":
        raise lacking(learner, MemoryLearner, "memory_frame")
    if len(values) < 2:
        raise UserError("the memory is empty before the first step: record a longer path")
    return learner, one, list(values)


def _held(learner: MemoryLearner, one: Episode, values: Sequence[Adapted]) -> list[Tensor]:
    """How much each slot holds of each class after every step, `[slot, class]`.

    Of anything for regression.
    """
    found: list[Tensor] = []
    classes = one.support.y if one.ways is not None else torch.zeros_like(one.support.y[..., 0])
    one_hot = torch.nn.functional.one_hot(classes[0].long().reshape(-1), one.ways or 1)
    for adapted in values[1:]:
        written = learner.writes(adapted, one)[0]
        new = written @ one_hot.to(written)
        if found:
            erased = torch.tensor(_erased(adapted, len(written)), device=written.device)
            new = torch.where(erased.unsqueeze(1), 0, found[-1].to(new)) + new
        found.append(torch.where(new > _NOTHING, new, 0))
    return [held.cpu() for held in found]


def _class(held: Tensor, entry: int, one: Episode) -> int | None:
    if one.ways is None or not bool(held[entry].any()):
        return None
    return int(held[entry].argmax())


def _erased(adapted: Adapted, slots: int) -> list[bool]:
    erased = adapted.seen.get("erased")
    return [False] * slots if erased is None else (erased[0] > 0).tolist()


def _labels(one: Episode, examples: Examples) -> list[int | None]:
    """The class of each example; nothing for regression."""
    return [None] * examples.y.shape[1] if one.ways is None else examples.y[0].tolist()


def _whole(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Whole numbers that may be missing."""
    missing = any(frame[name].isna().any() for name in columns)
    return frame.astype(dict.fromkeys(columns, "Int64" if missing else "int64"))


@torch.no_grad()
def embedding_frame(
    learner: Learner, episode: Episode, path: Sequence[Adapted], task: int = 0
) -> pd.DataFrame:
    """Where a task's examples lie in the embedding, on its two principal directions.

    step         after how many inner steps, for methods whose embedding adapts; else the last one
    part         support or query
    example      its place in that part
    label        its class; missing for regression
    x, y         its place; the directions are the same at every step
    explained_x  the fraction of the variance that lies along x; the same in every row
    explained_y  along y

    >>> from workbench.algorithms import MAML, adapt
    >>> from workbench.models import MLP
    >>> from workbench.tasks import Shape, open_tasks
    >>> episode = open_tasks("digits").sample(1, seed=0, shape=Shape(2, 1, 3))
    >>> learner = MAML(MLP(64, 2))
    >>> len(embedding_frame(learner, episode, list(adapt(learner, episode))))
    16
    """
    one, values = one_task(episode, path, task)
    if one.kind == "control":
        raise UserError("embedding_frame shows examples and these are trials: use pulls")
    embed = _embedding(learner)
    if not isinstance(learner, Unrolls):
        values = values[-1:]
    columns: list[dict[str, object]] = []
    features = []
    for adapted in values:
        for part, examples in one.parts.items():
            embedded = embed(adapted, examples, part == "support")[0].flatten(1).double().cpu()
            for place in shown(examples):
                label = None if one.ways is None else int(examples.y[0, place])
                columns.append(
                    {"step": adapted.step, "part": part, "example": place, "label": label}
                )
                features.append(embedded[place])
    cloud = torch.stack(features)
    finite = cloud.isfinite().all(dim=1)  # weights may be finite and what they make of x not
    columns = [row for row, there in zip(columns, finite.tolist(), strict=True) if there]
    if not columns:
        raise UserError("the embedding is of numbers that are not finite: lower the inner rate")
    cloud = cloud[finite]
    cloud = cloud - cloud.mean(dim=0)
    _, lengths, directions = torch.linalg.svd(cloud, full_matrices=False)
    share = lengths.square() / lengths.square().sum().clamp(min=1e-300)
    plane = torch.zeros(2, cloud.shape[1], dtype=cloud.dtype)
    plane[: len(directions[:2])] = directions[:2]
    x, y = (cloud @ plane.T).T.numpy()
    explained = [float(s) for s in share[:2]] + [0.0]
    return pd.DataFrame(columns).assign(
        label=lambda frame: frame["label"].astype("Int64"),
        x=x,
        y=y,
        explained_x=explained[0],
        explained_y=explained[1],
    )


def _embedding(learner: Learner) -> Callable[[Adapted, Examples, bool], Tensor]:
    """What goes into the head, or what the memory compares."""
    if isinstance(learner, Embeds):
        return lambda a, e, support: learner.embed(a, e.x, e.weight, support=support)
    if not (isinstance(learner, Unrolls) and isinstance(learner.model, nn.Sequential)):
        raise lacking(learner, Embeds, "embedding_frame")
    # `named_children` would name a layer once that stands in the model twice.
    body = nn.Sequential(OrderedDict(list(learner.model._modules.items())[:-1]))
    names = [name for name, _ in body.named_parameters()]

    def run(adapted: Adapted, examples: Examples, support: bool) -> Tensor:
        weights = learner.parameters_with(weights_of(adapted.values))
        own = {name: weights[name] for name in names}
        return learner.run(body, own, examples.x, adapted, examples.weight, support=support)

    return run
