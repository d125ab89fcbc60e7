"""Gradient frames against closed forms on a quadratic and against torch.func, in float64."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, jacrev

from tests.algorithms.cases import CASES, sines
from workbench.algorithms import MAML, MAMLSettings, MetaSGD, MetaSGDSettings, adapt
from workbench.errors import UserError
from workbench.innerloop import InnerOptimizer
from workbench.inspection import (
    Tape,
    anatomy,
    anatomy_frame,
    flow_frame,
    norm_frame,
)
from workbench.tasks import Episode, Examples

RATE, STEPS = 0.1, 4


def quadratic() -> Episode:
    """Linear regression on three inputs: the loss is a quadratic in the weights."""
    x = torch.randn(2, 11, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = x.sum(dim=-1, keepdim=True) + torch.arange(2.0).double()[:, None, None]
    support, query = Examples(x[:, :6], y[:, :6]), Examples(x[:, 6:], y[:, 6:])
    return Episode(support, query, torch.arange(2))


def linear(**settings) -> MAML:
    torch.manual_seed(0)
    settings = {"inner_rate": RATE, "train_steps": STEPS} | settings
    return MAML(nn.Linear(3, 1, bias=False), MAMLSettings(**settings)).double()


def closed_form(learner, episode):
    """By hand: weights and support gradients along the path, Hessian, and v_k for each task."""
    for x, y, qx, qy in zip(
        episode.support.x, episode.support.y, episode.query.x, episode.query.y, strict=True
    ):
        hessian = 2 * x.T @ x / len(x)
        w = [learner.model.weight.detach()[0]]
        gradients = []
        for _ in range(STEPS):
            gradients.append(2 * x.T @ (x @ w[-1] - y[:, 0]) / len(x))
            w.append(w[-1] - RATE * gradients[-1])
        v = [2 * qx.T @ (qx @ w[-1] - qy[:, 0]) / len(qx)]
        for _ in range(STEPS):
            v.insert(0, v[0] - RATE * hessian @ v[0])
        yield w, gradients, v


def pick(frame, column="norm", **where):
    for name, value in where.items():
        frame = frame[frame[name] == value]
    return frame[column].to_numpy()


def test_norms_on_a_quadratic():
    learner, episode = linear(), quadratic()
    frame = norm_frame(learner, episode, list(adapt(learner, episode)))
    for task, (w, gradients, _) in enumerate(closed_form(learner, episode)):
        expected = {
            "weights": [k.norm() for k in w],
            "distance": [(k - w[0]).norm() for k in w],
            "gradient": [g.norm() for g in gradients],
            "update": [RATE * g.norm() for g in gradients],
        }
        for kind, norms in expected.items():
            found = pick(frame, task=task, kind=kind, layer="all")
            np.testing.assert_allclose(found, norms, rtol=1e-12)


def test_flow_on_a_quadratic():
    learner, episode = linear(), quadratic()
    frame = flow_frame(learner, episode, list(adapt(learner, episode))).sort_values("step")
    for task, (_, _, v) in enumerate(closed_form(learner, episode)):
        second = pick(frame, task=task, order="second", layer="all")
        np.testing.assert_allclose(second, [k.norm() for k in v], rtol=1e-12)
        first = pick(frame, task=task, order="first", layer="all")
        np.testing.assert_allclose(first, [v[-1].norm()] * (STEPS + 1), rtol=1e-12)


def test_flow_vanishes_and_explodes_over_a_hundred_steps():
    episode = quadratic()
    largest = float(torch.linalg.eigvalsh(2 * _gram(episode)[0]).max())
    for rate, far in ((1.0 / largest, lambda x: x < 1e-3), (2.2 / largest, lambda x: x > 1e3)):
        learner = linear(inner_rate=rate)
        frame = flow_frame(learner, episode, Tape.record(learner, episode, steps=100))
        norms = pick(frame.sort_values("step"), task=0, order="second", layer="all")
        assert len(norms) == 101
        assert far(norms[0] / norms[-1])


def _gram(episode):
    x = episode.support.x
    return x.transpose(1, 2) @ x / x.shape[1]


def test_truncated_flow_stands_between():
    learner, episode = linear(order="truncated", truncate=2), quadratic()
    frame = flow_frame(learner, episode, Tape.record(learner, episode)).sort_values("step")
    flow = {o: pick(frame, task=0, order=o, layer="all") for o in frame["order"].unique()}
    np.testing.assert_allclose(flow["truncated"][2:], flow["second"][2:], rtol=1e-12)
    np.testing.assert_allclose(flow["truncated"][:3], [flow["second"][2]] * 3, rtol=1e-12)


def test_anatomy_on_a_quadratic():
    learner, episode = linear(), quadratic()
    parts = anatomy(learner, episode, list(adapt(learner, episode)))
    flows = [v for _, _, v in closed_form(learner, episode)]
    v = [torch.stack(tasks).mean(dim=0) for tasks in zip(*flows, strict=True)]
    name = "model.weight"
    torch.testing.assert_close(parts.first_order[name][0], v[-1], rtol=1e-12, atol=0)
    for step in range(1, STEPS + 1):
        expected = v[step - 1] - v[step]  # -alpha H v_k, averaged over the tasks
        torch.testing.assert_close(
            parts.corrections[step][name][0], expected, rtol=1e-9, atol=1e-15
        )


@pytest.mark.parametrize(
    "name",
    ["MAML", "MAML, classes", "MAML, rematerialised", "ANIL", "BOIL", "Meta-SGD", "FOMAML"]
    + ["MAML, rates per step", "MAML, dropout", "MAML, own module"],
)
def test_the_parts_sum_to_the_meta_gradient(name):
    case = CASES[name]
    learner, episode = case.build().double(), case.episode()
    exact = case.build(order="second").double()
    parts = anatomy(learner, episode, Tape.record(learner, episode))
    expected = exact.meta_gradient(episode).gradients
    assert parts.full.keys() == expected.keys()
    for key, gradient in expected.items():
        torch.testing.assert_close(parts.full[key], gradient, rtol=1e-9, atol=1e-12)
    first = case.build(order="first").double().meta_gradient(episode).gradients
    for key, gradient in first.items():
        if not key.startswith("rates") and name not in ("ANIL", "BOIL"):
            torch.testing.assert_close(parts.first_order[key], gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("optimizer", [InnerOptimizer("adam", eps=1e-3), InnerOptimizer("rmsprop")])
def test_the_parts_sum_up_under_optimizers_with_a_state(optimizer):
    case = CASES["MAML"]
    learner, episode = case.build(optimizer=optimizer, inner_rate=0.01).double(), case.episode()
    parts = anatomy(learner, episode, Tape.record(learner, episode))
    for key, gradient in learner.meta_gradient(episode).gradients.items():
        torch.testing.assert_close(parts.full[key], gradient, rtol=1e-8, atol=1e-12)


def test_anatomy_frame_says_norms_cosines_and_shares():
    case = CASES["MAML"]
    learner, episode = case.build().double(), case.episode()
    path = list(adapt(learner, episode))
    frame = anatomy_frame(learner, episode, path)
    full = learner.meta_gradient(episode).gradients
    first = case.build(order="first").double().meta_gradient(episode).gradients
    vector, other = (torch.cat([g.flatten() for g in d.values()]) for d in (full, first))
    row = frame[(frame["layer"] == "all") & (frame["term"] == "first order")].iloc[0]
    assert row["norm"] == pytest.approx(float(other.norm()), rel=1e-10)
    cosine = float(torch.cosine_similarity(vector, other, dim=0))
    assert row["cosine"] == pytest.approx(cosine, rel=1e-10)
    shares = frame[frame["term"].isin(["first order", "step"])].groupby("layer")["share"].sum()
    np.testing.assert_allclose(shares, 1.0, rtol=1e-9)
    assert sorted(frame["layer"].unique()) == ["all", "head", "linear1", "linear2"]
    both = frame[frame["term"].isin(["first order", "second order"])]
    np.testing.assert_allclose(both.groupby("layer")["share"].sum(), 1.0, rtol=1e-9)


def test_where_no_second_order_is_there_is_no_correction():
    """A linear loss has no Hessian: the anatomy is its first-order term."""

    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.ones(2, dtype=torch.float64))

        def forward(self, x):
            return (x * self.w).sum(dim=-1, keepdim=True)

    learner = MAML(Sum(), MAMLSettings(train_steps=2))
    episode = quadratic()
    x, zero = episode.support.x[..., :2], torch.zeros_like(episode.support.y)
    episode = Episode(Examples(0 * x, zero), Examples(x, zero), episode.seed)
    frame = anatomy_frame(learner, episode, list(adapt(learner, episode)))
    np.testing.assert_allclose(pick(frame, term="second order"), 0.0, atol=1e-15)
    np.testing.assert_allclose(pick(frame, "cosine", term="first order"), 1.0, rtol=1e-12)


def test_flow_against_torch_func():
    case = CASES["MAML"]
    learner, episode = case.build().double(), sines(1)
    model, steps = learner.model, learner.settings.train_steps
    (x, y), (qx, qy) = ((e.x[0], e.y[0]) for e in (episode.support, episode.query))

    def loss(w, x, y):
        return (functional_call(model, w, (x,)) - y).square().mean()

    def rest(w, k):
        for _ in range(k, steps):
            g = grad(loss)(w, x, y)
            w = {n: p - learner.settings.inner_rate * g[n] for n, p in w.items()}
        return loss(w, qx, qy)

    path = list(adapt(learner, episode))
    frame = flow_frame(learner, episode, path)
    for adapted in path:
        w = {n.removeprefix("weights."): t[0].detach() for n, t in adapted.values.items()}
        expected = jacrev(rest)(w, adapted.step)
        for layer in ("linear1", "linear2", "head"):
            norm = sum(expected[f"{layer}.{p}"].square().sum() for p in ("weight", "bias")).sqrt()
            found = pick(frame, step=adapted.step, layer=layer, order="second")
            np.testing.assert_allclose(found, float(norm), rtol=1e-10)


def test_the_frames_leave_the_learner_alone():
    learner, episode = linear(), quadratic()
    path = Tape.record(learner, episode)
    for make in (norm_frame, flow_frame, anatomy_frame):
        make(learner, episode, path)
    assert all(p.grad is None for p in learner.parameters())
    assert learner.settings == dataclasses.replace(linear().settings)


def test_methods_without_inner_gradient_steps_are_refused():
    case = CASES["Prototypical"]
    learner, episode = case.build().double(), case.episode()
    path = Tape.record(learner, episode)
    for make in (norm_frame, flow_frame, anatomy_frame):
        with pytest.raises(UserError, match=f"{make.__name__} .* use it with MAML"):
            make(learner, episode, path)
    maml = linear()
    with pytest.raises(UserError, match="at least one inner step"):
        flow_frame(maml, quadratic(), Tape.record(maml, quadratic(), steps=0))
    with pytest.raises(UserError, match="Fine-?[tT]uning does not do"):
        case = CASES["Fine-tuning, linear"]
        learner, episode = case.build().double().eval(), case.episode()
        flow_frame(learner, episode, Tape.record(learner, episode))


def test_learned_rates_are_a_layer_of_their_own():
    torch.manual_seed(0)
    learner = MetaSGD(nn.Linear(3, 1), MetaSGDSettings(train_steps=2)).double()
    frame = anatomy_frame(learner, quadratic(), Tape.record(learner, quadratic()))
    assert "rates" in set(frame["layer"])
