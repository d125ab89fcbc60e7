"""The shape of a learned loss beside the tasks' own: what each makes of every prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from workbench.algorithms.inspections import Inspection
from workbench.algorithms.values import Adapted
from workbench.numbers import number
from workbench.tasks.episode import Episode, Examples

if TYPE_CHECKING:
    import pandas as pd

POINTS = 41


@torch.no_grad()
def shape_frame(learner: Any, episode: Episode, path: Sequence[Adapted], task: int) -> pd.DataFrame:
    """Both losses of a single example over its predictions, as the task's last value has them."""
    import pandas as pd

    episode, adapted = episode[task : task + 1], path[-1]
    one = Adapted({n: t[task : task + 1] for n, t in adapted.values.items()}, step=adapted.step)
    support = episode.support
    context = learner.context(learner.predict(one, support.x, support.weight), support)
    frames = []
    for name, place, prediction, examples in _grids(episode):
        learned = learner.learned(prediction, examples, context, episode)
        columns = {"learned": learned, "true": episode.losses(prediction, examples)}
        frames.append(
            pd.DataFrame(
                {"task": task, "target": name, "prediction": place.double().cpu().numpy()}
                | {name: found[0].double().cpu().numpy() for name, found in columns.items()}
            )
        )
    return pd.concat(frames, ignore_index=True)


def _grids(episode: Episode) -> list[tuple[str, Tensor, Tensor, Examples]]:
    """Predictions from one end to the other, for a target each."""
    support = episode.support
    like = support.x if support.x.is_floating_point() else torch.zeros(())
    none = like.new_zeros(1, POINTS, 1)
    if episode.ways is not None:  # the probability of one class, the rest spread evenly
        place = torch.linspace(0.01, 0.99, POINTS).to(like)
        rest = ((1 - place) / (episode.ways - 1)).log().unsqueeze(-1)
        logits = torch.cat([place.log().unsqueeze(-1), rest.expand(-1, episode.ways - 1)], dim=-1)
        of_first = torch.zeros(1, POINTS, dtype=torch.int64, device=like.device)
        return [
            (name, place, logits.unsqueeze(0), Examples(none, of_first + target))
            for name, target in (("the target", 0), ("the class before the target", 1))
        ]
    found, counted = [], support.y[0][support.counts()[0] > 0]
    low, high = counted.min(), counted.max()
    wide = (high - low).clamp(min=1e-3)
    place = torch.linspace(-0.5, 1.5, POINTS).to(like) * wide + low
    prediction = place.view(1, POINTS, 1).expand(1, POINTS, support.y.shape[2])
    for word, target in (("lowest", low), ("middle", (low + high) / 2), ("highest", high)):
        name = f"{word}: {number(float(target))}"
        found.append((name, place, prediction, Examples(none, target.expand_as(prediction))))
    return found


SHAPE = Inspection(
    "loss-shape",
    shape_frame,
    {
        "task": "number in the episode",
        "target": "what would have been right: numbers of the task's range; or the class whose "
        "probability is given: the target itself, or the one before it",
        "prediction": "the number predicted, or the probability given to that class",
        "learned": "the learned loss of that prediction, as the task's own data make it",
        "true": "the tasks' own loss of it",
    },
    "The learned loss of every prediction beside the tasks' own",
    figure="loss-shape",
)
