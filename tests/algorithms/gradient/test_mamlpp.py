"""MAML++: each part by itself against `torch.func` written out, and how it anneals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad

from tests.algorithms.cases import WAYS, clouds
from workbench.algorithms import MAML, MAMLPlusPlus, MAMLPlusPlusSettings, MAMLSettings, adapt
from workbench.algorithms.estimators.exact import Exact
from workbench.inspection.kinds import compute
from workbench.models import MLP
from workbench.tasks import Shape
from workbench.training import preset
from workbench.training.checkpoints import read_checkpoint, save_checkpoint
from workbench.training.execution import MetaGradients
from workbench.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("double")
PLAIN = {"rates": "none", "multi_step": 0.0, "first_order": 0.0, "step_norms": False}
STEPS = 3


def mamlpp(**settings: object) -> MAMLPlusPlus:
    torch.manual_seed(0)
    model = MLP(4, WAYS, hidden=(5,), activation="tanh", norm=True)
    return MAMLPlusPlus(
        model, MAMLPlusPlusSettings(**{"inner_rate": 0.1, "train_steps": STEPS, **settings})
    )


def oracle(learner: MAMLPlusPlus, importance: list[float]) -> dict[str, Tensor]:
    """The meta-gradient by `torch.func`, task by task, from the meta-parameters by name."""
    model, episode = learner.model, clouds()
    normed = [n for n in dict(model.named_parameters()) if n.startswith("norm")]

    def loss(fast: dict[str, Tensor], norms: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return nn.functional.cross_entropy(functional_call(model, {**fast, **norms}, (x,)), y)

    def of_task(meta: dict[str, Tensor], *task: Tensor) -> Tensor:
        fast = {n: meta[f"model.{n}"] for n in dict(model.named_parameters())}
        shared = f"norms.{normed[0].replace('.', '/')}" in meta
        if shared:
            fast = {n: w for n, w in fast.items() if n not in normed}
        total = torch.zeros(())

        def norms(k: int) -> dict[str, Tensor]:
            if not shared:
                return {}
            return {n: meta[f"norms.{n.replace('.', '/')}"][k] for n in normed}

        for k, share in enumerate(importance):
            slope = grad(loss)(fast, norms(k), task[0], task[1])
            rates = {n: meta.get(f"rates.{n.replace('.', '/')}") for n in fast}
            fast = {
                n: w - (0.1 if rates[n] is None else rates[n][k]) * slope[n]
                for n, w in fast.items()
            }
            total = total + share * loss(fast, norms(k + 1), task[2], task[3])
        return total

    meta = {n: p.detach() for n, p in learner.named_parameters()}
    support, query = episode.support, episode.query
    tasks = list(zip(support.x, support.y, query.x, query.y, strict=True))
    found = [grad(of_task)(meta, *task) for task in tasks]
    return {n: sum((f[n] for f in found), torch.zeros(())) / len(found) for n in meta}


@pytest.mark.parametrize(
    ("settings", "done", "importance"),
    [
        ({}, 0.0, [0, 0, 1]),
        ({"rates": "step"}, 0.0, [0, 0, 1]),
        ({"multi_step": 0.2}, 0.0, [1 / 3, 1 / 3, 1 / 3]),
        ({"multi_step": 0.2}, 0.1, [1 / 6, 1 / 6, 2 / 3]),
        ({"multi_step": 0.2}, 0.5, [0, 0, 1]),
        ({"step_norms": True}, 0.0, [0, 0, 1]),
        ({"rates": "step", "multi_step": 0.2, "step_norms": True}, 0.1, [1 / 6, 1 / 6, 2 / 3]),
    ],
)
def test_each_part_is_what_torch_func_gives(settings, done, importance) -> None:
    learner = mamlpp(**{**PLAIN, **settings})
    with torch.no_grad():  # no two steps alike
        for p in (*learner.rates.values(), *learner.norms.values()):
            p.add_(0.05 * torch.randn_like(p))
    learner.anneal(done)
    expected = oracle(learner, importance)
    for name, gradient in learner.meta_gradient(clouds()).gradients.items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-8, atol=1e-11)


def test_without_its_parts_it_is_maml() -> None:
    learner = mamlpp(**PLAIN)
    maml = MAML(learner.model, MAMLSettings(inner_rate=0.1, train_steps=STEPS))
    one, other = (each.meta_gradient(clouds()).gradients for each in (learner, maml))
    assert list(one) == list(other)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_order_is_annealed_in_training_alone() -> None:
    young, first = mamlpp(**PLAIN), mamlpp(**PLAIN | {"order": "first"})
    young.settings = replace(young.settings, first_order=0.5)
    second = mamlpp(**PLAIN)

    def flat(learner: MAMLPlusPlus) -> Tensor:
        found, _ = Exact()(learner, clouds())
        return torch.cat([g.flatten() for g in found.gradients.values()])

    assert torch.equal(flat(young), flat(first))
    young.anneal(0.5)
    assert torch.equal(flat(young), flat(second))
    young.anneal(0.0)
    assert torch.equal(flat(young.eval()), flat(second.eval()))


def test_what_flows_back_is_shown_in_both_orders_also_of_a_young_learner() -> None:
    learner = mamlpp()
    path = list(adapt(learner, clouds()))
    frame = compute("flow", learner, clouds(), path)
    starts = frame[(frame["layer"] == "all") & (frame["step"] == 0)].groupby("order")["norm"].sum()
    assert starts["first"] != pytest.approx(starts["second"], rel=1e-6)


def test_the_rates_of_each_step_are_shown() -> None:
    learner = mamlpp()
    with torch.no_grad():
        learner.rates["head/bias"].copy_(torch.tensor([0.1, 0.2, 0.3]))
    frame = compute("rates", learner, clouds(), list(adapt(learner, clouds())), task=1)
    assert frame.query("tensor == 'head.bias'")["rate"].tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert not frame["tensor"].str.startswith("norm").any()


def test_training_anneals_it_and_resumes_where_it_was(tmp_path: Path) -> None:
    experiment = replace(
        preset("digits-maml"),
        train=Shape(2, 1, 2),
        learner=MAMLPlusPlusSettings(inner_rate=0.1, train_steps=2, multi_step=0.5),
    ).stretched(8)
    experiment = replace(experiment, training=replace(experiment.training, compiled="on", tasks=2))
    whole, part = Trainer(experiment), Trainer(experiment)
    shares = []
    for _ in range(8):
        whole.update()
        shares.append(float(whole.learner.importance(2)[0]))
    assert shares == pytest.approx([0.5, 0.375, 0.25, 0.125, 0, 0, 0, 0])
    for _ in range(3):
        part.update()
    again = Trainer(experiment)
    save_checkpoint(tmp_path / "it", part.checkpoint())
    again.restore(read_checkpoint(tmp_path / "it"), "it")
    for _ in range(5):
        again.update()
    for name, tensor in whole.learner.state_dict().items():
        assert torch.equal(tensor, again.learner.state_dict()[name])


def test_what_changes_in_training_is_not_compiled() -> None:
    found = MetaGradients(mamlpp(), compiled="on")
    assert found.path == "eager"
    assert found.note == "what MAMLPlusPlus computes changes while it is trained"
    assert MetaGradients(mamlpp(), compiled="off").note is None
