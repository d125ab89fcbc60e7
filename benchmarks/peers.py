"""The contenders: each makes one second-order MAML meta-gradient of a problem.

A contender takes a problem, does what is done once (building, wrapping), and returns the function
that is timed: no arguments, gradients in the order of the model's parameters. Libraries are
called by their public interfaces, as their own examples call them.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import grad, vmap

from benchmarks.problems import Problem, adapted_loss, loss

MetaGradientCall = Callable[[], list[Tensor]]
Contender = Callable[[Problem], MetaGradientCall]


def load(module: str, *hollow: str) -> Any:
    """Import a module without running the `__init__` of the packages named in `hollow`.

    learn2learn and torchmeta import at their top what no longer installs (gym, torchvision);
    the modules measured here do not need it.
    """
    for name in hollow:
        if name in sys.modules:
            continue
        found = importlib.util.find_spec(name)
        if found is None:
            raise ImportError(f"{name} is not installed")
        package = types.ModuleType(name)
        package.__path__ = list(found.submodule_search_locations or [])
        sys.modules[name] = package
    return importlib.import_module(module)


def by_task(problem: Problem, query_loss: Callable[..., Tensor]) -> MetaGradientCall:
    """The usual loop: adapt to a task, backward from its query loss, next task."""

    def call() -> list[Tensor]:
        parameters = list(problem.model.parameters())
        for p in parameters:
            p.grad = None
        tasks = problem.tasks()
        for task in tasks:
            (query_loss(*task) / len(tasks)).backward()
        return [p.grad for p in parameters if p.grad is not None]

    return call


def higher_by_task(problem: Problem) -> MetaGradientCall:
    """`higher` as it is mostly used: one task, its backward, the next task."""
    return by_task(problem, higher_query_loss(problem))


def higher_one_backward(problem: Problem) -> MetaGradientCall:
    """`higher` with the mean of all tasks' losses first, and one backward from it."""
    query_loss = higher_query_loss(problem)

    def call() -> list[Tensor]:
        losses = [query_loss(*task) for task in problem.tasks()]
        parameters = list(problem.model.parameters())
        return list(torch.autograd.grad(torch.stack(losses).mean(), parameters))

    return call


def higher_query_loss(problem: Problem) -> Callable[..., Tensor]:
    import higher

    optimizer = torch.optim.SGD(problem.model.parameters(), lr=problem.rate)

    def query_loss(sx: Tensor, sy: Tensor, qx: Tensor, qy: Tensor) -> Tensor:
        with higher.innerloop_ctx(problem.model, optimizer, copy_initial_weights=False) as (
            fast,
            stepper,
        ):
            for _ in range(problem.steps):
                stepper.step(loss(fast(sx), sy))
            return loss(fast(qx), qy)

    return query_loss


def learn2learn(problem: Problem) -> MetaGradientCall:
    wrapped = load("learn2learn.algorithms.maml", "learn2learn", "learn2learn.algorithms").MAML(
        problem.model, lr=problem.rate
    )

    def query_loss(sx: Tensor, sy: Tensor, qx: Tensor, qy: Tensor) -> Tensor:
        learner = wrapped.clone()
        for _ in range(problem.steps):
            learner.adapt(loss(learner(sx), sy))
        return loss(learner(qx), qy)

    return by_task(problem, query_loss)


def torchopt(problem: Problem) -> MetaGradientCall:
    import torchopt as library  # type: ignore[import-not-found]

    model, steps = problem.model, problem.steps
    optimizer = library.MetaSGD(model, lr=problem.rate)
    weights = library.extract_state_dict(model, by="reference")
    state = library.extract_state_dict(optimizer, by="reference")

    def query_loss(sx: Tensor, sy: Tensor, qx: Tensor, qy: Tensor) -> Tensor:
        for _ in range(steps):
            optimizer.step(loss(model(sx), sy))
        found = loss(model(qx), qy)
        library.recover_state_dict(model, weights)
        library.recover_state_dict(optimizer, state)
        return found

    return by_task(problem, query_loss)


def torchmeta(problem: Problem) -> MetaGradientCall:
    modules = load("torchmeta.modules", "torchmeta", "torchmeta.utils")
    update = load("torchmeta.utils.gradient_based").gradient_update_parameters
    kinds = {
        nn.Linear: lambda m: modules.MetaLinear(m.in_features, m.out_features),
        nn.Conv2d: lambda m: modules.MetaConv2d(
            m.in_channels, m.out_channels, m.kernel_size, padding=m.padding
        ),
        nn.BatchNorm2d: lambda m: modules.MetaBatchNorm2d(
            m.num_features, track_running_stats=False
        ),
    }
    layers = [kinds[type(m)](m) if type(m) in kinds else m for m in problem.model]
    model = modules.MetaSequential(*layers).to(next(problem.model.parameters()).dtype)
    model.load_state_dict(problem.model.state_dict())

    def query_loss(sx: Tensor, sy: Tensor, qx: Tensor, qy: Tensor) -> Tensor:
        fast: OrderedDict[str, Tensor] | None = None
        for _ in range(problem.steps):
            fast = update(model, loss(model(sx, params=fast), sy), fast, problem.rate)
        return loss(model(qx, params=fast), qy)

    own = Problem(model, problem.support, problem.query, problem.rate, problem.steps)
    return by_task(own, query_loss)


