"""Mistakes in Python get one sentence that says what, where and how to mend it."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import nn

from workbench import UserError
from workbench.algorithms import MAML, MAMLSettings, MatchingSettings, Prototypical, adapt
from workbench.innerloop import InnerOptimizer
from workbench.models import MLP, Conv4, Conv4Settings, MLPSettings
from workbench.tasks import Episode, Examples, Shape, open_tasks
from workbench.training import TrainingSettings, evaluate, preset

NAN = float("nan")


def curves() -> Episode:
    return open_tasks("sinusoid").sample(2, seed=0)


def digits(ways: int = 2) -> Episode:
    return open_tasks("digits").sample(2, seed=0, shape=Shape(ways, 1, 2))


def changed(episode: Episode, y: Callable[[torch.Tensor], torch.Tensor]) -> Episode:
    support, query = (Examples(e.x, y(e.y)) for e in (episode.support, episode.query))
    return Episode(support, query, episode.seed, episode.ways)


SINE, DIGIT = MAML(MLP(1, 1)), MAML(MLP(64, 2))

MISTAKES: dict[str, tuple[Callable[[], object], str]] = {
    "inner optimizer": (lambda: InnerOptimizer("adma"), "did you mean 'adam'"),  # type: ignore[arg-type]
    "epsilon": (lambda: InnerOptimizer("adam", eps=NAN), "eps is nan"),
    "decay": (lambda: InnerOptimizer(weight_decay=-1.0), "cannot be negative"),
    "order": (lambda: MAMLSettings(order="frist"), "did you mean 'first'"),  # type: ignore[arg-type]
    "rates": (lambda: MAMLSettings(rates="layers"), "did you mean 'layer'"),  # type: ignore[arg-type]
    "inner rate": (lambda: MAMLSettings(inner_rate=NAN), "inner_rate is nan"),
    "half a step": (lambda: MAMLSettings(train_steps=1.5), "whole number"),  # type: ignore[arg-type]
    "looks": (lambda: MatchingSettings(looks="two"), "whole number"),  # type: ignore[arg-type]
    "pooling": (lambda: Conv4Settings(pooling="maxx"), "did you mean 'max'"),  # type: ignore[arg-type]
    "activation": (lambda: MLPSettings(activation="rleu"), "did you mean 'relu'"),  # type: ignore[arg-type]
    "pooling of the net": (lambda: Conv4((1, 16, 16), 2, pooling="maxx"), "did you mean 'max'"),  # type: ignore[arg-type]
    "activation of the net": (lambda: MLP(1, 1, activation="rleu"), "did you mean 'relu'"),  # type: ignore[arg-type]
    "compiled": (lambda: TrainingSettings(compiled="yes"), "choose one of auto, off, on"),  # type: ignore[arg-type]
    "iterations": (lambda: TrainingSettings(iterations=2.5), "whole number"),  # type: ignore[arg-type]
    "ways": (lambda: Shape(ways=2.5), "ways is 2.5"),  # type: ignore[arg-type]
    "shots": (lambda: Shape(shots="5"), "shots is '5': it must be a whole number"),  # type: ignore[arg-type]
    "three shots": (lambda: Shape(shots=(1, 2, 3)), "or 2 whole numbers"),  # type: ignore[arg-type]
    "control": (lambda: MAML(MLP(1, 1))(open_tasks("bandit").sample(2, seed=0)), "other tasks"),
    "classes": (lambda: Prototypical(MLP(1, None)).begin(curves()), "tasks have none"),
    "ways of own": (
        lambda: Prototypical(MLP(64, None))(replace(digits(), ways=None)),
        "give it ways",
    ),
    "kind": (lambda: Prototypical(MLP(1, None))(curves()), "learns classification and .* other ta"),
    "input size": (lambda: MAML(MLP(3, 1))(curves()), "inputs of this size"),
    "channels": (lambda: MAML(nn.Sequential(nn.Conv2d(3, 4, 3)))(digits()), "of this size"),
    "image size": (lambda: MAML(Conv4((1, 28, 28), 2, 4, "stride"))(digits()), "of this size"),
    "outputs": (lambda: DIGIT(digits(ways=3)), "3 ways: give it more outputs"),
    "flat targets": (lambda: SINE(changed(curves(), lambda y: y[..., 0])), r"\[task, example, si"),
    "classes as numbers": (lambda: DIGIT(changed(digits(), torch.Tensor.float)), "where they are"),
    "short classes": (lambda: DIGIT(changed(digits(), torch.Tensor.int)), "torch.int64"),
    "precision": (lambda: SINE(curves().to(dtype=torch.float64)), "to one precision"),
    "no tasks": (lambda: evaluate(SINE, "sinusoid", Shape(1, 5)), "a str is no tasks"),  # type: ignore[arg-type]
    "a pair for tasks": (lambda: evaluate(SINE, (1, 2), Shape(1, 5)), "a tuple is no tasks"),  # type: ignore[arg-type]
    "no episode": (lambda: list(adapt(SINE, (1, 2))), "this is a tuple: sample one"),  # type: ignore[arg-type]
    "no parameters": (lambda: MAML(nn.Flatten()), "has no trainable parameters"),
    "tasks of an experiment": (
        lambda: replace(preset("sinusoid-maml"), tasks=(1, 2)),  # type: ignore[arg-type]
        "a tuple is no tasks: .* by tasks_from",
    ),
    "no queries": (
        lambda: evaluate(SINE, open_tasks("sinusoid"), Shape(1, 5, 0), episodes=4),
        "ask for at least 1",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_a_sentence(name: str) -> None:
    make, message = MISTAKES[name]
    with pytest.raises(UserError, match=message) as error:
        make()
    assert "\n" not in str(error.value)
