"""How a meta-gradient is computed: eagerly, compiled or captured, in chunks, on several threads.

The learner's own `meta_gradient` is the one text; this only chooses how it runs. Every choice
gives the same numbers up to rounding, and the same bits each time it is made.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch
from torch import Tensor, nn
from torch.func import functional_call

from workbench.algorithms.base import Learner
from workbench.algorithms.capabilities import Anneals
from workbench.algorithms.values import Adapted, MetaGradient, trainable
from workbench.errors import UserError
from workbench.innerloop.captured import Captured
from workbench.innerloop.certified import Certificate, Certified, Way, Ways, relative_error
from workbench.innerloop.compiled import Compiled
from workbench.innerloop.precision import ALLOWED, LEAST_COSINE, Precision, computing
from workbench.tasks.episode import Episode
from workbench.training.group import Group
from workbench.training.threads import run_chunks

Mode = Literal["auto", "on", "off"]
_WAITING = 8  # chunks of a thread whose gradients may wait to be added
Estimated = tuple[MetaGradient, Adapted | None]


class MetaGradients:
    """The meta-gradients of a learner, one episode after the other.

    compiled         'on' traces and compiles each new shape once (with a certificate); 'auto'
                     does so where it pays: a net without convolutions, trained long enough
    captured         'on' captures each new shape once in a CUDA graph (with a certificate), of what
                     was compiled where it was; 'auto' does so on a GPU
    precision        in which a GPU computes with float32
    tasks_per_chunk  tasks at a time: less memory, and for convolutional nets more speed; the
                     chunks' gradients are added in their order. 0 is all at once, or one by one
                     where the learner rematerialises, since it was asked to save memory
    threads          chunks at a time, each with one thread of its own inside
    passing          what is given need only hold until the next call: then nothing is copied out
    group            the processes that share the chunks; on rank 0 is the whole

    The learner's estimator says how a gradient is had. `carried` is what it goes on from in the
    next call, where an outer step is a window of a longer adaptation.

    >>> from workbench.algorithms import MAML
    >>> from workbench.models import MLP
    >>> from workbench.tasks import open_tasks
    >>> meta_gradients = MetaGradients(MAML(MLP(1, 1)), compiled="off", tasks_per_chunk=2)
    >>> meta_gradients(open_tasks("sinusoid").sample(4, seed=0)).losses.shape
    torch.Size([4])
    """

    def __init__(
        self,
        learner: Learner,
        *,
        compiled: Mode = "auto",
        captured: Mode = "auto",
        precision: Precision = "highest",
        iterations: int = 0,
        tasks_per_chunk: int = 0,
        threads: int = 1,
        passing: bool = False,
        group: Group | None = None,
    ) -> None:
        self.group = group
        self.learner, self.tasks_per_chunk, self.threads = learner, tasks_per_chunk, threads
        self.device = _device(learner)
        self.precision = precision
        gpu = self.device.type == "cuda"
        # In float64, which is for checks, even the timing would take long.
        self._timed = any(p.dtype != torch.float64 for p in learner.parameters())
        ways: list[Way] = []
        if compiled == "on" or (compiled == "auto" and _pays(learner, iterations, gpu)):
            ways.append(Compiled(self._computing))
        if captured == "on" or (captured == "auto" and gpu):
            parameters = sum(1 for _ in trainable(learner))
            whole = not (tasks_per_chunk or learner.rematerialises)
            ways.append(Captured(self.device, parameters, passing=passing and whole))
        self.carried: Adapted | None = None
        self.compiling: Callable[[], AbstractContextManager[None]] = nullcontext  # around it
        self._changes = _changing(learner) if ways else ""
        self._certified: _CertifiedMetaGradient | None = None
        if ways and not self._changes:
            tolerance = ALLOWED.get(precision)
            self._certified = _CertifiedMetaGradient(
                learner, Ways(ways), self._waiting, tolerance, self._computing
            )
        self._precise: list[Certificate] = []
        self._cost: str | None = None

    def _computing(self) -> AbstractContextManager[None]:
        return computing(self.precision, self.device, timed=self._timed)

    def _waiting(self) -> AbstractContextManager[None]:
        return self.compiling()

    @property
    def path(self) -> str:
        """Which way the gradients are computed now: eager, compiled, captured, or the last two."""
        return "eager" if self._certified is None else str(self._certified.ways)

    @property
    def note(self) -> str | None:
        """Why a way was wanted and is not gone, and what a precision costs beyond its rounding.

        In one line; None where all is as wanted.
        """
        said = [] if self._cost is None else [self._cost]
        if self._changes:
            said.append(f"what {self._changes} computes changes while it is trained")
        if self._certified is not None:
            said += self._certified.ways.refusals
        return "; ".join(said) or None

    @property
    def certificates(self) -> list[Certificate]:
        """What the precision costs, and what each graph's first result was found to be."""
        graphs = self._certified.certificates if self._certified is not None else []
        return [*self._precise, *graphs]

    def check_precision(self, episode: Episode) -> None:
        """Certify on an episode what this precision costs, and tell it where it is much.

        It is refused where the meta-gradient is of another direction, or no number.
        """
        allowed = ALLOWED.get(self.precision)
        if allowed is None:
            return
        if self.device.type != "cuda" or next(self.learner.parameters()).dtype != torch.float32:
            raise UserError(
                f"precision is '{self.precision}', which is how a GPU computes with float32: leave "
                "it at highest, or set device to cuda and dtype to float32"
            )
        start, results = time.perf_counter(), []
        for precision in (self.precision, "highest"):
            with computing(precision, self.device, timed=True):
                found, _ = self.learner.estimator(self.learner, episode, None)
            results.append(torch.cat([g.flatten() for g in found.gradients.values()]))
        found_here, exact = (r.double() for r in results)
        error = relative_error([found_here], [exact])
        cosine = float(torch.cosine_similarity(found_here, exact, dim=0))
        seconds = time.perf_counter() - start
        self._precise = [Certificate(error, allowed, seconds, self.precision)]
        cost = (
            f"precision '{self.precision}' moves the first meta-gradient by {error:.1e} of its "
            f"norm (its cosine with that of highest is {cosine:.3f})"
        )
        if not (math.isfinite(error) and cosine >= LEAST_COSINE):
            raise UserError(f"{cost}, which is another direction: choose high or highest")
        if error > allowed:
            self._cost = f"{cost}, where {allowed:.0e} is usual"
            warnings.warn(self._cost, RuntimeWarning, stacklevel=3)
        if self._certified is not None:  # a graph rounds as anew
            self._certified.tolerance = max(allowed, error)

    def __call__(self, episode: Episode) -> MetaGradient:
        episode.check()  # a graph reads no label
        if self._certified is not None:  # a replay asks for no setting; all else sets its own
            return self._of_all(episode)
        with self._computing():
            return self._of_all(episode)

    def _of_all(self, episode: Episode) -> MetaGradient:
        size = self.tasks_per_chunk or (1 if self.learner.rematerialises else len(episode))
        if size >= len(episode):
            found, self.carried = self._run((episode, self.carried))
            return found
        chunks = episode.split(size)
        if self.group is not None:
            return self.group.summed(chunks, self._of_each, dict(trainable(self.learner)))
        carried = self.carried.split(size) if self.carried is not None else [None] * len(chunks)
        work = list(zip(chunks, carried, strict=True))
        gradients: dict[str, Tensor] = {}
        losses, ends = [], []
        threads = self._chunk_threads
        at_a_time = 1 if threads == 1 else _WAITING * threads  # added before others are computed
        for place in range(0, len(work), at_a_time):
            some = work[place : place + at_a_time]
            for (chunk, _), (part, end) in zip(
                some, run_chunks(self._run, some, threads), strict=True
            ):
                share = len(chunk) / len(episode)
                for name, gradient in part.gradients.items():
                    before = gradients[name] if name in gradients else torch.zeros_like(gradient)
                    gradients[name] = before + gradient * share
                losses.append(part.losses)
                ends += [] if end is None else [end]
        self.carried = Adapted.joined(ends) if ends else None
        return MetaGradient(gradients, torch.cat(losses))

    @property
    def _chunk_threads(self) -> int:
        return 1 if self._certified else self.threads

    def _of_each(self, chunks: Sequence[Episode]) -> list[MetaGradient]:
        work = [(chunk, None) for chunk in chunks]
        return [part for part, _ in run_chunks(self._run, work, self._chunk_threads)]

    def _run(self, work: tuple[Episode, Adapted | None]) -> Estimated:
        if self._certified is not None:
            return self._certified(*work)
        return self.learner.estimator(self.learner, *work)


