"""Estimators against the exact gradient, closed forms and each other, in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from tests.algorithms.cases import sines
from workbench import UserError
from workbench.algorithms import (
    ALFA,
    MAML,
    Adapted,
    Clipped,
    Displacement,
    Estimator,
    Evolution,
    Exact,
    Implicit,
    MAMLPlusPlus,
    MAMLSettings,
    MetaNet,
    MetaSGD,
    Prototypical,
    Reptile,
    ReptileSettings,
    Truncated,
    adapt,
    last,
)
from workbench.algorithms.estimators.implicit import conjugate_gradients
from workbench.innerloop import InnerOptimizer, compiled, weights_of
from workbench.inspection.kinds import compute
from workbench.models import MLP, Conv4
from workbench.tasks import Episode, Examples, open_tasks
from workbench.training import preset
from workbench.training.execution import MetaGradients
from workbench.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("double")


def maml(**settings: object) -> MAML:
    torch.manual_seed(0)
    return MAML(MLP(1, 1, hidden=(6,), activation="tanh"), MAMLSettings(**settings))


def flat(gradients: dict[str, Tensor]) -> Tensor:
    return torch.cat([g.flatten() for g in gradients.values()])


def zeros_for_none(found: Sequence[Tensor | None], like: dict[str, Tensor]) -> list[Tensor]:
    pairs = zip(found, like.values(), strict=True)
    return [torch.zeros_like(t) if g is None else g for g, t in pairs]


def test_the_learners_own_estimator_is_what_meta_gradient_asks() -> None:
    learner, tasks = maml(), sines(3)
    found, carried = Exact()(learner, tasks)
    assert carried is None
    assert torch.equal(flat(found.gradients), flat(learner.meta_gradient(tasks).gradients))
    learner.estimator = Displacement()
    assert not torch.equal(flat(found.gradients), flat(learner.meta_gradient(tasks).gradients))


# ---- truncated ----------------------------------------------------------------------------------


def test_one_window_of_all_steps_is_exact() -> None:
    learner, tasks = maml(train_steps=4, inner_rate=0.05), sines(3)
    found, end = Truncated(window=4)(learner, tasks)
    torch.testing.assert_close(flat(found.gradients), flat(Exact()(learner, tasks)[0].gradients))
    assert end.step == 4


def test_windows_go_through_the_adaptation_and_know_nothing_of_before() -> None:
    learner, tasks = maml(train_steps=6, inner_rate=0.05, rates="layer"), sines(3)
    learner.may_lack_gradient = ("model.*",)  # only the first window begins at theta
    whole = [a.detach() for a in adapt(learner, tasks)]
    carried = None
    for end in (2, 4, 6):
        start = whole[end - 2]
        found, carried = Truncated(window=2)(learner, tasks, carried)
        assert carried.step == end
        for name, value in weights_of(carried.values).items():
            torch.testing.assert_close(value, weights_of(whole[end].values)[name])
        losses = learner.meta_loss(adapt(learner, tasks, start=start, steps=end), tasks)
        wanted = torch.autograd.grad(losses.mean(), list(learner.rates.values()))
        for (name, _), gradient in zip(learner.rates.items(), wanted, strict=True):
            torch.testing.assert_close(found.gradients[f"rates.{name}"], gradient)


@pytest.mark.parametrize("mode", ["off", "on"])
def test_what_is_carried_is_cut_and_joined_by_tasks(mode: str) -> None:
    def losses(chunk: int) -> list[Tensor]:
        learner = maml(train_steps=4, inner_rate=0.05)
        learner.estimator = Truncated(window=2)
        run = MetaGradients(learner, compiled=mode, tasks_per_chunk=chunk)  # type: ignore[arg-type]
        found = [run(sines(4)) for _ in range(2)]
        assert run.carried is not None
        assert run.carried.step == 4
        return [f.losses for f in found] + [flat(f.gradients) for f in found]

    for one, other in zip(losses(0), losses(2), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


# ---- implicit -----------------------------------------------------------------------------------


def test_conjugate_gradients_solve_every_task_by_itself() -> None:
    root = torch.randn(3, 5, 5)
    matrix, right = root @ root.mT + torch.eye(5), torch.randn(3, 5)
    (found,) = conjugate_gradients(lambda v: [(matrix @ v[0].unsqueeze(-1))[..., 0]], [right], 5)
    torch.testing.assert_close(found, torch.linalg.solve(matrix, right), rtol=1e-7, atol=1e-9)


def test_the_implicit_gradient_is_the_unrolled_one_once_the_inner_loop_has_arrived() -> None:
    errors = []
    for steps in (20, 200):
        settings = {"train_steps": steps, "inner_rate": 0.1, "proximal": 2.0}
        learner, tasks = maml(**settings), sines(3)
        exact = flat(Exact()(learner, tasks)[0].gradients)
        found = flat(Implicit(iterations=20)(learner, tasks)[0].gradients)
        errors.append(float((found - exact).norm() / exact.norm()))
    assert errors[1] < 1e-6
    assert errors[1] < errors[0]


def test_the_solvers_agree_and_the_exact_one_is_exact() -> None:
    settings = {"train_steps": 400, "inner_rate": 0.1, "proximal": 2.0}
    learner, tasks = maml(**settings), sines(3)

    def error(found: Estimator) -> float:
        one = flat(found(learner, tasks)[0].gradients)
        return float((one - exact).norm() / exact.norm())

    exact = flat(Exact()(learner, tasks)[0].gradients)
    assert error(Implicit(solver="exact")) < 1e-9
    assert error(Implicit(iterations=20)) < 1e-6
    series = [error(Implicit(iterations=terms, solver="neumann")) for terms in (5, 20, 100)]
    assert series[0] > series[1] > series[2]
    assert series[2] < 1e-4  # slowest where the curvature is negative


def test_weights_that_the_support_loss_does_not_see_take_no_part() -> None:
    """A convolution's bias before batch normalisation has no gradient at all."""
    net = Conv4((1, 16, 16), 2, filters=4)
    learner = MAML(net, MAMLSettings(train_steps=3, inner_rate=0.1, proximal=2.0)).double()
    support, query = torch.randn(2, 4, 1, 16, 16), torch.randn(2, 4, 1, 16, 16)
    labels = torch.tensor([0, 0, 1, 1]).expand(2, -1)
    tasks = Episode(Examples(support, labels), Examples(query, labels), torch.arange(2), ways=2)
    found = Implicit(iterations=3)(learner, tasks)[0].gradients
    assert float(found["model.conv1.weight"].norm()) > 0
    assert float(found["model.conv1.bias"].norm()) < 1e-9


