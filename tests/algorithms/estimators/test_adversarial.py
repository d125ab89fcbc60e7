"""Adversarial training: each side's gradient by `torch.func`, its time scale, and its refusals."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad
from torch.nn import functional as F

from tests.algorithms.cases import CASES, sines
from workbench import UserError
from workbench.algorithms import GAIL, MAML, Adversarial, Exact
from workbench.models import MLP
from workbench.randomness import fold, normal
from workbench.tasks import Episode
from workbench.training import preset
from workbench.training.execution import MetaGradients
from workbench.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("double")

Named = dict[str, Tensor]


def gail() -> GAIL:
    learner = CASES["GAIL"].build()
    assert isinstance(learner, GAIL)
    with torch.no_grad():  # the last layer starts near 0, where little of the noise shows
        learner.generator.decode[-1].weight.mul_(30)
    return learner


def net(w: Named, x: Tensor) -> Tensor:
    h = torch.tanh(x @ w["linear1.weight"].T + w["linear1.bias"])
    h = torch.tanh(h @ w["linear2.weight"].T + w["linear2.bias"])
    return h @ w["head.weight"].T + w["head.bias"]


def made(learner: GAIL, p: Named, episode: Episode, task: int) -> Named:
    """One task's weights, of its support and its noise."""
    x, y = episode.support.x[task], episode.support.y[task]
    noise = normal(fold(episode.seed[task : task + 1], 0), (2,), x.dtype)[0]
    code = F.relu(torch.cat([x, y], -1) @ p["generator.encode.0.weight"].T
                  + p["generator.encode.0.bias"])  # fmt: skip
    code = F.relu(code @ p["generator.encode.2.weight"].T + p["generator.encode.2.bias"]).mean(0)
    h = torch.cat([code, code, noise])
    h = F.relu(p["generator.decode.0.weight"] @ h + p["generator.decode.0.bias"])
    numbers = p["generator.decode.2.weight"] @ h + p["generator.decode.2.bias"]
    found, at = {}, 0
    for name, theta in learner.model.named_parameters():
        part = numbers[at : at + theta.numel()].view_as(theta)
        found[name], at = p[f"model.{name}"] + part, at + theta.numel()
    return found


def verdict(p: Named, w: Named, episode: Episode, task: int) -> Tensor:
    x, y = episode.query.x[task], episode.query.y[task]
    out = net(w, x)
    points = torch.cat([x, y, out, out - y, (out - y) ** 2], -1)
    h = F.leaky_relu(points @ p["discriminator.point.0.weight"].T
                     + p["discriminator.point.0.bias"], 0.2)  # fmt: skip
    h = F.leaky_relu(h @ p["discriminator.point.2.weight"].T + p["discriminator.point.2.bias"], 0.2)
    h = h.mean(0) @ p["discriminator.whole.0.weight"].T + p["discriminator.whole.0.bias"]
    h = F.leaky_relu(h, 0.2)
    return (h @ p["discriminator.whole.2.weight"].T + p["discriminator.whole.2.bias"])[0]


def expert(w: Named, episode: Episode, task: int) -> Named:
    x = torch.cat([episode.support.x[task], episode.query.x[task]])
    y = torch.cat([episode.support.y[task], episode.query.y[task]])
    for _ in range(10):
        slopes = grad(lambda w: (net(w, x) - y).square().mean())(w)
        w = {n: v - 0.02 * slopes[n] for n, v in w.items()}
    return w


