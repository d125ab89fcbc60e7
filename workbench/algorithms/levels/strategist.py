"""Strategist: a policy picks how a meta-learner is trained, and is paid by its progress.

Hierarchical reinforcement learning with two levels (options of a fixed length; Sutton, Precup and
Singh, 1999, Between MDPs and semi-MDPs), the lower of which is a meta-learner of the workbench:

    a_d    ~ pi(x_d)                 every `every` outer steps: a choice for each part of a strategy
    reward = V_d - V_d+1             V the log of the mean loss of watched tasks, that are never
                                     trained on and by which nothing is judged in the end
    x_d    = (V_d, V_d-1 - V_d, V_0 - V_d, log |g|, d / D)

A strategy is an inner rate, an outer rate, a number of inner steps, the order of the meta-gradient
and how hard the tasks are: of twice as many as an outer step takes, any, those with the least loss
at present, or those with the most (self-paced learning and hard examples). Its parts are picked
each by itself. The policy learns by PPO, and what it picks in evaluation is what is most likely.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, get_args

import torch
from torch import Tensor, nn

from workbench.algorithms.base import Learner, adapt
from workbench.algorithms.capabilities import Acts, Unrolls
from workbench.algorithms.control.surrogates import clipped, weighted_mean
from workbench.algorithms.control.trials import Fraction, Weight, advantages
from workbench.algorithms.estimators.ppo import PPO
from workbench.algorithms.gradient.learner import InnerRate, for_weights
from workbench.algorithms.gradient.reptile import minibatch
from workbench.algorithms.levels.inside import Inside
from workbench.algorithms.levels.inspections import INSIDE, STRATEGY
from workbench.algorithms.levels.meta_training import MetaTraining, MetaTrainingSettings
from workbench.algorithms.values import Adapted
from workbench.errors import UserError, nearest
from workbench.fields import Range
from workbench.innerloop import Order, Rate, plain_dimensions, weights_of
from workbench.models import ModelSettings
from workbench.randomness import fold, uniform
from workbench.tasks.base import TaskSpec
from workbench.tasks.episode import Episode, Examples
from workbench.tasks.levels import Nested

InsideOrder = Literal["second", "first"]
Difficulty = Literal["any", "easy", "hard"]
PARTS = ("inner_rates", "outer_rates", "inner_counts", "orders", "difficulties")
_PICK, _ANY = 21, 22  # which use a family's seed is put to
_FARTHEST = 10.0  # where logarithms that are read are cut


@dataclass(frozen=True)
class StrategistSettings(MetaTrainingSettings):
    """A policy picks a meta-learner's strategy, by reinforcement learning."""

    # inner rates to choose among, as multiples of that of the learner inside
    inner_rates: tuple[float, ...] = (0.3, 1.0, 3.0)
    # outer rates to choose among, as multiples of inner_rate
    outer_rates: tuple[float, ...] = (0.3, 1.0, 3.0)
    inner_rate: InnerRate = 0.01  # outer rate of the learner inside
    inner_counts: tuple[int, ...] = (1, 3)  # numbers of inner steps to choose among
    orders: tuple[InsideOrder, ...] = ("second", "first")  # of the meta-gradient inside
    difficulties: tuple[Difficulty, ...] = ("any", "easy", "hard")  # of an outer step's tasks
    every: Annotated[int, Range(1, span=(1, 25))] = 10  # outer steps that a strategy is kept for
    watched: Annotated[int, Range(1, span=(8, 64))] = 16  # tasks that progress is measured on
    width: Annotated[int, Range(1, span=(8, 128))] = 32  # of the policy's layer
    discount: Fraction = 1.0  # what a reward one decision later is worth
    trace: Fraction = 0.9  # 0 trusts the value net, 1 the rewards that really came
    value_weight: Weight = 0.5  # weight of the value's squared error
    entropy_weight: Weight = 0.01  # higher keeps the policy exploring for longer
    order: Order = "first"  # outer steps are never differentiated through

    def __post_init__(self) -> None:
        super().__post_init__()
        for part in PARTS:
            found = getattr(self, part)
            if not found or len(set(found)) < len(found):
                what = "has an entry twice" if found else "is empty"
                raise UserError(
                    f"learner.{part} {what}: name what is to be chosen among, each once"
                )
        if all(len(getattr(self, part)) == 1 for part in PARTS):
            raise UserError(
                "the policy has a single strategy, so that there is nothing to choose: give two or "
                f"more entries to one of learner.{', learner.'.join(PARTS)}"
            )
        for part, known in (("orders", InsideOrder), ("difficulties", Difficulty)):
            for name in getattr(self, part):
                if name not in get_args(known):
                    near = nearest(name, list(get_args(known)))
                    raise UserError(f"learner.{part} has '{name}': {near}")
        for part in PARTS[:2]:
            if any(not 0 < rate < math.inf for rate in getattr(self, part)):
                raise UserError(f"learner.{part} has a multiple that is not above 0: leave it out")
        if any(count < 1 for count in self.inner_counts):
            raise UserError("learner.inner_counts has a number below 1: an inner step at least")

    def build(self, model: ModelSettings, spec: TaskSpec) -> Strategist:
        """The learner for families of this kind."""
        self.check_undifferentiated("Strategist")
        return Strategist(*self.parts("Strategist", model, spec), self)


