"""Every batched form against the module itself, and what must be refused."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from workbench import UserError
from workbench.algorithms import MAML, MAMLSettings
from workbench.innerloop import check_stackable, forward_tasks
from workbench.models import MLP, Conv4
from workbench.tasks import Episode, Examples

TASKS, EXAMPLES = 3, 4
IMAGES = (2, 8, 8)

LAYERS = {
    "linear": (nn.Linear(6, 5), (6,)),
    "linear without bias": (nn.Linear(6, 5, bias=False), (6,)),
    "linear over rows": (nn.Linear(6, 5), (3, 6)),
    "conv": (nn.Conv2d(2, 6, 3, padding=1), IMAGES),
    "conv in groups": (nn.Conv2d(2, 6, 3, stride=2, groups=2, bias=False), IMAGES),
    "conv reflecting": (nn.Conv2d(2, 6, 3, padding=1, padding_mode="reflect"), IMAGES),
    "batch norm 1d": (nn.BatchNorm1d(6, track_running_stats=False), (6,)),
    "batch norm 2d": (nn.BatchNorm2d(2, track_running_stats=False), IMAGES),
    "plain batch norm": (nn.BatchNorm2d(2, affine=False, track_running_stats=False), IMAGES),
    "layer norm": (nn.LayerNorm(6), (3, 6)),
    "layer norm without bias": (nn.LayerNorm((3, 6), bias=False), (3, 6)),
    "max pool": (nn.MaxPool2d(2), IMAGES),
    "average pool": (nn.AvgPool2d(2), IMAGES),
    "adaptive pool": (nn.AdaptiveAvgPool2d(1), IMAGES),
    "flatten": (nn.Flatten(), IMAGES),
    "flatten some": (nn.Flatten(2, -1), IMAGES),
    "gelu": (nn.GELU(), (6,)),
    "nested": (nn.Sequential(nn.Sequential(nn.Linear(6, 5), nn.Tanh()), nn.Linear(5, 2)), (6,)),
    "conv net": (Conv4((2, 16, 16), 3, filters=4), (2, 16, 16)),
}


_TANH, _AGAIN, _TIED = nn.Tanh(), nn.Linear(6, 6), nn.Linear(6, 6)
_TIED.weight = _AGAIN.weight
LAYERS["an activation used twice"] = (
    nn.Sequential(nn.Linear(6, 5), _TANH, nn.Linear(5, 5), _TANH, nn.Linear(5, 2), _TANH),
    (6,),
)
LAYERS["a layer used twice"] = (nn.Sequential(_AGAIN, nn.Tanh(), _AGAIN), (6,))
LAYERS["tied weights"] = (nn.Sequential(nn.Sequential(_AGAIN, nn.Tanh()), _TIED), (6,))


class _Square(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x * x


LAYERS["an unknown one"] = (_Square(), (1,))


@pytest.mark.parametrize("shared", [False, True], ids=["own weights", "shared weights"])
@pytest.mark.parametrize("name", LAYERS)
def test_batched_form_equals_the_module(name, shared):
    torch.manual_seed(0)
    module, shape = LAYERS[name]
    module = module.double()
    x = torch.randn(TASKS, EXAMPLES, *shape, dtype=torch.float64)
    own = dict(module.named_parameters())
    stacked = {n: torch.randn(TASKS, *p.shape, dtype=torch.float64) for n, p in own.items()}
    found = forward_tasks(module, own if shared else stacked, x)
    for task in range(TASKS):
        parameters = own if shared else {n: p[task] for n, p in stacked.items()}
        expected = functional_call(module, parameters, (x[task],))
        torch.testing.assert_close(found[task], expected, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("model", [MLP(4, 3, hidden=(5,), norm=True), MLP(4, 3, norm=True)])
def test_padding_does_not_enter_batch_statistics(model):
    x = torch.randn(2, 6, 4)
    weight = torch.tensor([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]]).float()
    parameters = dict(model.named_parameters())
    found = forward_tasks(model, parameters, x, weight=weight)
    alone = forward_tasks(model, parameters, x[:1, :4])
    torch.testing.assert_close(found[:1, :4], alone, rtol=1e-4, atol=1e-5)


def test_with_a_reference_each_example_stands_alone():
    model = Conv4((1, 16, 16), 3, filters=4)
    parameters = dict(model.named_parameters())
    support, query = torch.rand(2, 5, 1, 16, 16), torch.rand(2, 7, 1, 16, 16)
    together = forward_tasks(model, parameters, query, reference=(support, None))
    alone = forward_tasks(model, parameters, query[:, 2:3], reference=(support, None))
    torch.testing.assert_close(together[:, 2:3], alone, rtol=1e-4, atol=1e-5)
    transductive = forward_tasks(model, parameters, query)
    assert not torch.allclose(transductive[:, :1], together[:, :1], atol=1e-3)
    # The support, normalised by itself, is what it is without a reference.
    again = forward_tasks(model, parameters, support, reference=(support, None))
    torch.testing.assert_close(
        again, forward_tasks(model, parameters, support), rtol=1e-4, atol=1e-4
    )


class _OwnDropout(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear, self.drop = nn.Linear(6, 6), nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop(self.linear(x)) + x


@pytest.mark.parametrize(
    "model", [nn.Sequential(nn.Linear(6, 6), nn.Dropout(0.5)), _OwnDropout()], ids=["known", "own"]
)
def test_dropout_is_drawn_per_task_from_its_seed(model):
    x = torch.randn(1, 4, 6).expand(3, -1, -1)
    parameters = dict(model.named_parameters())
    seeds = torch.tensor([1, 2, 1])
    found = forward_tasks(model, parameters, x, noise=seeds)
    assert torch.equal(found[0], found[2])
    assert not torch.equal(found[0], found[1])
    assert torch.equal(found, forward_tasks(model, parameters, x, noise=seeds))
    torch.testing.assert_close(
        found[1:2], forward_tasks(model, parameters, x[:1], noise=seeds[1:2])
    )
    with pytest.raises(UserError, match="no seeds"):
        forward_tasks(model, parameters, x)
    model.eval()
    without = forward_tasks(model, parameters, x)
    torch.testing.assert_close(without[0], without[1])


def test_dropout_keeps_the_mean():
    model = nn.Sequential(nn.Dropout(0.25))
    found = forward_tasks(model, {}, torch.ones(4, 1000, 10), noise=torch.arange(4))
    assert found.mean().item() == pytest.approx(1, abs=0.01)
    assert found.unique().tolist() == pytest.approx([0.0, 4 / 3])


def test_dropout_in_a_learner_is_the_same_in_training_and_off_in_evaluation():
    model = nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.5), nn.Linear(8, 1))
    learner = MAML(model, MAMLSettings(train_steps=2, test_steps=2))
    x = torch.randn(2, 6, 1)
    examples = Examples(x, x.sin())
    episode = Episode(examples, examples, torch.tensor([3, 4]))
    assert torch.equal(learner(episode), learner(episode))
    learner.eval()
    quiet = learner(episode)
    other = Episode(examples, examples, torch.tensor([5, 6]))
    assert torch.equal(quiet, learner(other))
    learner.train()
    assert not torch.equal(learner(episode), learner(other))


@pytest.mark.parametrize(
    ("model", "cure"),
    [
        (nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), "track_running_stats=False"),
        (nn.LSTM(2, 2), "GRUCell"),
        (nn.GRU(2, 2), "GRUCell"),
        (nn.LSTMCell(2, 2), "GRUCell"),
        (nn.LazyLinear(2), "run it once"),
    ],
)
def test_what_cannot_be_stacked_is_refused_in_one_sentence(model, cure):
    with pytest.raises(UserError, match=cure) as error:
        MAML(model)
    assert "\n" not in str(error.value)


def test_hooks_are_refused():
    model = MLP(1, 1)
    model.head.register_forward_hook(lambda *_: None)
    with pytest.raises(UserError, match="hooks"):
        check_stackable(model)


def test_a_single_example_has_no_batch_statistics():
    model = MLP(3, 2, norm=True)
    with pytest.raises(UserError, match="two or more"):
        forward_tasks(model, dict(model.named_parameters()), torch.zeros(2, 1, 3))


def test_batch_norm_out_of_reach_is_refused_with_padding():
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(3, track_running_stats=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(x)

    model = Own()
    parameters = dict(model.named_parameters())
    forward_tasks(model, parameters, torch.randn(2, 4, 3))
    with pytest.raises(UserError, match=r"nn\.Sequential"):
        forward_tasks(model, parameters, torch.randn(2, 4, 3), weight=torch.ones(2, 4))
