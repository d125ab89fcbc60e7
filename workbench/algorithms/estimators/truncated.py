"""Truncated unrolling: a long adaptation in windows, one an outer step.

Williams and Peng (1990), An efficient gradient-based algorithm for on-line training of recurrent
network trajectories; as learned optimizers are trained (Andrychowicz et al., 2016).

Each outer step goes on for `window` inner steps from where the last one ended, differentiates the
meta-loss at its end, and hands the values on, detached. What lies before a window is a constant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from workbench.algorithms.base import Learner, adapt
from workbench.algorithms.capabilities import Acts, Plays
from workbench.algorithms.estimators.base import Estimator
from workbench.algorithms.estimators.exact import differentiated
from workbench.algorithms.values import Adapted, MetaGradient
from workbench.errors import UserError
from workbench.fields import Range, check_fields
from workbench.tasks.episode import Episode


@dataclass(frozen=True)
class Truncated(Estimator):
    """Differentiate a window of inner steps, and carry the adaptation on in the next outer step."""

    # inner steps that an outer step makes and differentiates
    window: Annotated[int, Range(1, span=(1, 100))] = 20

    def __post_init__(self) -> None:
        check_fields(self, "estimator")

    def __call__(
        self, learner: Learner, episode: Episode, carried: Adapted | None = None
    ) -> tuple[MetaGradient, Adapted]:
        """The derivative through one window, and its last value."""
        if isinstance(learner, Acts) and not isinstance(learner, Plays):
            raise UserError(
                f"a step of {type(learner).__name__} is a move, whose worth is what follows to the "
                "end of the trial, and Truncated cuts that off: use Exact() or PPO()"
            )
        first = 0 if carried is None else carried.step
        end = min(first + self.window, learner.steps(episode))
        values: list[Adapted] = []

        def path() -> Iterator[Adapted]:
            for adapted in adapt(learner, episode, start=carried, steps=end):
                values[:] = [adapted]
                yield adapted

        losses = learner.meta_loss(path(), episode)
        return differentiated(learner, losses), Adapted(values[0].detach().values, step=end)
