"""A certificate: is the meta-gradient that of the meta-loss? Finite differences say."""

from __future__ import annotations

import copy
import functools
import math
from collections.abc import Callable, Sequence

import pandas as pd
import torch

from workbench.algorithms.base import Learner
from workbench.algorithms.capabilities import Acts
from workbench.algorithms.values import Adapted, trainable
from workbench.inspection.layers import dots
from workbench.randomness import fold, normal
from workbench.tasks.episode import Episode

_WIDTHS = (1e-4, 1e-5, 1e-6, 1e-7, 1e-8)


def certificate_frame(
    learner: Learner, episode: Episode, path: Sequence[Adapted] = (), *, directions: int = 3
) -> pd.DataFrame:
    """The meta-gradient against central differences of the meta-loss, in float64.

    direction  gradient (along the meta-gradient itself), then random ones
    claimed    the slope that the learner's meta-gradient gives
    measured   the slope of the mean meta-loss, by central differences: of widths from 1e-4 to
               1e-8, where two neighbouring ones agree best
    error      their distance, relative to the larger of measured and a thousandth of the
               gradient's norm
    unsure     how far the two widths are apart, on the same scale; where it is large, the loss
               has a kink or jump right there (a ReLU that turns makes the inner gradient jump),
               and error says nothing

    An exact method has errors of 1e-5 and less. A method that leaves terms out, such as
    first-order MAML, shows by how much. The learner adapts by as many steps as its own settings
    say. Of what `Acts`, what it did stays as it was: the loss is the surrogate of that (DiCE's
    derivatives are not those of its own numbers but right in expectation: it shows errors).

    >>> from workbench.algorithms import MAML
    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> episode = open_tasks("sinusoid").sample(2, seed=0)
    >>> frame = certificate_frame(MAML(MLP(1, 1, activation="tanh")), episode)
    >>> bool((frame["error"] < 1e-5).all())
    True
    """
    exact = copy.deepcopy(learner).double()
    episode = episode.to(dtype=torch.float64)
    with torch.enable_grad():
        gradients = exact.meta_gradient(episode).gradients
    names = list(gradients)
    start = {name: p.detach().clone() for name, p in trainable(exact)}

    losses: Callable[[], torch.Tensor] = functools.partial(exact, episode)
    if isinstance(exact, Acts):
        done = exact.collect(episode)
        losses = functools.partial(exact.surrogate, done, episode, math.inf)

    def loss(along: dict[str, torch.Tensor], distance: float) -> float:
        with torch.no_grad():
            for name, parameter in trainable(exact):
                parameter.copy_(start[name] + distance * along[name])
            return float(losses().mean())

    rows = []
    size = dots(gradients, gradients, names) ** 0.5
    for number in range(directions + 1):
        if number == 0:
            along = gradients
        else:
            seeds = fold(episode.seed[:1], 99, number)
            along = {
                n: normal(fold(seeds, k), tuple(g.shape), g.dtype)[0]
                for k, (n, g) in enumerate(gradients.items())
            }
        length = dots(along, along, names) ** 0.5 or 1.0
        along = {name: a / length for name, a in along.items()}
        claimed = dots(gradients, along, names)
        slopes = [(loss(along, w) - loss(along, -w)) / (2 * w) for w in _WIDTHS]
        apart, measured = min((abs(a - b), b) for a, b in zip(slopes, slopes[1:], strict=False))
        least = max(abs(measured), 1e-3 * size, 1e-12)
        rows.append(
            {
                "direction": f"random {number}" if number else "gradient",
                "claimed": claimed,
                "measured": measured,
                "error": abs(claimed - measured) / least,
                "unsure": apart / least,
            }
        )
    return pd.DataFrame(rows)
