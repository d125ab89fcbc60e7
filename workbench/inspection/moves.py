"""What the frames of control share: the moves that an adaptation's steps made, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor

from workbench.algorithms.capabilities import Plays
from workbench.algorithms.control.trials import rewards
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.tasks.episode import Episode

# by the last value of a path: by what it was played, and what was done
_LAST: WeakKeyDictionary[Adapted, tuple[object, Mapping[str, Tensor]]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Moves:
    """All moves of a trial so far.

    steps   of each move, the inner step that made it
    reward  what it brought, `[task, move]`
    done    whether an episode ended with it, `[task, move]`
    """

    steps: np.ndarray
    reward: Tensor
    done: Tensor

    @staticmethod
    def of(episode: Episode, path: Sequence[Adapted], frame: str) -> Moves:
        """Those of a path's steps; `frame` is what asks for them."""
        made = [adapted for adapted in path if adapted.step > 0]
        if episode.env is None or not made:
            raise UserError(
                f"{frame} shows the moves of control tasks, and there are none: "
                "record RL² on tasks such as 'mdp', for at least 1 step"
            )
        reward = [rewards(adapted) for adapted in made]
        done = [_done(adapted, r, frame) for adapted, r in zip(made, reward, strict=True)]
        counts = [r.shape[1] for r in reward]
        steps = np.repeat([adapted.step for adapted in made], counts)
        return Moves(steps, torch.cat(reward, dim=1), torch.cat(done, dim=1))


def playing(
    learner: Plays, episode: Episode, path: Sequence[Adapted]
) -> Iterator[tuple[Adapted, Mapping[str, Tensor]]]:
    """Every value of a path and what the policy then did: the next step has seen that.

    What it does after the last one is kept with that, for other frames of the same path.
    """
    for adapted, following in zip(path, path[1:], strict=False):
        yield adapted, following.seen
    versions = [parameter._version for parameter in learner.parameters()]
    by = (learner, learner.settings, episode, versions)  # what it depends on beside the value
    before, played = _LAST.get(path[-1], (None, {}))
    if before != by:
        played = learner.play(path[-1], episode)
        _LAST[path[-1]] = (by, played)
    yield path[-1], played


def _done(adapted: Adapted, reward: Tensor, frame: str) -> Tensor:
    """Which moves of a step ended an episode, `[task, move]`."""
    found = adapted.seen.get("done", adapted.values.get("done"))
    if found is None or found.numel() != reward.numel():
        raise UserError(
            f"{frame} has to know where episodes end and step {adapted.step} has not seen it: "
            "let what it has seen name 'done', shaped as its reward"
        )
    return found.reshape(reward.shape) > 0


def column(tensor: Tensor) -> np.ndarray:
    """Numbers `[task, ...]` as a column of a frame, task by task."""
    return tensor.detach().double().cpu().flatten().numpy()
