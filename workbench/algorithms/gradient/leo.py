"""LEO: adapt in a latent space of few numbers, from which the last layer's weights are decoded.

Rusu, Rao, Sygnowski, Vinyals, Pascanu, Osindero and Hadsell (2019), Meta-Learning with Latent
Embedding Optimization, arXiv:1807.05960.

    mu, sigma = mean over the class's examples i and all examples j of relation(e(x_i), e(x_j))
    z_n     ~ N(mu_n, sigma_n^2)                      encoder: a code for each class n
    w_n     ~ N(decoder(z_n))                         the class's row of the last layer
    z_n'    = z_n - alpha * grad_z L(w(z); support)   some times, then in parameter space
    w_n'    = w_n - gamma * grad_w L(w; support)      some times
    loss    = L(w'; query) + beta KL(N(mu, sigma^2) || N(0, 1)) + pull |stopgrad(z') - z|^2
              + orthogonality |C - I|^2               C the correlations of the decoder's columns

The rates alpha and gamma are learned. Evaluation takes means where training draws. The paper's
embedding is frozen: tasks of features, and a model without layers (`MLPSettings(hidden=())`), are
that; any other embedding is learned along. Its weight decay is an option of the outer optimizer.
As in the authors' code each regulariser is a mean over what the paper sums.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.algorithms.capabilities import Embeds
from workbench.algorithms.classes import check_classification, hide, labelled, one_hot
from workbench.algorithms.gradient.codes import CODES
from workbench.algorithms.values import Adapted, last
from workbench.fields import Live, Range, check_fields
from workbench.innerloop import InnerLoop, check_stackable
from workbench.models import ModelSettings
from workbench.randomness import fold, normal
from workbench.tasks.base import TaskSpec
from workbench.tasks.episode import Episode, Examples

_CODE, _WEIGHTS = 0, 1  # the uses that a task's seed is put to

Steps = Annotated[int, Range(0, span=(0, 20)), Live(moves=False)]
Strength = Annotated[float, Range(0, span=(1e-6, 10), log=True)]


@dataclass(frozen=True)
class LEOSettings:
    """Latent embedding optimisation."""

    codes: Annotated[int, Range(1, span=(4, 128))] = 64  # numbers in the code of a class
    # where the learned rates of steps of the code start
    code_rate: Annotated[float, Range(0, span=(1e-2, 10), log=True)] = 1.0
    code_steps: Steps = 5  # inner steps of the code
    # where the learned rates of steps of the weights start
    tuning_rate: Annotated[float, Range(0, span=(1e-4, 1), log=True)] = 1e-3
    tuning_steps: Steps = 5  # inner steps of the weights, which follow
    # exact, or with each step's gradient a constant
    order: Annotated[Literal["second", "first"], Live(moves=False)] = "second"
    divergence: Strength = 1e-3  # weight of the codes' divergence from a standard normal
    pull: Strength = 1e-2  # weight of the codes' distance from where their steps led
    orthogonality: Strength = 1e-1  # weight of the correlations of the decoder's columns

    def __post_init__(self) -> None:
        check_fields(self, "learner")

    def build(self, model: ModelSettings, spec: TaskSpec) -> LEO:
        """The learner around the model as an embedding."""
        check_classification(spec, "LEO")
        embedding = model.build(spec.input_shape, None)
        with torch.no_grad():
            features = embedding(spec.blank()).shape[-1]
        return LEO(embedding, features, self)


class LEO(Embeds):
    """Learns a space of codes in which a few steps find a task's classifier.

    >>> from workbench.algorithms import adapt, last
    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> episode = open_tasks("digits").sample(2, seed=0)
    >>> adapted = last(adapt(LEO(MLP(64, None), 40), episode))
    >>> [tuple(adapted.values[n].shape) == (2, episode.ways, size)
    ...  for n, size in (("code", 64), ("head", 40))]
    [True, True]
    """

    kinds = ("classification",)
    inspections = (CODES,)

    def __init__(
        self, embedding: nn.Module, features: int, settings: LEOSettings = LEOSettings()
    ) -> None:
        super().__init__()
        check_stackable(embedding)
        self.embedding, self.settings = embedding, settings
        size = settings.codes
        self.encoder = nn.Linear(features, size, bias=False)
        self.relation = nn.Sequential(
            *(nn.Linear(2 * size, 2 * size, bias=False), nn.ReLU()),
            *(nn.Linear(2 * size, 2 * size, bias=False), nn.ReLU()),
            nn.Linear(2 * size, 2 * size, bias=False),
        )
        self.decoder = nn.Linear(size, 2 * features, bias=False)
        self.code_rate = nn.Parameter(torch.full((size,), settings.code_rate))
        self.tuning_rate = nn.Parameter(torch.full((features,), settings.tuning_rate))
        unused = (("code_rate", settings.code_steps), ("tuning_rate", settings.tuning_steps))
        self.may_lack_gradient = tuple(name for name, steps in unused if steps == 0)

    def steps(self, episode: Episode) -> int:
        """Those of the code, then those of the weights."""
        return self.settings.code_steps + self.settings.tuning_steps

    def begin(self, episode: Episode) -> Adapted:
        """Each class's code, as encoded from the support, and the weights that it decodes to."""
        support, ways = labelled(episode)
        values = self.remembered(episode)
        features = self.embed(Adapted(values), support.x, support.weight, support=True)
        mean, spread = self.encode(features, support, ways)
        code = self._drawn(mean, spread, episode, _CODE)
        divergence = (mean.square() + spread.square() - 1) / 2 - spread.log()
        present = episode.present()
        if present is not None:
            values["present"] = present
        values |= {"features": features, "start": code, "divergence": divergence.mean(dim=2)}
        return Adapted({**values, "code": code, "head": self.decode(code, episode, step=0)})

    def step(self, adapted: Adapted, episode: Episode) -> Adapted:
        """One step down the support loss: of the code at first, then of the weights."""
        coded = adapted.step < self.settings.code_steps
        name, start = ("code", "code") if coded else ("head", "head")

        def losses(moving: dict[str, Tensor]) -> Tensor:
            at = moving[name]
            head = self.decode(at, episode, adapted.step) if coded else at
            logits = self._logits(adapted.values["features"], head, adapted)
            return episode.loss(logits, episode.support)

        moved, seen = InnerLoop(order=self.settings.order).step(
            losses,
            {f"weights.{name}": adapted.values[start]},
            {name: self.code_rate if coded else self.tuning_rate},
            step=adapted.step,
            steps=self.steps(episode),
        )
        new = {start: moved[f"weights.{name}"]}
        if coded:
            new["head"] = self.decode(new["code"], episode, adapted.step + 1)
        return Adapted({**adapted.values, **new}, seen, adapted.step + 1)

    def predict(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """The last layer of these weights over the features; no bias, as in the paper."""
        features = self.embed(adapted, x, weight)
        return self._logits(features, adapted.values["head"], adapted)

    def meta_loss(self, path: Iterable[Adapted], episode: Episode) -> Tensor:
        """The query loss, the codes' divergence and pull, and the decoder's correlations."""
        end, own = last(path), self.settings
        values = end.values
        pull = (values["code"].detach() - values["start"]).square().mean(dim=2)
        of_codes = own.divergence * values["divergence"] + own.pull * pull
        there = values.get("present", torch.ones_like(of_codes)).to(of_codes)
        of_codes = (of_codes * there).sum(dim=1) / there.sum(dim=1)
        return super().meta_loss([end], episode) + of_codes + own.orthogonality * self.correlation()

    def embed(
        self, adapted: Adapted, x: Tensor, weight: Tensor | None = None, *, support: bool = False
    ) -> Tensor:
        """The features, `[task, example, feature]`."""
        return self.vectors(self.embedding, x, adapted, weight, support=support)

    def encode(self, features: Tensor, support: Examples, ways: int) -> tuple[Tensor, Tensor]:
        """Mean and (positive) spread of each class's code, `[task, way, code]`."""
        hidden, count = self.encoder(features), features.shape[1]
        one = hidden.unsqueeze(2).expand(-1, -1, count, -1)
        related = self.relation(torch.cat([one, one.transpose(1, 2)], dim=-1))
        labels = one_hot(support, ways, like=hidden)
        # The mean over both examples of every pair, the first one of the class.
        share = labels / labels.sum(dim=1, keepdim=True).clamp(min=1)
        other = support.counts() / support.counts().sum(dim=1, keepdim=True)
        found = torch.einsum("tiw,tj,tijc->twc", share, other, related)
        mean, raw = found.chunk(2, dim=-1)
        return mean, _spread(raw)

    def decode(self, code: Tensor, episode: Episode, step: int) -> Tensor:
        """The last layer's weights of a code, `[task, way, feature]`."""
        mean, raw = self.decoder(code).chunk(2, dim=-1)
        size = math.sqrt(2 / mean.shape[-1])  # as a layer's initial weights are
        return self._drawn(mean, size * _spread(raw), episode, _WEIGHTS, step)

    def correlation(self) -> Tensor:
        """How far the correlations of the decoder's columns are from none, squared."""
        columns = F.normalize(self.decoder.weight, dim=0)
        found = columns.T @ columns
        return (
            (found - torch.eye(len(found), dtype=found.dtype, device=found.device)).square().mean()
        )

    def _drawn(self, mean: Tensor, spread: Tensor, episode: Episode, *words: int) -> Tensor:
        """A draw in training, the mean in evaluation; more ways change no class's draw."""
        if not self.training:
            return mean
        ways, size = mean.shape[1:]
        way = torch.arange(ways, device=mean.device)
        seed = fold(episode.seed.unsqueeze(1), *words, way)
        return mean + spread * normal(seed, (size,), mean.dtype)

    def _logits(self, features: Tensor, head: Tensor, adapted: Adapted) -> Tensor:
        logits = features @ head.mT
        present = adapted.values.get("present")
        return logits if present is None else hide(logits, present.unsqueeze(1))


def _spread(raw: Tensor) -> Tensor:
    """The exponential, held between e^-5 and e^5: no weights make it 0 or infinite."""
    return (5 * torch.tanh(raw / 5)).exp()