def test_the_exact_solver_is_for_small_nets() -> None:
    learner = MAML(MLP(1, 1, hidden=(80, 40)), MAMLSettings(proximal=1.0))
    with pytest.raises(UserError, match="matrix of 3441 x 3441 .* choose the solver 'conjugate'"):
        Implicit(solver="exact")(learner, sines(1))


@pytest.mark.parametrize("learner", [MetaSGD, MAMLPlusPlus, ALFA])
def test_rates_that_an_implicit_gradient_does_not_reach_are_refused(learner: type) -> None:
    method = learner(MLP(1, 1), replace(learner(MLP(1, 1)).settings, proximal=1.0))
    with pytest.raises(UserError, match="learns would never train"):
        Implicit()(method, sines(2))


def test_what_is_kept_does_not_grow_with_the_inner_steps() -> None:
    class Kept:
        now = most = 0

        def __init__(self, tensor: Tensor) -> None:
            self.tensor = tensor
            Kept.now += tensor.numel()
            Kept.most = max(Kept.most, Kept.now)

        def __del__(self) -> None:
            Kept.now -= self.tensor.numel()

    def most(steps: int) -> int:
        learner, tasks = maml(train_steps=steps, proximal=2.0), sines(3)
        learner.meta_gradient(tasks[:1])  # meets its model
        Kept.most = Kept.now
        with torch.autograd.graph.saved_tensors_hooks(Kept, lambda kept: kept.tensor):
            Implicit()(learner, tasks)
        return Kept.most

    assert most(40) <= 1.05 * most(2)


def test_the_implicit_gradient_needs_a_pull() -> None:
    with pytest.raises(UserError, match=r"learner\.proximal above 0"):
        Implicit()(maml(), sines(2))


