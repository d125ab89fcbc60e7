"""What cannot run over tasks is refused in a sentence with a cure; nothing is silently wrong."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

from tests.modules.shapes import HEAD, Held, Tokens, normalised, own
from workbench import UserError
from workbench.algorithms import (
    MAML,
    MANN,
    SNAIL,
    AttentionLearner,
    MAMLSettings,
    Matching,
    MetaNet,
    Prototypical,
    adapt,
    last,
)
from workbench.innerloop import forward_tasks
from workbench.tasks import Episode, Examples


def episode(x: Tensor) -> Episode:
    y = (torch.arange(x.shape[1]) % 2).expand(len(x), -1)
    return Episode(Examples(x, y), Examples(x, y), torch.arange(len(x)), 2)


def numbers(*shape: int) -> Tensor:
    return torch.randn(2, 4, *shape, generator=torch.Generator().manual_seed(0))


class Wrapped(nn.Module):
    """A linear layer after which something is done."""

    def __init__(self, then: Callable[[nn.Module, Tensor], object], **buffers: Tensor) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(3, 6), nn.Linear(6, 2)
        for name, buffer in buffers.items():
            self.register_buffer(name, buffer)
        self.then = then

    def forward(self, x: Tensor) -> object:
        return self.then(self, x)


def counting(m: nn.Module, x: Tensor) -> Tensor:
    m.count += 1
    return m.head(m.body(x)) * m.count


def replacing(m: nn.Module, x: Tensor) -> Tensor:
    m.count = m.count + 1
    return m.head(m.body(x)) * m.count


def a_view_kept(reshaped: bool = True) -> nn.Module:
    model = Wrapped(lambda m, x: m.head(F.linear(x, m.kept.view(6, 3), m.body.bias)))
    model.kept = model.body.weight.view(-1)
    return model


def compiled_inside() -> nn.Module:
    model = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 2))
    model[0].compile()
    return model


def pruned() -> nn.Module:
    from torch.nn.utils import prune

    model = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 2))
    prune.l1_unstructured(model[0], "weight", amount=0.3)
    return model


def frozen() -> nn.Module:
    return nn.Linear(3, 2).requires_grad_(False)


ROUNDS = Wrapped(lambda m, x: m.head(checkpoint(m.body, x, use_reentrant=False).tanh()))
REFUSED = {
    "scripted": (lambda: torch.jit.script(nn.Linear(3, 2)), "the module it was made from"),
    "traced": (lambda: torch.jit.trace(nn.Linear(3, 2), torch.zeros(1, 3)), "it was made from"),
    "data parallel": (lambda: nn.DataParallel(nn.Linear(3, 2)), r"\.module"),
    "compiled": (lambda: torch.compile(nn.Linear(3, 2)), "before"),
    "compiled in place": (compiled_inside, "before"),
    "complex weights": (lambda: nn.Linear(3, 2, dtype=torch.complex64), "real and imaginary"),
    "pruned": (pruned, "hooks"),
    "sparse embedding": (lambda: nn.Embedding(3, 2, sparse=True), "leave them out"),
    "bounded embedding": (lambda: nn.Embedding(3, 2, max_norm=1.0), "leave them out"),
    "checkpointing": (lambda: ROUNDS, "turn checkpointing off"),
    "a counter": (lambda: Wrapped(counting, count=torch.zeros(())), "'count'"),
    "a counter replaced": (lambda: Wrapped(replacing, count=torch.zeros(())), "'count'"),
    "spectral norm": (
        lambda: nn.Sequential(parametrizations.spectral_norm(nn.Linear(3, 6)), HEAD()),
        "eval",
    ),
    "a view kept": (a_view_kept, "'body.weight'"),
    "a tuple": (lambda: Wrapped(lambda m, x: (m.head(m.body(x)), x)), "wrap it in a module"),
    "a dict": (lambda: Wrapped(lambda m, x: {"logits": m.head(m.body(x))}), "wrap it in a module"),
    "one number": (lambda: Wrapped(lambda m, x: m.head(m.body(x)).mean()), "first axis"),
    "a fault of its own": (lambda: Wrapped(lambda m, x: m.head(x)), "choose a model"),
    "a shuffle": (lambda: Wrapped(lambda m, x: m.body(x)[:, torch.randperm(6)]), "randperm"),
    "hard sigmoid": (
        lambda: nn.Sequential(nn.Linear(3, 6), nn.Hardsigmoid(), HEAD()),
        "order='first'",
    ),
    "all frozen": (frozen, "no trainable parameters"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_run_is_refused_in_a_sentence(name: str):
    build, cure = REFUSED[name]
    with pytest.raises(UserError, match=cure) as error:
        MAML(build(), MAMLSettings(train_steps=1)).meta_gradient(episode(numbers(3)))
    assert "\n" not in str(error.value)


def test_an_embedding_bag_has_no_second_derivative():
    model = own(lambda m, x: m.head(m.bag(x)), bag=nn.EmbeddingBag(7, 6), head=HEAD())
    tokens = episode(torch.randint(7, (2, 4, 5)))
    with pytest.raises(UserError, match="order='first'"):
        MAML(model).meta_gradient(tokens)
    MAML(model, MAMLSettings(order="first")).meta_gradient(tokens)


def test_spectral_norm_works_once_it_is_at_rest():
    model = nn.Sequential(parametrizations.spectral_norm(nn.Linear(3, 6)), HEAD()).eval()
    x = numbers(3)
    found = forward_tasks(model, dict(model.named_parameters()), x)
    torch.testing.assert_close(found[1], model(x[1]))


def test_weights_kept_aside_adapt_too():
    """`functional_call` cannot see these; what the module computes with is what adapts."""
    torch.manual_seed(0)
    held, plain = Held("weights").double(), nn.Sequential(nn.Linear(3, 6), nn.Tanh(), HEAD())
    held.held = Held("list").held  # replaced below
    names = ("first.weight", "first.bias", "second.weight", "second.bias")
    weights = [held.first.weight, held.first.bias, held.second.weight, held.second.bias]
    held.held = [
        lambda x: F.linear(x, weights[0], weights[1]),
        lambda x: F.linear(x, weights[2], weights[3]),
    ]
    plain.double().load_state_dict(dict(zip(plain.state_dict(), weights, strict=True)))
    tasks = episode(numbers(3).double())
    ours = MAML(held).meta_gradient(tasks).gradients
    expected = MAML(plain).meta_gradient(tasks).gradients
    for name, wanted in zip(names, expected.values(), strict=True):
        torch.testing.assert_close(ours[f"model.{name}"], wanted, rtol=1e-10, atol=1e-12)


def test_a_hook_added_later_is_refused_too():
    model = nn.Sequential(nn.Linear(3, 6), nn.Tanh(), HEAD())
    learner, tasks = MAML(model), episode(numbers(3))
    learner.meta_gradient(tasks)
    model[0].register_forward_hook(lambda m, i, out: 2 * out)
    with pytest.raises(UserError, match="hooks"):
        learner.meta_gradient(tasks)


def test_weights_that_adapt_nowhere_are_named(monkeypatch):
    """Were a batched form wrong, the meeting would say where."""
    from workbench.innerloop import forms

    def without_bias(module, parameters, x, context):
        return torch.einsum("toi,tei->teo", parameters["weight"], x)

    monkeypatch.setitem(forms.FORMS, nn.Linear, without_bias)
    model = nn.Sequential(nn.Linear(3, 2))
    stacked = {n: p.expand(2, *p.shape) for n, p in model.named_parameters()}
    with pytest.raises(UserError, match=r"'0\.bias'"):
        forward_tasks(model, stacked, numbers(3))


EMBEDDED = {
    "Prototypical": lambda embedding, width: Prototypical(embedding),
    "Matching": lambda embedding, width: Matching(embedding),
    "MetaNet": lambda embedding, width: MetaNet(embedding, width, 2),
    "attention": AttentionLearner,
    "MANN": lambda embedding, width: MANN(embedding, width, 2),
    "SNAIL": lambda embedding, width: SNAIL(embedding, width, 2),
}


@pytest.mark.parametrize("name", EMBEDDED)
def test_an_embedding_gives_vectors_and_takes_tokens(name: str):
    maps = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU())
    with pytest.raises(UserError, match=r"nn\.Flatten\(\)"):
        EMBEDDED[name](maps, 3).meta_gradient(episode(numbers(2, 5, 5)))
    learner = EMBEDDED[name](Tokens(), 2)
    found = learner.meta_gradient(episode(torch.randint(7, (2, 4, 5))))
    assert any(g.any() for n, g in found.gradients.items() if "embed.weight" in n)


# ---- examples that see each other -------------------------------------------------------------

MIXING = {
    "functional batch norm": lambda: own(
        lambda m, x: m.head(F.batch_norm(m.body(x), None, None, training=True)),
        body=nn.Linear(3, 6), head=HEAD(),
    ),
    "statistics by hand": lambda: own(
        lambda m, x: m.head(normalised(m.body(x))), body=nn.Linear(3, 6), head=HEAD()
    ),
    "attention over examples": lambda: own(
        lambda m, x: m.head((m.body(x) @ m.body(x).T).softmax(-1) @ m.body(x)),
        body=nn.Linear(3, 6), head=HEAD(),
    ),
    "the largest of all": lambda: own(
        lambda m, x: m.head(m.body(x) - m.body(x).amax(dim=0)), body=nn.Linear(3, 6), head=HEAD()
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MIXING)
def test_examples_that_mix_are_refused_with_padding_and_inductively(name: str):
    model, x = MIXING[name](), numbers(3)
    parameters = dict(model.named_parameters())
    forward_tasks(model, parameters, x)  # transductive: as the module has it
    padded = torch.tensor([[1.0, 1, 1, 0], [1, 1, 1, 1]])
    with pytest.raises(UserError, match="each other's outputs"):
        forward_tasks(model, parameters, x, weight=padded)
    with pytest.raises(UserError, match="each other's outputs"):
        forward_tasks(model, parameters, x, reference=(x, None))
    learner = MAML(MIXING[name]())
    learner.inductive = True
    with pytest.raises(UserError, match="each other's outputs"):
        learner.eval()(episode(x))


def test_examples_that_do_not_mix_may_be_padded():
    model, x = Tokens(), torch.randint(7, (2, 4, 5))
    padded = torch.tensor([[1.0, 1, 1, 0], [1, 1, 1, 1]])
    parameters = dict(model.named_parameters())
    found = forward_tasks(model, parameters, x, weight=padded)
    torch.testing.assert_close(found, forward_tasks(model, parameters, x))
    torch.testing.assert_close(forward_tasks(model, parameters, x, reference=(x, None)), found)


# ---- task by task -----------------------------------------------------------------------------


def test_what_torch_cannot_batch_runs_task_by_task_and_says_so_once():
    model = Wrapped(lambda m, x: m.head(m.body(x)) * (1 + x.sum().item()))
    learner, tasks = MAML(model), episode(numbers(3))
    with pytest.warns(RuntimeWarning, match=r"task by task.*item") as said:
        learner.meta_gradient(tasks)
    assert "issue" not in str(said[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learner.meta_gradient(tasks)


def test_a_forward_that_depends_on_data_says_so_and_not_torch_s_request():
    learner = MAML(Wrapped(lambda m, x: m.head(m.body(x)) * (2 if x.sum() > 0 else 1)))
    with pytest.warns(RuntimeWarning, match=r"\(it depends on the values in its inputs") as said:
        learner.meta_gradient(episode(numbers(3)))
    assert "issue" not in str(said[0].message)


def test_tokens_of_any_length_and_one_task():
    learner = MAML(Tokens(), MAMLSettings(train_steps=2, test_steps=2))
    for length in (3, 5):
        tasks = episode(torch.randint(7, (1, 4, length)))
        assert last(adapt(learner.eval(), tasks)).step == 2
