"""Draws from generators of one's own: torch's numbers, and nothing else of torch's changed."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.randomness import Seeded

ONES = torch.ones(40)
DRAWS: dict[str, Callable[[], Tensor]] = {
    "uniform_": lambda: torch.empty(40).uniform_(-1, 1),
    "normal_": lambda: torch.empty(40).normal_(),
    "exponential_": lambda: torch.empty(40).exponential_(),
    "bernoulli_": lambda: torch.empty(40).bernoulli_(0.3),
    "random_": lambda: torch.empty(40).random_(3, 9),
    "rand": lambda: torch.rand(3, 4),
    "randn": lambda: torch.randn(40, dtype=torch.float64),
    "randint": lambda: torch.randint(3, 9, (40,)),
    "randint below": lambda: torch.randint(9, (40,)),
    "randperm": lambda: torch.randperm(40),
    "normal": lambda: torch.normal(torch.zeros(4), torch.ones(4)),
    "bernoulli": lambda: torch.bernoulli(ONES / 2),
    "multinomial": lambda: torch.multinomial(ONES, 9),
    "rand_like": lambda: torch.rand_like(ONES),
    "randn_like": lambda: torch.randn_like(ONES),
    "randint_like": lambda: torch.randint_like(ONES, 3, 9),
    "dropout": lambda: F.dropout(ONES),
    "rrelu": lambda: F.rrelu(-ONES, training=True),
    "attention": lambda: F.scaled_dot_product_attention(
        *[torch.ones(1, 2, 8, 8)] * 3, dropout_p=0.5
    ),
    "linear": lambda: nn.Linear(3, 4).weight,
    "lstm": lambda: nn.LSTM(4, 4, 2, dropout=0.5)(torch.ones(3, 2, 4))[0],
    "transformer": lambda: nn.TransformerEncoderLayer(8, 2)(torch.ones(3, 4, 8)),
    "orthogonal": lambda: nn.init.orthogonal_(torch.empty(4, 4)),
    "truncated": lambda: nn.init.trunc_normal_(torch.empty(40)),
    "gamma": lambda: torch.distributions.Gamma(ONES, ONES).sample(),
}


@pytest.mark.parametrize("name", DRAWS)
def test_the_numbers_are_torch_s_own(name: str) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        expected = [DRAWS[name]() for _ in range(2)]
        before = torch.get_rng_state()
        own = Seeded(5)
        found = []
        for _ in range(2):  # entered again, it goes on
            with own:
                found.append(DRAWS[name]())
        assert all(map(torch.equal, found, expected))
        assert torch.equal(torch.get_rng_state(), before)
    assert own.drawn


def test_what_brings_its_own_generator_keeps_it() -> None:
    expected = torch.rand(3, generator=torch.Generator().manual_seed(1))
    with Seeded(2) as own:
        found = torch.rand(3, generator=torch.Generator().manual_seed(1))
    assert torch.equal(found, expected)
    assert not own.drawn


def test_threads_do_not_meet() -> None:
    def draw(seed: int) -> Tensor:
        with Seeded(seed):
            return torch.cat([torch.rand(3) for _ in range(50)])

    expected = [draw(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            assert all(map(torch.equal, pool.map(draw, range(4)), expected))


def test_the_compiler_is_not_loaded_for_it() -> None:
    code = (
        "import sys, torch; from workbench.training import preset;"
        "preset('sinusoid-maml').build(); print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
