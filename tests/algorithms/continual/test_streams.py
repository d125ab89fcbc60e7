"""Streams: no second look, the exact meta-gradient, what is forgotten, and what is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

from tests.algorithms.cases import CASES, clouds
from workbench.algorithms import OML, OMLSettings, Rehearsal, RehearsalSettings, adapt, last
from workbench.algorithms.continual.inspections import accuracies, transfer
from workbench.algorithms.continual.stream import arriving
from workbench.errors import UserError
from workbench.inspection import compute
from workbench.models import MLP
from workbench.tasks import Episode, Shape, open_tasks

LEARNERS = [
    "OML",
    "OML, a deep prediction network",
    "ANML",
    "Rehearsal",
    "Rehearsal, a free layer",
    "Prototypes of a stream",
]
pytestmark = pytest.mark.usefixtures("double")


@pytest.mark.parametrize("name", LEARNERS)
def test_what_comes_later_changes_nothing_of_what_was_learned(name: str) -> None:
    learner, episode = CASES[name].build().eval(), clouds()
    with torch.no_grad():
        path = list(adapt(learner, episode))
        for stage in range(3):
            later = episode.support.y > stage
            x = torch.where(later.unsqueeze(-1), 9.0, episode.support.x)
            other = replace(episode, support=replace(episode.support, x=x))
            again = list(adapt(learner, other))[stage + 1]
            for key, value in path[stage + 1].values.items():
                if key != "features":  # of the whole support, each example by itself
                    assert torch.equal(again.values[key], value), (stage, key)


@pytest.mark.parametrize("name", LEARNERS)
def test_no_second_look_at_what_is_gone(name: str) -> None:
    """But for what is kept, the first example of each class."""
    learner, episode = CASES[name].build().eval(), clouds()
    with torch.no_grad():
        start = list(adapt(learner, episode))[1]
        gone = episode.support.y == 0
        if name.startswith("Rehearsal"):
            gone[:, 0] = False
        x = torch.where(gone.unsqueeze(-1), 9.0, episode.support.x)
        other = replace(episode, support=replace(episode.support, x=x))
        values = last(adapt(learner, episode, start=start)).values
        for key, value in last(adapt(learner, other, start=start)).values.items():
            assert torch.equal(values[key], value), key


def by_hand(learner: OML, parameters: dict[str, Tensor], episode: Episode) -> Tensor:
    """OML's meta-loss written anew: softmax regression by single updates, task by task."""
    total = []
    body = {n.removeprefix("body."): p for n, p in parameters.items() if n.startswith("body.")}
    for task in range(len(episode)):
        phi = functional_call(learner.body, body, (episode.support.x[task],))
        asked = functional_call(learner.body, body, (episode.query.x[task],))
        weight = torch.zeros(episode.ways, phi.shape[1])
        offset = torch.zeros(episode.ways)
        for one, label in zip(phi, episode.support.y[task], strict=True):
            error = (weight @ one + offset).softmax(0) - F.one_hot(label, episode.ways)
            weight = weight - learner.settings.inner_rate * torch.outer(error, one)
            offset = offset - learner.settings.inner_rate * error
        total.append(F.cross_entropy(asked @ weight.T + offset, episode.query.y[task]))
    return torch.stack(total).mean()


def test_the_meta_gradient_of_oml_goes_through_every_update() -> None:
    """What its authors' first code left out: against an update by hand, and central differences."""
    torch.manual_seed(0)
    learner = OML(MLP(4, None, hidden=(5,), activation="tanh"), 5, OMLSettings(inner_rate=0.5))
    episode = clouds()
    found = learner.meta_gradient(episode).gradients
    parameters = {n: p.detach().requires_grad_() for n, p in learner.named_parameters()}
    loss = by_hand(learner, parameters, episode)
    torch.testing.assert_close(learner(episode).mean(), loss, rtol=1e-12, atol=1e-12)
    for name, exact in zip(
        parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True
    ):
        torch.testing.assert_close(found[name], exact, rtol=1e-9, atol=1e-12)
    first = OML(learner.body, 5, OMLSettings(inner_rate=0.5, order="first"))
    of_first = first.meta_gradient(episode).gradients
    name, step = "body.linear1.weight", 1e-6
    for place in ((0, 0), (2, 3)):
        slope = 0.0
        for sign in (1, -1):
            moved = {n: p.detach().clone() for n, p in parameters.items()}
            moved[name][place] += sign * step
            with torch.no_grad():
                slope += sign * float(by_hand(learner, moved, episode)) / (2 * step)
        assert float(found[name][place]) == pytest.approx(slope, rel=1e-5)
        assert float(of_first[name][place]) != pytest.approx(slope, rel=1e-2)


