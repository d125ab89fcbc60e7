"""Meta-gradients in float64 against closed forms, central differences and torch.func."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from workbench.algorithms import MAML, Exact, MAMLSettings, adapt, last
from workbench.innerloop import (
    Certified,
    InnerLoop,
    InnerOptimizer,
    Ways,
    forward_tasks,
    implicit,
    weights_of,
)
from workbench.models import MLP, Conv4
from workbench.tasks import Episode, Examples
from workbench.tasks.episode import Episode as _Episode
from workbench.training.execution import MetaGradients

OPTIMIZERS = {
    "sgd": InnerOptimizer(),
    "momentum": InnerOptimizer(momentum=0.9),
    "decay": InnerOptimizer(weight_decay=0.1),
    "adam": InnerOptimizer("adam", eps=1e-2),
    "adamw": InnerOptimizer("adamw", eps=1e-2, weight_decay=0.1),
    # A large eps keeps the update smooth enough for differences: near 0 it is a sign function.
    "rmsprop": InnerOptimizer("rmsprop", alpha=0.9, eps=0.5),
}


@pytest.fixture(autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def sines(tasks: int = 3, shots: int = 5, queries: int = 4) -> Episode:
    x = torch.rand(tasks, shots + queries, 1) * 10 - 5
    y = (1 + torch.rand(tasks, 1, 1)) * torch.sin(x - torch.rand(tasks, 1, 1))
    return Episode(
        Examples(x[:, :shots], y[:, :shots]),
        Examples(x[:, shots:], y[:, shots:]),
        torch.arange(tasks),
    )


def images(tasks: int = 2, ways: int = 3, queries: int = 2) -> Episode:
    def examples(each: int) -> Examples:
        y = torch.arange(ways).repeat(tasks, each)
        return Examples(torch.rand(tasks, ways * each, 1, 16, 16), y)

    return Episode(examples(1), examples(queries), torch.arange(tasks), ways=ways)


def directional(learner: nn.Module, episode: _Episode, step: float = 1e-4) -> tuple[float, float]:
    """The meta-loss's slope along a random direction: by central differences, by the gradient."""
    parameters = {n: p.detach() for n, p in learner.named_parameters()}
    direction = {n: torch.randn_like(p) for n, p in parameters.items()}

    def loss(t: float) -> float:
        moved = {n: p + t * direction[n] for n, p in parameters.items()}
        return functional_call(learner, moved, (episode,)).mean().item()

    # Central differences of fourth order: the second-order ones err by the third derivative.
    near, far = loss(step) - loss(-step), loss(2 * step) - loss(-2 * step)
    slope = (8 * near - far) / (12 * step)
    gradients = learner.meta_gradient(episode).gradients
    return slope, sum(float((gradients[n] * d).sum()) for n, d in direction.items())


