"""A task as a stream: the support comes stage by stage, and what is asked is of every stage.

A stage is a class, unless the tasks say otherwise: then `info["stages"]` counts them, and
`info["support_stage"]` and `info["query_stage"]`, `[task, example]`, say whose each example is.
A learner of streams takes one inner step a stage, which looks at that stage's examples alone.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from workbench.algorithms.classes import labelled
from workbench.tasks.episode import Episode, Examples


def stages(episode: Episode) -> int:
    """How many stages a stream has.

    >>> from workbench.tasks import open_tasks
    >>> stages(open_tasks("digits").sample(1, seed=0))
    2
    """
    return int(episode.info.get("stages", labelled(episode)[1]))


def stage_of(episode: Episode, part: Literal["support", "query"]) -> Tensor:
    """Of which stage each example of a part is, `[task, example]`."""
    found = episode.info.get(f"{part}_stage")
    return episode.parts[part].y if found is None else found


def arriving(episode: Episode, stage: int) -> tuple[Tensor, Tensor]:
    """Places in the support `[task, example]` of what comes in a stage, in its order.

    The second is 0 where a task has fewer than others, and the place means nothing.

    >>> x, y = torch.zeros(1, 3, 1), torch.tensor([[1, 0, 1]])
    >>> arriving(Episode(Examples(x, y), Examples(x, y), torch.tensor([0]), ways=2), 1)
    (tensor([[0, 2]]), tensor([[1., 1.]]))
    """
    counts = episode.support.counts()
    here = (stage_of(episode, "support") == stage) & (counts > 0)
    most = int(here.sum(dim=1).max())
    places = here.to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, :most]
    return places, here.gather(1, places).to(counts)


def at(tensor: Tensor, places: Tensor) -> Tensor:
    """What stands at some places `[task, place]` of `[task, example, ...]`.

    >>> at(torch.tensor([[5, 6, 7]]), torch.tensor([[2, 0]]))
    tensor([[7, 5]])
    """
    return tensor[torch.arange(len(tensor), device=tensor.device).unsqueeze(1), places]


def examples_at(episode: Episode, places: Tensor, weight: Tensor) -> Examples:
    """The support's examples at some places, which count as much as they are given."""
    return Examples(at(episode.support.x, places), at(episode.support.y, places), weight)
