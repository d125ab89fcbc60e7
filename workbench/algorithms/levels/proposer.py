"""Proposer: a generator proposes a family's net, structure and start; a discriminator judges how
fast it adapts.

After Ho and Ermon (2016), Generative Adversarial Imitation Learning, arXiv:1606.03476, as in
`generated.gail`, one level up:

    w, s    = theta + G(the family's tasks, noise)     start and scores of structure
    mix_ua  = 1 for the `units` best units u, a their best activation; else 0
    expert  = w after some outer steps on all tasks of the family, a constant, under the same mix
    D(w, s) = f(mean over validation tasks of g(log L_0, ..., log L_K))

L_k is a task's loss after k inner steps: what D sees is how fast a net adapts, and nothing else.
The choice of units passes the gradient of its soft form (Bengio, Leonard and Courville, 2013,
arXiv:1308.3432): sigmoid(best score - threshold) times softmax over activations. Both sides learn
by the estimator `Adversarial`; by `Exact` the same generator descends the validation loss itself.
With structure 'random' the noise is the scores, known to the generator, which makes but the start.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor

from workbench.algorithms.capabilities import Unrolls
from workbench.algorithms.estimators.adversarial import Adversarial, Contested, Weights
from workbench.algorithms.generated.networks import Discriminator, Generator
from workbench.algorithms.gradient.finetune import all_examples
from workbench.algorithms.gradient.learner import InnerRate, TestSteps, TrainSteps
from workbench.algorithms.levels.meta_training import MetaTraining, MetaTrainingSettings
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.fields import Range
from workbench.innerloop import InnerLoop, Order, weights_of
from workbench.models import ModelSettings
from workbench.models.shaped import ACTIVATIONS
from workbench.randomness import fold, normal
from workbench.tasks.base import TaskSpec
from workbench.tasks.episode import Episode
from workbench.tasks.levels import Nested

_NOISE, _MIX = 31, "carried."  # the use that a family's seed is put to


@dataclass(frozen=True)
class ProposerSettings(MetaTrainingSettings):
    """A generator of a family's net, trained against a discriminator of how fast it adapts."""

    inner_rate: InnerRate = 0.01  # rate of an outer step from what was proposed
    train_steps: TrainSteps = 0  # training judges what is proposed as it is
    test_steps: TestSteps = 5  # outer steps in evaluation
    order: Order = "first"  # outer steps are never differentiated through
    structure: Literal["generated", "random"] = "generated"  # where the structure comes from
    units: Annotated[int, Range(1, span=(4, 64))] = 24  # hidden units of every net, in all layers
    width: Annotated[int, Range(1, span=(16, 256))] = 64  # of both sides' layers
    # outer steps that the expert is ahead of what is proposed
    expert_steps: Annotated[int, Range(1, span=(1, 50))] = 5
    expert_rate: Annotated[float, Range(above=0, span=(1e-4, 1), log=True)] = 0.01  # of such a step

    def build(self, model: ModelSettings, spec: TaskSpec) -> Proposer:
        """The learner for families of this kind."""
        self.check_undifferentiated("Proposer")
        return Proposer(*self.parts("Proposer", model, spec), self)


