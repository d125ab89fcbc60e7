"""Shifted domains: what is labelled, what is not, and that nothing leaks."""

from __future__ import annotations

import pytest
import torch

from workbench.errors import UserError
from workbench.tasks import Shape, open_tasks
from workbench.tasks.families.shifts import Moons, redrawn


def test_the_target_moons_are_the_source_turned() -> None:
    tasks = Moons(noise=0.0)
    episode = tasks.sample(4, seed=1, shape=Shape(ways=2, shots=400, queries=400))
    angle = torch.deg2rad(episode.info["shift"])
    assert sorted(set(episode.info["shift"].tolist())) == [-35.0, 35.0]
    for task in range(4):
        c, s = angle[task].cos(), angle[task].sin()
        back = episode.query.x[task] @ torch.stack([torch.stack([c, -s]), torch.stack([s, c])])
        away = torch.cdist(back, episode.support.x[task]).amin(dim=1)
        assert away.max() < 0.05  # turned back, every target point lies on the source's crescents


def test_a_drawing_by_the_new_pen_is_of_the_same_class_and_in_one_part_only() -> None:
    tasks = open_tasks("glyphs:pen")
    episode = tasks.sample(3, seed=0, split="test", shape=Shape(ways=4, shots=3, queries=5))
    plain = open_tasks("glyphs").sample(
        3, seed=0, split="test", shape=Shape(ways=4, shots=6, queries=5)
    )
    info = episode.info
    assert torch.equal(info["classes"], plain.info["classes"])
    assert list(info["unlabelled"].shape) == [3, 12, 1, 28, 28]
    for task in range(3):
        shown = set(info["support_index"][task].tolist())
        asked = set(info["query_index"][task].tolist())
        assert (len(shown), len(asked)) == (12, 20)
        assert not shown & asked
    assert torch.equal(episode.support.y, torch.arange(4).repeat_interleave(3).expand(3, -1))
    # ink where the plain drawing has it, and paper of the task's shade elsewhere
    pen = {name: info[name] for name in ("broad", "ink", "paper")}
    smooth = redrawn(plain.query.x, plain.seed, rough=torch.zeros(3), **pen)
    assert (episode.query.x - smooth).abs().amax() <= info["rough"].amax() + 1e-6


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("moons", Shape(ways=3, shots=5), "there are two moons"),
        ("moons", Shape(ways=2, shots=(1, 5)), "give a single number"),
        ("glyphs:pen", Shape(ways=(2, 5), shots=1), "give a single number"),
        ("glyphs:pen", Shape(ways=5, shots=8, queries=10), "together ask for at most 20"),
    ],
)
def test_what_cannot_be_drawn_is_refused(name: str, shape: Shape, message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_tasks(name).sample(1, seed=0, shape=shape)
