"""GAIL-Meta: a generator makes a task's parameters from its support, a discriminator judges them.

After Ho and Ermon (2016), Generative Adversarial Imitation Learning, arXiv:1606.03476, with an
expert of its own making: what gradient steps on support and query together make of the parameters.

    w         = theta + G(support, noise)
    expert    = w after ten steps on support and query, a constant
    D(w)      = f(mean over the query of g(x, y, p, p - y, (p - y)^2)),  p the prediction under w
    training    D tells expert from w, G sees nothing but D (the estimator `Adversarial`)
    adapting    starts from w, without noise, and descends the support loss

Numbers: all of a model's weights are made, from the mean code of the support. Classes: the last
layer's, a row a class, each from its own examples under the model's body; there a point that D
judges is a query and a class, y whether it is of that class and p its chance, without x.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from workbench.algorithms.classes import check_outputs, indicator
from workbench.algorithms.estimators.adversarial import Adversarial, Contested
from workbench.algorithms.generated.networks import Discriminator, Generator
from workbench.algorithms.generated.samples import SAMPLES
from workbench.algorithms.gradient.finetune import all_examples
from workbench.algorithms.gradient.learner import (
    GradientLearner,
    GradientSettings,
    InnerRate,
    TestSteps,
    TrainSteps,
)
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.fields import Range
from workbench.innerloop import InnerLoop, Order, weights_of
from workbench.models import ModelSettings
from workbench.randomness import fold, normal
from workbench.tasks.base import TaskSpec
from workbench.tasks.episode import Episode, Examples

_NOISE = 0  # the use that a task's seed is put to


@dataclass(frozen=True)
class GAILSettings(GradientSettings):
    """A generator of a task's parameters, trained against a discriminator of them."""

    inner_rate: InnerRate = 0.02  # size of a step from what was generated
    train_steps: TrainSteps = 0  # training judges what is generated as it is
    test_steps: TestSteps = 5  # inner steps in evaluation
    order: Order = "first"  # never differentiated through
    noise: Annotated[int, Range(1, span=(1, 32))] = 4  # numbers of noise that a task is given
    width: Annotated[int, Range(1, span=(16, 256))] = 64  # of both sides' layers
    # steps that the expert is ahead of what is generated
    expert_steps: Annotated[int, Range(1, span=(1, 50))] = 10
    expert_rate: Annotated[float, Range(above=0, span=(1e-4, 1), log=True)] = 0.02  # of such a step

    def build(self, model: ModelSettings, spec: TaskSpec) -> GAIL:
        """The learner for tasks of this kind."""
        self.check_undifferentiated("GAIL-Meta")
        return GAIL(model.build(spec.input_shape, spec.outputs), spec, self)