class Proposer(MetaTraining, Contested):
    """Learns to propose nets that adapt fast, each for a family of tasks.

    >>> from workbench.models import ShapedSettings
    >>> from workbench.tasks import Shape, open_tasks
    >>> families, shape = open_tasks("families:sines"), Shape(1, 8, 4)
    >>> learner = ProposerSettings(units=6).build(ShapedSettings((8, 8)), families.spec(shape))
    >>> made = learner.generated(families.sample(3, seed=0, shape=shape))
    >>> sum(made[f"model.units{i}.mix"].sum() for i in (1, 2))  # of three families
    tensor(18., grad_fn=<AddBackward0>)
    """

    settings: ProposerSettings
    estimator = Adversarial(speed=2.0)
    differentiates = False
    may_lack_gradient: Sequence[str] = ("discriminator.*",)  # where the estimator knows no side

    def __init__(
        self, inner: Unrolls, nested: Nested, settings: ProposerSettings = ProposerSettings()
    ) -> None:
        super().__init__(inner, nested, settings)
        own = dict(self.model.named_parameters())
        self.mixes = {name: p.shape for name, p in own.items() if name.endswith(".mix")}
        count = sum(shape[0] for shape in self.mixes.values())
        if count < settings.units:
            raise UserError(
                f"the model has {count} hidden units whose structure can be chosen, and "
                f"learner.units is {settings.units}: give it ShapedSettings() of {settings.units} "
                "units or more"
            )
        self.shapes = {name: own[name].shape for name in self.adapted_names}
        sizes, scores = sum(s.numel() for s in self.shapes.values()), count * len(ACTIVATIONS)
        (shots, queries), spec = nested.points, nested.spec
        point = math.prod(spec.input_shape) + spec.outputs
        inputs = (shots + queries) * point + queries * spec.outputs
        made = sizes + (scores if settings.structure == "generated" else 0)
        self.scores = scores
        self.generator = Generator(inputs, made, scores, settings.width)
        self.discriminator = Discriminator(self.inner_steps + 1, settings.width)

    def begin(self, episode: Episode) -> Adapted:
        """Every family starts from what is proposed: of a draw in training, else of none.

        A random structure is drawn always.
        """
        like = next(self.generator.parameters())
        noise = like.new_zeros(len(episode), self.scores)
        if self.training or self.settings.structure == "random":
            noise = normal(fold(episode.seed, _NOISE), (self.scores,), like.dtype)
        support = episode.support
        self.nested.tasks(support, episode.seed)  # refuses those that are of another size
        tasks = torch.cat([support.x.flatten(2), support.y.flatten(2)], dim=-1)
        count = support.counts()
        share = (count / count.sum(dim=1, keepdim=True)).unsqueeze(1)
        made = self.generator(tasks, share, noise).squeeze(1)
        own, values = dict(self.model.named_parameters()), {"noise": episode.seed}
        scores = noise
        if self.settings.structure == "generated":
            made, scores = made.split([made.shape[1] - self.scores, self.scores], dim=1)
        parts = made.split([shape.numel() for shape in self.shapes.values()], dim=1)
        for part, (name, shape) in zip(parts, self.shapes.items(), strict=True):
            values[f"weights.{name}"] = own[name] + part.unflatten(1, shape)
        if self.pulls:
            values |= {f"start.{name}": w for name, w in weights_of(values).items()}
        mix = chosen(scores.unflatten(1, (-1, len(ACTIVATIONS))), self.settings.units)
        rows = mix.split([shape[0] for shape in self.mixes.values()], dim=1)
        return Adapted(values | {f"{_MIX}{n}": r for n, r in zip(self.mixes, rows, strict=True)})

    def stacked(self, weights: Weights, adapted: Adapted, families: int) -> Weights:
        """All parameters of the learner inside, the structure among them."""
        mix = {k.removeprefix(_MIX): v for k, v in adapted.values.items() if k.startswith(_MIX)}
        return super().stacked({**mix, **weights}, adapted, families)

    def meta_loss(self, path: Iterable[Adapted], episode: Episode) -> Tensor:
        """The logarithm of the validation tasks' mean loss."""
        return super().meta_loss(path, episode).log()

    # ---- what the estimator asks ----------------------------------------------------------------

    def generated(self, episode: Episode) -> Weights:
        """Every family's start and structure as they are proposed."""
        values = self.begin(episode).values
        mix = {k.removeprefix(_MIX): v for k, v in values.items() if k.startswith(_MIX)}
        return weights_of(values) | mix

    @torch.no_grad()
    def expert(self, made: Weights, episode: Episode) -> Weights:
        """The same after outer steps that see the validation tasks too."""
        every, start = all_examples(episode), Adapted({"noise": episode.seed})
        mix = {name: made[name].detach() for name in self.mixes}
        tasks, families = self.tasks(start, every), len(episode)
        values = {f"weights.{n}": w for n, w in made.items() if n not in mix}
        rates = dict.fromkeys(self.adapted_names, self.settings.expert_rate)
        loop = InnerLoop(self.rule, order="first")

        def losses(weights: Weights) -> Tensor:
            stacked = self.stacked({**mix, **weights}, start, families)
            found = self.inside.losses(stacked, tasks, families)
            return every.mean(found.unflatten(0, (families, -1)))

        steps = self.settings.expert_steps
        for step in range(steps):
            values, _ = loop.step(losses, values, rates, step=step, steps=steps)
        return weights_of(values) | mix

    def verdict(self, weights: Weights, episode: Episode) -> Tensor:
        """How much like an expert's net it adapts to the validation tasks."""
        curves = self.curves(weights, episode)
        count = episode.query.counts().to(curves)
        return self.discriminator(curves, count / count.sum(dim=1, keepdim=True))

    def curves(self, weights: Weights, episode: Episode) -> Tensor:
        """Validation tasks' log losses after 0 to K inner steps, `[family, task, K + 1]`."""
        start, families = Adapted({"noise": episode.seed}), len(episode)
        tasks, stacked = self.tasks(start, episode.query), self.stacked(weights, start, families)
        found = []
        for steps in range(self.inner_steps + 1):
            taken = torch.arange(self.inner_steps, device=tasks.seed.device) < steps
            rates = {name: stacked[name] * taken for name in self.rate_names}
            found.append(self.inside.losses({**stacked, **rates}, tasks, families))
        return torch.stack(found, dim=-1).unflatten(0, (families, -1)).log()


def chosen(scores: Tensor, units: int) -> Tensor:
    """Of scores `[family, unit, activation]` the structure: so many units, an activation each.

    It is 0 or 1, and its derivative that of a soft choice.

    >>> chosen(torch.tensor([[[3.0, 1.0], [0.0, 0.5], [0.0, 2.0]]]), 2)
    tensor([[[1., 0.],
             [0., 0.],
             [0., 1.]]])
    """
    best, which = scores.max(dim=-1)
    order = best.sort(dim=-1, descending=True)
    least = order.values[..., min(units, best.shape[-1] - 1)]
    between = (order.values[..., units - 1] + least) / 2
    on = torch.zeros_like(best).scatter(-1, order.indices[..., :units], 1.0)
    hard = on.unsqueeze(-1) * torch.nn.functional.one_hot(which, scores.shape[-1])
    there = torch.sigmoid(best - between.detach().unsqueeze(-1))
    soft = there.unsqueeze(-1) * scores.softmax(dim=-1)
    return hard + soft - soft.detach()