class _Offset(nn.Module):
    """Predicts its parameter, whatever the input: with squared error, a quadratic loss."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.randn(size))

    def forward(self, x: Tensor) -> Tensor:
        return self.theta.expand(len(x), -1)


@pytest.mark.parametrize("steps", [1, 3, 5])
def test_maml_equals_its_closed_form_on_a_quadratic(steps):
    size, rate, tasks = 4, 0.3, 6
    model = _Offset(size)
    a, b = torch.randn(tasks, size), torch.randn(tasks, size)
    episode = Episode(
        Examples(torch.zeros(tasks, 1, 1), a[:, None]),
        Examples(torch.zeros(tasks, 1, 1), b[:, None]),
        torch.arange(tasks),
    )
    learner = MAML(model, MAMLSettings(inner_rate=rate, train_steps=steps))
    # Loss |theta - a|^2 / size contracts theta - a by c = 1 - 2 rate / size in every step.
    contraction = (1 - 2 * rate / size) ** steps
    adapted = a + contraction * (model.theta - a)
    expected = (contraction * 2 / size * (adapted - b)).mean(dim=0)
    found = learner.meta_gradient(episode).gradients["model.theta"]
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)
    first = MAML(model, MAMLSettings(inner_rate=rate, train_steps=steps, order="first"))
    found = first.meta_gradient(episode).gradients["model.theta"]
    torch.testing.assert_close(found, expected / contraction, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("steps", [1, 3, 5])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_maml_equals_central_differences(name, steps):
    settings = MAMLSettings(inner_rate=0.02, train_steps=steps, optimizer=OPTIMIZERS[name])
    slope, found = directional(MAML(MLP(1, 1, activation="tanh"), settings), sines())
    assert found == pytest.approx(slope, rel=2e-6)


def test_clipped_inner_gradients_are_differentiated():
    settings = MAMLSettings(inner_rate=0.5, train_steps=3, clip=0.2)
    slope, found = directional(MAML(MLP(1, 1, activation="tanh"), settings), sines())
    assert found == pytest.approx(slope, rel=1e-6)
    learner = MAML(MLP(1, 1), settings)
    path = list(adapt(learner, sines()))
    weights = [weights_of(adapted.values) for adapted in path]
    moved = torch.stack(
        [(weights[1][n] - weights[0][n]).flatten(1).square().sum(1) for n in weights[0]]
    )
    assert (moved.sum(0).sqrt() <= 0.5 * 0.2 + 1e-12).all()


def _by_torch_func(model: nn.Module, episode: Episode, rate: float, steps: int, loss):
    """MAML written with torch.func alone, one task after the other."""
    theta = {n: p.detach() for n, p in model.named_parameters()}

    def of_task(theta, task):
        fast = theta
        for _ in range(steps):
            g = grad(
                lambda w: loss(
                    functional_call(model, w, (episode.support.x[task],)), episode.support.y[task]
                )
            )(fast)
            fast = {n: fast[n] - rate * g[n] for n in fast}
        return loss(functional_call(model, fast, (episode.query.x[task],)), episode.query.y[task])

    gradients = [grad(of_task)(theta, task) for task in range(len(episode))]
    return {n: torch.stack([g[n] for g in gradients]).mean(dim=0) for n in theta}


def _assert_equal(found: dict[str, Tensor], expected: dict[str, Tensor], rtol: float) -> None:
    for name, e in expected.items():
        error = (found[f"model.{name}"] - e).norm() / e.norm().clamp(min=1e-12)
        # A bias before batch normalisation has an exact gradient of 0, found up to rounding.
        assert error < rtol or (e.norm() < 1e-12 and found[f"model.{name}"].norm() < 1e-12), name


@pytest.mark.parametrize("steps", [1, 3])
def test_maml_equals_torch_func_on_an_mlp(steps):
    model, episode = MLP(1, 1), sines()
    learner = MAML(model, MAMLSettings(inner_rate=0.05, train_steps=steps))
    expected = _by_torch_func(model, episode, 0.05, steps, nn.functional.mse_loss)
    _assert_equal(learner.meta_gradient(episode).gradients, expected, 1e-10)


@pytest.mark.parametrize("pooling", ["max", "stride"])
@pytest.mark.parametrize("steps", [1, 2])
def test_maml_equals_torch_func_on_conv4_with_batch_norm(pooling, steps):
    model, episode = Conv4((1, 16, 16), 3, filters=8, pooling=pooling), images()
    learner = MAML(model, MAMLSettings(inner_rate=0.1, train_steps=steps))
    expected = _by_torch_func(model, episode, 0.1, steps, nn.functional.cross_entropy)
    _assert_equal(learner.meta_gradient(episode).gradients, expected, 1e-10)


class _Attentive(nn.Module):
    """A user's own module: a skip connection, a LayerNorm and self-attention."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(2, 8)
        self.norm = nn.LayerNorm(8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.out = nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.embed(x)
        attended, _ = self.attention(h, h, h, need_weights=False)
        return self.out(self.norm(h + attended).mean(dim=1))


def test_a_users_own_module_equals_torch_func():
    model, tasks = _Attentive(), 3
    x, y = torch.randn(tasks, 6, 4, 2), torch.randn(tasks, 6, 1)
    episode = Episode(
        Examples(x[:, :3], y[:, :3]), Examples(x[:, 3:], y[:, 3:]), torch.arange(tasks)
    )
    learner = MAML(model, MAMLSettings(inner_rate=0.1, train_steps=2))
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        expected = _by_torch_func(model, episode, 0.1, 2, nn.functional.mse_loss)
    _assert_equal(learner.meta_gradient(episode).gradients, expected, 1e-10)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rematerialised_equals_plain(name):
    model = MLP(1, 1)
    episode = sines()
    settings = {"inner_rate": 0.02, "train_steps": 4, "rates": "layer"}
    settings["optimizer"] = OPTIMIZERS[name]
    plain = MAML(model, MAMLSettings(**settings)).meta_gradient(episode)
    again = MAML(model, MAMLSettings(**settings, rematerialise=True)).meta_gradient(episode)
    for key, value in plain.gradients.items():
        torch.testing.assert_close(again.gradients[key], value, rtol=1e-12, atol=1e-13)


def test_rematerialised_equals_plain_where_only_the_head_adapts():
    from workbench.algorithms import ANIL, ANILSettings

    model, episode = Conv4((1, 16, 16), 3, filters=4), images()
    plain = ANIL(model, ANILSettings(train_steps=3)).meta_gradient(episode)
    again = ANIL(model, ANILSettings(train_steps=3, rematerialise=True)).meta_gradient(episode)
    for key, value in plain.gradients.items():
        torch.testing.assert_close(again.gradients[key], value, rtol=1e-11, atol=1e-12)


def test_rematerialised_tasks_run_one_by_one_unless_told_otherwise(monkeypatch):
    learner = MAML(MLP(1, 1), MAMLSettings(rematerialise=True))
    sizes = []
    real = Exact.__call__

    def counted(self, learner, episode, carried=None):
        sizes.append(len(episode))
        return real(self, learner, episode, carried)

    monkeypatch.setattr(Exact, "__call__", counted)
    for given in (0, 2):
        MetaGradients(learner, compiled="off", tasks_per_chunk=given)(sines(4))
    assert sizes == [1, 1, 1, 1, 2, 2]


def test_rematerialised_steps_refuse_a_third_level():
    learner = MAML(MLP(1, 1), MAMLSettings(rematerialise=True))
    losses = learner(sines())
    with pytest.raises(ValueError, match="rematerialise=False"):
        torch.autograd.grad(losses.mean(), learner.model.head.weight, create_graph=True)


@pytest.mark.parametrize("order", ["first", "truncated"])
def test_orders_differ_by_the_hessian_terms(order):
    """First order is the gradient at the adapted weights; truncated exact over the last steps."""
    model, episode = MLP(1, 1, activation="tanh"), sines()
    steps, exact_steps = 3, {"first": 0, "truncated": 2}[order]
    settings = MAMLSettings(inner_rate=0.1, train_steps=steps, order=order, truncate=2)
    found = MAML(model, settings).meta_gradient(episode).gradients
    plain = MAML(model, MAMLSettings(inner_rate=0.1, train_steps=exact_steps))
    path = list(adapt(MAML(model, MAMLSettings(inner_rate=0.1, train_steps=3)), episode))
    middle = path[steps - exact_steps].detach()
    leaves = {n: w.requires_grad_() for n, w in middle.values.items()}
    restarted = type(middle)(leaves, {}, 0)
    loss = plain.meta_loss(adapt(plain, episode, start=restarted), episode).mean()
    expected = dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True))
    for name, value in found.items():
        reference = expected["weights." + name.removeprefix("model.")].sum(dim=0)
        torch.testing.assert_close(value, reference, rtol=1e-10, atol=1e-12)
    exact = MAML(model, MAMLSettings(inner_rate=0.1, train_steps=3)).meta_gradient(episode)
    assert any((exact.gradients[n] - v).norm() > 1e-3 * v.norm() for n, v in found.items())


