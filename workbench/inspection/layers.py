"""What the gradient frames share: layers by name, fast weights, one task out of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from workbench.algorithms.base import Learner
from workbench.algorithms.capabilities import Descends, Unrolls
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.innerloop import weights_of
from workbench.tasks.episode import Episode

ALL = "all"  # what a row over all layers together has in its column `layer`

Groups = dict[str, list[str]]


def layer_of(name: str) -> str:
    """The layer of a parameter.

    >>> layer_of("model.linear1.weight"), layer_of("head"), layer_of("rates.linear1/weight")
    ('linear1', 'head', 'rates')
    """
    name = name.removeprefix("model.").removeprefix("weights.")
    return name.rpartition(".")[0] or name


def groups_of(names: Sequence[str]) -> Groups:
    """Which tensors each layer has, in order, and all of them under 'all'.

    >>> groups_of(["model.a.weight", "model.a.bias", "model.head.bias"])["a"]
    ['model.a.weight', 'model.a.bias']
    """
    groups: Groups = {}
    for name in names:
        groups.setdefault(layer_of(name), []).append(name)
    return groups | {ALL: list(names)}


def task_dots(a: Mapping[str, Tensor], b: Mapping[str, Tensor], names: Sequence[str]) -> Tensor:
    """Each task's inner product over some of the tensors `[task, ...]`, in float64."""
    products = [(a[name].double() * b[name].double()).flatten(1).sum(dim=1) for name in names]
    return torch.stack(products).sum(dim=0)


def dots(a: Mapping[str, Tensor], b: Mapping[str, Tensor], names: Sequence[str]) -> float:
    """The inner product over some of the tensors, in float64."""
    return float(sum((a[n].double() * b[n].double()).sum() for n in names))


def ratio(above: float, below: float) -> float:
    """A quotient; not a number where nothing is below."""
    return above / below if below else float("nan")


def lacking(learner: Learner, capability: type, what: str) -> UserError:
    """That the learner has not a capability which `what` needs.

    >>> from workbench.algorithms import Matching
    >>> from workbench.models import MLP
    >>> print(lacking(Matching(MLP(64, None)), Unrolls, "flow_frame"))
    flow_frame differentiates through inner gradient steps, which Matching does not do: use it \
with MAML or another gradient method
    """
    usual = (
        f"{{what}} needs a method that is a {capability.__name__}, and {{method}} is none: use one"
    )
    said = getattr(capability, "lacking", usual)
    return UserError(said.format(what=what, method=type(learner).__name__))


def fast_weights(learner: Learner, path: Sequence[Adapted], figure: str) -> list[dict[str, Tensor]]:
    """The fast weights of every value of a path, or a refusal."""
    if not isinstance(learner, Descends):
        raise lacking(learner, Descends, figure)
    if not path:
        raise UserError("the path is empty: pass list(adapt(learner, episode))")
    return [weights_of(adapted.values) for adapted in path]


def unrolled_learner(learner: Learner, path: Sequence[Adapted], figure: str) -> Unrolls:
    """The learner, or a refusal where its steps are not those of an inner loop."""
    if not isinstance(learner, Unrolls):
        raise lacking(learner, Unrolls, figure)
    if len(path) < 2:
        raise UserError(f"{figure} needs at least one inner step: record a longer path")
    return learner


def check_task(episode: Episode, task: int) -> None:
    """Refuse a task that the episode does not have."""
    if not 0 <= task < len(episode):
        raise UserError(
            f"task is {task} but the episode has {len(episode)}: choose 0 to {len(episode) - 1}"
        )


def one_task(episode: Episode, path: Sequence[Adapted], task: int) -> tuple[Episode, list[Adapted]]:
    """A single task of an episode, and its part of a path."""
    check_task(episode, task)
    one = slice(task, task + 1)
    return episode[one], [
        Adapted(
            {name: tensor[one] for name, tensor in adapted.values.items()},
            {name: tensor[one] for name, tensor in adapted.seen.items()},
            adapted.step,
        )
        for adapted in path
    ]
