"""Random numbers inside a module: what its mode asks for, drawn from each task's seed."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.modules.shapes import HEAD, Attending, SelfAttention, own
from workbench import UserError
from workbench.algorithms import MAML, MAMLSettings
from workbench.innerloop import forward_tasks
from workbench.tasks import Episode, Examples

SEEDS = torch.tensor([1, 2, 1])


def row_dropped(m: nn.Module, x: Tensor) -> Tensor:
    """Stochastic depth as torchvision writes it."""
    kept = torch.empty([len(x), 1], dtype=x.dtype).bernoulli_(0.5)
    return x + m.body(x) * kept / 0.5


def path_dropped(m: nn.Module, x: Tensor) -> Tensor:
    """Stochastic depth as timm writes it."""
    return x + m.body(x) * x.new_empty((len(x), 1)).bernoulli_(0.5).div_(0.5)


def body(forward) -> nn.Module:
    return own(forward, body=nn.Linear(6, 6))


DRAWING = {
    "dropout": lambda: nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.5)),
    "functional dropout": lambda: body(lambda m, x: F.dropout(m.body(x), 0.5, m.training)),
    "dropout in place": lambda: nn.Sequential(
        nn.Linear(6, 6), own(lambda m, x: m.drop(x), drop=nn.Dropout(0.5, inplace=True))
    ),
    "channels": lambda: body(
        lambda m, x: F.dropout2d(m.body(x).view(-1, 6, 1, 1), 0.5, m.training).flatten(1)
    ),
    "a layer for channels": lambda: nn.Sequential(
        nn.Linear(6, 6), nn.Unflatten(1, (6, 1, 1)), nn.Dropout2d(0.5), nn.Flatten()
    ),
    "alpha dropout": lambda: nn.Sequential(nn.Linear(6, 6), nn.SELU(), nn.AlphaDropout(0.5)),
    "feature alpha dropout": lambda: nn.Sequential(nn.Linear(6, 6), nn.FeatureAlphaDropout(0.5)),
    "stochastic depth by row": lambda: body(row_dropped),
    "stochastic depth by path": lambda: body(path_dropped),
    "noise": lambda: body(lambda m, x: m.body(x) + torch.randn_like(x)),
    "a rate drawn": lambda: body(lambda m, x: m.body(x) * torch.rand(len(x), 1, dtype=x.dtype)),
    "filled": lambda: body(lambda m, x: m.body(x) + torch.empty_like(x).uniform_(-1, 1)),
    "filled, its result unused": lambda: body(_filled),
    "Gumbel": lambda: body(lambda m, x: F.gumbel_softmax(m.body(x), tau=0.5)),
    "bernoulli of chances": lambda: body(lambda m, x: torch.bernoulli(m.body(x).sigmoid())),
}


def _filled(m: nn.Module, x: Tensor) -> Tensor:
    noise = torch.empty(len(x), 6, dtype=x.dtype)
    noise.normal_(0, 2)
    return m.body(x) + noise


@pytest.mark.parametrize("name", DRAWING)
def test_draws_follow_from_the_tasks_seed(name: str):
    torch.manual_seed(0)
    model = DRAWING[name]()
    x = torch.randn(1, 4, 6).expand(3, -1, -1)
    parameters = dict(model.named_parameters())
    state = torch.get_rng_state()
    found = forward_tasks(model, parameters, x, noise=SEEDS)
    assert torch.equal(found[0], found[2])
    assert not torch.equal(found[0], found[1])
    assert torch.equal(found, forward_tasks(model, parameters, x, noise=SEEDS))
    alone = forward_tasks(model, parameters, x[1:2], noise=SEEDS[1:2])
    torch.testing.assert_close(found[1:2], alone)
    assert torch.equal(torch.get_rng_state(), state)  # the process's generator is left alone
    with pytest.raises(UserError, match="no seeds"):
        forward_tasks(model, parameters, x)


MOMENTS = {
    "dropout": (lambda m, x: F.dropout(x, 0.3), 1, math.sqrt(0.3 / 0.7)),
    "dropout3d": (lambda m, x: F.dropout3d(x.view(-1, 4, 1, 1, 1), 0.3).flatten(1), 1, 0.6547),
    "alpha": (lambda m, x: F.alpha_dropout(x - 1, 0.3, training=True), 0, None),
    "normal": (lambda m, x: x.clone().normal_(2, 3), 2, 3),
    "exponential": (lambda m, x: x.clone().exponential_(2.0), 0.5, 0.5),
    "uniform": (lambda m, x: torch.rand_like(x), 0.5, math.sqrt(1 / 12)),
    "bernoulli": (lambda m, x: torch.bernoulli(0.2 * x), 0.2, 0.4),
}


@pytest.mark.parametrize("name", MOMENTS)
def test_draws_have_the_moments_that_torchs_own_have(name: str):
    forward, mean, deviation = MOMENTS[name]
    model, x = own(forward), torch.ones(2, 4000, 4, dtype=torch.float64)
    found = forward_tasks(model, {}, x, noise=torch.arange(2))
    assert float(found.mean()) == pytest.approx(mean, abs=0.03)
    if deviation is not None:
        assert float(found.std()) == pytest.approx(deviation, rel=0.03)


def test_alpha_dropout_keeps_mean_and_variance():
    x = torch.randn(2, 40_000, 3, generator=torch.Generator().manual_seed(0)).double()
    found = forward_tasks(nn.AlphaDropout(0.3), {}, x, noise=torch.arange(2))
    assert float(found.mean()) == pytest.approx(0, abs=0.02)
    assert float(found.std()) == pytest.approx(1, abs=0.02)


def learner_of(model: nn.Module) -> MAML:
    return MAML(model, MAMLSettings(train_steps=1, test_steps=1))


def tasks(seed: int, *shape: int) -> Episode:
    x = torch.randn(2, 4, *shape, generator=torch.Generator().manual_seed(0))
    examples = Examples(x, torch.arange(4).expand(2, -1) % 2)
    return Episode(examples, examples, torch.tensor([seed, seed + 1]), 2)


def varies(learner: MAML, *shape: int) -> bool:
    assert torch.equal(learner(tasks(1, *shape)), learner(tasks(1, *shape)))
    return not torch.equal(learner(tasks(1, *shape)), learner(tasks(5, *shape)))


def test_a_transformer_with_its_default_dropout():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    learner = learner_of(Attending(layer))
    assert varies(learner, 5, 3)
    assert all(g.isfinite().all() for g in learner.meta_gradient(tasks(1, 5, 3)).gradients.values())
    assert not varies(learner.eval(), 5, 3)


def test_attentions_own_dropout_is_drawn():
    learner = learner_of(Attending(SelfAttention(dropout=0.5)))
    assert varies(learner, 5, 3)
    assert not varies(learner.eval(), 5, 3)


def test_a_child_at_rest_stays_at_rest():
    model = nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.5), HEAD())
    learner = learner_of(model)
    assert varies(learner, 6)
    model[1].eval()
    assert not varies(learner, 6)


def test_dropout_that_is_always_on_is_on_in_evaluation():
    model = own(
        lambda m, x: m.head(F.dropout(m.body(x), 0.5, training=True)),
        body=nn.Linear(6, 6), head=HEAD(),
    )  # fmt: skip
    learner = learner_of(model).eval()
    assert varies(learner, 6)


def test_functional_dropout_in_the_modules_mode():
    model = own(
        lambda m, x: m.head(F.dropout(m.body(x), 0.5, m.training)),
        body=nn.Linear(6, 6), head=HEAD(),
    )  # fmt: skip
    learner = learner_of(model)
    assert varies(learner, 6)
    assert not varies(learner.eval(), 6)


def test_all_dropped_is_zero():
    model = nn.Dropout(1.0)
    assert not forward_tasks(model, {}, torch.ones(2, 3, 4), noise=torch.arange(2)).any()
