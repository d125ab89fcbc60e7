"""The contract that every meta-learner fulfils, and the one loop that drives them all.

A meta-learner is an `nn.Module` with a few functions on values: `begin` makes the value an
adaptation starts from, `step` turns it into the next, `predict` reads it. `adapt` yields one
value after the other. Training, stepping by hand, inspection and evaluation all run this text.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from workbench.algorithms.classes import check_outputs
from workbench.errors import UserError
from workbench.innerloop import forward_tasks, may_draw, named_derivatives
from workbench.randomness import fold
from workbench.tasks.episode import Episode, Kind


@dataclass(frozen=True, eq=False)
class Adapted:
    """The state of an adaptation after `step` inner steps; nothing ever changes it.

    values  what the adaptation changes (fast weights, optimizer state, memory, hidden state)
    seen    what it observed on the way (loss, gradients, reads, rewards)
    Both map names to tensors with a leading task axis.
    """

    values: Mapping[str, Tensor]
    seen: Mapping[str, Tensor] = field(default_factory=dict)
    step: int = 0

    def detach(self) -> Adapted:
        """The same numbers, cut from the graph that made them."""
        return Adapted(
            {name: t.detach() for name, t in self.values.items()},
            {name: t.detach() for name, t in self.seen.items()},
            self.step,
        )


class MetaGradient(NamedTuple):
    """What one meta-step needs: a gradient for every meta-parameter, and each task's meta-loss."""

    gradients: dict[str, Tensor]
    losses: Tensor