def vmap_of_grad(problem: Problem) -> MetaGradientCall:
    def task_loss(start: dict[str, Tensor], *task: Tensor) -> Tensor:
        return adapted_loss(problem, start, *task)

    each = vmap(grad(task_loss), in_dims=(None, 0, 0, 0, 0))
    start = {name: p.detach() for name, p in problem.model.named_parameters()}

    def call() -> list[Tensor]:
        return [g.mean(dim=0) for g in each(start, *problem.support, *problem.query).values()]

    return call


def jax_vmap_jit(problem: Problem) -> MetaGradientCall:
    import jax  # type: ignore[import-not-found]

    compiled = jax_compiled(problem)

    def call() -> list[Tensor]:
        return [torch.from_dlpack(g) for g in jax.block_until_ready(compiled())]

    return call


def jax_compiled(problem: Problem) -> Callable[[], Any]:
    """The meta-gradient by JAX, as arrays of its own that may not be ready yet."""
    import jax  # type: ignore[import-not-found]
    from jax import numpy as jnp

    jax.config.update("jax_enable_x64", True)

    def array(tensor: Tensor) -> Any:
        return jnp.asarray(tensor.detach().cpu().numpy())

    def run(parameters: list[Any], x: Any) -> Any:
        left = iter(parameters)
        for layer in problem.model:
            if isinstance(layer, nn.Linear):
                x = x @ next(left).T + next(left)
            elif isinstance(layer, nn.Conv2d):
                x = jax.lax.conv_general_dilated(x, next(left), (1, 1), "SAME")
                x = x + next(left)[:, None, None]
            elif isinstance(layer, nn.BatchNorm2d):
                centred = x - x.mean((0, 2, 3), keepdims=True)
                spread = jnp.square(centred).mean((0, 2, 3), keepdims=True)
                scaled = centred * jax.lax.rsqrt(spread + layer.eps)
                x = scaled * next(left)[:, None, None] + next(left)[:, None, None]
            elif isinstance(layer, nn.ReLU):
                x = jax.nn.relu(x)
            elif isinstance(layer, nn.MaxPool2d):
                n, c, h, w = x.shape
                x = x[:, :, : h // 2 * 2, : w // 2 * 2].reshape(n, c, h // 2, 2, w // 2, 2)
                x = x.max((3, 5))
            else:
                x = x.reshape(len(x), -1)
        return x

    def mean_loss(parameters: list[Any], x: Any, y: Any) -> Any:
        prediction = run(parameters, x)
        if jnp.issubdtype(y.dtype, jnp.floating):
            return jnp.square(prediction - y).mean()
        return -jnp.take_along_axis(jax.nn.log_softmax(prediction), y[:, None], 1).mean()

    def task_loss(start: list[Any], sx: Any, sy: Any, qx: Any, qy: Any) -> Any:
        fast = start
        for _ in range(problem.steps):
            gradient = jax.grad(mean_loss)(fast, sx, sy)
            fast = [p - problem.rate * g for p, g in zip(fast, gradient, strict=True)]
        return mean_loss(fast, qx, qy)

    def batch_loss(start: list[Any], *tasks: Any) -> Any:
        return jax.vmap(task_loss, in_axes=(None, 0, 0, 0, 0))(start, *tasks).mean()

    compiled = jax.jit(jax.grad(batch_loss))
    parameters = [array(p) for p in problem.model.parameters()]
    tasks = [array(t) for t in (*problem.support, *problem.query)]

    return lambda: compiled(parameters, *tasks)


def workbench_eager(problem: Problem) -> MetaGradientCall:
    return workbench(problem, compiled="off")


def workbench_compiled(problem: Problem) -> MetaGradientCall:
    return workbench(problem, compiled="on")


def workbench_chunked(problem: Problem) -> MetaGradientCall:
    return workbench(problem, compiled="off", tasks_per_chunk=8, threads=2)


def workbench(problem: Problem, rematerialise: bool = False, **how: Any) -> MetaGradientCall:
    """The package's own path: what its trainer calls in every iteration, and as it calls that.

    A gradient that a graph wrote stands until the next call, by which the trainer has used it.
    """
    from workbench.algorithms import MAML, MAMLSettings
    from workbench.tasks import Episode, Examples
    from workbench.training.execution import MetaGradients

    settings = MAMLSettings(
        inner_rate=problem.rate, train_steps=problem.steps, rematerialise=rematerialise
    )
    learner = MAML(problem.model, settings)
    tasks = len(problem.support[0])
    seeds = torch.arange(tasks, device=problem.support[0].device)
    episode = Episode(Examples(*problem.support), Examples(*problem.query), seeds)
    meta_gradients = MetaGradients(learner, passing=True, **how)
    names = [f"model.{name}" for name, _ in problem.model.named_parameters()]

    def call() -> list[Tensor]:
        gradients = meta_gradients(episode).gradients
        return [gradients[name] for name in names]

    wanted = [way for way in ("compiled", "captured") if how.get(way) == "on"]
    if wanted:
        call()  # compiles, captures
        if meta_gradients.path != " and ".join(wanted):
            raise RuntimeError(f"{meta_gradients.path} only: {meta_gradients.note}")
    return call


CONTENDERS: dict[str, Contender] = {
    "higher": higher_by_task,
    "learn2learn": learn2learn,
    "TorchOpt": torchopt,
    "torchmeta": torchmeta,
    "vmap of grad": vmap_of_grad,
    "JAX vmap + jit": jax_vmap_jit,
    "workbench": workbench_eager,
    "compiled": workbench_compiled,
    "chunks": workbench_chunked,
}