def test_stacked_equals_one_task_at_a_time():
    learner = MAML(Conv4((1, 16, 16), 3, filters=4), MAMLSettings(inner_rate=0.1, train_steps=2))
    episode = images(tasks=3)
    together = learner.meta_gradient(episode)
    alone = [learner.meta_gradient(one) for one in episode.split(1)]
    torch.testing.assert_close(together.losses, torch.cat([a.losses for a in alone]))
    for name, value in together.gradients.items():
        mean = torch.stack([a.gradients[name] for a in alone]).mean(dim=0)
        torch.testing.assert_close(value, mean, rtol=1e-10, atol=1e-12)


def test_chunks_and_threads_equal_the_whole():
    learner = MAML(Conv4((1, 16, 16), 3, filters=4), MAMLSettings(inner_rate=0.1, train_steps=2))
    episode = images(tasks=5)
    whole = learner.meta_gradient(episode)
    for threads in (1, 2):
        run = MetaGradients(learner, compiled="off", tasks_per_chunk=2, threads=threads)
        parts, again = run(episode), run(episode)
        torch.testing.assert_close(parts.losses, whole.losses)
        for name, value in whole.gradients.items():
            torch.testing.assert_close(parts.gradients[name], value, rtol=1e-10, atol=1e-12)
            assert torch.equal(parts.gradients[name], again.gradients[name])