def test_the_gate_of_anml_shields_what_it_closes() -> None:
    learner = CASES["ANML"].build().double()
    with torch.no_grad():
        learner.gate.linear1.weight.zero_()
        learner.gate.linear1.bias.fill_(-40.0)  # tanh gives -1: a sigmoid of 0.27 everywhere
        episode = clouds()
        closed = learner.gates(learner.begin(episode), episode.support.x)
    assert float((closed - torch.sigmoid(torch.tensor(-1.0))).abs().max()) < 1e-9
    learner.gates = lambda adapted, x, weight=None, support=False: torch.zeros(*x.shape[:2], 5)
    with torch.no_grad():
        end = last(adapt(learner, clouds()))
    assert float(end.values["weights.head"].abs().max()) == 0


def test_replay_forgets_less() -> None:
    tasks = open_tasks("digits:whole")
    spec = tasks.spec(Shape(10, 15, 5))
    body = MLP(64, None, hidden=())  # the pixels
    episode = tasks.sample(2, seed=0, shape=Shape(10, 15, 5)).to(dtype=torch.float64)

    def accuracy(kept: int) -> float:
        learner = Rehearsal(body, spec, RehearsalSettings(inner_rate=0.3, kept=kept)).eval()
        end = last(adapt(learner, episode))
        found = learner.predict(end, episode.query.x).argmax(-1) == episode.query.y
        return float(found.double().mean())

    with torch.no_grad():
        assert accuracy(0) + 0.4 < accuracy(1) < accuracy(5)


def test_stages_need_be_no_classes() -> None:
    episode = open_tasks("streams:permuted").sample(2, seed=0, shape=Shape(10, 2, 1))
    episode = episode.to(dtype=torch.float64)
    learner = OML(MLP(64, None), 40)
    path = list(adapt(learner, episode))
    assert [adapted.step for adapted in path] == list(range(6))
    places, weight = arriving(episode, 3)
    assert places.shape == (2, 20)
    assert bool((weight == 1).all())
    assert bool((episode.info["support_stage"].gather(1, places) == 3).all())
    frame = compute("stream", learner, episode, path)
    assert frame["name"].unique().tolist() == [f"domain {i}" for i in range(1, 6)]


def test_the_matrix_holds_accuracies_and_what_was_forgotten() -> None:
    learner, episode = CASES["Prototypes of a stream"].build().eval(), clouds()
    with torch.no_grad():
        path = list(adapt(learner, episode))
    table = accuracies(learner, episode, path, 1)
    for adapted, row in zip(path, table, strict=True):
        right = learner.predict(adapted, episode.query.x)[1].argmax(-1) == episode.query.y[1]
        expected = right.double().view(3, 2).mean(dim=1)  # two queries a class, in their order
        torch.testing.assert_close(row, expected, rtol=0, atol=0)
    frame = compute("stream", learner, episode, path, 1)
    assert frame["accuracy"].tolist() == table.flatten().tolist()
    assert frame["met"].sum() == 1 + 2 + 3
    told = compute("transfer", learner, episode, path, 1)
    found = transfer(table)
    for name in ("learned", "last", "forgetting", "backward"):
        assert told[name].tolist() == found[name].tolist()
    last_one = told.iloc[-1]
    assert (last_one["forgetting"], last_one["backward"]) == (0, 0)


def test_transfer_is_told_at_the_end() -> None:
    learner, episode = CASES["OML"].build().eval(), clouds()
    with torch.no_grad():
        path = list(adapt(learner, episode, steps=2))
    with pytest.raises(UserError, match="at stage 2 of 3: go on to the last"):
        compute("transfer", learner, episode, path)


def test_a_relabelled_example_comes_with_its_new_class() -> None:
    episode: Any = clouds()
    y = episode.support.y.clone()
    y[:, 0] = 2
    places, weight = arriving(replace(episode, support=replace(episode.support, y=y)), 2)
    assert places[0].tolist() == [0, 4, 5]
    assert weight[0].tolist() == [1, 1, 1]