class Learner(nn.Module):
    """A meta-learner. Its parameters and state are those of an `nn.Module`.

    `train()` and `eval()` choose between the training and the test number of inner steps.
    """

    kinds: tuple[Kind, ...] = ("classification", "regression")  # of tasks it can learn from
    inductive: bool = False  # normalise the query by the support's statistics
    # names of meta-parameters (with * for any part of a name) that may get no gradient
    may_lack_gradient: Sequence[str] = ()
    settings: Any = None  # the dataclass that it was made with, where the method keeps one

    def __init__(self) -> None:
        super().__init__()
        _check_complete(type(self))
        self._gradients_seen = False

    @property
    def rematerialises(self) -> bool:
        """Whether it saves memory at the price of time: its tasks are then computed one by one."""
        return False

    @abstractmethod
    def begin(self, episode: Episode) -> Adapted:
        """Where an adaptation starts: theta, an empty memory, a hidden state."""

    @abstractmethod
    def step(self, adapted: Adapted, episode: Episode) -> Adapted:
        """One inner step. It makes a new value and changes nothing."""

    @abstractmethod
    def predict(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """Logits, values or action logits for inputs `[task, example, ...]`.

        `weight` is 0 where an input only pads, so that it does not enter batch statistics.
        """

    @abstractmethod
    def steps(self, episode: Episode) -> int:
        """How many inner steps an adaptation takes."""

    def meta_loss(self, path: Iterable[Adapted], episode: Episode) -> Tensor:
        """Each task's meta-loss, `[task]`; `path` is what `adapt` yields."""
        query = episode.query
        query.check_any()
        prediction = self.predict(last(path), query.x, query.weight)
        check_outputs(prediction, episode)
        return episode.loss(prediction, query)

    def forward(self, episode: Episode) -> Tensor:
        """Each task's meta-loss after adapting: what `torch.func.functional_call` calls."""
        return self.meta_loss(adapt(self, episode), episode)

    def meta_gradient(self, episode: Episode) -> MetaGradient:
        """The gradient of the mean meta-loss. Only the trainer writes `.grad`."""
        names, parameters = zip(*trainable(self), strict=True)
        losses = self(episode)
        if not losses.requires_grad:
            raise UserError(
                f"the meta-loss of {type(self).__name__} depends on none of its meta-parameters: "
                "compute it from them, without detach() or no_grad()"
            )
        with named_derivatives():
            gradients = torch.autograd.grad(losses.mean(), parameters, allow_unused=True)
        if not self._gradients_seen:
            _check_gradients(self, [n for n, g in zip(names, gradients, strict=True) if g is None])
            self._gradients_seen = True
        filled = (
            torch.zeros_like(p) if g is None else g
            for p, g in zip(parameters, gradients, strict=True)
        )
        return MetaGradient(dict(zip(names, filled, strict=True)), losses.detach())

    # ---- for the methods: a module over a batch of tasks, under the learner's mode --------------

    def remembered(self, episode: Episode) -> dict[str, Tensor]:
        """What `run` needs of an episode later; `begin` puts it among the values.

        Evaluated inductively, that is the support whose batch statistics the query is normalised
        by; where a module may draw random numbers, the seeds that they are drawn from.
        """
        values: dict[str, Tensor] = {}
        support = episode.support
        if self.inductive and episode.parts:
            values["reference.x"] = support.x
            if support.weight is not None:
                values["reference.weight"] = support.weight
        if any(may_draw(child) for child in self.children()):
            values["noise"] = episode.seed
        return values

    def run(
        self,
        module: nn.Module,
        parameters: Mapping[str, Tensor],
        x: Tensor,
        adapted: Adapted,
        weight: Tensor | None = None,
        *,
        support: bool = False,
    ) -> Tensor:
        """`forward_tasks`, with the batch statistics and dropout that this adaptation calls for.

        `support` says that `x` is the support itself, which is always its own reference.
        """
        values, reference, noise = adapted.values, None, None
        if not support and "reference.x" in values:
            reference = (values["reference.x"], values.get("reference.weight"))
        if "noise" in values:
            noise = fold(values["noise"], adapted.step, int(support))
        return forward_tasks(module, parameters, x, weight=weight, reference=reference, noise=noise)


def adapt(
    learner: Learner,
    episode: Episode,
    *,
    start: Adapted | None = None,
    steps: int | None = None,
) -> Iterator[Adapted]:
    """The values of an adaptation, one after the other, the starting value first.

    `start` continues from any earlier value (a branch, a resumed tape); `steps` is the total
    count to reach, by default the learner's own.

    >>> from workbench.algorithms import MAML
    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> episode = open_tasks("sinusoid").sample(2, seed=0)
    >>> [a.step for a in adapt(MAML(MLP(1, 1)), episode, steps=2)]
    [0, 1, 2]
    """
    check_suited(learner, episode)  # now, and not when the first value is asked for
    return _path(learner, episode, start, steps)


def _path(
    learner: Learner, episode: Episode, start: Adapted | None, steps: int | None
) -> Iterator[Adapted]:
    adapted = _adapted(learner, "begin", learner.begin(episode)) if start is None else start
    steps = learner.steps(episode) if steps is None else steps
    yield adapted
    while adapted.step < steps:
        following = _adapted(learner, "step", learner.step(adapted, episode))
        if following.step != adapted.step + 1:
            raise UserError(
                f"{type(learner).__name__}.step made step {following.step} of step "
                f"{adapted.step}: let it return Adapted(values, seen, adapted.step + 1)"
            )
        adapted = following
        yield adapted


def last(path: Iterable[Adapted]) -> Adapted:
    """The last value of a path, keeping none of the earlier ones."""
    for adapted in path:
        pass
    return adapted


def trainable(learner: nn.Module) -> list[tuple[str, Tensor]]:
    """The meta-parameters: named parameters that want a gradient."""
    every: list[tuple[str, Tensor]] = list(learner.named_parameters())
    found = [(name, p) for name, p in every if p.requires_grad]
    if not found:
        raise UserError(
            f"{type(learner).__name__} has no meta-parameter to train, since all that it has is "
            "frozen: set requires_grad_(True) on what is to be learned, or only evaluate it"
        )
    return found


def brought_to(learner: nn.Module, episode: Episode) -> Episode:
    """The episode on the device of the learner and in its precision; as it is where it has none."""
    like = next(learner.parameters(), None)
    return episode if like is None else episode.to(like.device, like.dtype)


# ---- what is refused -----------------------------------------------------------------------------


def check_suited(learner: Learner, episode: Episode) -> None:
    """Refuse an episode that this learner would fail on, or get wrong without a word."""
    found = episode.check()
    name, kind = type(learner).__name__, episode.kind
    if kind not in learner.kinds:
        raise UserError(
            f"{name} learns {' or '.join(learner.kinds)} and these tasks are {kind}: "
            "choose other tasks or another learner"
        )
    own = next(learner.parameters(), None)
    if own is None:
        return
    x = episode.support.x if episode.parts else episode.seed
    if x.device != own.device and all(x.device != p.device for p in learner.parameters()):
        raise UserError(
            f"the episode is on {x.device} and {name} on {own.device}: bring them to one device, "
            "the episode with episode.to(device)"
        )
    if not x.is_floating_point():
        return
    if x.dtype != own.dtype and all(x.dtype != p.dtype for p in learner.parameters()):
        raise UserError(
            f"the episode's inputs are {x.dtype} and {name}'s weights {own.dtype}: bring them to "
            "one precision, the inputs with episode.to(dtype=...)"
        )
    if x.dim() == 3 and (learner.inductive or episode.padded):
        _check_variance(learner, found.fewest)


def _check_variance(learner: Learner, fewest: Mapping[str, int]) -> None:
    """Refuse batch statistics of a single example among padding, which are 0 and not refused."""
    kinds = {type(module) for module in learner.modules()}
    if nn.BatchNorm1d not in kinds or kinds & {nn.Conv1d, nn.Unflatten}:
        return  # nothing that normalises vectors, or places beside the examples to normalise over
    for part, count in fewest.items():
        if count == 1 and not (part == "query" and learner.inductive):
            raise UserError(
                f"batch normalisation met a task with a single {part} example, which has no "
                "variance: give each task two or more, or use LayerNorm"
            )


def _check_complete(cls: type[Learner]) -> None:
    """Refuse a class that leaves out a part of the contract: `nn.Module` knows no abstract ones."""
    for name in dir(cls):
        part = getattr(cls, name, None)
        if getattr(part, "__isabstractmethod__", False):
            about = " ".join((part.__doc__ or "").split("\n")[0].split())
            raise UserError(f"{cls.__name__} has no method '{name}': write it ({about})")
    for name in ("begin", "step", "predict", "steps"):
        if not callable(getattr(cls, name)):
            raise UserError(f"{cls.__name__}.{name} is no method: write def {name}(self, ...)")


def _check_gradients(learner: Learner, missing: Sequence[str]) -> None:
    """Refuse meta-parameters that would never train, but for those that are said to be idle."""
    idle = {*learner.may_lack_gradient, *_before_norm(learner)}
    lost = [name for name in missing if not any(fnmatchcase(name, one) for one in idle)]
    if lost:
        shown = ", ".join(lost[:3]) + (f" and {len(lost) - 3} more" if len(lost) > 3 else "")
        raise UserError(
            f"{type(learner).__name__} has meta-parameters that got no gradient ({shown}) and "
            "would never train: use them in the meta-loss, freeze them with "
            "requires_grad_(False), or name them in the learner's may_lack_gradient"
        )


def _before_norm(learner: nn.Module) -> Iterator[str]:
    """Biases of convolutions before batch normalisation, which `forward_tasks` leaves out."""
    for prefix, module in learner.named_modules():
        if isinstance(module, nn.Sequential):
            for (name, layer), (_, following) in pairwise(module.named_children()):
                if isinstance(layer, nn.Conv2d) and isinstance(following, nn.BatchNorm2d):
                    yield f"{prefix}.{name}.bias"


def _adapted(learner: Learner, method: str, found: Any) -> Adapted:
    if not isinstance(found, Adapted):
        raise UserError(
            f"{type(learner).__name__}.{method} returned {type(found).__name__} and not Adapted: "
            "let it return Adapted(values, seen, step)"
        )
    return found
