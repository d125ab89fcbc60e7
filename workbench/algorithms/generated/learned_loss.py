"""Learned loss (ML3): what inner steps descend is a net of predictions and targets, meta-trained.

Bechtle et al. (2021), Meta Learning via Learned Loss, arXiv:1906.05374.

    theta_i' = theta - alpha * grad_theta mean_examples M_phi(f_theta(x), y, c_i)       K times
    phi     <- phi - beta * grad_phi mean_i L_i(theta_i'; query)          L the tasks' own loss
    c_i      = mean over the task's examples of E_phi(f_theta(x), y)      what the task is like

With `context` 0 the net sees each example by itself, as in the paper; else it is conditioned on all
of the task's training data (a learned mapping from data to a loss). Of classes it sees

    each       one's log-probability, whether it is the target, and the target's log-probability,
               and is summed over them, so that neither their number nor their order matters
    in order   all probabilities and their logarithms at once, the target's first and then those of
               the classes that follow it: which class is taken for which can be learned

    M = net(...)^2          without biases and with ReLUs: as errors and targets grow together by a
                            factor, it grows by the square of it, and it is never below 0
    M = L + net(...)        with `added`: the tasks' own loss, until it is trained
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from workbench.algorithms.classes import check_outputs
from workbench.algorithms.generated.loss_shape import SHAPE
from workbench.algorithms.generated.starts import drawn
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
from workbench.innerloop import Order, forward_tasks
from workbench.models import MLP, ModelSettings
from workbench.models.mlp import Activation
from workbench.tasks.base import Kind, TaskSpec
from workbench.tasks.episode import Episode, Examples

Start = Literal["learned", "drawn"]
Classes = Literal["each", "in order"]

_LOW = 4.0  # what logarithms of probabilities are divided by, so that nets see numbers of about one


@dataclass(frozen=True)
class ML3Settings(GradientSettings):
    """Learn the loss that inner steps descend."""

    inner_rate: InnerRate = 0.001  # size of an inner step
    train_steps: TrainSteps = 1  # inner steps in training
    test_steps: TestSteps = 100  # inner steps in evaluation
    order: Order = "second"  # exact: it is through the gradient of the loss that it is learned
    # theta: learned too, or drawn anew for each task
    start: Start = "drawn"
    hidden: Annotated[tuple[int, ...], Range(1)] = (50, 50)  # widths of the loss's layers
    # numbers that tell the loss what its task is like; 0 is none
    context: Annotated[int, Range(0, span=(0, 32))] = 0
    # whether it is learned what to add to the tasks' own loss, or all of it
    added: bool = False
    # whether the loss sees each class by itself, or all of them in order, from the target on
    classes: Classes = "each"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.order == "first":
            raise UserError(
                "learner.order is 'first', and a loss is learned through the gradients of inner "
                "steps: leave it 'second'"
            )

    def build(self, model: ModelSettings, spec: TaskSpec) -> ML3:
        """The learner for tasks of this kind."""
        return ML3(model.build(spec.input_shape, spec.outputs), self, spec.kind, spec.outputs)


class ML3(GradientLearner):
    """Learns a loss whose descent lowers the tasks' own loss on new examples.

    >>> from workbench.tasks import open_tasks
    >>> learner = ML3(MLP(1, 1), ML3Settings(inner_rate=0.01))
    >>> sorted(learner.meta_gradient(open_tasks("sinusoid").sample(2, seed=0)).gradients)[0]
    'loss.head.weight'
    """

    settings: ML3Settings
    inspections = (SHAPE,)

    def __init__(
        self,
        model: nn.Module,
        settings: ML3Settings = ML3Settings(),
        kind: Kind = "regression",
        outputs: int = 1,
    ) -> None:
        super().__init__(model, settings)
        each = kind == "classification" and settings.classes == "each"
        if kind == "classification" and settings.classes == "in order" and outputs < 2:
            raise UserError(
                f"a loss that sees classes in order was to be of {outputs}: say how many outputs "
                "the model has"
            )
        seen = 3 if each else 2 * outputs
        self.kinds = (kind,)
        kink: Activation = "tanh" if settings.added else "relu"
        self.loss = MLP(seen + settings.context, 1, settings.hidden, kink, bias=False)
        self.encoder: nn.Module | None = None
        if settings.context:
            self.encoder = MLP(seen, settings.context, settings.hidden, "tanh")
        if settings.added:  # nothing, before it is trained
            nn.init.zeros_(self.loss.get_parameter("head.weight"))
        self.model.requires_grad_(settings.start == "learned")

    def begin(self, episode: Episode) -> Adapted:
        """From theta, or from weights of each task's own."""
        adapted = super().begin(episode)
        if self.settings.start == "learned":
            return adapted
        return Adapted(drawn(self.model, dict(adapted.values), episode.seed))

    def support_loss(
        self, weights: dict[str, Tensor], adapted: Adapted, episode: Episode
    ) -> Tensor:
        """Each task's learned loss on its support."""
        support = episode.support
        prediction = self.under(weights, adapted, support.x, support.weight, support=True)
        check_outputs(prediction, episode)
        context = self.context(prediction, support)
        return support.mean(self.learned(prediction, support, context, episode))

    def context(self, prediction: Tensor, examples: Examples) -> Tensor:
        """What a task is like, `[task, context]`: the mean of what a net makes of its examples."""
        seen = self._seen(prediction, examples)
        if self.encoder is None:
            return seen.new_zeros(len(seen), 0)
        codes = _on_each(self.encoder, seen).mean(dim=2)
        count = examples.counts().unsqueeze(-1)
        return (codes * count).sum(dim=1) / count.sum(dim=1)

    def learned(
        self, prediction: Tensor, examples: Examples, context: Tensor, episode: Episode
    ) -> Tensor:
        """What the loss makes of predictions and targets, `[task, example]`."""
        seen = self._seen(prediction, examples)
        told = context[:, None, None].expand(*seen.shape[:3], -1)
        found = _on_each(self.loss, torch.cat([seen, told], dim=-1)).sum(dim=(2, 3))
        return episode.losses(prediction, examples) + found if self.settings.added else found**2

    def _seen(self, prediction: Tensor, examples: Examples) -> Tensor:
        """What the nets read, `[task, example, output, feature]`: all of an example at once, or of
        each class.
        """
        if examples.y.is_floating_point():
            return torch.cat([prediction.flatten(2), examples.y.flatten(2)], dim=-1).unsqueeze(2)
        chances = prediction.log_softmax(dim=-1)
        ways = chances.shape[-1]
        target = examples.y.clamp(0, ways - 1).unsqueeze(-1)  # padding may hold any number
        if self.settings.classes == "in order":
            turned = chances.gather(-1, (target + torch.arange(ways, device=target.device)) % ways)
            return torch.cat([turned / _LOW, turned.exp()], dim=-1).unsqueeze(2)
        own = chances.gather(-1, target).expand_as(chances)
        return torch.stack([chances, one_hot(target.squeeze(-1), ways).to(chances), own], dim=-1)


def _on_each(net: nn.Module, seen: Tensor) -> Tensor:
    """A net on what is seen of every example and output, `[task, example, output, ...]`."""
    out = forward_tasks(net, dict(net.named_parameters()), seen.flatten(1, 2))
    return out.unflatten(1, seen.shape[1:3])
