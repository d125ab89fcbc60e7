"""Tasks of unequal shots, ways and queries stack by padding, which changes nothing of them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch

from tests.algorithms.cases import ACTED, CASES, Case
from tests.algorithms.checks import CLOSELY, assert_same, predict, run
from workbench.algorithms import (
    MANN,
    OML,
    Learner,
    MetaNet,
    Rehearsal,
    StreamPrototypes,
)
from workbench.tasks import Episode, Examples

pytestmark = pytest.mark.usefixtures("double")

# They step by item, or by class, and a task may have fewer than others.
BY_PART = (MANN, OML, Rehearsal, StreamPrototypes)

cases_with_examples = pytest.mark.parametrize(
    "case",
    [case for case in CASES.values() if case.episode not in ACTED],
    ids=[name for name, case in CASES.items() if case.episode not in ACTED],
)

# For each task, which examples and classes it really has: padding stands anywhere.
SUPPORT_KEPT = {
    4: [[1, 1, 1, 1], [0, 1, 0, 1], [1, 0, 1, 1]],
    6: [[1, 1, 1, 1, 1, 1], [0, 1, 1, 1, 0, 0], [1, 0, 1, 1, 0, 1]],
}
QUERY_KEPT = {
    5: [[1, 0, 1, 1, 1], [1, 1, 1, 1, 1], [0, 1, 1, 0, 1]],
    6: [[1, 1, 0, 1, 1, 1], [1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]],
}
KEPT_IN_FRONT = {
    4: [[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]],
    5: [[1, 1, 1, 1, 0], [1, 1, 1, 1, 1], [1, 1, 1, 0, 0]],
    6: [[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 0]],
}
OWN_WAYS = [3, 2, 3]


def padded(case: Case) -> Episode:
    """Unequal shots, ways and queries, with numbers in the padding that nobody may look at."""
    episode = case.episode()

    def pad(examples: Examples, kept: Mapping[int, list[list[int]]]) -> Examples:
        rows = kept[examples.y.shape[1]]
        if case.noise_by_place:
            rows = KEPT_IN_FRONT[examples.y.shape[1]]
        weight = torch.tensor(rows).to(examples.x)
        x, y = examples.x.clone(), examples.y.clone()
        x[weight == 0] = 3.0
        y[weight == 0] = 0
        return Examples(x, y, weight)

    info = dict(episode.info)
    if "classes" in info:
        there = torch.arange(episode.ways or 0) < torch.tensor(OWN_WAYS).unsqueeze(1)
        info["classes"] = info["classes"].masked_fill(~there, -1)
    support, query = pad(episode.support, SUPPORT_KEPT), pad(episode.query, QUERY_KEPT)
    return Episode(support, query, episode.seed, episode.ways, info)


def unpadded(learner: Learner, episode: Episode, task: int) -> tuple[Episode, int | None]:
    """One task of it without any padding, and its ways."""

    def cut(examples: Examples) -> Examples:
        kept = examples.weight[task] > 0
        return Examples(examples.x[task : task + 1, kept], examples.y[task : task + 1, kept])

    support, query = cut(episode.support), cut(episode.query)
    seed = episode.seed[task : task + 1]
    if episode.ways is None:
        return Episode(support, query, seed), None
    ways = OWN_WAYS[task]
    info = {"classes": episode.info["classes"][task : task + 1, :ways]}
    if "unlabelled" in episode.info:
        info["unlabelled"] = episode.info["unlabelled"][task : task + 1]
    declared = episode.ways if isinstance(learner, MetaNet) else ways  # built for as many ways
    return Episode(support, query, seed, declared, info), ways


@cases_with_examples
def test_padded_tasks_give_what_each_gives_alone(case: Case) -> None:
    learner, episode = case.build(), padded(case)
    together = learner.meta_gradient(episode)
    alone = [
        learner.meta_gradient(unpadded(learner, episode, task)[0]) for task in range(len(episode))
    ]
    torch.testing.assert_close(together.losses, torch.cat([a.losses for a in alone]), **CLOSELY)
    mean = {n: sum(a.gradients[n] for a in alone) / len(alone) for n in together.gradients}
    assert_same(together.gradients, mean, **CLOSELY)


@cases_with_examples
@pytest.mark.parametrize("inductive", [False, True], ids=["transductive", "inductive"])
def test_padded_tasks_predict_what_each_predicts_alone(case: Case, inductive: bool) -> None:
    learner, episode = case.build().eval(), padded(case)
    learner.inductive = inductive
    path = run(learner, episode)
    for task in range(len(episode)):
        own, ways = unpadded(learner, episode, task)
        kept = episode.query.weight[task] > 0
        own_path = run(learner, own)
        assert len(own_path) == len(path) or isinstance(learner, BY_PART)
        own_path += own_path[-1:] * (len(path) - len(own_path))  # and padding comes last
        for together, alone in zip(path, own_path, strict=True):
            found = predict(learner, together, episode)[task : task + 1, kept]
            expected = predict(learner, alone, own)
            torch.testing.assert_close(found[..., :ways], expected[..., :ways], **CLOSELY)
            if "loss" in together.seen and together.step == alone.step:
                torch.testing.assert_close(
                    together.seen["loss"][task], alone.seen["loss"][0], **CLOSELY
                )


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in CASES
        if name.startswith(("Fine", "Matching", "Proto", "MetaNet", "MANN")) or name == "SNAIL"
    ],
)
def test_a_class_that_is_not_there_is_never_predicted(name: str) -> None:
    case = CASES[name]
    learner, episode = case.build().eval(), padded(case)
    chances = predict(learner, run(learner, episode)[-1], episode).softmax(dim=-1)
    assert (chances[1, :, 2] < 1e-12).all()  # the second task has two ways
    assert (chances[[0, 2]][..., 2] > 0).all()
