"""A run that was killed and resumed ends with the bits of one that was not."""

import dataclasses
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.kills import difference
from workbench import UserError
from workbench.algorithms import MAML, PPO, RL2, MAMLSettings, Truncated
from workbench.algorithms.values import Adapted
from workbench.tasks import Episode, TaskSpec
from workbench.training import Experiment, Run, Trainer, preset, train
from workbench.training.checkpoints import Checkpoint


def assert_same_end(one: Run, other: Run) -> None:
    assert difference(one, other) == ""


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("tasks_per_chunk", [0, 3])
def test_killed_at_ten_random_moments(tmp_path: Path, tasks_per_chunk: int) -> None:
    """Two of them in the middle of a save."""
    part = ["--only", "sinusoid-maml:eager", "--kills", "10", "--chunk", str(tasks_per_chunk)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.kills", *part, "--folder", str(tmp_path)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=380,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 of 10 kills, 2 of them in a save" in done.stdout
    whole, killed = (Run.open(tmp_path / f"sinusoid-maml-eager-{k}") for k in ("whole", "killed"))
    assert (killed.directory / "log.txt").read_text().count("resumed at") >= 9
    assert killed.status().state == whole.status().state == "finished"
    assert_same_end(whole, killed)


class Crash(BaseException):
    """As sudden as a power cut."""


def crash_at(monkeypatch: pytest.MonkeyPatch, iteration: int) -> None:
    update = Trainer.update

    def failing(self: Trainer) -> None:
        if self.iteration == iteration:
            monkeypatch.setattr(Trainer, "update", update)
            raise Crash
        update(self)

    monkeypatch.setattr(Trainer, "update", failing)


@pytest.mark.parametrize(
    "change",
    [
        {"optimizer": "AdamW", "schedule": "cosine", "clip": 0.5},
        {"optimizer": "SGD", "rate": 1e-2, "options": {"momentum": 0.9}, "schedule": "halve"},
        {"optimizer": "RMSprop", "schedule": "StepLR", "schedule_options": {"step_size": 7}},
        {"optimizer": "Rprop", "schedule": "linear"},
    ],
    ids=lambda change: change["optimizer"],
)
def test_any_optimizer_and_schedule_resume_exactly(
    tiny: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, object]
) -> None:
    monkeypatch.setattr("workbench.training.loop._GLANCE_SECONDS", 0.0)
    settings = dataclasses.replace(tiny.training, checkpoint_seconds=0.0, **change)
    experiment = dataclasses.replace(tiny, training=settings)
    train(experiment, tmp_path / "whole", progress=False)
    crash_at(monkeypatch, 13)
    with pytest.raises(Crash):
        train(experiment, tmp_path / "killed", progress=False)
    assert Run(tmp_path / "killed").status().state == "failed"
    outcome = train(run=tmp_path / "killed", resume=True, progress=False)
    assert outcome.state == "finished"
    assert outcome.iteration == 30
    assert_same_end(Run(tmp_path / "whole"), Run(tmp_path / "killed"))


