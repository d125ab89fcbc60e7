"""Memory: what queries read of it, and where examples lie in the embedding."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from workbench.algorithms.base import Adapted, Learner
from workbench.algorithms.gradient import GradientLearner
from workbench.errors import UserError
from workbench.innerloop import weights_of
from workbench.inspection.layers import one_task
from workbench.tasks.episode import Episode, Examples


@torch.no_grad()
def memory_frame(
    learner: Learner, episode: Episode, path: Sequence[Adapted], task: int = 0
) -> pd.DataFrame:
    """What each query of a task reads of the memory: a row a query and entry.

    query  its place among the query examples
    label  its true class
    entry  which entry of the memory: a support example, or a class for prototypes
    class  the entry's class
    kind   attention (sums to 1 for every query) or distance (squared, to a prototype)
    value  of it

    >>> from workbench.algorithms import Prototypical, adapt
    >>> from workbench.models import MLP
    >>> from workbench.tasks import Shape, open_tasks
    >>> episode = open_tasks("digits").sample(1, seed=0, shape=Shape(2, 1, 3))
    >>> learner = Prototypical(MLP(64, None))
    >>> frame = memory_frame(learner, episode, list(adapt(learner, episode)))
    >>> len(frame), frame["kind"].unique().tolist()
    (12, ['distance'])
    """
    one, values = one_task(episode, path, task)
    final = values[-1]
    if not (hasattr(learner, "read") or hasattr(learner, "embed")):
        raise UserError(
            f"{type(learner).__name__} has no memory that queries read: "
            "use Matching Networks, Prototypical Networks or MetaNet"
        )
    if len(values) < 2:
        raise UserError("the memory is empty before the first step: record a longer path")
    query, support = one.query, one.support
    read: Any = getattr(learner, "read", None)
    if read is not None:
        kind = "attention"
        found = read(final, query.x, query.weight)[0]
        classes = support.y[0].tolist()
        entries = _counted(support)
    else:
        kind = "distance"
        embed: Any = learner.embed
        features = embed(final, query.x, query.weight)[0]
        prototypes = final.values["prototypes"][0]
        found = (features.unsqueeze(1) - prototypes.unsqueeze(0)).square().sum(dim=-1)
        classes = list(range(len(prototypes)))
        entries = [k for k in classes if float(final.values["count"][0, k]) > 0]
    table = found.double().cpu()
    rows = [
        (place, int(query.y[0, place]), entry, classes[entry], kind, float(table[place, entry]))
        for place in _counted(query)
        for entry in entries
    ]
    return pd.DataFrame(rows, columns=["query", "label", "entry", "class", "kind", "value"])


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
    embed = _embedding(learner)
    if not isinstance(learner, GradientLearner):
        values = values[-1:]
    columns: list[dict[str, object]] = []
    features = []
    for adapted in values:
        for part in ("support", "query"):
            examples = getattr(one, part)
            embedded = embed(adapted, examples, part == "support")[0].flatten(1).double().cpu()
            for place in _counted(examples):
                label = None if one.ways is None else int(examples.y[0, place])
                columns.append(
                    {"step": adapted.step, "part": part, "example": place, "label": label}
                )
                features.append(embedded[place])
    cloud = torch.stack(features)
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
    if hasattr(learner, "embed"):
        embed: Any = learner.embed
        return lambda a, e, support: embed(a, e.x, e.weight, support=support)
    if not (isinstance(learner, GradientLearner) and isinstance(learner.model, nn.Sequential)):
        raise UserError(
            f"embedding_frame finds no embedding in {type(learner).__name__}: "
            "use a model that is an nn.Sequential with its head last"
        )
    # `named_children` would name a layer once that stands in the model twice.
    body = nn.Sequential(OrderedDict(list(learner.model._modules.items())[:-1]))
    names = [name for name, _ in body.named_parameters()]

    def run(adapted: Adapted, examples: Examples, support: bool) -> Tensor:
        weights = learner.parameters_with(weights_of(adapted.values))
        own = {name: weights[name] for name in names}
        return learner.run(body, own, examples.x, adapted, examples.weight, support=support)

    return run


def _counted(examples: Examples) -> list[int]:
    """The places of the examples that do not only pad."""
    if examples.weight is None:
        return list(range(examples.y.shape[1]))
    return [int(k) for k in examples.weight[0].nonzero()]