@pytest.mark.parametrize(
    "estimator", [Implicit(5), Implicit(5, "neumann"), Implicit(solver="exact"), Clipped(0.2)]
)
def test_they_can_be_traced(estimator: Estimator, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the compiled path rests on: the traced graph gives what the eager text gives."""
    from torch.fx.experimental.proxy_tensor import make_fx

    def traced(function: Callable, tensors: Sequence[Tensor]) -> Callable:
        return make_fx(lambda *t: function(t))(*[t.detach() for t in tensors])

    monkeypatch.setattr(compiled, "_refusal", lambda: None)
    monkeypatch.setattr(compiled, "_compile", traced)
    learner = maml(train_steps=3, inner_rate=0.05, proximal=1.0)
    learner.estimator = estimator
    found = MetaGradients(learner, compiled="on")
    one, other = sines(4)[:2], sines(4)[2:]
    found(one)
    assert found.path == "compiled", found.note
    torch.testing.assert_close(
        flat(found(other).gradients), flat(learner.meta_gradient(other).gradients)
    )


# ---- clipped ------------------------------------------------------------------------------------


def test_a_limit_that_is_never_met_changes_nothing() -> None:
    learner, tasks = maml(train_steps=4, inner_rate=0.05, rates="step"), sines(3)
    exact, found = Exact()(learner, tasks)[0], Clipped(1e6)(learner, tasks)[0]
    torch.testing.assert_close(found.losses, exact.losses)
    torch.testing.assert_close(flat(found.gradients), flat(exact.gradients))


def test_what_flows_back_is_limited_task_by_task_and_as_it_is_shown() -> None:
    learner, tasks = maml(train_steps=6, inner_rate=0.05), sines(3)
    learner.estimator = Clipped(0.3)
    frame = compute("flow", learner, tasks, [a.detach() for a in adapt(learner, tasks)])
    rows = frame[(frame["layer"] == "all") & (frame["order"] == "clipped")]
    assert (rows[rows["step"] < 6]["norm"] <= 0.3 + 1e-9).all()
    assert (rows[rows["step"] == 6]["norm"] > 0.3).all()
    for task in range(3):  # begin copies theta: what arrives at step 0 is the meta-gradient
        own = flat(learner.meta_gradient(tasks[task : task + 1]).gradients).norm()
        shown = rows[(rows["step"] == 0) & (rows["task"] == task)]["norm"].item()
        assert own == pytest.approx(shown, rel=1e-9)
    whole = flat(learner.meta_gradient(tasks).gradients)
    parts = [flat(learner.meta_gradient(one).gradients) for one in tasks.split(1)]
    torch.testing.assert_close(whole, sum(parts) / 3)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_clipping_is_that_of_each_jacobian_by_hand(optimizer: str) -> None:
    learner = maml(train_steps=3, inner_rate=0.05, optimizer=InnerOptimizer(optimizer))
    tasks, limit = sines(1), 0.2
    path = [a.detach() for a in adapt(learner, tasks)]
    leaf = {n: t.clone().requires_grad_() for n, t in path[-1].values.items()}
    loss = learner.meta_loss([Adapted(leaf, step=3)], tasks).sum()
    back = torch.autograd.grad(loss, list(leaf.values()), allow_unused=True)
    back = zeros_for_none(back, leaf)
    for k in (2, 1, 0):
        start = {n: t.clone().requires_grad_() for n, t in path[k].values.items()}
        end = learner.step(Adapted(start, step=k), tasks).values
        found = torch.autograd.grad(
            [end[n] for n in leaf], list(start.values()), back, allow_unused=True
        )
        found = zeros_for_none(found, start)
        norm = torch.stack([g.square().sum() for g in found]).sum().sqrt()
        back = [g * min(1.0, float(limit / norm)) for g in found]
        leaf = start
    expected = torch.cat([g.flatten() for g in back])
    torch.testing.assert_close(flat(Clipped(limit)(learner, tasks)[0].gradients), expected)


# ---- Reptile's ----------------------------------------------------------------------------------


def test_displacement_is_theta_less_the_mean_of_what_was_adapted() -> None:
    learner = Reptile(MLP(1, 1, hidden=(4,)), ReptileSettings(train_steps=3))
    tasks = sines(3)
    found, _ = Displacement()(learner, tasks)
    with torch.no_grad():
        end = weights_of(last(adapt(learner, tasks)).values)
    for name, p in learner.model.named_parameters():
        torch.testing.assert_close(found.gradients[f"model.{name}"], p - end[name].mean(dim=0))


def test_displacement_refuses_what_no_step_moves() -> None:
    with pytest.raises(UserError, match="which no inner step moves"):
        Displacement()(maml(rates="layer"), sines(2))


# ---- evolution ----------------------------------------------------------------------------------


def test_evolution_estimates_the_gradient_of_maml() -> None:
    learner, tasks = maml(inner_rate=0.05), sines(4)
    exact, found = Exact()(learner, tasks)[0], Evolution(4000, 1e-3)(learner, tasks)[0]
    torch.testing.assert_close(found.losses, exact.losses)
    one, other = flat(exact.gradients), flat(found.gradients)
    assert torch.cosine_similarity(one, other, dim=0) > 0.97
    assert (one - other).norm() < 0.25 * one.norm()


def test_evolution_of_an_embedding() -> None:
    torch.manual_seed(0)
    tasks = open_tasks("digits").sample(3, seed=0).to(dtype=torch.float64)
    learner = Prototypical(MLP(64, None, hidden=(8,), activation="tanh"))
    exact, found = Exact()(learner, tasks)[0], Evolution(3000, 1e-3)(learner, tasks)[0]
    torch.testing.assert_close(found.losses, exact.losses)
    one, other = flat(exact.gradients), flat(found.gradients)
    assert torch.cosine_similarity(one, other, dim=0) > 0.8


def test_evolution_is_the_same_in_chunks() -> None:
    learner, tasks = maml(), sines(4)
    learner.estimator = Evolution(8)
    whole = MetaGradients(learner, compiled="off")(tasks)
    parts = MetaGradients(learner, compiled="off", tasks_per_chunk=1)(tasks)
    torch.testing.assert_close(flat(parts.gradients), flat(whole.gradients))
    torch.testing.assert_close(parts.losses, whole.losses)


def test_evolution_is_the_same_on_threads() -> None:
    """They share the learner, whose parameters a population takes the place of."""
    learner, tasks = maml(), sines(6)
    learner.estimator = Evolution(8)
    whole = MetaGradients(learner, compiled="off")(tasks)
    for _ in range(3):
        parts = MetaGradients(learner, compiled="off", tasks_per_chunk=1, threads=3)(tasks)
        torch.testing.assert_close(flat(parts.gradients), flat(whole.gradients))


def test_a_learner_that_cannot_be_stacked_is_refused() -> None:
    learner = MetaNet(nn.Flatten(), 4, 2)
    x = torch.randn(2, 4, 4)
    examples = Examples(x, torch.tensor([0, 1, 0, 1]).expand(2, -1))
    with pytest.raises(UserError):
        Evolution(4)(learner, Episode(examples, examples, torch.arange(2), 2))


# ---- one's own ----------------------------------------------------------------------------------


class Halved(Estimator):
    """Half of the exact gradient."""

    def __call__(self, learner, episode, carried=None):
        found, _ = Exact()(learner, episode)
        return found._replace(gradients={n: g / 2 for n, g in found.gradients.items()}), None


def test_an_estimator_of_ones_own_is_called_by_every_way_of_computing() -> None:
    learner, tasks = maml(), sines(4)
    expected = flat(Exact()(learner, tasks)[0].gradients) / 2
    learner.estimator = Halved()
    ways: list[dict[str, object]] = [
        {"compiled": "off"},
        {"compiled": "on"},
        {"compiled": "off", "tasks_per_chunk": 1, "threads": 2},
    ]
    for way in ways:
        run: Callable[[Episode], object] = MetaGradients(learner, **way)  # type: ignore[arg-type]
        for _ in range(2):
            torch.testing.assert_close(flat(run(tasks).gradients), expected)  # type: ignore[attr-defined]


def test_a_rate_on_the_way_is_a_setting_like_any_other() -> None:
    assert replace(Truncated(), window=5).window == 5
    with pytest.raises(UserError, match="window"):
        Truncated(window=0)


@pytest.mark.parametrize("name", ["bandit-rl2", "bandit-snail"])
def test_a_window_of_moves_is_refused_before_anything_is_trained(name: str) -> None:
    with pytest.raises(UserError, match="cuts that off: use Exact"):
        Trainer(replace(preset(name), estimator=Truncated(window=5)))
