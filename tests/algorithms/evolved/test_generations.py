"""A search by generations is one outer step each, adds up over tasks, and resumes to the bit."""

from __future__ import annotations

import copy
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.kills import difference
from tests.algorithms.cases import CASES, sines
from workbench import UserError
from workbench.algorithms import (
    CMAES,
    MAML,
    CMAESSettings,
    Evolution,
    Exact,
    Generation,
    Genetic,
    GeneticSettings,
    Strategies,
    StrategiesSettings,
    adapt,
)
from workbench.inspection import compute
from workbench.models import MLP
from workbench.tasks import Episode
from workbench.training import Experiment, Run, preset, train
from workbench.training.trainer import Trainer

PRESETS = ("sinusoid-genetic", "sinusoid-cmaes")


def small(name: str, iterations: int = 12, **training: Any) -> Experiment:
    plan = preset(name).stretched(iterations)
    own = dataclasses.replace(
        plan.training, tasks=4, validate_every=0, log_every=3, checkpoint_seconds=0.0, **training
    )
    learner = dataclasses.replace(plan.learner, train_steps=2)  # type: ignore[type-var]
    return dataclasses.replace(plan, training=own, learner=learner)


class Target:
    """The genes' squared distance from 1 in place of adapting: the same for every task."""

    def population_losses(self, members: dict[str, Tensor], episode: Episode) -> Tensor:
        genomes = members["genome"]
        return (genomes - 1).square().sum(dim=-1).T


class GeneticTarget(Target, Genetic):  # type: ignore[misc]
    """Genetic search for it."""


class CMAESTarget(Target, CMAES):  # type: ignore[misc]
    """CMA-ES for it."""


@pytest.mark.parametrize("kind", ["genetic", "cmaes"])
def test_by_the_trainers_step_it_finds_what_it_is_scored_by(kind: str) -> None:
    torch.manual_seed(0)
    learner = (
        GeneticTarget(MLP(1, 1), GeneticSettings(code=2))
        if kind == "genetic"
        else CMAESTarget(MLP(1, 1), CMAESSettings(code=2))
    )
    trainer = Trainer(small("sinusoid-maml"), built=(learner, preset("sinusoid-maml").open_tasks()))
    trainer.experiment = small(f"sinusoid-{kind}", 100)
    outer = Trainer(trainer.experiment, built=(learner, trainer.tasks))
    while not outer.finished:
        outer.update()
    assert (learner.genome - 1).square().sum() < 0.01
    frame = compute("generations", learner, *_looked_at(learner))
    assert list(frame["generation"]) == list(range(1, 101))
    assert frame["best"].iloc[-1] < 0.01 * frame["best"].iloc[0]
    assert frame["spread"].iloc[-1] < 0.3 * frame["spread"].iloc[0]
    assert (frame["best"] <= frame["median"]).all()


def _looked_at(learner: Any) -> tuple[Episode, list[Any]]:
    episode = sines(2).to(dtype=torch.float32)
    return episode, list(adapt(learner, episode))


def test_before_a_generation_there_is_nothing_to_look_at() -> None:
    learner = CASES["Genetic"].build()
    assert len(compute("generations", learner, *_looked_at(learner))) == 0