def modes_of(path: str) -> dict[str, Mode]:
    """What makes meta-gradients go the way that they went.

    >>> modes_of("captured")
    {'compiled': 'off', 'captured': 'on'}
    """
    return {name: "on" if name in path else "off" for name in ("compiled", "captured")}


def keep_freed_memory() -> bool:
    """Let this process keep the memory it frees, for its next tensors: whether that could be set.

    By default glibc gives every large block back and the kernel clears it anew, which takes a third
    of the time of a convolutional net's step. For processes whose work is training or evaluating.
    """
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # not glibc
        return False
    trim_threshold, top_pad, mmap_max, arena_max = -1, -2, -4, -8
    return all(
        mallopt(option, value)
        for option, value in (
            (trim_threshold, 2**31 - 1),
            (top_pad, 2**27),
            (mmap_max, 0),
            (arena_max, 1),
        )
    )


def _changing(learner: Learner) -> str:
    """The name of what computes something else from outer step to outer step, if anything does."""
    if isinstance(learner, Anneals):
        return type(learner).__name__
    return "" if learner.estimator.traceable else type(learner.estimator).__name__


def _pays(learner: nn.Module, iterations: int, gpu: bool) -> bool:
    """Whether compiling saves the time that it takes; on a GPU, beside capturing, it saves less."""
    convolutions = any(isinstance(m, nn.Conv1d | nn.Conv2d) for m in learner.modules())
    return not convolutions and iterations >= (50_000 if gpu else 5_000)


