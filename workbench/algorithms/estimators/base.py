"""What an estimator is."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

from workbench.algorithms.values import Adapted, MetaGradient
from workbench.tasks.episode import Episode


class Estimator(ABC):
    """How a meta-gradient is had, apart from the learner. Subclasses are frozen dataclasses.

    window  the inner steps of an outer step; 0 is the whole adaptation. What is carried on is so
            many steps further after each
    """

    window: int = 0

    def outer_steps(self, steps: int) -> int:
        """How many outer steps a batch of tasks serves, whose adaptations are of so many steps."""
        return math.ceil(steps / self.window) if self.window else 1

    @property
    def whole(self) -> Estimator:
        """The same of all tasks of a batch at once, where an outer step looks at some of them."""
        return self

    def pace(self, name: str) -> float:
        """A meta-parameter's outer rate, as a factor of the training's: the same for all, but where
        an estimator lets parts of a learner learn on time scales of their own."""
        return 1.0

    @abstractmethod
    def __call__(
        self, learner: Any, episode: Episode, carried: Adapted | None = None
    ) -> tuple[MetaGradient, Adapted | None]:
        """The meta-gradient, and what the next outer step goes on from (None: it begins anew).

        `carried` is what this call gave before, for the same tasks, detached; it is cut and
        joined by tasks as an episode is.
        """