def test_each_side_follows_its_own_loss() -> None:
    learner, episode = gail(), sines(3)
    found, carried = Adversarial(penalty=0.7)(learner, episode)
    assert carried is None
    p = {n: q.detach() for n, q in learner.named_parameters()}
    tasks = range(len(episode))

    def of_generator(p: Named) -> Tensor:
        scores = [verdict(p, made(learner, p, episode, t), episode, t) for t in tasks]
        return F.softplus(-torch.stack(scores)).mean()

    fakes = [made(learner, p, episode, t) for t in tasks]
    reals = [expert(fakes[t], episode, t) for t in tasks]

    def of_discriminator(p: Named) -> Tensor:
        total = torch.zeros(())
        for t in tasks:
            slopes = grad(lambda w, t=t: verdict(p, w, episode, t))(reals[t])
            total = total + F.softplus(-verdict(p, reals[t], episode, t))
            total = total + F.softplus(verdict(p, fakes[t], episode, t))
            total = total + 0.7 * sum(s.square().sum() for s in slopes.values())
        return total / len(episode)

    one, other = grad(of_generator)(p), grad(of_discriminator)(p)
    for name, gradient in found.gradients.items():
        expected = (other if name.startswith("discriminator.") else one)[name]
        torch.testing.assert_close(gradient, expected, rtol=1e-8, atol=1e-12, msg=name)
    losses = [F.mse_loss(net(fakes[t], episode.query.x[t]), episode.query.y[t]) for t in tasks]
    torch.testing.assert_close(found.losses, torch.stack(losses))


def test_without_a_penalty_there_is_none() -> None:
    learner, episode = gail(), sines(3)
    without, with_it = (Adversarial(penalty=s)(learner, episode)[0] for s in (0.0, 1.0))
    for name, gradient in without.gradients.items():
        its = name.startswith("discriminator.") and name.endswith("weight")  # D is all but linear
        assert torch.equal(gradient, with_it.gradients[name]) != its, name


def test_the_generator_learns_by_squared_error_alone_where_it_is_asked_to() -> None:
    learner, episode = gail(), sines(3)
    found = Exact()(learner, episode)[0].gradients
    assert all((found[n] == 0).all() == n.startswith("discriminator.") for n in found)
    p = {n: q.detach() for n, q in learner.named_parameters()}

    def loss(p: Named) -> Tensor:
        return functional_call(learner, p, (episode,)).mean()

    step, name = 1e-6, "generator.decode.2.bias"
    away = torch.randn_like(p[name])
    up, down = ({**p, name: p[name] + by * away} for by in (step, -step))
    slope = (loss(up) - loss(down)) / (2 * step)
    torch.testing.assert_close((found[name] * away).sum(), slope.detach(), rtol=1e-5, atol=1e-8)


def test_a_learner_without_a_discriminator_is_refused() -> None:
    with pytest.raises(UserError, match="MAML has none"):
        Adversarial()(MAML(MLP(1, 1)), sines(2))


@pytest.mark.parametrize("name", ["GAIL", "GAIL, classes"])
def test_a_traced_meta_step_is_the_eager_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch.fx.experimental.proxy_tensor import make_fx

    from workbench.innerloop import compiled

    monkeypatch.setattr(compiled, "_refusal", lambda: None)
    monkeypatch.setattr(
        compiled,
        "_compile",
        lambda function, tensors: make_fx(lambda *t: function(t))(*[t.detach() for t in tensors]),
    )
    case = CASES[name]
    learner, one, other = case.build(), case.episode()[:2], case.episode()[1:]
    run = MetaGradients(learner, compiled="on")
    run(one)
    assert run.path == "compiled", run.note
    again, expected = run(other), learner.meta_gradient(other)
    for n, gradient in expected.gradients.items():
        torch.testing.assert_close(again.gradients[n], gradient, rtol=1e-9, atol=1e-11)


# ---- two time scales ----------------------------------------------------------------------------


def test_the_sides_move_at_rates_of_their_own() -> None:
    plan = preset("sinusoid-gail").stretched(4)
    training = replace(plan.training, tasks=2, optimizer="SGD", rate=0.1, validate_every=0)
    plan = replace(plan, training=training, estimator=Adversarial(speed=3.0), dtype="float64")
    trainer = Trainer(plan)
    before = {n: p.detach().clone() for n, p in trainer.parameters.items()}
    found = trainer.learner.meta_gradient(trainer.episodes[0]).gradients
    trainer.update()
    for name, p in trainer.parameters.items():
        rate = 0.3 if name.startswith("discriminator.") else 0.1
        torch.testing.assert_close(p.detach(), before[name] - rate * found[name])