def _device(learner: nn.Module) -> torch.device:
    like = next(learner.parameters(), None)
    return torch.device("cpu") if like is None else like.device


class _CertifiedMetaGradient:
    """The learner's estimator as a function of tensors, made ready for each kind of episode."""

    def __init__(
        self,
        learner: Learner,
        ways: Ways,
        waiting: Callable[[], AbstractContextManager[None]],
        tolerance: float | None,
        computing: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self.learner, self.ways = learner, ways
        self.waiting, self.tolerance, self.computing = waiting, tolerance, computing
        self._functions: dict[object, Certified] = {}
        self._ends: dict[object, Adapted | None] = {}  # names and step of what is carried on
        self._parameters = dict(trainable(learner))  # looked up once: a walk through the modules

    def __call__(self, episode: Episode, carried: Adapted | None) -> Estimated:
        tensors = episode.tensors()
        values = {} if carried is None else carried.values
        step = None if carried is None else carried.step
        key = (self.learner.training, episode.ways, tuple(tensors), tuple(values), step)

        def eager() -> list[Tensor]:
            with self.computing():
                own, end = self.learner.estimator(self.learner, episode, carried)
            self._ends[key] = end
            following = () if end is None else end.values.values()
            return [*(own.gradients[n] for n in self._parameters), own.losses, *following]

        if key not in self._functions:
            function = self._function(episode, carried)
            self._functions[key] = Certified(function, self.ways, self.waiting, self.tolerance)
        parameters = [p.detach() for p in self._parameters.values()]
        found = self._functions[key]([*parameters, *tensors.values(), *values.values()], eager)
        gradients = dict(zip(self._parameters, found, strict=False))
        losses, *following = found[len(gradients) :]
        end = self._ends[key]
        if end is not None:
            end = Adapted(dict(zip(end.values, following, strict=True)), step=end.step)
            self._ends[key] = end
        return MetaGradient(gradients, losses), end

    @property
    def certificates(self) -> list[Certificate]:
        """Those of every kind of episode met so far."""
        return [c for f in self._functions.values() for c in f.certificates]

    def _function(
        self, like: Episode, carried: Adapted | None
    ) -> Callable[[Sequence[Tensor]], list[Tensor]]:
        caller, names = _Caller(self.learner), tuple(self._parameters)
        keys = tuple(like.tensors())
        held = () if carried is None else tuple(carried.values)

        def function(tensors: Sequence[Tensor]) -> list[Tensor]:
            waiting = iter(tensors)
            parameters = {f"learner.{n}": next(waiting).detach().requires_grad_() for n in names}
            episode = like.with_tensors({key: next(waiting) for key in keys}, checked=True)
            start = None
            if carried is not None:
                start = Adapted({name: next(waiting) for name in held}, step=carried.step)
            with torch.enable_grad(), self.computing():
                found, end = functional_call(caller, parameters, (episode, start))
            following = () if end is None else end.values.values()
            gradients = [found.gradients[n].detach() for n in names]
            return [*gradients, found.losses.detach(), *following]

        return function


class _Caller(nn.Module):
    """Makes an estimate a forward, which is what `functional_call` calls."""

    def __init__(self, learner: Learner) -> None:
        super().__init__()
        self.learner = learner

    def forward(self, episode: Episode, carried: Adapted | None) -> Estimated:
        return self.learner.estimator(self.learner, episode, carried)
