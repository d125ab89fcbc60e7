"""RL²: a recurrent policy whose hidden state is the fast learner.

Duan et al. 2016, arXiv:1611.02779; Wang et al. 2016, arXiv:1611.05763.

The policy reads observation, last action, reward and done over a whole trial of episodes on one
task; its weights theta are learned slowly over tasks, its hidden state h learns the task:

    h_t+1, pi_t, V_t = policy(o_t, a_t-1, r_t-1, d_t-1; h_t)        a_t ~ pi_t

trained as an actor-critic over the whole trial, or by PPO (see `trials`). One adaptation step is
one move in the environment.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from workbench.algorithms.capabilities import Acts, Expects
from workbench.algorithms.control import trials
from workbench.algorithms.control.trials import Fraction, Scale, Usual, Weight
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.fields import check_fields
from workbench.models import ModelSettings, Policy, PolicySettings
from workbench.tasks.base import TaskSpec
from workbench.tasks.control.environment import Box, Discrete
from workbench.tasks.control.rollout import Moment
from workbench.tasks.episode import Episode


@dataclass(frozen=True)
class RL2Settings:
    """Actor-critic over whole trials."""

    discount: Fraction = 0.99  # gamma: what a reward one step later is worth
    trace: Fraction = 0.8  # lambda: 0 trusts the value net, 1 the rewards that really came
    value_weight: Weight = 0.5  # c: weight of the value's squared error
    entropy_weight: Weight = 0.03  # e: higher keeps the policy exploring for longer
    # weight of the squared error in foretelling what each move brings
    prediction_weight: Weight = 0.0
    usual_reward: Usual = 0.0  # what is taken off each reward before it is learned from
    reward_scale: Scale = 1.0  # what it is then multiplied by: values should be of the size of 1

    def __post_init__(self) -> None:
        check_fields(self, "learner")

    def build(self, model: ModelSettings, spec: TaskSpec) -> RL2:
        """The learner for these tasks."""
        if spec.kind != "control" or not isinstance(model, PolicySettings):
            raise UserError(
                "RL² acts in an environment with a recurrent policy: "
                "give it control tasks such as 'bandit' and a PolicySettings model"
            )
        actions = trials.actions_of(spec)
        numbers = isinstance(actions, Box)
        return RL2(model.build(spec.input_shape, actions.size, numbers=numbers), self)


class RL2(Acts, Expects):
    """A recurrent policy that learns a task while it acts.

    >>> from workbench.algorithms import adapt
    >>> from workbench.tasks import open_tasks
    >>> trial = open_tasks("bandit").sample(4, seed=0)
    >>> path = list(adapt(RL2(Policy(trial.env.observation_size, trial.env.actions.size)), trial))
    >>> len(path) - 1 == trial.env.horizon
    True
    """

    kinds = ("control",)

    def __init__(self, policy: Policy, settings: RL2Settings = RL2Settings()) -> None:
        super().__init__()
        self.policy = policy
        self.settings = settings
        self.actions = (Box if policy.numbers else Discrete)(policy.actions)
        if settings.prediction_weight:
            units = policy.cell.hidden_size
            self.foresight = trials.Foresight(units, self.actions, policy.observation)

    def steps(self, episode: Episode) -> int:
        """The moves of a trial."""
        return trials.environment(episode, "RL²").horizon

    def begin(self, episode: Episode) -> Adapted:
        """An empty hidden state, and nothing done yet."""
        like = self.policy.value.weight
        values = trials.begun(episode, "RL²", self.actions, like)
        return Adapted({"hidden": like.new_zeros(len(episode), self.policy.state_size)} | values)

    def act(self, moment: Moment, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What chooses, the value of going on and the next hidden state: a policy for rollouts."""
        out, value, hidden = self.policy(trials.observed(moment), hidden)
        return out, value, hidden

    def step(self, adapted: Adapted, episode: Episode) -> Adapted:
        """Draw an action from the policy and take it in the environment."""
        return trials.moved(self.act, adapted, episode, "hidden")

    def predict(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """What chooses an action, were the next observation each of `x [task, example, ...]`."""
        hidden = adapted.values["hidden"].repeat_interleave(x.shape[1], dim=0)
        moments = trials.supposed(adapted.values, x).flatten(0, 1)
        return self.policy(moments, hidden)[0].unflatten(0, (-1, x.shape[1]))

    def meta_loss(self, path: Iterable[Adapted], episode: Episode) -> Tensor:
        """Each trial's actor-critic loss: `[task]`."""
        path, weight = list(path), self.settings.prediction_weight
        loss = trials.actor_critic_loss(path, episode, self.settings)
        if weight:
            hidden = torch.stack([adapted.values["hidden"] for adapted in path[1:]], dim=1)
            features = hidden[..., : self.policy.cell.hidden_size]
            loss = loss + weight * self.foresight.error_along(path, features, self.settings)
        return loss

    def collect(self, episode: Episode) -> Adapted:
        """A whole trial, and what came of it."""
        return trials.collected(self.act, self.begin(episode), episode, "hidden", self.settings)

    def surrogate(self, collected: Adapted, episode: Episode, clip: float) -> Tensor:
        """Each trial's clipped loss, read anew in one pass over its moves: `[task]`."""
        features = self.policy.outputs(collected.values["read"])
        out, value = self.policy.heads(features)
        loss = trials.clipped_loss(out, value, collected, episode, clip, self.settings)
        if self.settings.prediction_weight:
            kept = collected.values
            error = self.foresight.error(features, kept["action"], kept["brought"])
            loss = loss + self.settings.prediction_weight * error
        return loss
