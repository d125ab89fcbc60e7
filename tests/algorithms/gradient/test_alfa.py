"""ALFA against its formula written out, and what is shown of its steps."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad

from tests.algorithms.cases import CASES, sines
from workbench.algorithms import ALFA, MAML, ALFASettings, MAMLSettings, adapt
from workbench.figures import draw
from workbench.innerloop import InnerOptimizer
from workbench.inspection import Tape, compute, inspections_of
from workbench.models import MLP

pytestmark = pytest.mark.usefixtures("double")


def alfa(**settings: object) -> ALFA:
    torch.manual_seed(0)
    model = MLP(1, 1, hidden=(6,), activation="tanh")
    learner = ALFA(model, ALFASettings(**{"inner_rate": 0.05, "train_steps": 3, **settings}))
    with torch.no_grad():  # far from where it starts, which is MAML
        learner.generator.net[4].weight.mul_(10)
    return learner


def test_the_meta_gradient_is_that_of_the_formula_by_torch_func() -> None:
    learner, episode = alfa(), sines()
    model, net = learner.model, learner.generator.net
    names = list(learner.adapted_names)

    def loss(fast: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return (functional_call(model, fast, (x,)) - y).square().mean()

    def of_task(meta: dict[str, Tensor], *task: Tensor) -> Tensor:
        fast = {n: meta[f"model.{n}"] for n in names}
        own = {n.removeprefix("generator.net."): p for n, p in meta.items() if "generator" in n}
        for k in range(3):
            slope = grad(loss)(fast, task[0], task[1])
            tau = torch.stack([fast[n].mean() for n in names] + [slope[n].mean() for n in names])
            u, v = functional_call(net, own, (tau,)).chunk(2)
            fast = {
                n: w - meta[f"rates.{n.replace('.', '/')}"][k] * (u[i] * slope[n] + v[i] * w)
                for i, (n, w) in enumerate(fast.items())
            }
        return loss(fast, task[2], task[3])

    meta = {n: p.detach() for n, p in learner.named_parameters()}
    support, query = episode.support, episode.query
    tasks = list(zip(support.x, support.y, query.x, query.y, strict=True))
    found = [grad(of_task)(meta, *task) for task in tasks]
    for name, gradient in learner.meta_gradient(episode).gradients.items():
        expected = sum(f[name] for f in found) / len(found)
        torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-12)


def test_a_net_that_says_1_and_0_is_maml() -> None:
    learner = alfa()
    with torch.no_grad():
        learner.generator.net[4].weight.zero_()
    maml = MAML(learner.model, MAMLSettings(inner_rate=0.05, train_steps=3))
    one, other = (list(adapt(each, sines()))[-1].values for each in (learner, maml))
    for name, value in other.items():
        torch.testing.assert_close(one[name], value)


@pytest.mark.parametrize("kept", [True, False])
def test_the_rates_that_are_shown_are_those_that_moved_the_weights(kept: bool) -> None:
    learner, episode = alfa(), sines()
    path = [a.detach() for a in adapt(learner, episode)]
    seen = [a.seen for a in path]
    if not kept:  # a tape let the gradients go
        for adapted in path:
            kept_loss = {n: t for n, t in adapted.seen.items() if n == "loss"}
            object.__setattr__(adapted, "seen", kept_loss)
    frame = compute("rates", learner, episode, path, task=1).set_index(["step", "tensor"])
    for k in range(1, 4):
        for name in learner.adapted_names:
            before, after = (path[i].values[f"weights.{name}"][1] for i in (k - 1, k))
            row = frame.loc[(k, name)]
            moved = before - row["decay"] * before - row["rate"] * seen[k][f"gradient.{name}"][1]
            torch.testing.assert_close(after, moved)


@pytest.mark.parametrize("method", ["MAML++", "ALFA", "Meta-SGD"])
def test_the_stepper_shows_the_rates_also_on_a_branch_and_from_a_file(
    method: str, tmp_path: Path
) -> None:
    case = CASES[method]
    tape = Tape.record(case.build().eval(), case.episode())
    branch = tape.branch(1, optimizer=InnerOptimizer(momentum=0.9))
    assert any(name.startswith("optimizer.") for name in branch[2].values)
    again = Tape.load(branch.save(tmp_path / "it.metatrace", ["rates", "steps"]))
    frame = again.frame("rates")
    pd.testing.assert_frame_equal(frame, branch.frame("rates"))
    assert sorted(frame["step"].unique()) == [1, 2, 3, 4]
    assert "over 4 steps" in draw("rates", frame).alt_text
    refused = CASES["MAML"].build().eval()
    assert "rates" not in inspections_of(refused)  # a fixed rate is in the settings
