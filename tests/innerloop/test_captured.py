"""Capture without a GPU: all but the graph itself, for which a function's replay stands in."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from workbench.innerloop import Captured
from workbench.innerloop.captured import apart
from workbench.innerloop.certified import Function
from workbench.tasks import Shape
from workbench.training import Experiment, Trainer, preset
from workbench.training.checkpoints import read_checkpoint, save_checkpoint


class Graph:
    """Stands in for a CUDA graph: replays a function on tensors that stay where they are."""

    def __init__(self, function: Function, inputs: list[Tensor]) -> None:
        self.function, self.inputs = function, inputs
        self.outputs = apart(function(inputs), inputs)

    def replay(self) -> None:
        for own, new in zip(self.outputs, self.function(self.inputs), strict=True):
            own.copy_(new)


class OnCPU(Captured):
    """Captured in all but the GPU."""

    made = 0

    def refusal(self) -> str | None:
        return None

    def _graph_of(self, function: Function, tensors: Sequence[Tensor]) -> Any:
        self.made += 1
        stay = [t.detach() for t in tensors[: self.staying]]
        inputs = [*stay, *(t.detach().clone() for t in tensors[self.staying :])]
        graph = Graph(function, inputs)
        return [t.data_ptr() for t in stay], inputs, graph, graph.outputs


CPU = torch.device("cpu")


def times(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [tensors[0] * tensors[1], tensors[1]]


def test_what_stays_is_read_in_place_and_what_comes_is_copied_in() -> None:
    weight, x = torch.full((2,), 3.0), torch.ones(2)
    way = OnCPU(CPU, 1)
    run = way.ready(times, [weight, x])
    weight.mul_(2)  # as an optimizer does
    first = run([weight, 2 * x])
    assert [t.tolist() for t in first] == [[12.0, 12.0], [2.0, 2.0]]
    run([weight, x])
    assert [t.tolist() for t in first] == [[12.0, 12.0], [2.0, 2.0]]  # they were copied out
    assert way.made == 1


def test_where_what_stays_has_moved_it_is_captured_anew() -> None:
    weight, x = torch.full((2,), 3.0), torch.ones(2)
    way = OnCPU(CPU, 1)
    run = way.ready(times, [weight, x])
    another = torch.full((2,), 5.0)
    assert run([another, x])[0].tolist() == [5.0, 5.0]
    assert weight.tolist() == [3.0, 3.0]
    assert way.made == 2


def test_results_in_passing_are_those_of_the_last_replay() -> None:
    weight, x = torch.full((2,), 3.0), torch.ones(2)
    run = OnCPU(CPU, 1, passing=True).ready(times, [weight, x])
    first = run([weight, x])
    second = run([weight, 4 * x])
    assert first[0] is second[0]
    second[1].zero_()  # is a result that was an input, and no way into the graph's
    assert run([weight, x])[0].tolist() == [3.0, 3.0]
    assert x.tolist() == [1.0, 1.0]


def small(name: str, **more: Any) -> Experiment:
    base = preset(name).stretched(12)
    settings = dataclasses.replace(
        base.training,
        tasks=4,
        validation_tasks=4,
        compiled="off",
        **{"captured": "on", "clip": 0.5, "penalty": 0.01, **more},
    )
    found = dataclasses.replace(base, training=settings)
    return dataclasses.replace(found, test=Shape(1, 5, 10)) if name.startswith("sin") else found


@pytest.mark.parametrize("chunk", [0, 3])
@pytest.mark.parametrize("name", ["sinusoid-maml", "bandit-rl2"])
def test_a_training_has_the_bits_of_an_eager_one_and_resumes(
    name: str, chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.training.execution.Captured", OnCPU)
    experiment = small(name, tasks_per_chunk=chunk)
    whole = Trainer(experiment)
    assert whole.meta_gradients.path == "captured", whole.meta_gradients.note
    eager = Trainer(small(name, tasks_per_chunk=chunk, captured="off"))
    for trainer in (whole, eager):
        for _ in range(3):
            trainer.update()
        trainer.validate()
    save_checkpoint(tmp_path / "it", whole.checkpoint())
    again = Trainer(experiment, path="captured")
    again.restore(read_checkpoint(tmp_path / "it"), "it")
    for trainer in (whole, eager, again):
        for _ in range(3):
            trainer.update()
    expected = eager.checkpoint().tensors
    for trainer in (whole, again):
        for key, tensor in trainer.checkpoint().tensors.items():
            assert torch.equal(tensor, expected[key]), key
