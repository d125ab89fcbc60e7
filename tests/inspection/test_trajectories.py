"""Frames of trajectories: the very ones that an adaptation made, drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from workbench.algorithms import MAMLRL, RL2, MAMLRLSettings, adapt
from workbench.algorithms.capabilities import Plays
from workbench.algorithms.values import Adapted
from workbench.errors import UserError
from workbench.inspection.adaptation import step_frame
from workbench.inspection.returns import return_frame
from workbench.inspection.trajectories import trajectory_frame
from workbench.models import Gaussian, Policy
from workbench.randomness import fold, uniform
from workbench.tasks import Shape, open_tasks
from workbench.tasks.control.environment import Discrete
from workbench.tasks.control.repeated import Repeated
from workbench.tasks.control.rollout import rollout
from workbench.tasks.episode import Episode


@dataclass(frozen=True)
class Line:
    """One walks left or right on a line until one is 2 away; the goal is drawn above it."""

    horizon: int = 6
    observation_size = 1
    actions = Discrete(2)

    def reset(self, task: Any, seed: Tensor) -> Any:
        place = uniform(seed, (), torch.float32)
        return {"place": place}, place.unsqueeze(-1)

    def step(self, task: Any, state: Any, action: Tensor, seed: Tensor) -> Any:
        place = state["place"] + 2.0 * action - 1
        reward = -(place - task["goal"][..., 0]).abs()
        return {"place": place}, place.unsqueeze(-1), reward, place.abs() >= 2

    def drawn(self, task: Any, state: Any) -> dict[str, Tensor]:
        here = torch.stack([state["place"], torch.zeros_like(state["place"])], dim=-1)
        up = here + torch.tensor([0.0, 1.0])
        return {
            "path": here.unsqueeze(-2),
            "arm": torch.stack([here, up], dim=-2),
            "goal": task["goal"].unsqueeze(-2),
        }


def lines(count: int = 3, episodes: int = 4, horizon: int = 6) -> Episode:
    goal = torch.stack([torch.linspace(-1, 1, count), torch.ones(count)], dim=-1)
    none: Any = None
    env = Repeated(Line(horizon), episodes)
    return Episode(none, none, torch.arange(count), env=env, task={"goal": goal})


class Climbs(Plays):
    """Its policy has a bias that every step raises: what a policy-gradient step looks like."""

    kinds = ("control",)

    def __init__(self) -> None:
        super().__init__()
        self.bias = torch.nn.Parameter(torch.zeros(1))

    def begin(self, episode: Episode) -> Adapted:
        return Adapted({"weights.bias": self.bias.expand(len(episode), 1)})

    def step(self, adapted: Adapted, episode: Episode) -> Adapted:
        bias = adapted.values["weights.bias"] + 1
        return Adapted({"weights.bias": bias}, self.play(adapted, episode), adapted.step + 1)

    def play(self, adapted: Adapted, episode: Episode) -> dict[str, Tensor]:
        world, count = episode.env.env, episode.env.episodes  # type: ignore[union-attr]
        seed = fold(fold(episode.seed, adapted.step).unsqueeze(-1), torch.arange(count))
        task = {n: t.unsqueeze(1).expand(-1, count, *t.shape[1:]) for n, t in episode.task.items()}
        bias = adapted.values["weights.bias"]

        def policy(moment: Any, memory: Any) -> Any:
            out = torch.stack([torch.zeros_like(bias), bias], dim=-1).expand(-1, count, 2)
            return out, out[..., 0], memory

        made = rollout(world, task, policy, seed)
        names = ("observation", "action", "reward", "mask", "done")
        return {f"trajectory.{name}": getattr(made, name) for name in names}

    def predict(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> Tensor:
        return x

    def steps(self, episode: Episode) -> int:
        return 2


def test_trajectories_after_a_step_are_those_that_the_next_learns_from() -> None:
    learner, episode = Climbs(), lines()
    path = list(adapt(learner, episode))
    following = learner.step(path[-1], episode)
    for task in (0, 2):
        frame = trajectory_frame(learner, episode, path, task)
        assert frame["step"].unique().tolist() == [0, 1, 2]
        for adapted in [*path[1:], following]:
            seen = {n: t[task].detach() for n, t in adapted.seen.items()}
            now = frame[(frame["step"] == adapted.step - 1) & (frame["part"] == "path")]
            for trajectory in range(4):
                rows = now[now["trajectory"] == trajectory]
                made = int(seen["trajectory.mask"][trajectory].sum())
                assert rows["move"].tolist() == list(range(made + 1))
                places = seen["trajectory.observation"][trajectory, :made, 0]
                np.testing.assert_array_equal(rows["x"][:-1], places)
                np.testing.assert_array_equal(
                    rows["reward"][1:], seen["trajectory.reward"][trajectory, :made]
                )
                assert rows["reward"].isna().tolist() == [True, *[False] * made]
            tips = frame[(frame["step"] == adapted.step - 1) & (frame["part"] == "arm")]
            np.testing.assert_array_equal(tips["x"][tips["point"] == 0], now["x"])
            assert (tips["y"] == tips["point"]).all()
        goal = frame[frame["part"] == "goal"]
        assert goal[["x", "y"]].values.tolist() == [episode.task["goal"][task].tolist()]
        assert frame["value"].isna().all()


def test_trajectories_before_any_step_was_recorded() -> None:
    learner, episode = Climbs(), lines()
    path = list(adapt(learner, episode, steps=0))
    assert trajectory_frame(learner, episode, path)["step"].unique().tolist() == [0]


def test_the_reward_after_a_step_is_the_mean_of_what_is_shown_then() -> None:
    learner, episode = Climbs(), lines()
    path = list(adapt(learner, episode))
    rewards = step_frame(learner, episode, path)
    assert rewards.columns.tolist() == ["task", "step", "part", "reward"]
    for task in range(3):
        shown = trajectory_frame(learner, episode, path, task)
        means = shown.groupby(["step", "trajectory"])["reward"].sum().groupby("step").mean()
        of_task = rewards[rewards["task"] == task]
        assert of_task["step"].tolist() == [0, 1, 2]
        np.testing.assert_allclose(of_task["reward"], means, rtol=1e-6)


def test_what_has_no_picture_still_has_rewards() -> None:
    learner, trial = Climbs(), open_tasks("mdp").sample(2, seed=0, shape=Shape(ways=2, shots=3))
    frame = trajectory_frame(learner, trial, list(adapt(learner, trial, steps=1)))
    assert frame["part"].unique().tolist() == ["path"]
    assert frame["x"].isna().all()
    assert frame["reward"].notna().any()
    assert frame.groupby(["step", "trajectory"])["move"].max().eq(10).all()


def test_a_trial_goes_on_with_every_move_and_keeps_where_an_episode_ended() -> None:
    torch.manual_seed(0)
    trial, learner = lines(episodes=3), RL2(Policy(1, 2, hidden=4)).eval()
    path = list(adapt(learner, trial))
    frame = trajectory_frame(learner, trial, path, task=1)
    going = frame[frame["part"] == "path"]
    done = [bool(a.values["done"][1]) for a in path[1:]]
    assert sum(done) >= 3
    for adapted, ended in zip(path[1:], done, strict=True):
        rows = going[going["step"] == adapted.step]
        assert len(rows) == 1 + (ended and adapted.step < len(path) - 1)
        first = rows.iloc[0]
        assert first["reward"] == float(adapted.seen["reward"][1])
        assert first["value"] == float(adapted.seen["value"][1].detach())
        if ended:
            assert abs(first["x"]) >= 2
        assert rows.iloc[-1]["x"] == (
            first["x"] if not ended or len(rows) == 1 else float(adapted.values["state.place"][1])
        )
    for _, episode in going.groupby("trajectory"):
        assert episode["move"].tolist() == list(range(len(episode)))
        assert np.allclose(episode["x"].diff().abs()[1:], 1)


def test_tasks_without_places_are_refused() -> None:
    trial, learner = open_tasks("mdp").sample(2, seed=0), RL2(Policy(10, 5, hidden=4))
    with pytest.raises(UserError, match="use pull_frame"):
        trajectory_frame(learner, trial, list(adapt(learner, trial)))
    curves: Any = open_tasks("sinusoid").sample(2, seed=0)
    with pytest.raises(UserError, match="control tasks"):
        trajectory_frame(learner, curves, [])


def test_what_an_adaptation_played_is_drawn_without_playing_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    learner = MAMLRL(Gaussian(2, 2, hidden=(4,)), MAMLRLSettings(adapts="head")).eval()
    episode = open_tasks("navigation").sample(2, seed=0, shape=Shape(ways=2, shots=3))
    path = [adapted.detach() for adapted in adapt(learner, episode, steps=2)]
    calls: list[int] = []
    play = learner.play

    def counted(adapted: Adapted, where: Episode) -> dict[str, Tensor]:
        calls.append(adapted.step)
        found = play(adapted, where)
        return {n: t for n, t in found.items() if keeps or ".state." not in n}

    monkeypatch.setattr(learner, "play", counted)
    keeps = True
    frame = trajectory_frame(learner, episode, path, task=1)
    step_frame(learner, episode, path)
    trajectory_frame(learner, episode, path, task=0)
    return_frame(learner, episode, path)
    assert calls == [2]  # after the last step, once
    # the same as of a method that keeps no states, all of whose trajectories are made anew
    keeps = False
    without = [
        Adapted(a.values, {n: t for n, t in a.seen.items() if ".state." not in n}, a.step)
        for a in path
    ]
    pd.testing.assert_frame_equal(trajectory_frame(learner, episode, without, task=1), frame)
    # the body below the head is the learner's own: training on changes what the policy does
    keeps = True
    calls.clear()
    with torch.no_grad():
        for parameter in learner.parameters():
            parameter.add_(0.1)
    other = trajectory_frame(learner, episode, path, task=1)
    assert calls == [2]
    assert not other[other["step"] == 2].equals(frame[frame["step"] == 2])
    pd.testing.assert_frame_equal(other[other["step"] < 2], frame[frame["step"] < 2])
