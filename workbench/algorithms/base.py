"""The contract that every meta-learner fulfils, and the one loop that drives them all.

A meta-learner is an `nn.Module` with a few functions on values: `begin` makes the value an
adaptation starts from, `step` turns it into the next, `predict` reads it. `adapt` yields one
value after the other. Training, stepping by hand, inspection and evaluation all run this text.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from workbench.algorithms.classes import check_outputs
from workbench.algorithms.estimators.base import Estimator
from workbench.algorithms.estimators.exact import Exact
from workbench.algorithms.inspections import Inspection
from workbench.algorithms.values import Adapted, MetaGradient, last
from workbench.errors import UserError
from workbench.innerloop import forward_tasks, may_draw
from workbench.randomness import fold
from workbench.tasks.episode import Episode, Kind


class Learner(nn.Module):
    """A meta-learner. Its parameters and state are those of an `nn.Module`.

    `train()` and `eval()` choose between the training and the test number of inner steps.
    """

    kinds: tuple[Kind, ...] = ("classification", "regression")  # of tasks it can learn from
    inductive: bool = False  # normalise the query by the support's statistics
    # names of meta-parameters (with * for any part of a name) that may get no gradient
    may_lack_gradient: Sequence[str] = ()
    inspections: Sequence[Inspection] = ()  # ways to look at it that other methods do not have
    settings: Any = None  # the dataclass that it was made with, where the method keeps one
    estimator: Estimator = Exact()  # how its meta-gradient is had, where nobody says otherwise

    def __init__(self) -> None:
        super().__init__()
        _check_complete(type(self))

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
        """The gradient of the mean meta-loss, by the learner's own estimator."""
        return self.estimator.whole(self, episode)[0]

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

    def vectors(
        self,
        embedding: nn.Module,
        x: Tensor,
        adapted: Adapted,
        weight: Tensor | None = None,
        *,
        support: bool = False,
        parameters: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """What an embedding makes of inputs, `[task, example, feature]`: under its own weights."""
        parameters = dict(embedding.named_parameters()) if parameters is None else parameters
        found = self.run(embedding, parameters, x, adapted, weight, support=support)
        if found.dim() != 3:
            raise UserError(
                f"the embedding of {type(self).__name__} gives {list(found.shape[2:])} for an "
                "example and has to give a vector: end it with nn.Flatten()"
            )
        return found


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


def brought_to(learner: nn.Module, episode: Episode) -> Episode:
    """The episode on the device of the learner and in its precision; as it is where it has none."""
    like = next(learner.parameters(), None)
    return episode if like is None else episode.to(like.device, like.dtype)


# ---- what is refused -----------------------------------------------------------------------------


def check_suited(learner: Learner, episode: Episode) -> None:
    """Refuse an episode that this learner would fail on, or get wrong without a word."""
    if not isinstance(episode, Episode):
        raise UserError(
            f"a learner adapts to an Episode, and this is a {type(episode).__name__}: sample one, "
            "as in tasks.sample(4, seed=0), of your own data by tasks_from(x, classes)"
        )
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


def _adapted(learner: Learner, method: str, found: Any) -> Adapted:
    if not isinstance(found, Adapted):
        raise UserError(
            f"{type(learner).__name__}.{method} returned {type(found).__name__} and not Adapted: "
            "let it return Adapted(values, seen, step)"
        )
    return found
