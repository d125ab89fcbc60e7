"""workbench check: is what is computed on this machine right?"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap

from workbench.algorithms.gradient.maml import MAML, MAMLSettings
from workbench.cli.parsing import command, note, parse, say, say_json
from workbench.models import MLP
from workbench.randomness import Seeded
from workbench.tasks import Episode, Shape, open_tasks
from workbench.training import preset, train
from workbench.training.execution import MetaGradients

_STEPS, _RATE = 3, 0.05


@dataclass(frozen=True)
class Finding:
    """What a check found."""

    name: str
    good: bool
    detail: str


@command
def check(arguments: list[str]) -> int:
    """Certify this installation."""
    findings: list[Finding] = []

    def form(*, json: bool = False) -> None:
        """Certify this installation: versions, gradients, determinism, compiler.

        Args:
            json: one JSON object on standard output
        """
        checks: list[Callable[[], Finding]] = [
            versions,
            against_central_differences,
            against_torch_func,
            determinism,
            chunks_and_threads,
            compiler,
            accelerator,
        ]
        for one in checks:
            about = (one.__doc__ or "").splitlines()[0].rstrip(".")
            note(f"checking {one.__name__.replace('_', ' ')}: {about[0].lower()}{about[1:]} ...")
            finding = one()
            findings.append(finding)
            if not json:
                say(f"{'ok' if finding.good else 'FAILED':<7}{finding.name}: {finding.detail}")
        if json:
            good = all(finding.good for finding in findings)
            say_json({"good": good, "checks": [dataclasses.asdict(f) for f in findings]})

    parse(form, arguments, "check")
    return 0 if all(finding.good for finding in findings) else 1


def versions() -> Finding:
    """The versions that the numbers depend on."""
    names = ("torch", "higher", "numpy")
    found = ", ".join(f"{name} {version(name)}" for name in names)
    tested = torch.__version__.startswith("2.13.")
    note = "" if tested else "; only torch 2.13 was tested, take the one in requirements.lock"
    return Finding("versions", tested, found + note)


def _example() -> tuple[MAML, Episode]:
    with Seeded(0):
        model = MLP(1, 1, hidden=(8, 8), activation="tanh")
    settings = MAMLSettings(inner_rate=_RATE, train_steps=_STEPS)
    episode = open_tasks("sinusoid").sample(4, seed=0, shape=Shape(1, 5, 5))
    return MAML(model, settings).double(), episode.to(dtype=torch.float64)


def against_central_differences() -> Finding:
    """The second-order meta-gradient along a direction, in float64."""
    learner, episode = _example()
    gradients = learner.meta_gradient(episode).gradients
    generator = torch.Generator().manual_seed(1)
    direction = {
        name: torch.randn(g.shape, generator=generator, dtype=g.dtype)
        for name, g in gradients.items()
    }
    start = {name: p.detach().clone() for name, p in learner.named_parameters()}

    def loss(distance: float) -> float:
        moved = {name: p + distance * direction[name] for name, p in start.items()}
        with torch.no_grad():
            return float(functional_call(learner, moved, (episode,)).mean())

    width = 1e-5
    expected = (loss(width) - loss(-width)) / (2 * width)
    found = sum(float((gradients[name] * direction[name]).sum()) for name in gradients)
    return _error("gradients against central differences", found, expected, 1e-6)


def against_torch_func() -> Finding:
    """The same meta-gradient written in torch.func alone."""
    learner, episode = _example()
    model = learner.model

    def loss(weights: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return (functional_call(model, weights, (x,)) - y).square().mean()

    def adapted_loss(weights: dict[str, Tensor], *task: Tensor) -> Tensor:
        x, y, query_x, query_y = task
        for _ in range(_STEPS):
            slope = grad(loss)(weights, x, y)
            weights = {name: w - _RATE * slope[name] for name, w in weights.items()}
        return loss(weights, query_x, query_y)

    theta = {name: p.detach() for name, p in model.named_parameters()}
    support, query = episode.support, episode.query
    assert support is not None
    assert query is not None
    each = vmap(grad(adapted_loss), in_dims=(None, 0, 0, 0, 0))(
        theta, support.x, support.y, query.x, query.y
    )
    expected = torch.cat([g.mean(dim=0).flatten() for g in each.values()])
    gradients = learner.meta_gradient(episode).gradients
    found = torch.cat([gradients[f"model.{name}"].flatten() for name in theta])
    error = float((found - expected).norm() / expected.norm())
    return Finding("gradients against torch.func", error < 1e-10, f"relative error {error:.1e}")


def determinism() -> Finding:
    """Two trainings of one seed end with the same bits."""
    base = preset("sinusoid-maml").stretched(5)
    settings = dataclasses.replace(base.training, compiled="off", validate_every=0)
    experiment = dataclasses.replace(base, training=settings)
    one, other = (train(experiment, progress=False).learner for _ in range(2))
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    same = all(torch.equal(a, b) for a, b in pairs)
    return Finding("determinism", same, f"two trainings are {'equal' if same else 'different'}")


def chunks_and_threads() -> Finding:
    """Computed in chunks on two threads, the gradient is the same up to rounding."""
    learner, episode = _example()
    whole = learner.meta_gradient(episode).gradients
    parts = MetaGradients(learner, compiled="off", tasks_per_chunk=1, threads=2)(episode).gradients
    error = max(float((whole[n] - parts[n]).norm() / whole[n].norm()) for n in whole)
    return Finding("chunks and threads", error < 1e-12, f"relative error {error:.1e}")


def compiler() -> Finding:
    """The traced and compiled path, held against the eager one; without a compiler, a note."""
    learner, episode = _example()
    meta_gradients = MetaGradients(learner, compiled="on")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the finding says it
        meta_gradients(episode)
    if not meta_gradients.certificates:
        return Finding("compiler", True, f"the traced path stays eager: {meta_gradients.note}")
    certificate = meta_gradients.certificates[0]
    detail = f"relative error {certificate.error:.1e}, compiled in {certificate.seconds:.0f} s"
    return Finding("compiler", certificate.holds, detail)


def accelerator() -> Finding:
    """Whether torch finds a GPU; none is needed."""
    found = torch.cuda.get_device_name() if torch.cuda.is_available() else "none found, none needed"
    return Finding("GPU", True, found)


def _error(name: str, found: float, expected: float, most: float) -> Finding:
    error = abs(found - expected) / max(abs(expected), 1e-12)
    return Finding(name, error < most, f"relative error {error:.1e}")