@pytest.mark.parametrize("name", PRESETS)
def test_stopped_and_resumed_it_ends_with_the_same_bits(name: str, tmp_path: Path) -> None:
    plan = small(name)
    whole = train(plan, tmp_path / "whole", progress=False)
    update, stop = Trainer.update, 5

    class Crash(BaseException):
        pass

    def failing(self: Trainer) -> None:
        if self.iteration == stop:
            raise Crash
        update(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("workbench.training.loop._GLANCE_SECONDS", 0.0)
        patch.setattr(Trainer, "update", failing)
        with pytest.raises(Crash):
            train(plan, tmp_path / "cut", progress=False)
    cut = train(run=tmp_path / "cut", resume=True, progress=False)
    assert whole.iteration == cut.iteration == 12
    assert "resumed at outer step 5" in (tmp_path / "cut" / "log.txt").read_text()
    assert difference(Run.open(tmp_path / "whole"), Run.open(tmp_path / "cut")) == ""


@pytest.mark.parametrize("name", PRESETS)
def test_chunks_of_tasks_breed_the_same_generations(name: str) -> None:
    ends = []
    for chunk in (0, 1):
        trainer = Trainer(small(name, tasks_per_chunk=chunk, compiled="off"))
        for _ in range(4):
            trainer.update()
        ends.append(trainer.learner.state_dict())
    for key, tensor in ends[0].items():
        torch.testing.assert_close(ends[1][key], tensor, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", PRESETS)
def test_the_outer_step_makes_the_state_what_the_generation_led_to(name: str) -> None:
    trainer = Trainer(small(name))
    learner: Any = trainer.learner
    for number in range(3):
        trainer.update()
        assert learner.now() == number + 1
        episode = trainer.episodes[number]
        if name == "sinusoid-cmaes":  # where every member is new
            everywhere = learner.members.expand(4, *learner.members.shape)
            with torch.no_grad():
                losses = learner.population_losses({"genome": everywhere}, episode)
            torch.testing.assert_close(learner.scores, losses.mean(dim=1), rtol=1e-4, atol=1e-4)


def test_who_is_kept_has_the_mean_of_its_scores_and_the_best_of_them_is_the_answer() -> None:
    trainer = Trainer(small("sinusoid-genetic"))
    learner: Any = trainer.learner
    trainer.update()
    first, scores = learner.members.detach().clone(), learner.scores.detach().clone()
    trainer.update()
    kept = scores.argsort()[:4]
    torch.testing.assert_close(learner.members[:4], first[kept])
    assert learner.judged.tolist() == [2.0] * 4 + [1.0] * 28
    with torch.no_grad():
        again = learner.population_losses(
            {"genome": first[kept].expand(4, 4, -1)}, trainer.episodes[1]
        ).mean(dim=1)
    torch.testing.assert_close(learner.scores[:4], (scores[kept] + again) / 2, rtol=1e-4, atol=1e-4)
    best = learner.members[learner.scores[:4].argmin()].detach().clone()
    trainer.update()
    torch.testing.assert_close(learner.genome, best)


def test_children_have_their_parents_genes_where_nothing_mutates() -> None:
    torch.manual_seed(0)
    learner = Genetic(MLP(1, 1), GeneticSettings(code=4, population=12, elites=2))
    with torch.no_grad():
        learner.members.copy_(torch.randn(12, learner.genes))
        learner.scores.copy_(torch.arange(12.0).flip(0))
        learner.generation.fill_(1.0)
        learner.sizes.zero_()
        born = learner.asked({})["members"]
        assert torch.equal(born[:2], learner.members[[11, 10]])
        for child in born[2:]:
            found = (child == learner.members).any(dim=1)
            assert 1 <= int(found.sum()) <= 2  # of two parents, or twice the same
            assert (child == learner.members).any(dim=0).all()
        learner.settings = dataclasses.replace(learner.settings, tournament=200)
        assert (learner.asked({})["members"] == learner.members[11]).all(dim=1).sum() == 11


@pytest.mark.parametrize("name", PRESETS)
def test_it_comes_down_from_rates_at_which_the_exact_gradient_explodes(name: str) -> None:
    """Five steps at twenty times the usual rate: the losses are no numbers, or huge ones."""
    plan = preset(name).stretched(20)
    settings = dataclasses.replace(plan.learner, code=0, inner_rate=0.2)  # type: ignore[type-var]
    trainer = Trainer(dataclasses.replace(plan, learner=settings))
    learner: Any = trainer.learner
    tasks = trainer.tasks.sample(50, seed=1, shape=plan.train)
    network = copy.deepcopy(learner.model).requires_grad_(True)
    exact = Strategies(network, StrategiesSettings(code=0, train_steps=5, inner_rate=0.2))
    slope = Exact()(exact, tasks)[0].gradients["genome"]
    assert not slope.norm() < 1e6
    with torch.no_grad():
        assert not learner.train()(tasks).mean() < 1e3
        while not trainer.finished:
            trainer.update()
        assert learner(tasks).mean() < 6


@pytest.mark.parametrize(
    "training",
    [{"optimizer": "Adam", "rate": 1e-3}, {"rate": 0.5}, {"clip": 0.1}, {"penalty": 0.1}],
    ids=str,
)
def test_an_outer_step_that_is_no_whole_one_is_refused(training: dict[str, Any]) -> None:
    trainer = Trainer(small("sinusoid-cmaes", **training))
    with pytest.raises(UserError, match=r"set training\.optimizer to SGD and training\.rate to 1"):
        for _ in range(3):
            trainer.update()


def test_estimators_that_do_not_fit_are_refused() -> None:
    learner, episode = CASES["Genetic"].build(), sines(2).to(dtype=torch.float32)
    with pytest.raises(UserError, match="population of its own"):
        Evolution(4)(learner, episode)
    with pytest.raises(UserError, match="got no gradient"):
        Exact()(learner, episode)
    with pytest.raises(UserError, match="use Genetic or CMAES"):
        Generation()(MAML(MLP(1, 1)), episode)
    with pytest.raises(UserError, match="nobody is born"):
        GeneticSettings(population=4, elites=4)
