"""RL²: a recurrent policy whose hidden state is the fast learner.

Duan et al. 2016, arXiv:1611.02779; Wang et al. 2016, arXiv:1611.05763.

The policy reads observation, last action, reward and done over a whole trial of episodes on one
task; its weights theta are learned slowly over tasks, its hidden state h learns the task:

    h_t+1, pi_t, V_t = policy(o_t, a_t-1, r_t-1, d_t-1; h_t)        a_t ~ pi_t
    delta_t = r_t + gamma V_t+1 - V_t          V(end of the trial) = 0
    A_t     = delta_t + gamma lambda A_t+1     advantage; A_t + V_t is the value's target
    meta-loss = mean over t of  -log pi_t(a_t) A_t + c (A_t + V_t - V_t')^2 - e H(pi_t)

A and the target are held constant, V' is the value that is trained. The return counts all that
follows in the trial, beyond the end of an episode: that is what makes exploring worth while.
One step is one action in the environment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor

from workbench.algorithms.base import Adapted, Learner
from workbench.algorithms.classes import indicator
from workbench.errors import UserError
from workbench.fields import Range, check_fields
from workbench.models import ModelSettings, Policy, PolicySettings
from workbench.randomness import fold, uniform
from workbench.tasks.base import TaskSpec
from workbench.tasks.episode import Environment, Episode

Fraction = Annotated[float, Range(0, 1)]
Weight = Annotated[float, Range(0, span=(0, 1))]

_ACTION, _ENVIRONMENT = 0, 1  # the two uses a step makes of its seed


@dataclass(frozen=True)
class RL2Settings:
    """Actor-critic over whole trials."""

    discount: Fraction = 0.99  # gamma: what a reward one step later is worth
    trace: Fraction = 0.8  # lambda: 0 trusts the value net, 1 the rewards that really came
    value_weight: Weight = 0.5  # c: weight of the value's squared error
    entropy_weight: Weight = 0.03  # e: higher keeps the policy exploring for longer

    def __post_init__(self) -> None:
        check_fields(self, "learner")

    def build(self, model: ModelSettings, spec: TaskSpec) -> RL2:
        """The learner for these tasks."""
        if spec.kind != "control" or not isinstance(model, PolicySettings):
            raise UserError(
                "RL² acts in an environment with a recurrent policy: "
                "give it control tasks such as 'bandit' and a PolicySettings model"
            )
        return RL2(model.build(spec.input_shape, spec.outputs), self)


class RL2(Learner):
    """A recurrent policy that learns a task while it acts.

    >>> from workbench.algorithms import adapt
    >>> from workbench.tasks import open_tasks
    >>> trial = open_tasks("bandit").sample(4, seed=0)
    >>> path = list(adapt(RL2(Policy(trial.env.observation_size, trial.env.actions)), trial))
    >>> len(path) - 1 == trial.env.horizon
    True
    """

    kinds = ("control",)

    def __init__(self, policy: Policy, settings: RL2Settings = RL2Settings()) -> None:
        super().__init__()
        self.policy = policy
        self.settings = settings

    def steps(self, episode: Episode) -> int:
        """The moves of a trial."""
        return _environment(episode).horizon

    def begin(self, episode: Episode) -> Adapted:
        """An empty hidden state, and nothing done yet."""
        actions = _environment(episode).actions
        if actions != self.policy.actions:
            raise UserError(
                f"the policy has {self.policy.actions} actions and the tasks have {actions}: "
                f"ask for {self.policy.actions} ways"
            )
        weight = self.policy.value.weight
        values = {f"state.{name}": tensor for name, tensor in episode.state.items()}
        sizes = {
            "hidden": self.policy.state_size,
            "observation": self.policy.observation,
            "action": self.policy.actions,
            "reward": 1,
            "done": 1,
        }
        for name, size in sizes.items():
            values[name] = weight.new_zeros(len(episode), size)
        return Adapted(values)

    def step(self, adapted: Adapted, episode: Episode) -> Adapted:
        """Draw an action from the policy and take it in the environment."""
        environment, values = _environment(episode), adapted.values
        if adapted.step >= environment.horizon:
            raise UserError(
                f"a trial is over after {environment.horizon} steps: ask for fewer, "
                "or for more shots (pulls)"
            )
        logits, value, hidden = self.policy(_inputs(values), values["hidden"])
        log_probabilities = logits.log_softmax(dim=-1)
        probabilities = log_probabilities.exp()
        seed = fold(episode.seed, adapted.step)
        draw = uniform(fold(seed, _ACTION), (1,), logits.dtype)
        action = (probabilities.detach().cumsum(dim=-1) <= draw).sum(dim=-1)
        action = action.clamp(max=self.policy.actions - 1)  # rounding may leave the sum below 1
        state = {k.removeprefix("state."): v for k, v in values.items() if k.startswith("state.")}
        after, observation, reward, done = environment(state, action, fold(seed, _ENVIRONMENT))
        reward, done = reward.to(logits.dtype), done.to(logits.dtype)
        following = {f"state.{name}": tensor for name, tensor in after.items()}
        following |= {
            "hidden": hidden,
            "observation": observation.to(logits.dtype),
            "action": indicator(action, self.policy.actions, logits),
            "reward": reward.unsqueeze(-1),
            "done": done.unsqueeze(-1),
        }
        seen = {
            "action": action,
            "reward": reward,
            "probabilities": probabilities,
            "log_probability": log_probabilities.gather(-1, action.unsqueeze(-1)).squeeze(-1),
            "entropy": -(probabilities * log_probabilities).sum(dim=-1),
            "value": value,
        }
        return Adapted(following, seen, adapted.step + 1)

    def predict(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """Action logits were the next observation each of `x [task, example, observation]`."""
        examples = x.shape[1]
        values = {
            name: adapted.values[name].unsqueeze(1).expand(-1, examples, -1).flatten(0, 1)
            for name in ("hidden", "action", "reward", "done")
        }
        values["observation"] = x.flatten(0, 1).flatten(1)
        return self.policy(_inputs(values), values["hidden"])[0].unflatten(0, (-1, examples))

    def meta_loss(self, path: Iterable[Adapted], episode: Episode) -> Tensor:
        """Each trial's actor-critic loss: `[task]`."""
        seen = [adapted.seen for adapted in path if adapted.step > 0]
        reward, value, log_probability, entropy = (
            torch.stack([s[name] for s in seen], dim=1)
            for name in ("reward", "value", "log_probability", "entropy")
        )
        advantage = advantages(reward, value.detach(), self.settings.discount, self.settings.trace)
        error = value - (advantage + value.detach())
        return (
            -log_probability * advantage
            + self.settings.value_weight * error.square()
            - self.settings.entropy_weight * entropy
        ).mean(dim=1)


def advantages(reward: Tensor, value: Tensor, discount: float, trace: float) -> Tensor:
    """Generalised advantage estimates `[task, step]` of trials that end after the last step.

    >>> advantages(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.5, 0.5]]), 1.0, 1.0)
    tensor([[2.5000, 1.5000]])
    """
    following = torch.cat([value[:, 1:], torch.zeros_like(value[:, :1])], dim=1)
    surprise = reward + discount * following - value
    estimates, estimate = [], torch.zeros_like(surprise[:, 0])
    for step in reversed(range(surprise.shape[1])):
        estimate = surprise[:, step] + discount * trace * estimate
        estimates.append(estimate)
    return torch.stack(estimates[::-1], dim=1)


def _inputs(values: Mapping[str, Tensor]) -> Tensor:
    """What the policy reads, side by side."""
    return torch.cat([values[n] for n in ("observation", "action", "reward", "done")], dim=-1)


def _environment(episode: Episode) -> Environment:
    if episode.env is None:
        raise UserError("RL² needs an environment to act in: use control tasks such as 'bandit'")
    return episode.env
