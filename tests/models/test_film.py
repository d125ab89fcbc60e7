"""The net of films: what it starts with, what it reads, and what it refuses."""

from __future__ import annotations

import pytest
import torch

from workbench.errors import UserError
from workbench.innerloop import forward_tasks
from workbench.models import FilmNet, FilmNetSettings


def films() -> torch.Tensor:
    return torch.tensor([[3, 1995, 700, 20, 0, 1], [0, 0, 0, 0, 0, 0], [13, 1995, 700, 20, 0, 1]])


def test_it_starts_at_what_others_say() -> None:
    net = FilmNet(genres=2, films=10)
    with torch.no_grad():
        for part in (net.film, net.head):
            part.weight.zero_()
        found = net(films())
    assert found.flatten().tolist() == pytest.approx([4.2, 3.5, 4.2])


def test_a_number_beyond_the_table_is_brought_to_it() -> None:
    found = FilmNet(genres=2, films=10)(films())
    assert torch.equal(found[0], found[2])


def test_stacked_tasks_are_what_each_is_alone() -> None:
    net = FilmNet(genres=2, films=10).double()
    x = films().expand(2, 3, 6)
    weights = {n: torch.stack([p, 2 * p]) for n, p in net.named_parameters()}
    together = forward_tasks(net, weights, x)
    for task in range(2):
        own = {n: w[task] for n, w in weights.items()}
        alone = torch.func.functional_call(net, own, (x[task],))
        torch.testing.assert_close(together[task], alone, rtol=1e-12, atol=1e-12)


def test_what_is_no_film_is_refused() -> None:
    with pytest.raises(UserError, match="FilmNet reads films"):
        FilmNetSettings().build((1, 28, 28), 1)