@pytest.mark.slow
def test_compiled_equals_eager():
    learner = MAML(MLP(1, 1, hidden=(8,)), MAMLSettings(inner_rate=0.05, train_steps=2))
    run = MetaGradients(learner, compiled="on")
    run(sines())
    assert run.path == "compiled", run.note
    episode = sines()
    found, expected = run(episode), learner.meta_gradient(episode)
    torch.testing.assert_close(found.losses, expected.losses, rtol=1e-10, atol=1e-12)
    for name, value in expected.gradients.items():
        torch.testing.assert_close(found.gradients[name], value, rtol=1e-9, atol=1e-12)


def test_a_wrong_compiled_graph_is_refused_loudly(monkeypatch):
    from workbench.innerloop import compiled

    monkeypatch.setattr(compiled, "_refusal", lambda: None)
    monkeypatch.setattr(compiled, "_compile", lambda function, t: lambda *t: [1.001 * t[0]])
    run = Certified(lambda t: [t[0] * 1.0], Ways([compiled.Compiled()]))
    ones = torch.ones(3)
    with pytest.warns(RuntimeWarning, match="differs from the eager result"):
        assert torch.equal(run([ones], lambda: [ones])[0], ones)
    assert torch.equal(run([ones], lambda: [ones])[0], ones)


def test_a_graph_that_misses_weights_kept_aside_is_refused():
    """A module may compute with parameters that it keeps in a list, which no graph is given."""
    model = MLP(1, 1, hidden=(4,))
    model.head.forward = lambda x, w=model.head.weight, b=model.head.bias: x @ w.T + b
    run = MetaGradients(MAML(model), compiled="on")
    episode = sines()
    expected = MAML(model).meta_gradient(episode).gradients
    with pytest.warns(RuntimeWarning, match="running eagerly"):
        found = run(episode).gradients
    for name, value in expected.items():
        assert torch.equal(found[name], value)
    again = run(episode).gradients  # and stays so
    assert all(torch.equal(again[n], found[n]) for n in found)


WRAPPING = """
import torch
from workbench.innerloop.compiled import _compile
from workbench.randomness import permutation, uniform

def draws(t):
    return [uniform(t[0], (50,), torch.float64), permutation(t[0], 50) * 1]

seeds = torch.arange(4)
graph = _compile(draws, [seeds])
for _ in range(500):
    found = graph(seeds)
assert all(torch.equal(f, e) for f, e in zip(found, draws([seeds])))
"""


def test_seeds_that_wrap_around_do_not_write_past_a_compiled_loop():
    """Compiled with the loop's variable in the multiplication, this ended the process."""
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-c", WRAPPING], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]


def test_without_a_compiler_the_eager_path_says_so(monkeypatch):
    import shutil

    monkeypatch.setattr(shutil, "which", lambda name: None)
    run = MetaGradients(MAML(MLP(1, 1)), compiled="on")
    run(sines())
    assert run.path == "eager"
    assert "compiler" in str(run.note)


@pytest.mark.parametrize("rates", ["layer", "parameter", "step"])
def test_learned_rates_equal_central_differences(rates):
    settings = MAMLSettings(inner_rate=0.05, train_steps=3, rates=rates)
    slope, found = directional(MAML(MLP(1, 1, activation="tanh"), settings), sines())
    assert found == pytest.approx(slope, rel=1e-6)


