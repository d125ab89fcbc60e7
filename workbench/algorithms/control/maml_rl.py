"""MAML-RL: a policy that a few policy-gradient steps adapt (Finn, Abbeel and Levine, 2017).

arXiv:1703.03400, section 4.2 and algorithm 3; ANIL (Raghu et al., 2020) and Reptile (Nichol et al.,
2018) from the same parts: the head alone adapts, or the estimator is `Displacement`.

    D_k       = trajectories of the policy theta_k on task i        theta_0 = theta
    theta_k+1 = theta_k - alpha_k * grad L(theta_k; D_k)            K times, L a surrogate
    theta    <- theta - beta * grad_theta mean_i L(theta_K; D_K)    trajectories after adapting

The gradient passes through the inner steps (`order`); how much of the second order it sees is the
surrogate's to say (see `surrogates`). The outer step is plain (`Exact`), PPO's (`PPO`), or the
paper's (`TrustRegion`). With no step in training this is the baseline: one policy for all tasks,
adapted when it is tested.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from workbench.algorithms.capabilities import Expects, Plays, Strays
from workbench.algorithms.control import baseline
from workbench.algorithms.control.surrogates import Surrogate, clipped, surrogate, weighted_mean
from workbench.algorithms.control.trials import Fraction, environment
from workbench.algorithms.gradient.learner import (
    Adapts,
    GradientLearner,
    GradientSettings,
    InnerRate,
    TestSteps,
    TrainSteps,
)
from workbench.algorithms.values import Adapted, last
from workbench.errors import UserError
from workbench.fields import Live, Range
from workbench.innerloop import Rate, weights_of
from workbench.models import Gaussian, GaussianSettings, ModelSettings, PolicySettings
from workbench.randomness import fold
from workbench.tasks.base import TaskSpec
from workbench.tasks.control.environment import Box, Discrete, Environment
from workbench.tasks.control.repeated import Repeated
from workbench.tasks.control.rollout import Moment, rollout
from workbench.tasks.episode import Episode

PLAYED = "trajectory."  # before the names of what the policy did, `[task, trajectory, move, ...]`


def _several_steps(learner: Any) -> bool:
    own = learner.settings
    return bool((own.train_steps if learner.training else own.test_steps) > 1)


def _second_order(learner: Any) -> bool:
    return bool(learner.settings.order != "first")


@dataclass(frozen=True)
class MAMLRLSettings(GradientSettings):
    """Inner policy-gradient steps."""

    inner_rate: InnerRate = 0.1  # size of the first inner step
    train_steps: TrainSteps = 1  # inner steps in training; 0 pretrains on all tasks
    test_steps: TestSteps = 3  # inner steps in evaluation
    # size of later inner steps, as a share of the first one's
    later: Annotated[float, Range(0, span=(0.1, 1)), Live(when=_several_steps)] = 0.5
    # the loss that an inner step descends: all have one gradient and differ in the second order
    surrogate: Annotated[Surrogate, Live(moves=False, when=_second_order)] = "ratio"
    adapts: Adapts = "all"  # what an inner step changes: all, the head (ANIL), or the body below it
    discount: Annotated[Fraction, Live()] = 0.99  # gamma: what a reward one move later is worth
    trace: Annotated[Fraction, Live()] = 1.0  # lambda: 0 trusts the baseline, 1 what really came

    def build(self, model: ModelSettings, spec: TaskSpec) -> MAMLRL:
        """The learner for these tasks."""
        if spec.kind != "control":
            raise UserError(
                f"MAML-RL acts in an environment and these tasks are {spec.kind}: give it control "
                "tasks such as 'navigation', or use MAML"
            )
        if isinstance(model, PolicySettings):
            raise UserError(
                "the policy remembers what it saw and MAML-RL adapts its weights instead: give it "
                "a GaussianSettings or MLPSettings model, or use RL²"
            )
        _check_actions(model, spec.actions)
        return MAMLRL(model.build(spec.input_shape, spec.outputs), self)


class MAMLRL(GradientLearner, Plays, Strays, Expects):
    """Learns the policy that a few steps along its own policy gradient adapt best.

    >>> from workbench.algorithms import adapt
    >>> from workbench.tasks import Shape, open_tasks
    >>> episode = open_tasks("navigation").sample(2, seed=0, shape=Shape(ways=2, shots=4))
    >>> path = list(adapt(MAMLRL(Gaussian(2, 2)), episode))
    >>> path[1].seen["trajectory.reward"].shape
    torch.Size([2, 4, 100])
    """

    kinds = ("control",)
    settings: MAMLRLSettings

    def __init__(self, model: nn.Module, settings: MAMLRLSettings = MAMLRLSettings()) -> None:
        # a deviation is of all layers and belongs to none: where only some adapt, it does not
        names = [n for n, _ in model.named_parameters() if n.startswith("deviation.")]
        fixed = () if settings.adapts == "all" else names
        super().__init__(model, settings, adapts=settings.adapts, fixed=fixed)

    def begin(self, episode: Episode) -> Adapted:
        """Every task starts from theta."""
        _check_actions(self.model, _world(episode)[0].actions)
        return super().begin(episode)

    def step(self, adapted: Adapted, episode: Episode) -> Adapted:
        """Act by the fast weights, and descend the surrogate of what was done."""
        played = _played(adapted.values) or self.play(adapted, episode)
        held = Adapted({**adapted.values, **played}, adapted.seen, adapted.step)
        after = super().step(held, episode)
        values = {name: t for name, t in after.values.items() if name not in played}
        return Adapted(values, {**after.seen, **played}, after.step)

    def support_loss(
        self, weights: dict[str, Tensor], adapted: Adapted, episode: Episode
    ) -> Tensor:
        """The surrogate of what the policy did, or does, under `adapted`."""
        played = _played(adapted.values) or self.play(adapted, episode)
        new, old, done = self._again(weights, adapted, played, episode)
        return surrogate(self.settings.surrogate, new, old, done["advantage"], done["mask"])

    def shot_losses(
        self, weights: dict[str, Tensor], adapted: Adapted, episode: Episode
    ) -> tuple[Tensor, None]:
        """Each trajectory's part of the surrogate: their mean is the whole."""
        new, old, done = self._again(weights, adapted, self.play(adapted, episode), episode)
        gain = (new - old).exp() * done["advantage"] * done["mask"]
        moves = done["mask"].sum(dim=2).mean(dim=1, keepdim=True)
        return -gain.sum(dim=2) / moves, None

    def rates_at(self, step: int) -> dict[str, Rate]:
        """The inner rate, and less of it after the first step."""
        factor = self.settings.later if step else 1.0
        return {name: factor * rate for name, rate in super().rates_at(step).items()}

    @torch.no_grad()
    def play(self, adapted: Adapted, episode: Episode) -> dict[str, Tensor]:
        """Trajectories of the adapted policy; those of a step follow from the tasks' seeds."""
        world, count = _world(episode)
        parameters = self.parameters_with(weights_of(adapted.values))
        number = torch.arange(1, count + 1, device=episode.seed.device)
        seed = fold(fold(episode.seed, adapted.step).unsqueeze(1), number)
        task = {
            name: t.unsqueeze(1).expand(len(t), count, *t.shape[1:])
            for name, t in (episode.task or {}).items()
        }

        def policy(moment: Moment, memory: None) -> tuple[Tensor, Tensor, None]:
            out = self.run(self.model, parameters, moment["observation"], adapted)
            return out, moment["reward"].squeeze(-1), None  # no value: the baseline is fitted

        made = rollout(world, task, policy, seed)
        settings, mask = self.settings, made.mask
        following = baseline.returns(made.reward, settings.discount)
        value = baseline.linear_baseline(made.observation, following, mask)
        advantage = baseline.estimates(made.reward, value, settings.discount, settings.trace)
        found = {"value": value, "advantage": baseline.normalised(advantage, mask)}
        names = ("observation", "action", "reward", "done", "mask", "out")
        found |= {name: getattr(made, name) for name in names}
        for name in made.states[0]:
            found[f"state.{name}"] = torch.stack([state[name] for state in made.states], dim=2)
        return {f"{PLAYED}{name}": t for name, t in found.items()}

    def meta_loss(self, path: Iterable[Adapted], episode: Episode) -> Tensor:
        """The surrogate of what the adapted policy then does."""
        adapted = last(path)
        return self._gained(adapted, self.play(adapted, episode), episode, math.inf)

    def collect(self, episode: Episode) -> Adapted:
        """Adapt: what was done before every step, and after the last one."""
        values: dict[str, Tensor] = {}
        with torch.no_grad():
            adapted = self.begin(episode)
            for step in range(self.steps(episode)):
                adapted = self.step(adapted, episode)
                values |= _learned_from(step, adapted.seen)
            values |= _learned_from(adapted.step, self.play(adapted, episode))
        return Adapted(values)

    def surrogate(self, collected: Adapted, episode: Episode, clip: float) -> Tensor:
        """The clipped loss after adapting anew to what was collected, from the theta of now."""
        return self._gained(*self._adapted_to(collected, episode), episode, clip)

    def divergence(self, collected: Adapted, episode: Episode) -> Tensor:
        """How far the adapted policy is from the one that collected, in nats a move."""
        adapted, played = self._adapted_to(collected, episode)
        done = _short(played)
        out = self._out(weights_of(adapted.values), adapted, done)
        apart = _world(episode)[0].actions.divergence(done["out"], out)
        return weighted_mean(apart, done["mask"])

    def _adapted_to(
        self, collected: Adapted, episode: Episode
    ) -> tuple[Adapted, Mapping[str, Tensor]]:
        """Adapted by what was collected before each step, and what was after the last one."""
        adapted = self.begin(episode)
        for _ in range(self.steps(episode)):
            values = {**adapted.values, **_of_step(collected, adapted.step)}
            adapted = self.step(Adapted(values, adapted.seen, adapted.step), episode)
        return adapted, _of_step(collected, adapted.step)

    def _gained(
        self, adapted: Adapted, played: Mapping[str, Tensor], episode: Episode, clip: float
    ) -> Tensor:
        new, old, done = self._again(weights_of(adapted.values), adapted, played, episode)
        return clipped(new, old, done["advantage"], done["mask"], clip)

    def _again(
        self,
        weights: dict[str, Tensor],
        adapted: Adapted,
        played: Mapping[str, Tensor],
        episode: Episode,
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """The log probabilities of what was done: under these weights, and when it was done."""
        actions, done = _world(episode)[0].actions, _short(played)
        out = self._out(weights, adapted, done)
        new, old = (actions.log_probability(o, done["action"]) for o in (out, done["out"]))
        return new, old, done

    def _out(
        self, weights: dict[str, Tensor], adapted: Adapted, done: Mapping[str, Tensor]
    ) -> Tensor:
        seen = done["observation"]
        out = self.under(weights, adapted, seen.flatten(1, 2), support=True)
        return out.unflatten(1, seen.shape[1:3])


def _check_actions(model: object, actions: Discrete | Box | None) -> None:
    if isinstance(model, Gaussian | GaussianSettings) and isinstance(actions, Discrete):
        raise UserError(
            "the policy's actions are numbers and those of these tasks are choices: give it an "
            "MLPSettings model, or tasks such as 'navigation'"
        )


def _world(episode: Episode) -> tuple[Environment, int]:
    """What a trajectory is acted in, and how many a step takes: as many as a trial has episodes."""
    env = environment(episode, "MAML-RL")
    return (env.env, env.episodes) if isinstance(env, Repeated) else (env, 1)


def _played(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: t for name, t in values.items() if name.startswith(PLAYED)}


def _learned_from(step: int, seen: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What was played before a step, or after the last, but for states: they are only looked at."""
    state = f"{PLAYED}state."
    return {f"{step}.{n}": t for n, t in _played(seen).items() if not n.startswith(state)}


def _of_step(collected: Adapted, step: int) -> dict[str, Tensor]:
    head = f"{step}."
    return {n.removeprefix(head): t for n, t in collected.values.items() if n.startswith(head)}


def _short(played: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """By plain names, without the moves that come after every trajectory's end."""
    mask = played[f"{PLAYED}mask"]
    moves = int(mask.flatten(0, 1).any(dim=0).sum())
    return {name.removeprefix(PLAYED): t[:, :, :moves] for name, t in played.items()}