class GAIL(GradientLearner, Contested):
    """Learns to make the parameters that gradient steps would lead to.

    >>> from workbench.models import MLP
    >>> learner = GAIL(MLP(1, 1), TaskSpec("regression", (1,), outputs=1))
    >>> from workbench.tasks import open_tasks
    >>> made = learner.generated(open_tasks("sinusoid").sample(3, seed=0))
    >>> made["head.weight"].shape
    torch.Size([3, 1, 40])
    """

    settings: GAILSettings
    estimator = Adversarial()
    differentiates = False
    # where the estimator knows no other side
    may_lack_gradient: Sequence[str] = ("discriminator.*",)
    inspections = (SAMPLES,)

    def __init__(
        self, model: nn.Module, spec: TaskSpec, settings: GAILSettings = GAILSettings()
    ) -> None:
        self.by_class = spec.kind == "classification"
        super().__init__(model, settings, adapts="head" if self.by_class else "all")
        body: nn.Module
        rest: nn.Module
        shapes = [model.get_parameter(name).shape for name in self.adapted_names]
        if self.by_class:
            layers: list[Any] = list(model._modules.items())
            chain = isinstance(model, nn.Sequential) and isinstance(layers[-1][1], nn.Linear)
            if not chain:
                raise UserError(
                    f"GAIL-Meta makes the last layer of a classifier from what the layers before "
                    f"it give, and {type(model).__name__} is no nn.Sequential that ends with an "
                    "nn.Linear: make it one"
                )
            body, rest = (nn.Sequential(OrderedDict(part)) for part in (layers[:-1], layers[-1:]))
            inputs, self.rows = shapes[0][1], shapes[0][0]
            self.sizes = [math.prod(shape[1:]) for shape in shapes]
        else:
            body, rest = nn.Sequential(), model
            inputs, self.rows = math.prod(spec.input_shape) + spec.outputs, 1
            self.sizes = [math.prod(shape) for shape in shapes]
        self.shapes = shapes
        self._parts = (body, rest)  # in a tuple, so that their parameters are the model's alone
        self.generator = Generator(inputs, sum(self.sizes), settings.noise, settings.width)
        points = 4 if self.by_class else math.prod(spec.input_shape) + 4 * spec.outputs
        self.discriminator = Discriminator(points, settings.width)

    def begin(self, episode: Episode) -> Adapted:
        """Every task starts from what is generated for it: of a draw in training, else of none."""
        size = self.settings.noise
        like = next(self.generator.parameters())
        noise = like.new_zeros(len(episode), size)
        if self.training:
            noise = normal(fold(episode.seed, _NOISE), (size,), like.dtype)
        return self.begun(episode, noise)

    def begun(self, episode: Episode, noise: Tensor) -> Adapted:
        """The start that is generated with this noise, `[task, number]`."""
        start = super().begin(episode)
        theta, support = weights_of(start.values), episode.support
        count = support.counts()
        if self.by_class:
            check_outputs(support.x.new_zeros(1, self.rows), episode)
            x = self._features(support, start, support=True)
            labels = indicator(support.y, self.rows, x) * count.unsqueeze(-1).to(x)
            share = (labels / labels.sum(dim=1, keepdim=True).clamp(min=1)).mT
        else:
            x = torch.cat([support.x.flatten(2), support.y.flatten(2)], dim=-1)
            share = (count / count.sum(dim=1, keepdim=True)).unsqueeze(1)
        parts = self.generator(x, share, noise).split(self.sizes, dim=-1)
        made = {
            f"weights.{name}": theta[name] + part.reshape(len(episode), *shape)
            for name, part, shape in zip(self.adapted_names, parts, self.shapes, strict=True)
        }
        return Adapted({**start.values, **made})

    def _features(self, examples: Examples, start: Adapted, *, support: bool = False) -> Tensor:
        """What goes into the layers that are generated."""
        body, _ = self._parts
        own = dict(body.named_parameters())
        return self.run(body, own, examples.x, start, examples.weight, support=support)

    def _read(
        self, weights: dict[str, Tensor], features: Tensor, examples: Examples, start: Adapted
    ) -> Tensor:
        """What these layers make of it under weights."""
        _, rest = self._parts
        own = {name: weights.get(name, p) for name, p in rest.named_parameters()}
        return self.run(rest, own, features, start, examples.weight)

    # ---- what the estimator asks ----------------------------------------------------------------

    def generated(self, episode: Episode) -> dict[str, Tensor]:
        """Every task's parameters as they are made."""
        return weights_of(self.begin(episode).values)

    @torch.no_grad()
    def expert(self, made: dict[str, Tensor], episode: Episode) -> dict[str, Tensor]:
        """The same after steps that see the query too."""
        both, start = all_examples(episode), Adapted(self.remembered(episode))
        features = self._features(both, start)
        rates = dict.fromkeys(made, self.settings.expert_rate)
        values = {f"weights.{name}": w for name, w in made.items()}
        steps = self.settings.expert_steps
        for step in range(steps):
            values, _ = InnerLoop(order="first").step(
                lambda w: episode.loss(self._read(w, features, both, start), both),
                values,
                rates,
                step=step,
                steps=steps,
            )
        return weights_of(values)

    def verdict(self, weights: dict[str, Tensor], episode: Episode) -> Tensor:
        """How much like an expert's the parameters do on the query."""
        query, start = episode.query, Adapted(self.remembered(episode))
        p = self._read(weights, self._features(query, start), query, start)
        share = query.counts().to(p)
        share = share / share.sum(dim=1, keepdim=True)
        if self.by_class:
            p = p.softmax(dim=-1).flatten(1).unsqueeze(-1)  # [task, query and class, 1]
            y = indicator(query.y, self.rows, p).flatten(1).unsqueeze(-1)
            share = share.repeat_interleave(self.rows, dim=1) / self.rows
            about = [y]
        else:
            p, y = p.flatten(2), query.y.flatten(2)
            about = [query.x.flatten(2), y]
        return self.discriminator(torch.cat([*about, p, p - y, (p - y).square()], dim=-1), share)