@pytest.mark.parametrize(
    "name",
    ["sinusoid-reptile", "sinusoid-metasgd", "sinusoid-gail", "bandit-rl2", "navigation-maml"],
)
def test_every_kind_of_learner_resumes_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("workbench.training.loop._GLANCE_SECONDS", 0.0)
    base = preset(name).stretched(12)
    settings = dataclasses.replace(
        base.training, tasks=4, validation_tasks=4, validate_every=5, checkpoint_seconds=0.0
    )
    experiment = dataclasses.replace(base, training=settings)
    train(experiment, tmp_path / "whole", progress=False)
    crash_at(monkeypatch, 7)
    with pytest.raises(Crash):
        train(experiment, tmp_path / "killed", progress=False)
    train(run=tmp_path / "killed", resume=True, progress=False)
    assert_same_end(Run(tmp_path / "whole"), Run(tmp_path / "killed"))


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_compiled_resumes_exactly(
    tiny: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.training.loop._GLANCE_SECONDS", 0.0)
    settings = dataclasses.replace(tiny.training, compiled="on", checkpoint_seconds=0.0)
    experiment = dataclasses.replace(tiny, training=settings)
    first = train(experiment, tmp_path / "whole", progress=False)
    if Run(tmp_path / "whole").checkpoint("latest")[0].header["path"] != "compiled":
        pytest.skip("no compiler here")
    crash_at(monkeypatch, 13)
    with pytest.raises(Crash):
        train(experiment, tmp_path / "killed", progress=False)
    train(run=tmp_path / "killed", resume=True, progress=False)
    assert_same_end(Run(tmp_path / "whole"), Run(tmp_path / "killed"))
    assert first.iteration == 30


@pytest.mark.parametrize(
    ("compiled", "chunk", "windows"),
    [("off", 0, 4), ("off", 2, 4), ("on", 0, 2)],  # each window is compiled by itself
)
def test_a_training_goes_on_in_the_middle_of_an_adaptation(
    tiny: Experiment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    compiled: str,
    chunk: int,
    windows: int,
) -> None:
    monkeypatch.setattr("workbench.training.loop._GLANCE_SECONDS", 0.0)
    settings = dataclasses.replace(
        tiny.training, compiled=compiled, tasks_per_chunk=chunk, checkpoint_seconds=0.0
    )
    experiment = dataclasses.replace(
        tiny,
        training=settings,
        learner=MAMLSettings(train_steps=2 * windows - 1, rates="layer"),
        estimator=Truncated(window=2),  # the last window is of one step
    )
    train(experiment, tmp_path / "whole", progress=False)
    crash_at(monkeypatch, 3 * windows + windows // 2)  # halfway through the fourth adaptation
    with pytest.raises(Crash):
        train(experiment, tmp_path / "killed", progress=False)
    checkpoint = Run(tmp_path / "killed").checkpoint("latest")[0]
    assert checkpoint.header["carried"] == windows // 2 * 2
    assert checkpoint.part("carried")
    train(run=tmp_path / "killed", resume=True, progress=False)
    assert_same_end(Run(tmp_path / "whole"), Run(tmp_path / "killed"))
    assert Run(tmp_path / "killed").experiment.estimator == Truncated(window=2)


@pytest.mark.parametrize("chunk", [0, 3])
def test_a_training_goes_on_between_two_epochs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr("workbench.training.loop._GLANCE_SECONDS", 0.0)
    base = preset("bandit-rl2").stretched(16)
    settings = dataclasses.replace(
        base.training, tasks=8, tasks_per_chunk=chunk, validate_every=0, checkpoint_seconds=0.0
    )
    estimator = PPO(epochs=3, minibatches=2)
    experiment = dataclasses.replace(base, training=settings, estimator=estimator)
    train(experiment, tmp_path / "whole", progress=False)
    crash_at(monkeypatch, 10)  # two epochs into the second batch of tasks
    with pytest.raises(Crash):
        train(experiment, tmp_path / "killed", progress=False)
    checkpoint = Run(tmp_path / "killed").checkpoint("latest")[0]
    assert checkpoint.header["carried"] == 4
    assert checkpoint.part("carried").keys() >= {"read", "action", "chance", "advantage"}
    train(run=tmp_path / "killed", resume=True, progress=False)
    assert_same_end(Run(tmp_path / "whole"), Run(tmp_path / "killed"))
    assert Run(tmp_path / "killed").experiment.estimator == estimator


def test_a_batch_of_tasks_is_acted_in_once(monkeypatch: pytest.MonkeyPatch) -> None:
    base = preset("bandit-rl2")
    settings = dataclasses.replace(base.training, tasks=4)
    trainer = Trainer(
        dataclasses.replace(base, training=settings, estimator=PPO(epochs=2, minibatches=2))
    )
    acted, collect = [], RL2.collect

    def counted(self: RL2, episode: Episode) -> Adapted:
        acted.append(episode.seed)
        return collect(self, episode)

    monkeypatch.setattr(RL2, "collect", counted)
    for _ in range(9):
        trainer.update()
    assert len(acted) == 3
    assert torch.equal(acted[1], trainer.episodes[1].seed)


def test_what_an_adaptation_goes_on_from_is_checked(
    tiny: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = MAMLSettings(train_steps=4, rates="layer")
    experiment = dataclasses.replace(tiny, learner=learner, estimator=Truncated(window=2))
    trainer = Trainer(experiment)
    trainer.update()
    kept = trainer.checkpoint()
    plain = json.loads(json.dumps(kept.header))  # as a file gives it back
    for header, tensors, said in (
        ({"carried": 1}, {}, "carries on from step 1"),
        ({"carried": None}, {}, "carries on from step None"),
        ({}, {"carried.weights.linear1.weight": torch.zeros(1)}, "carried.weights.linear1.weight"),
    ):
        bad = Checkpoint({**kept.tensors, **tensors}, {**plain, **header})
        with pytest.raises(UserError, match=said):
            Trainer(experiment).restore(bad, "it")


def test_training_leaves_global_random_numbers_and_threads_alone(tiny: Experiment) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    threads = torch.get_num_threads()
    torch.manual_seed(3)
    train(tiny, progress=False)
    assert torch.equal(torch.rand(2), expected)
    assert torch.get_num_threads() == threads


def test_seeds_differ_and_repeat(tiny: Experiment) -> None:
    def end(seed: int) -> torch.Tensor:
        learner = train(dataclasses.replace(tiny, seed=seed), progress=False).learner
        return torch.cat([p.detach().flatten() for p in learner.parameters()])

    assert torch.equal(end(1), end(1))
    assert not torch.equal(end(1), end(2))


def test_trainings_in_three_threads_end_as_each_alone(tiny: Experiment) -> None:
    tiny = dataclasses.replace(tiny, training=dataclasses.replace(tiny.training, iterations=6))

    def end(seed: int) -> torch.Tensor:
        learner = train(dataclasses.replace(tiny, seed=seed), progress=False).learner
        return torch.cat([p.detach().flatten() for p in learner.parameters()])

    alone = [end(seed) for seed in range(3)]
    before = torch.get_rng_state()
    with ThreadPoolExecutor(3) as pool:
        for _ in range(20):
            assert all(map(torch.equal, pool.map(end, range(3)), alone))
    assert torch.equal(torch.get_rng_state(), before)


class Noisy(MAML):
    """A method that draws as it should not, from torch's own generators."""

    def meta_loss(self, trajectory: list[Adapted], episode: Episode) -> torch.Tensor:
        return super().meta_loss(trajectory, episode) * torch.rand(len(episode))


@dataclasses.dataclass(frozen=True)
class NoisySettings(MAMLSettings):
    """Its settings."""

    def build(self, model: Any, spec: TaskSpec) -> Noisy:
        return Noisy(model.build(spec.input_shape, spec.outputs), self)


def test_what_draws_from_torch_draws_from_its_training_s_own_generator(
    tiny: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.training.loop._GLANCE_SECONDS", 0.0)
    settings = dataclasses.replace(tiny.training, checkpoint_seconds=0.0, compiled="on")
    experiment = dataclasses.replace(tiny, learner=NoisySettings(), training=settings)
    torch.manual_seed(1)
    train(experiment, tmp_path / "whole", progress=False)
    crash_at(monkeypatch, 13)
    with pytest.raises(Crash):
        train(experiment, tmp_path / "killed", progress=False)
    torch.manual_seed(2)
    train(run=tmp_path / "killed", resume=True, progress=False)
    assert_same_end(Run(tmp_path / "whole"), Run(tmp_path / "killed"))


def test_one_who_watches_the_validations_can_pause_a_training(
    tiny: Experiment, tmp_path: Path
) -> None:
    seen: list[int] = []

    def enough(row: Any) -> str:
        seen.append(row["iteration"])
        return "enough is known" if len(seen) == 2 else ""

    outcome = train(tiny, tmp_path / "paused", progress=False, watch=enough)
    assert seen == [10, 20]
    assert (outcome.state, outcome.reason, outcome.iteration) == ("paused", "enough is known", 20)
    assert Run(tmp_path / "paused").status().reason == "enough is known"
    train(run=tmp_path / "paused", resume=True, progress=False)
    train(tiny, tmp_path / "whole", progress=False)
    assert_same_end(Run(tmp_path / "whole"), Run(tmp_path / "paused"))
