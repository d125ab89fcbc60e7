"""A method whose adaptation step makes two moves: the two must not be taken for each other."""

from __future__ import annotations

import torch

from workbench.algorithms import RL2, Adapted
from workbench.tasks import Episode


class Strides(RL2):
    """RL² that calls two moves a step."""

    def steps(self, episode: Episode) -> int:
        return super().steps(episode) // 2

    def step(self, adapted: Adapted, episode: Episode) -> Adapted:
        first = super().step(Adapted(adapted.values, step=2 * adapted.step), episode)
        second = super().step(first, episode)
        reward = torch.stack([first.seen["reward"], second.seen["reward"]], dim=1)
        return Adapted(second.values, {"reward": reward}, adapted.step + 1)
