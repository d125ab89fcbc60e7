"""What holds the meta-parameters beside the meta-loss."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from workbench import UserError
from workbench.training import Experiment, TrainingSettings, preset
from workbench.training.checkpoints import read_checkpoint, save_checkpoint
from workbench.training.trainer import Trainer


def experiment(**settings: object) -> Experiment:
    base = preset("sinusoid-maml").stretched(10)
    more = {"compiled": "off", "validate_every": 0, "tasks": 4, **settings}
    return replace(base, training=replace(base.training, **more), dtype="float64")


def flat(trainer: Trainer) -> Tensor:
    return torch.cat([p.detach().flatten() for p in trainer.parameters.values()])


@pytest.mark.parametrize("name", ["penalty", "proximal"])
def test_a_term_is_descended_with_the_meta_loss(name: str) -> None:
    """By hand: theta - rate * (the derivative of the mean loss and of the term, by autograd)."""
    trainer = Trainer(experiment(optimizer="SGD", rate=0.01, **{name: 0.7}))
    start = flat(trainer).clone()
    for i in range(3):
        before = flat(trainer).clone()
        loss = trainer.learner(trainer.episodes[i]).mean()
        centre = start if name == "proximal" else torch.zeros_like(start)
        every = torch.cat([p.flatten() for p in trainer.parameters.values()])
        whole = loss + 0.7 / 2 * (every - centre).square().sum()
        slopes = torch.autograd.grad(whole, list(trainer.parameters.values()))
        trainer.update()
        expected = before - 0.01 * torch.cat([s.flatten() for s in slopes])
        torch.testing.assert_close(flat(trainer), expected)


def test_a_fixed_norm_is_kept_and_only_the_direction_learned() -> None:
    free, held = Trainer(experiment(rate=0.01)), Trainer(experiment(rate=0.01, norm=2.0))
    free.update(), held.update()
    torch.testing.assert_close(flat(held), 2.0 * flat(free) / flat(free).norm())
    for _ in range(3):
        held.update()
        assert float(flat(held).norm()) == pytest.approx(2.0, rel=1e-12)


@pytest.mark.parametrize("settings", [{"proximal": 0.5}, {"penalty": 0.1, "norm": 3.0}])
def test_resumed_it_ends_with_the_same_bits(settings: dict, tmp_path: Path) -> None:
    whole, part, again = (Trainer(experiment(**settings)) for _ in range(3))
    for trainer, steps in ((whole, 6), (part, 2)):
        for _ in range(steps):
            trainer.update()
    save_checkpoint(tmp_path / "it", part.checkpoint())
    again.restore(read_checkpoint(tmp_path / "it"), "it")
    for _ in range(4):
        again.update()
    assert torch.equal(flat(again), flat(whole))


def test_with_a_pull_the_parameters_stay_nearer_to_where_they_began() -> None:
    away = []
    for pull in (0.0, 10.0):
        trainer = Trainer(experiment(optimizer="SGD", rate=0.02, proximal=pull))
        start = flat(trainer).clone()
        for _ in range(10):
            trainer.update()
        away.append(float((flat(trainer) - start).norm()))
    assert away[1] < away[0]


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UserError, match=r"training\.norm"):
        TrainingSettings(norm=0.0)
    with pytest.raises(UserError, match=r"training\.penalty"):
        TrainingSettings(penalty=-1.0)
