"""What a stream did: accuracy on every class after every class, and what was forgotten of it.

Lopez-Paz and Ranzato (2017), Gradient Episodic Memory for Continual Learning (transfer);
Chaudhry et al. (2018), Riemannian Walk for Incremental Learning (forgetting).

    R[i, j]      accuracy on stage j after stage i, 0 before the first; T the last
    forgetting   max over i < T of R[i, j], from i = j on, minus R[T, j]
    backward     R[T, j] - R[j, j]              what later stages did to it
    forward      R[j - 1, j] - R[0, j]          what earlier stages did for it
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from workbench.algorithms.continual.stream import stage_of, stages
from workbench.algorithms.inspections import Inspection
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.tasks.episode import Episode

if TYPE_CHECKING:
    from pandas import DataFrame

STREAM_COLUMNS = {
    "step": "after how many stages, from 0",
    "asked": "the stage that is asked, counted from 1",
    "name": "its class, where a stage is one",
    "met": "1 where it has come",
    "accuracy": "on its queries, from 0 to 1",
}
TRANSFER_COLUMNS = {
    "stage": "which stage, counted from 1",
    "name": "its class, where a stage is one",
    "learned": "accuracy right after it came, from 0 to 1",
    "last": "accuracy after the last stage",
    "forgetting": "by how much accuracy fell from its best before the last stage",
    "backward": "backward transfer: what later stages did to it",
    "forward": "forward transfer: what earlier stages did for it; missing for the first",
}


@torch.no_grad()
def accuracies(learner: Any, episode: Episode, path: Sequence[Adapted], task: int) -> Tensor:
    """R of a task: accuracy `[step, stage]` on each stage after each step of a path."""
    one, query = episode[task : task + 1], episode.query
    stage, counts = stage_of(one, "query")[0], one.query.counts()[0]
    asked = (stage == torch.arange(stages(episode), device=stage.device).unsqueeze(1)) * counts
    if not query.y.shape[1] or bool((asked.sum(dim=1) == 0).all()):
        raise UserError("this stream asks nothing: give it at least one query of a class")
    rows = []
    for adapted in path:
        values = {name: value[task : task + 1] for name, value in adapted.values.items()}
        alone = Adapted(values, step=adapted.step)
        prediction = learner.predict(alone, one.query.x, one.query.weight)
        right = (prediction[0].argmax(dim=-1) == one.query.y[0]).to(asked)
        rows.append((asked * right).sum(dim=1) / asked.sum(dim=1))  # NaN where nothing is asked
    return torch.stack(rows)


def stream_frame(learner: Any, episode: Episode, path: Sequence[Adapted], task: int) -> DataFrame:
    """Accuracy on every stage after every stage: a row for each two.

    >>> from workbench.algorithms import OML, adapt
    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> episode, learner = open_tasks("digits").sample(1, seed=0), OML(MLP(64, None), 40)
    >>> len(stream_frame(learner, episode, list(adapt(learner, episode)), 0))
    6
    """
    import pandas as pd

    names = _names(episode, task)
    table = accuracies(learner, episode, path, task).tolist()
    rows = [
        (adapted.step, asked + 1, names[asked], int(asked < adapted.step), accuracy)
        for adapted, row in zip(path, table, strict=True)
        for asked, accuracy in enumerate(row)
    ]
    return pd.DataFrame(rows, columns=list(STREAM_COLUMNS))


def transfer_frame(learner: Any, episode: Episode, path: Sequence[Adapted], task: int) -> DataFrame:
    """What was learned and forgotten of each stage, once the whole stream has come."""
    import pandas as pd

    count = stages(episode)
    if path[0].step or path[-1].step < count:
        raise UserError(
            f"forgetting is told at the end of a stream, and this one is at stage "
            f"{path[-1].step} of {count}: go on to the last"
        )
    names, table = _names(episode, task), accuracies(learner, episode, path, task)
    found = transfer(table)
    rows = [
        (j + 1, names[j], *(float(found[name][j]) for name in list(TRANSFER_COLUMNS)[2:]))
        for j in range(count)
    ]
    return pd.DataFrame(rows, columns=list(TRANSFER_COLUMNS))


def transfer(table: Tensor) -> dict[str, Tensor]:
    """What was learned and forgotten, `[..., stage]`, by R `[..., step, stage]`.

    >>> table = torch.tensor([[0.0, 0.0], [1.0, 0.5], [0.25, 1.0]])
    >>> found = transfer(table)
    >>> found["forgetting"].tolist(), found["backward"].tolist(), found["forward"].tolist()
    ([0.75, 0.0], [-0.75, 0.0], [nan, 0.5])
    """
    count = table.shape[-1]
    learned = table[..., 1:, :].diagonal(dim1=-2, dim2=-1)
    before = table[..., :-1, :].diagonal(dim1=-2, dim2=-1)
    last = table[..., -1, :]
    met = torch.ones(count, count, dtype=torch.bool, device=table.device).tril()
    best = table[..., 1:, :].masked_fill(~met, -1.0)
    best = best[..., : max(1, count - 1), :].amax(dim=-2)
    forgetting = torch.where(best < 0, torch.zeros_like(last), best - last)  # the last one: nothing
    forward = before - table[..., 0, :]
    forward = torch.cat([torch.full_like(forward[..., :1], torch.nan), forward[..., 1:]], dim=-1)
    return {
        "learned": learned,
        "last": last,
        "forgetting": forgetting,
        "backward": last - learned,
        "forward": forward,
    }


def _names(episode: Episode, task: int) -> list[str]:
    """What the stages of a task are called."""
    info, count = episode.info, stages(episode)
    if "stage_names" in info:
        return list(info["stage_names"])
    if "classes" in info and "class_names" in info and "stages" not in info:
        known = info["class_names"]
        return [known[c] if c >= 0 else "" for c in info["classes"][task].tolist()]
    return [str(stage + 1) for stage in range(count)]


STREAM = Inspection(
    "stream",
    stream_frame,
    STREAM_COLUMNS,
    "Accuracy on every class of a stream after every class",
    cost="slow",
    figure="stream",
    view="stream",
    label="Stream",
)
TRANSFER = Inspection(
    "transfer",
    transfer_frame,
    TRANSFER_COLUMNS,
    "What a stream learned and forgot of each class",
    cost="slow",
    figure="transfer",
    view="stream",
)
