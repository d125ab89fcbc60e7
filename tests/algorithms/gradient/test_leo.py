"""LEO against its formulas, written out class by class and pair by pair with `torch.func`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence
from torch.func import grad
from torch.nn import functional as F

from tests.algorithms.cases import WAYS, clouds
from tests.algorithms.checks import run
from workbench.algorithms import LEO, LEOSettings, adapt, last
from workbench.algorithms.capabilities import live_settings
from workbench.errors import UserError
from workbench.inspection import compute, varied
from workbench.models import MLPSettings
from workbench.randomness import fold, normal
from workbench.tasks import Episode, TaskSpec

pytestmark = pytest.mark.usefixtures("double")

SETTINGS = LEOSettings(
    codes=3, code_rate=0.7, code_steps=2, tuning_rate=0.2, tuning_steps=2,
    divergence=0.3, pull=0.4, orthogonality=0.5,
)  # fmt: skip


def leo(**changes: object) -> LEO:
    torch.manual_seed(0)
    return LEO(nn.Flatten(), 4, replace(SETTINGS, **changes))


def by_hand(
    p: dict[str, Tensor], episode: Episode, task: int, own: LEOSettings, *, drawn: bool
) -> tuple[Tensor, Tensor]:
    """The meta-loss of one task under parameters, and its weights in the end."""
    x, y = episode.support.x[task], episode.support.y[task]
    seed = episode.seed[task]

    def noise(*words: int) -> Tensor:
        size = own.codes if words[0] == 0 else x.shape[1]
        rows = [normal(fold(seed, *words, torch.tensor(way)).unsqueeze(0), (size,), x.dtype)[0]
                for way in range(WAYS)]  # fmt: skip
        return torch.stack(rows) * float(drawn)

    def relation(one: Tensor, other: Tensor) -> Tensor:
        h = torch.cat([one, other])
        for layer in ("relation.0", "relation.2", "relation.4"):
            h = p[f"{layer}.weight"] @ h
            h = h if layer == "relation.4" else F.relu(h)
        return h

    hidden = [p["encoder.weight"] @ one for one in x]
    means, spreads = [], []
    for way in range(WAYS):
        pairs = [relation(a, b) for a, k in zip(hidden, y, strict=True) if k == way for b in hidden]
        found = torch.stack(pairs).mean(0)
        means.append(found[: own.codes])
        spreads.append((5 * (found[own.codes :] / 5).tanh()).exp())
    mean, spread = torch.stack(means), torch.stack(spreads)
    start = code = mean + spread * noise(0)

    def decode(code: Tensor, step: int) -> Tensor:
        out = code @ p["decoder.weight"].T
        size = (2 / x.shape[1]) ** 0.5
        return out[:, : x.shape[1]] + size * (5 * (out[:, x.shape[1] :] / 5).tanh()).exp() * noise(
            1, step
        )

    def loss(head: Tensor) -> Tensor:
        return F.cross_entropy(x @ head.T, y)

    step = 0
    for _ in range(own.code_steps):
        of_code: Callable[[Tensor], Tensor] = lambda z, step=step: loss(decode(z, step))  # noqa: E731
        code = code - p["code_rate"] * grad(of_code)(code)
        step += 1
    head = decode(code, step)
    for _ in range(own.tuning_steps):
        head = head - p["tuning_rate"] * grad(loss)(head)
    query = F.cross_entropy(episode.query.x[task] @ head.T, episode.query.y[task])
    divergence = kl_divergence(Normal(mean, spread), Normal(torch.zeros(()), torch.ones(())))
    columns = p["decoder.weight"] / p["decoder.weight"].norm(dim=0)
    apart = (columns.T @ columns - torch.eye(own.codes)).square().mean()
    pull = (code.detach() - start).square().mean()
    total = query + own.divergence * divergence.mean() + own.pull * pull
    return total + own.orthogonality * apart, head


@pytest.mark.parametrize("drawn", [True, False], ids=["drawn", "means"])
def test_meta_loss_gradient_and_weights_are_those_of_the_formulas(drawn: bool) -> None:
    learner, episode = leo().train(drawn), clouds()
    found = learner.meta_gradient(episode)
    p = {n: q.detach() for n, q in learner.named_parameters()}

    def mean_loss(p: dict[str, Tensor]) -> Tensor:
        losses = [by_hand(p, episode, t, SETTINGS, drawn=drawn)[0] for t in range(len(episode))]
        return torch.stack(losses).mean()

    torch.testing.assert_close(found.losses.mean(), mean_loss(p), rtol=1e-11, atol=1e-12)
    for name, expected in grad(mean_loss)(p).items():
        torch.testing.assert_close(found.gradients[name], expected, rtol=1e-9, atol=1e-12)
    end = run(learner, episode)[-1]
    for task in range(len(episode)):
        head = by_hand(p, episode, task, SETTINGS, drawn=drawn)[1]
        torch.testing.assert_close(end.values["head"][task], head, rtol=1e-11, atol=1e-12)


def test_first_order_leaves_the_second_derivatives_out() -> None:
    exact, first = (leo(order=order).meta_gradient(clouds()) for order in ("second", "first"))
    torch.testing.assert_close(exact.losses, first.losses)
    assert not torch.allclose(exact.gradients["decoder.weight"], first.gradients["decoder.weight"])
    # what a rate multiplies is a constant in both
    plain = leo(order="first", code_steps=0, tuning_steps=1).meta_gradient(clouds())
    exact = leo(code_steps=0, tuning_steps=1).meta_gradient(clouds())
    torch.testing.assert_close(plain.gradients["tuning_rate"], exact.gradients["tuning_rate"])


def test_spreads_are_positive_whatever_the_weights() -> None:
    learner, episode = leo(), clouds()
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter.mul_(-20)
    _, spread = learner.encode(episode.support.x, episode.support, WAYS)
    assert (spread > 0).all()
    assert learner.meta_gradient(episode).losses.isfinite().all()


def test_draws_follow_the_seed_and_evaluation_takes_means() -> None:
    learner, episode = leo(), clouds()
    other = replace(episode, seed=episode.seed + 1)
    heads = [last(adapt(learner, e)).values["head"] for e in (episode, other)]
    assert not torch.allclose(*heads)
    learner.eval()
    heads = [last(adapt(learner, e)).values["head"] for e in (episode, other)]
    assert torch.equal(*heads)


def test_without_steps_the_rates_are_idle_and_named() -> None:
    learner = leo(code_steps=0, tuning_steps=0)
    learner.meta_gradient(clouds())  # nothing is refused
    assert learner.may_lack_gradient == ("code_rate", "tuning_rate")
    assert set(live_settings(learner)) == {"code_steps", "tuning_steps", "order"}
    assert len(run(varied(leo(), code_steps=4).eval(), clouds())) == 7


def test_features_as_they_are_need_no_embedding() -> None:
    spec = TaskSpec("classification", (4,), outputs=WAYS)
    learner = LEOSettings(codes=3).build(MLPSettings(hidden=()), spec)
    assert not list(learner.embedding.parameters())
    learner.meta_gradient(clouds())
    with pytest.raises(UserError, match="LEO needs tasks of classification"):
        LEOSettings().build(MLPSettings(), TaskSpec("regression", (1,), 1))


def test_where_codes_go_is_an_inspection_of_its_own() -> None:
    learner, episode = leo().eval(), clouds()
    frame = compute("codes", learner, episode, run(learner, episode), task=1)
    assert frame.groupby("step").size().tolist() == [WAYS] * 5
    assert (frame["explained"] > 0.5).all()
    moved = frame.pivot_table(index="step", columns="class", values="length")
    assert (moved.loc[0] != moved.loc[2]).all()
    assert (moved.loc[2] == moved.loc[4]).all()  # the last steps are of the weights