class Strategist(MetaTraining, Acts):
    """Learns to pick the strategy of a meta-training as it goes.

    >>> from workbench.models import MLPSettings
    >>> from workbench.tasks import Shape, open_tasks
    >>> families, shape = open_tasks("families:sines"), Shape(1, 24, 4)
    >>> settings = StrategistSettings(train_steps=4, every=2, watched=8, batch=2)
    >>> learner = settings.build(MLPSettings(hidden=(8,)), families.spec(shape))
    >>> collected = learner.collect(families.sample(3, seed=0, shape=shape))
    >>> collected.values["choice"].shape  # family, decision, part
    torch.Size([3, 2, 5])
    """

    settings: StrategistSettings
    estimator = PPO(epochs=8, minibatches=1)
    differentiates = False
    inspections = (INSIDE, STRATEGY)

    def __init__(
        self, inner: Unrolls, nested: Nested, settings: StrategistSettings = StrategistSettings()
    ) -> None:
        super().__init__(inner, nested, settings)
        most = max(settings.inner_counts)
        if most > self.inner_steps:
            raise UserError(
                f"learner.inner_counts has {most} and the learner inside makes {self.inner_steps} "
                f"inner steps: set learner.inner.train_steps to {most}"
            )
        first: Any = copy.deepcopy(inner)
        first.settings = replace(first.settings, order="first")
        self.by_order = {"second": self.inside, "first": Inside(first)}
        self.sizes = [len(getattr(settings, part)) for part in PARTS]
        self.policy = nn.Sequential(nn.Linear(5, settings.width), nn.Tanh())
        self.picks = nn.Linear(settings.width, sum(self.sizes))
        self.value = nn.Linear(settings.width, 1)
        for layer in (self.picks, self.value):  # at first all are as likely
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def begin(self, episode: Episode) -> Adapted:
        """A family's start, how it does there, and nothing picked yet."""
        start = super().begin(episode)
        choice = episode.seed.new_zeros(len(episode), len(PARTS))
        start = Adapted({**start.values, "choice": choice})
        level = self.level(start, episode)
        read = torch.stack([level, *torch.zeros_like(level).expand(3, -1)], dim=1)
        alike = self.probabilities(level.new_zeros(len(episode), sum(self.sizes)))
        return Adapted({**start.values, "chances": alike, "first": level, "read": read})

    def step(self, adapted: Adapted, episode: Episode) -> Adapted:
        """An outer step by the strategy that was picked last; its reward where progress shows."""
        seen: dict[str, Tensor] = {}
        every = self.settings.every
        if adapted.step % every == 0:
            adapted, seen = self.decided(adapted, episode)
        after = super().step(adapted, episode)
        reward = torch.zeros_like(adapted.values["first"])
        values = dict(after.values)
        if after.step % every == 0 or after.step == self.steps(episode):
            before, level = values["read"][:, 0], self.level(after, episode)
            slopes = [after.seen[f"gradient.{n}"].flatten(1) for n in self.adapted_names]
            size = _log(torch.cat(slopes, dim=1).norm(dim=1))
            reward = before - level
            values["read"] = torch.stack([level, reward, values["first"] - level, size], dim=1)
        return Adapted(values, {**after.seen, **seen, "reward": reward}, after.step)

    def below(self, adapted: Adapted, episode: Episode, task: int) -> tuple[Learner, Episode]:
        """The learner inside, of the order that was picked, and the tasks of the next step."""
        adapted = self.settled(adapted, episode)
        found: tuple[Any, Episode] = super().below(adapted, episode, task)
        picked = self.settings.orders[int(self.entry("orders", adapted)[task])]
        found[0].settings = replace(found[0].settings, order=picked)
        return found

    # ---- the policy -----------------------------------------------------------------------------

    def settled(self, adapted: Adapted, episode: Episode) -> Adapted:
        """The same with the strategy that is picked, where one is."""
        picks = adapted.step % self.settings.every == 0
        return self.decided(adapted, episode)[0] if picks else adapted

    def decided(self, adapted: Adapted, episode: Episode) -> tuple[Adapted, dict[str, Tensor]]:
        """The same with a strategy picked anew, and what of that is learned from."""
        read = adapted.values["read"]
        done = torch.full_like(read[:, :1], adapted.step / self.steps(episode))
        x = torch.cat([read, done], dim=1)
        out, value = self.asked(x)
        choice = self.pick(out, adapted, episode)
        seen = {"x": x, "out": out, "value": value, "choice": choice}
        values = {**adapted.values, "choice": choice, "chances": self.probabilities(out)}
        return Adapted(values, adapted.seen, adapted.step), seen

    def asked(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What chooses, and what progress is expected from here on."""
        features = self.policy(x)
        return self.picks(features), self.value(features).squeeze(-1)

    def pick(self, out: Tensor, adapted: Adapted, episode: Episode) -> Tensor:
        """The entry of each part: drawn in training, the most likely in evaluation."""
        parts = out.split(self.sizes, dim=-1)
        if not self.training:
            return torch.stack([part.argmax(dim=-1) for part in parts], dim=-1)
        draws = uniform(fold(episode.seed, _PICK, adapted.step), (len(parts),), torch.float64)
        picked = [
            (part.double().softmax(dim=-1).cumsum(dim=-1) < draw.unsqueeze(-1)).sum(dim=-1)
            for part, draw in zip(parts, draws.unbind(-1), strict=True)
        ]
        return torch.stack(
            [p.clamp(max=n - 1) for p, n in zip(picked, self.sizes, strict=True)], -1
        )

    def probabilities(self, out: Tensor) -> Tensor:
        """How likely each entry of each part is, side by side."""
        return torch.cat([p.softmax(dim=-1) for p in out.split(self.sizes, dim=-1)], dim=-1)

    def chances(self, out: Tensor, choice: Tensor) -> tuple[Tensor, Tensor]:
        """The logarithm of a choice's chance, and the entropy that it was picked with."""
        logs = [part.log_softmax(dim=-1) for part in out.split(self.sizes, dim=-1)]
        picked = zip(logs, choice.unbind(-1), strict=True)
        chance = sum(log.gather(-1, at.unsqueeze(-1)).squeeze(-1) for log, at in picked)
        entropy = -sum((log.exp() * log).sum(dim=-1) for log in logs)
        return torch.as_tensor(chance), torch.as_tensor(entropy)

    @torch.no_grad()
    def collect(self, episode: Episode) -> Adapted:
        """A whole meta-training: what was read and picked at each decision, what came of it."""
        read, out, value, choice, reward = self._decisions(adapt(self, episode))
        advantage = advantages(reward, value, self.settings.discount, self.settings.trace)
        kept = {"read": read, "choice": choice, "chance": self.chances(out, choice)[0]}
        return Adapted({**kept, "advantage": advantage, "target": advantage + value})

    def surrogate(self, collected: Adapted, episode: Episode, clip: float) -> Tensor:
        """Each family's clipped loss, from what was collected: `[family]`."""
        kept = collected.values
        out, value = self.asked(kept["read"])
        return self._loss(out, value, kept, clip)

    def meta_loss(self, path: Iterable[Adapted], episode: Episode) -> Tensor:
        """The actor-critic loss of a path."""
        _, out, value, choice, reward = self._decisions(path)
        own = self.settings
        advantage = advantages(reward, value.detach(), own.discount, own.trace)
        chance = self.chances(out, choice)[0].detach()
        kept = {"choice": choice, "chance": chance, "advantage": advantage}
        return self._loss(out, value, {**kept, "target": advantage + value.detach()}, math.inf)

    def _decisions(self, path: Iterable[Adapted]) -> list[Tensor]:
        """What was read, chose, expected, picked and then brought, `[family, decision, ...]`."""
        made: list[list[Tensor]] = []
        for adapted in path:
            if "out" in adapted.seen:
                names = ("x", "out", "value", "choice", "reward")
                made.append([adapted.seen[name] for name in names])
            elif adapted.step:
                made[-1][-1] = made[-1][-1] + adapted.seen["reward"]
        return [torch.stack(of, dim=1) for of in zip(*made, strict=True)]

    def _loss(self, out: Tensor, value: Tensor, kept: Any, clip: float) -> Tensor:
        chance, entropy = self.chances(out, kept["choice"])
        each = torch.ones_like(chance).unsqueeze(1)  # one trajectory a family
        rest = (
            self.settings.value_weight * (value - kept["target"]).square()
            - self.settings.entropy_weight * entropy
        )
        one, old, advantage = (t.unsqueeze(1) for t in (chance, kept["chance"], kept["advantage"]))
        return clipped(one, old, advantage, each, clip) + weighted_mean(rest.unsqueeze(1), each)

    # ---- the strategy ---------------------------------------------------------------------------

    def entry(self, part: str, adapted: Adapted) -> Tensor:
        """What was picked of a part: its number, `[family]`."""
        return adapted.values["choice"][:, PARTS.index(part)]

    def rates_after(self, adapted: Adapted) -> dict[str, Rate]:
        rate = self.settings.inner_rate * self._numbers("outer_rates", adapted)
        plain = plain_dimensions(self.model)
        return {name: for_weights(rate, plain[name]) for name in self.adapted_names}

    def inner_rates(self, adapted: Adapted, families: int) -> Tensor:
        rates = self._numbers("inner_rates", adapted).reshape(-1, 1, 1)
        count = self._numbers("inner_counts", adapted).reshape(-1, 1, 1)
        taken = torch.arange(self.inner_steps, device=rates.device) < count
        return super().inner_rates(adapted, families) * rates * taken

    def _numbers(self, part: str, adapted: Adapted) -> Tensor:
        own = getattr(self.settings, part)
        return torch.tensor(own).to(self._like)[self.entry(part, adapted)]

    def batch(self, adapted: Adapted, episode: Episode) -> Examples:
        """Tasks of an outer step, none of those that are watched, as hard as was picked."""
        learned, size = replace(episode, support=self._parted(episode)[1]), self.settings.batch
        known = self.settings.difficulties
        if not size or known == ("any",):
            return super().batch(adapted, learned)
        pool = minibatch(learned.support, episode.seed, adapted.step, 2 * size)
        losses = self._losses(adapted, pool, len(episode))
        chance = uniform(fold(episode.seed, _ANY, adapted.step), (losses.shape[1],), losses.dtype)
        score = torch.stack([{"any": chance, "easy": losses, "hard": -losses}[n] for n in known])
        score = score[self.entry("difficulties", adapted), torch.arange(len(episode))]
        if pool.weight is not None:
            score = score.masked_fill(pool.weight == 0, math.inf)
        rows = score.argsort(dim=1, stable=True)[:, :size]
        family = torch.arange(len(episode), device=rows.device).unsqueeze(1)
        weight = None if pool.weight is None else pool.weight[family, rows]
        return Examples(pool.x[family, rows], pool.y[family, rows], weight)

    def support_loss(
        self, weights: dict[str, Tensor], adapted: Adapted, episode: Episode
    ) -> Tensor:
        """Each family's mean meta-loss over the tasks of an outer step, by the order picked."""
        families, batch = len(episode), self.batch(adapted, episode)
        tasks, each = self.tasks(adapted, batch), batch.x.shape[1]
        stacked = self.stacked(weights, adapted, families)
        places = torch.arange(len(tasks), device=batch.x.device).view(families, each)
        order, losses, found = self.entry("orders", adapted), [], []
        for i, name in enumerate(self.settings.orders):
            rows = (order == i).nonzero().squeeze(1)
            if len(rows):
                own = {n: t[rows] for n, t in stacked.items()}
                some = tasks[places[rows].flatten()]
                losses.append(self.by_order[name].losses(own, some, len(rows)))
                found.append(rows)
        every = torch.cat(losses).unflatten(0, (families, each))
        return batch.mean(every[torch.cat(found).argsort()])

    def level(self, adapted: Adapted, episode: Episode) -> Tensor:
        """The log of the watched tasks' mean loss, `[family]`."""
        watched = self._parted(episode)[0]
        return _log(watched.mean(self._losses(adapted, watched, len(episode))))

    @torch.no_grad()
    def _losses(self, adapted: Adapted, examples: Examples, families: int) -> Tensor:
        """The loss after adapting to each task, `[family, task]`."""
        stacked = self.stacked(weights_of(adapted.values), adapted, families)
        tasks = self.tasks(adapted, examples)
        return self.inside.losses(stacked, tasks, families).unflatten(0, (families, -1)).detach()

    def _parted(self, episode: Episode) -> tuple[Examples, Examples]:
        """The tasks that are watched, and those that are learned from."""
        whole, count = episode.support, self.settings.watched
        fewest = int((whole.counts() > 0).sum(dim=1).min())
        if fewest <= count:
            raise UserError(
                f"families have {fewest} tasks to train on and {count} of them are to be "
                f"watched: ask for more shots, or set learner.watched below {fewest}"
            )
        if whole.weight is not None:  # what pads is put last, so that none of it is watched
            rows = (whole.weight == 0).long().argsort(dim=1, stable=True)
            family = torch.arange(len(episode), device=rows.device).unsqueeze(1)
            whole = Examples(*(t[family, rows] for t in (whole.x, whole.y, whole.weight)))
        parts = (slice(None, count), slice(count, None))
        watched, learned = (
            Examples(
                whole.x[:, own], whole.y[:, own],
                None if whole.weight is None else whole.weight[:, own],
            )
            for own in parts
        )  # fmt: skip
        return watched, learned

    def strategy(self, after: Adapted, task: int) -> Iterator[tuple[str, float, str]]:
        yield from super().strategy(after, task)
        for part in PARTS[2:]:
            picked = getattr(self.settings, part)[int(self.entry(part, after)[task])]
            number = float(picked) if isinstance(picked, int) else math.nan
            yield part, number, "" if isinstance(picked, int) else picked


def _log(loss: Tensor) -> Tensor:
    """A logarithm as it is read: finite where training diverged."""
    return loss.log().nan_to_num(nan=_FARTHEST).clamp(-_FARTHEST, _FARTHEST)
