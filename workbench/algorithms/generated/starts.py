"""Starting weights that nobody learned: drawn anew for each task, as a model's own once were."""

from __future__ import annotations

from torch import Tensor, nn

from workbench.innerloop import weights_of
from workbench.randomness import fold, normal

_START = 9_001  # the use that a task's seed is put to


def drawn(model: nn.Module, values: dict[str, Tensor], seed: Tensor) -> dict[str, Tensor]:
    """`weights.NAME` among an adaptation's values, each with the model's own mean and spread.

    >>> import torch
    >>> model = nn.Linear(100, 3)
    >>> same = model.weight.expand(2, 3, 100)
    >>> start = drawn(model, {"weights.weight": same}, torch.tensor([1, 2]))["weights.weight"]
    >>> bool((start[0] != start[1]).all()), bool((start.std() / same.std() - 1).abs() < 0.2)
    (True, True)
    """
    own, found = dict(model.named_parameters()), {}
    for i, (name, like) in enumerate(weights_of(values).items()):
        middle, spread = own[name].mean(), own[name].std(correction=0)
        noise = normal(fold(seed, _START, i), tuple(own[name].shape), like.dtype)
        found[f"weights.{name}"] = (middle + spread * noise).detach()
    return {**values, **found}
