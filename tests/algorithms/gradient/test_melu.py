"""MeLU: embeddings stay while decisions adapt, and both are meta-learned."""

from __future__ import annotations

import pytest
import torch

from workbench.algorithms import MAML, MAMLSettings, MeLU, MeLUSettings, adapt, last
from workbench.errors import UserError
from workbench.models import FilmNet
from workbench.tasks import Shape, open_tasks

pytestmark = pytest.mark.usefixtures("double")


def test_it_is_maml_where_everything_decides() -> None:
    torch.manual_seed(0)
    net = FilmNet(genres=8, films=50)
    episode = open_tasks("taste").sample(3, seed=0, shape=Shape(1, 4, 6)).to(dtype=torch.float64)
    settings = {"inner_rate": 0.05, "train_steps": 2}
    layers = ("film", "contents", "decide", "head")
    every = MeLU(net, MeLUSettings(**settings, deciding=layers)).meta_gradient(episode)
    expected = MAML(net, MAMLSettings(**settings)).meta_gradient(episode)
    for name, gradient in expected.gradients.items():
        torch.testing.assert_close(every.gradients[name], gradient, rtol=1e-12, atol=1e-14)
    melu = MeLU(net, MeLUSettings(**settings))
    end = last(adapt(melu, episode))
    assert not any("film" in name or "contents" in name for name in end.values)
    assert float(melu.meta_gradient(episode).gradients["model.film.weight"].abs().max()) > 0


def test_a_layer_that_is_not_there_is_refused() -> None:
    with pytest.raises(UserError, match="names 'decides', .* did you mean 'decide'"):
        MeLU(FilmNet(genres=2, films=10), MeLUSettings(deciding=("decides",)))