def test_zero_gradients_give_no_nan_in_the_second_order():
    """Dead units have gradients of exactly 0, whose square root has no finite derivative."""
    for kind in ("adam", "adamw", "rmsprop"):
        model = MLP(1, 1, hidden=(4,))
        with torch.no_grad():
            model.linear1.bias.fill_(-100)
        settings = MAMLSettings(train_steps=2, optimizer=InnerOptimizer(kind))
        gradients = MAML(model, settings).meta_gradient(sines()).gradients
        assert all(g.isfinite().all() for g in gradients.values())


@pytest.mark.parametrize("kind", ["adam", "adamw", "rmsprop"])
def test_inner_optimizers_take_torchs_own_steps(kind):
    """The corrected rules against torch.optim, over several steps."""
    start = torch.randn(7)
    target = torch.randn(7)
    optimizer = InnerOptimizer(kind, weight_decay=0.1)
    loop = InnerLoop(optimizer.build())
    values = {"weights.w": start.expand(1, -1)}
    reference = start.clone().requires_grad_()
    own = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "rmsprop": torch.optim.RMSprop}
    torch_optimizer = own[kind]([reference], lr=0.05, weight_decay=0.1)
    for step in range(4):
        values, _ = loop.step(
            lambda w: (w["w"] - target).square().sum(1), values, {"w": 0.05}, step=step, steps=4
        )
        torch_optimizer.zero_grad()
        (reference - target).square().sum().backward()
        torch_optimizer.step()
    torch.testing.assert_close(values["weights.w"][0], reference, rtol=1e-10, atol=1e-12)


def test_implicit_gradient_of_a_proximal_quadratic():
    """argmin 1/2 w'Hw - b'w + s/2 |w - theta|^2 moves with theta by (I + H / s)^-1."""
    size, strength = 5, 2.0
    root = torch.randn(size, size)
    hessian, b = root @ root.T, torch.randn(size)
    theta = torch.randn(size, requires_grad=True)
    system = hessian + strength * torch.eye(size)
    found = torch.linalg.solve(system, b + strength * theta.detach())

    def solve(vectors):
        return [torch.linalg.solve(torch.eye(size) + hessian / strength, vectors[0])]

    tied = implicit({"w": theta}, {"w": found}, solve)["w"]
    (gradient,) = torch.autograd.grad(tied.square().sum(), theta)
    expected = 2 * torch.linalg.solve(system / strength, found)
    torch.testing.assert_close(gradient, expected, rtol=1e-10, atol=1e-12)


def test_long_use_keeps_no_memory():
    """`higher`'s objects are reused; nothing may pile up inside them."""
    import gc

    learner, episode = MAML(MLP(1, 1, hidden=(4,))), sines()
    for _ in range(3):
        learner.meta_gradient(episode)
    gc.collect()
    before = sum(type(o) is Tensor for o in gc.get_objects())
    for _ in range(50):
        learner.meta_gradient(episode)
    gc.collect()
    assert sum(type(o) is Tensor for o in gc.get_objects()) <= before + 5


def test_two_threads_share_nothing():
    """Adaptations at the same time on one learner give what they give one after the other."""
    from concurrent.futures import ThreadPoolExecutor

    learner = MAML(MLP(1, 1), MAMLSettings(train_steps=5, optimizer=OPTIMIZERS["adam"]))
    episodes = [sines() for _ in range(40)]
    alone = [last(adapt(learner, e)).values["weights.head.weight"] for e in episodes]
    with ThreadPoolExecutor(2) as pool:
        together = list(
            pool.map(lambda e: last(adapt(learner, e)).values["weights.head.weight"], episodes)
        )
    assert all(torch.equal(a, t) for a, t in zip(alone, together, strict=True))


def test_vmap_over_tasks_equals_the_batched_forms():
    model = MLP(3, 2, hidden=(5,), norm=True)
    stacked = {n: torch.randn(4, *p.shape) for n, p in model.named_parameters()}
    x = torch.randn(4, 6, 3)
    expected = vmap(lambda p, one: functional_call(model, p, (one,)))(stacked, x)
    torch.testing.assert_close(forward_tasks(model, stacked, x), expected)
