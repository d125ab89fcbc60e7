"""What a learner can do beyond the contract: it says so by its class, never by a method's name.

Those with a memory are `MemoryLearner`s. A capability's `lacking` is said where one without it is
met: `{what}` needed it and `{method}` has it not.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from workbench.algorithms.base import Learner
from workbench.algorithms.values import Adapted
from workbench.fields import live_fields
from workbench.tasks.episode import Episode


class Embeds(Learner):
    """A learner that compares examples by what an embedding makes of them."""

    lacking = (
        "{what} finds no embedding in {method}: use a model that is an nn.Sequential with its head "
        "last, or make the method an Embeds"
    )

    @abstractmethod
    def embed(
        self, adapted: Adapted, x: Tensor, weight: Tensor | None = None, *, support: bool = False
    ) -> Tensor:
        """Inputs `[task, example, ...]` in the embedding, `[task, example, feature]`."""


class Descends(Learner):
    """A learner whose steps move the values `weights.NAME` along a gradient of the support loss.

    Each step has seen that `loss` and its gradients, `gradient.NAME`.
    """

    lacking = (
        "{what} looks at weights that inner gradient steps change, and {method} has none: "
        "use it with MAML or another gradient method"
    )
    learned_rates: str = "none"  # which inner rates are meta-parameters; 'none' of them
    differentiates: bool = True  # whether its meta-gradient goes back through its steps


class Unrolls(Descends):
    """A learner that descends weights of one model, by steps that can be differentiated through.

    Its meta-loss is of the path. Its settings have the inner loop's `order` and `rematerialise`,
    and the number of steps, `train_steps` and `test_steps`. What else than weights and the rule's
    state passes a gradient on from step to step is among the values as `carried.NAME`.
    """

    lacking = (
        "{what} differentiates through inner gradient steps, which {method} does not do: "
        "use it with MAML or another gradient method"
    )
    model: nn.Module

    @abstractmethod
    def support_loss(
        self, weights: dict[str, Tensor], adapted: Adapted, episode: Episode
    ) -> Tensor:
        """Each task's loss on its support under fast weights, `[task]`."""

    def shot_losses(
        self, weights: dict[str, Tensor], adapted: Adapted, episode: Episode
    ) -> tuple[Tensor, Tensor | None]:
        """The loss of each support example, `[task, shot]`, and what each counts; None: alike."""
        support = episode.support
        prediction = self.under(weights, adapted, support.x, support.weight, support=True)
        return episode.losses(prediction, support), support.weight

    @abstractmethod
    def parameters_with(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """The model's parameters, the adapted ones replaced by fast weights."""

    def under(
        self,
        weights: dict[str, Tensor],
        adapted: Adapted,
        x: Tensor,
        weight: Tensor | None = None,
        *,
        support: bool = False,
    ) -> Tensor:
        """What the model makes of inputs under fast weights other than those of `adapted`."""
        parameters = self.parameters_with(weights)
        return self.run(self.model, parameters, x, adapted, weight, support=support)


class Remembers(Learner):
    """A learner that keeps something of every task of a stream, for those that follow.

    What it remembers is part of its `state_dict`. Training leaves it alone; an evaluation goes
    through its tasks as a stream.
    """

    @abstractmethod
    def update(self, episode: Episode) -> Sequence[object]:
        """Remember the tasks of a stream, one after the other: what became of each."""


class Prepares(Learner):
    """A learner that looks at some training tasks before its training begins."""

    @abstractmethod
    def prepare(self, sample: Callable[[int], Episode]) -> None:
        """Be ready for training; `sample` draws so many tasks, the same at every call."""


class Anneals(Learner):
    """A learner whose meta-gradient changes in the course of its training.

    The trainer says before each outer step how far it is. What is traced once cannot follow that,
    so such a learner is not compiled.
    """

    @abstractmethod
    def anneal(self, done: float) -> None:
        """Be as it is once this share of the training, from 0 to 1, is behind it."""


class Acts(Learner):
    """A learner that acts, and can learn several times from what it did."""

    lacking = (
        "{what} learns from what was done in an environment and {method} does not act: use it with "
        "RL2Settings() or another method for control tasks"
    )

    @abstractmethod
    def collect(self, episode: Episode) -> Adapted:
        """Act: all that is needed to learn from it, as detached values of every task."""

    @abstractmethod
    def surrogate(self, collected: Adapted, episode: Episode, clip: float) -> Tensor:
        """The loss to descend, from what was collected, `[task]`.

        `clip` is how far an action's chance may move, as a share of what it was when it was drawn.
        """


class Strays(Acts):
    """A learner that acts and can tell how far it has come from what it was when it acted."""

    lacking = (
        "{what} keeps a policy near the one that acted, and {method} does not tell how far it is: "
        "use it with MAMLRLSettings() or choose the estimator PPO"
    )

    @abstractmethod
    def divergence(self, collected: Adapted, episode: Episode) -> Tensor:
        """KL(the policy that collected || the policy now), the mean over its moves, `[task]`."""


class Expects(Learner):
    """A learner that says before every move what it expects to come: a step has seen its `value`.

    One that `Plays` names it `trajectory.value`.
    """

    lacking = (
        "{what} holds what was expected against what came, and {method} expects nothing: use it "
        "with RL² or another method that has a critic"
    )

    @property
    def discount(self) -> float:
        """What a reward one move later is worth in what is expected."""
        return float(self.settings.discount)


class Plays(Learner):
    """A learner whose adapted values are a policy that plays whole episodes: it adapts by steps.

    What it is worth after a step is what it then does, and not what its steps brought. Each step
    has seen what was done before it, under the names that `play` gives.
    """

    lacking = (
        "{what} looks at a policy that plays whole episodes, and {method} is none: use it with "
        "MAMLRLSettings() on control tasks"
    )

    @abstractmethod
    def play(self, adapted: Adapted, episode: Episode) -> dict[str, Tensor]:
        """Trajectories of the adapted policy, `trajectory.NAME [task, trajectory, move, ...]`.

        Among the names are observation, action, reward, done and mask. Where the environment's
        states are among them, `state.NAME` with the beginning before the first move, whoever looks
        at them need not play again.
        """


class Trains(Learner):
    """A learner that adapts by training another, one level below: a step is an outer step of that.

    After any step the one below can be looked at as it then is, and adapts to tasks of its own.
    """

    lacking = (
        "{what} opens the learner that is trained at each step, and {method} trains none: use it "
        "with MetaOptimisedSettings() or another method of the third level"
    )

    @abstractmethod
    def below(self, adapted: Adapted, episode: Episode, task: int) -> tuple[Learner, Episode]:
        """The learner as it is after a step in one of the families, and the tasks that its next
        outer step is made by."""


def live_settings(learner: Learner) -> list[str]:
    """The settings marked `Live` that an adaptation of this very learner follows.

    >>> from workbench.algorithms import MAML
    >>> from workbench.models import MLP
    >>> live_settings(MAML(MLP(1, 1)))[:2]
    ['inner_rate', 'train_steps']
    """
    own: Any = learner.settings
    if not dataclasses.is_dataclass(own):
        return []
    return [name for name, live in live_fields(type(own)).items() if live.when(learner)]
