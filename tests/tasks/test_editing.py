"""Edits change one example of one task, and say so; everything else stays bit for bit."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from workbench.algorithms import MAML, MAMLSettings, Prototypical, adapt, last
from workbench.errors import UserError
from workbench.models import MLP
from workbench.tasks import (
    EDITS,
    Episode,
    Shape,
    edited,
    load_episode,
    open_tasks,
    save_episode,
)
from workbench.tasks.editing import aim, draw, drop, duplicate, move, noise, relabel, swap
from workbench.tasks.sampler import ClassBank, ClassSplit, FewShot

DIGITS = open_tasks("digits")
RING = [[[0.5, 0.05], [0.95, 0.5], [0.5, 0.95], [0.05, 0.5], [0.5, 0.05]]]


def curves() -> Episode:
    return open_tasks("sinusoid").sample(3, seed=0)


def digits() -> Episode:
    return DIGITS.sample(3, seed=0, split="test", shape=Shape(3, 2, 4))


ONE_OF_EACH: list[tuple[str, dict[str, Any]]] = [
    ("move", {"x": 1.5, "y": -2.0}),
    ("relabel", {"label": 2}),
    ("drop", {}),
    ("duplicate", {}),
    ("swap", {"seed": 3}),
    ("noise", {"amount": 0.5, "seed": 1}),
    ("draw", {"strokes": RING}),
]
OF_EXAMPLES = [name for name, _ in ONE_OF_EACH]


def one(name: str, **changes: Any) -> tuple[Episode, dict[str, Any]]:
    edit = {"what": name, "task": 1, "part": "support", "example": 1}
    return curves() if name == "move" else digits(), edit | dict(ONE_OF_EACH)[name] | changes


def test_there_is_an_example_of_every_edit() -> None:
    assert [*OF_EXAMPLES, "aim"] == list(EDITS)  # which is no edit of an example: see below


@pytest.mark.parametrize("name", OF_EXAMPLES)
@pytest.mark.parametrize("part", ["support", "query"])
def test_an_edit_changes_one_example_of_one_task(name: str, part: str) -> None:
    episode, edit = one(name, part=part)
    before = {n: t.clone() for n, t in episode.tensors().items()}
    changed = edited(episode, [edit], DIGITS)
    assert changed.sha256() != episode.sha256()
    assert episode.info.get("edits") is None
    for n, tensor in episode.tensors().items():
        assert torch.equal(tensor, before[n]), f"{name} wrote into the episode's {n}"
    place = changed.info["edits"][0].get("place", 1)
    for n, tensor in changed.tensors().items():
        if n == f"{part}.weight" and n not in before:
            count = before[f"{part}.y"].shape[1]
            old = torch.ones(3, count)
        else:
            old = before[n]
        same = torch.ones(tensor.shape[:2], dtype=torch.bool) if tensor.dim() > 1 else None
        if same is None or not n.startswith((f"{part}.", f"info.{part}_index")):
            assert torch.equal(tensor, old), n
            continue
        same[1, place] = False
        kept = same[:, : old.shape[1]]
        assert torch.equal(tensor[:, : old.shape[1]][kept], old[kept]), n


@pytest.mark.parametrize("name", OF_EXAMPLES)
def test_an_edit_is_on_record_saved_and_done_again(name: str, tmp_path: Any) -> None:
    episode, edit = one(name)
    changed = edited(episode, [edit], DIGITS)
    again = edited(episode, json.loads(json.dumps(changed.info["edits"])), DIGITS)
    assert again.sha256() == changed.sha256()
    loaded = load_episode(save_episode(tmp_path / "edited.episode", changed))
    assert loaded.sha256() == changed.sha256()
    assert loaded.info["edits"] == changed.info["edits"]
    twice = edited(loaded, [edit | {"example": 0}], DIGITS)
    assert [e["what"] for e in twice.info["edits"]] == [name, name]


def _losses(learner: Any, episode: Episode) -> torch.Tensor:
    adapted = last(adapt(learner, episode))
    query = episode.query
    return episode.loss(learner.predict(adapted, query.x, query.weight), query).detach()


def learners() -> list[Any]:
    torch.manual_seed(0)
    maml = MAML(MLP(64, 3, hidden=(8,), norm=True), MAMLSettings(inner_rate=0.4, test_steps=2))
    return [maml.eval(), Prototypical(MLP(64, None, hidden=(8,), norm=True)).eval()]


@pytest.mark.parametrize("learner", learners(), ids=lambda learner: type(learner).__name__)
@pytest.mark.parametrize("name", [name for name in OF_EXAMPLES if name != "move"])
@pytest.mark.parametrize("part", ["support", "query"])
def test_learners_adapt_to_what_was_edited(learner: Any, name: str, part: str) -> None:
    episode, edit = one(name, part=part)
    before, after = _losses(learner, episode), _losses(learner, edited(episode, [edit], DIGITS))
    torch.testing.assert_close(after[[0, 2]], before[[0, 2]])
    assert abs(float(after[1] - before[1])) > 1e-6


@pytest.mark.parametrize("learner", learners(), ids=lambda learner: type(learner).__name__)
def test_dropping_is_as_if_the_example_had_never_been_there(learner: Any) -> None:
    task = digits()[1:2]
    kept = [0, 2, 3, 4, 5]
    support = replace(task.support, x=task.support.x[:, kept], y=task.support.y[:, kept])
    without = replace(task, support=support)
    torch.testing.assert_close(
        _losses(learner, drop(digits(), 1, "support", 1))[1:2], _losses(learner, without)
    )


def test_a_regression_task_follows_its_moved_point() -> None:
    torch.manual_seed(0)
    learner = MAML(MLP(1, 1), MAMLSettings(inner_rate=0.05, test_steps=20)).eval()
    moved = move(curves(), 1, "support", 2, y=8.0)
    assert (float(moved.support.y[1, 2]), moved.info["edits"][0]["x"]) == (8.0, None)
    place = moved.support.x[:, 2:3]
    there = [learner.predict(last(adapt(learner, e)), place).detach() for e in (curves(), moved)]
    assert float(there[1][1]) > float(there[0][1]) + 0.5
    torch.testing.assert_close(there[1][[0, 2]], there[0][[0, 2]])


def test_a_duplicate_takes_the_place_of_what_was_dropped() -> None:
    smaller = drop(digits(), 1, "support", 1)
    assert smaller.tensors()["support.weight"][:, 1].tolist() == [1, 0, 1]
    assert int(smaller.info["support_index"][1, 1]) == -1
    filled = duplicate(smaller, 1, "support", 4)
    assert filled.support.y.shape == digits().support.y.shape
    assert torch.equal(filled.support.x[1, 1], digits().support.x[1, 4])
    assert filled.info["support_index"][1, 1] == digits().info["support_index"][1, 4]
    longer = duplicate(duplicate(digits(), 1, "support", 0), 2, "support", 0)
    assert longer.tensors()["support.weight"][:, -1].tolist() == [0, 1, 1]
    assert longer.info["support_index"][:, -1].tolist()[0] == -1


def test_a_swap_brings_another_image_of_the_same_class() -> None:
    episode = digits()
    rows = DIGITS.bank.counts.cumsum(0)  # type: ignore[attr-defined]
    seen = set()
    for seed in range(20):
        changed = swap(relabel(episode, 0, "query", 3, 2), DIGITS, 0, "query", 3, seed)
        old, new = (int(e.info["query_index"][0, 3]) for e in (episode, changed))
        assert int((old >= rows).sum()) == int((new >= rows).sum())  # not that of the new label
        for part in ("support", "query"):
            assert new not in episode.info[f"{part}_index"][0]
        stored = DIGITS.bank.x[new] / 16  # type: ignore[attr-defined]
        assert torch.equal(changed.query.x[0, 3], stored)
        seen.add(new)
    assert len(seen) > 10
    drawn = swap(draw(episode, 0, "query", 3, RING), DIGITS, 0, "query", 3)
    assert int((int(drawn.info["query_index"][0, 3]) >= rows).sum()) == int((old >= rows).sum())


def bars(examples: int) -> FewShot:
    """Two classes of bars that lie on top, on both sides and below."""
    x = torch.zeros(2 * examples, 1, 4, 4)
    x[:, 0, 0] = 1.0
    bank = ClassBank(x, torch.tensor([examples, examples]), ("a", "b"))
    split = ClassSplit.of([0, 1], "as classes")
    return FewShot(bank, {"train": split}, name="bars", scheme="turned")


def test_a_turned_class_stays_turned() -> None:
    tasks = bars(20)
    episode = tasks.sample(1, seed=0, shape=Shape(8, 1, 1))
    for place in range(8):
        changed = swap(episode, tasks, 0, "support", place)
        assert torch.equal(changed.support.x, episode.support.x)  # the bars are alike
        assert changed.info["support_index"][0, place] != episode.info["support_index"][0, place]
    with pytest.raises(UserError, match="has 20 examples and task 0 holds them all"):
        swap(tasks.sample(1, seed=0, shape=Shape(1, 2, 18)), tasks, 0, "support", 0)


def test_noise_is_gaussian_and_the_same_alone_as_with_the_others() -> None:
    episode = open_tasks("sinusoid").sample(2, seed=0, shape=Shape(1, 2000, 5))
    noisy = noise(episode, 1, "support", amount=0.5, seed=7)
    added = (noisy.support.y - episode.support.y)[1]
    assert torch.equal(noisy.support.x, episode.support.x)
    assert float(added.std()) == pytest.approx(0.5, rel=0.05)
    assert abs(float(added.mean())) < 0.05
    alone = noise(episode, 1, "support", 6, 0.5, 7)
    assert torch.equal(alone.support.y[1, 6], noisy.support.y[1, 6])
    other = noise(episode, 1, "support", 6, 0.5, 8)
    assert not torch.equal(alone.support.y[1, 6], other.support.y[1, 6])
    image = noise(digits(), 0, "query", amount=1.0).query.x[0]
    assert 0 <= float(image.min()) < float(image.max()) <= 1


@pytest.mark.parametrize("family", ["digits", "glyphs"])
def test_a_drawing_has_the_ink_of_the_data_set(family: str) -> None:
    episode = open_tasks(family).sample(2, seed=0, shape=Shape(2, 2, 2))
    ring = draw(episode, 0, "support", 1, RING).support.x[0, 1, 0]
    assert torch.equal(draw(episode, 0, "support", 1, RING).support.x[0, 1, 0], ring)
    usual = episode.query.x.flatten(2).mean()  # ink on an image
    assert float(ring.min()) == 0
    assert float(ring.max()) == pytest.approx(1.0, abs=0.1)
    assert 0.4 < float(ring.mean() / usual) < 2.5
    side = ring.shape[-1]
    assert float(ring[side // 2, side // 2]) == 0  # hollow
    half = draw(episode, 0, "support", 1, [[[0.1, 0.25], [0.9, 0.25]]]).support.x[0, 1, 0]
    assert float(half[: side // 2].sum()) > 0  # y goes down
    assert float(half[side // 2 :].sum()) == 0
    assert ((half > 0) & (half < half.max())).any()  # soft rims


def test_a_drawing_on_white_paper_is_dark() -> None:
    negative = digits()
    support, query = (replace(e, x=1 - e.x) for e in (negative.support, negative.query))
    paper = draw(replace(negative, support=support, query=query), 0, "support", 0, RING)
    ink = draw(negative, 0, "support", 0, RING)
    torch.testing.assert_close(paper.support.x[0, 0], 1 - ink.support.x[0, 0])


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"what": "mvoe"}, "no edit 'mvoe': did you mean 'move'"),
        ({"what": "drop", "task": 3}, "task is 3 and there are 3: choose 0 to 2"),
        ({"what": "drop", "example": 99}, "example is 99 and there are 6"),
        ({"what": "drop", "example": "1"}, "example is '1'"),
        ({"what": "drop", "part": "both"}, "choose support or query"),
        ({"what": "drop", "label": 1}, "cannot be read"),
        ({"what": "relabel"}, "missing a required argument: 'label'"),
        ({"what": "relabel", "label": 3}, "classes 0 to 2"),
        ({"what": "relabel", "label": "b"}, "classes 0 to 2"),
        ({"what": "move", "x": 1}, "these tasks have classes"),
        ({"what": "noise", "amount": -1.0}, "cannot be negative"),
        ({"what": "noise", "amount": float("nan")}, "finite number"),
        ({"what": "noise", "seed": 0.5}, "whole number"),
        ({"what": "draw", "strokes": []}, "stroke without a point"),
        ({"what": "draw", "strokes": [[0.5, 0.5]]}, "not made of points"),
        ({"what": "draw", "strokes": [[[0.5, 30]]]}, "off the paper"),
        ({"what": "draw", "strokes": [[[0.5, float("nan")]]]}, "off the paper"),
        ({"what": "draw", "strokes": [[[0.5, 0.5]] * 6000]}, "at most 5000"),
    ],
)
def test_a_mistake_is_a_sentence(edit: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        edited(digits(), [{"task": 0, "part": "support", "example": 0} | edit], DIGITS)
    assert "\n" not in str(error.value)


def test_what_cannot_be_edited_is_said() -> None:
    single = open_tasks("sinusoid").sample(1, seed=0, shape=Shape(1, 1, 1))
    for part in ("support", "query"):
        with pytest.raises(UserError, match=f"the last {part} example of task 0"):
            drop(single, 0, part, 0)
    with pytest.raises(UserError, match="neither x nor y"):
        move(single, 0, "support", 0)
    with pytest.raises(UserError, match="no classes"):
        relabel(single, 0, "support", 0, 0)
    with pytest.raises(UserError, match="no images"):
        draw(single, 0, "support", 0, RING)
    with pytest.raises(UserError, match="draw theirs anew"):
        swap(single, open_tasks("sinusoid"), 0, "support", 0)
    with pytest.raises(UserError, match="not sampled from these tasks"):
        swap(open_tasks("glyphs").sample(1, seed=0), DIGITS, 0, "support", 0)
    with pytest.raises(UserError, match="only padding"):
        noise(drop(digits(), 0, "support", 1), 0, "support", 1)
    with pytest.raises(UserError, match="control tasks have no examples"):
        drop(open_tasks("bandit").sample(1, seed=0), 0, "support", 0)
    uneven = DIGITS.sample(8, seed=0, shape=Shape((2, 4), 1, 2))
    small = int(next(k for k in range(8) if uneven.info["classes"][k, 3] < 0))
    with pytest.raises(UserError, match="choose one of them"):
        relabel(uneven, small, "support", 0, 3)


def test_edits_keep_precision() -> None:
    episode = digits().to(dtype=torch.float64)
    for name in ("drop", "duplicate", "swap", "noise", "draw"):
        changed = edited(episode, [one(name)[1]], DIGITS)
        assert {t.dtype for t in changed.tensors().values()} == {torch.float64, torch.int64}


@pytest.mark.parametrize("name", ["reacher", "grid", "cheetah:velocity"])
def test_a_goal_is_moved_and_nothing_else(name: str, tmp_path: Any) -> None:
    episode = open_tasks(name).sample(3, seed=0)
    before = {n: t.clone() for n, t in episode.tensors().items()}
    where = {"x": 1.0} if name.startswith("cheetah") else {"x": 1.0, "y": 0.0}
    changed = edited(episode, [{"what": "aim", "task": 1, **where}])
    assert changed.task["goal"][1].flatten().tolist() == list(where.values())
    for n, tensor in episode.tensors().items():
        assert torch.equal(tensor, before[n]), f"aim wrote into the episode's {n}"
        same = tensor == changed.tensors()[n]
        assert same[[0, 2]].all()
        assert same.all() == (n != "task.goal")
    again = edited(episode, json.loads(json.dumps(changed.info["edits"])))
    assert again.sha256() == changed.sha256() != episode.sha256()
    loaded = load_episode(save_episode(tmp_path / "a.episode", changed))
    assert loaded.sha256() == changed.sha256()
    assert loaded.info["edits"] == changed.info["edits"]
    twice = edited(loaded, [{"what": "aim", "task": 1, "x": 2.0}])
    assert twice.task["goal"][1].flatten().tolist() == [2.0, *list(where.values())[1:]]
    double = edited(episode.to(dtype=torch.float64), changed.info["edits"])
    assert double.task["goal"].dtype == torch.float64


def test_what_is_no_place_for_a_goal_is_refused_in_a_sentence() -> None:
    reacher, cheetah = (open_tasks(name).sample(2, seed=0) for name in ("reacher", "cheetah"))
    for call, said in (
        (lambda: aim(curves(), 0, x=1.0), "no goal to aim at"),
        (lambda: aim(open_tasks("mdp").sample(1, seed=0), 0, x=1.0), "no goal to aim at"),
        (lambda: aim(reacher, 2, x=1.0), "task is 2 and there are 2: choose 0 to 1"),
        (lambda: aim(reacher, 0), "neither x nor y"),
        (lambda: aim(reacher, 0, x=float("nan")), "x is nan: it must be a finite number"),
        (lambda: aim(cheetah, 0, x=1.0, y=1.0), "is one number: give x alone"),
        (lambda: aim(open_tasks("grid").sample(1, seed=0), 0, x=7.0), "a goal is no cell"),
        (lambda: edited(reacher, [{"what": "aim", "task": 0, "z": 1}]), "cannot be read"),
    ):
        with pytest.raises(UserError, match=said):
            call()
