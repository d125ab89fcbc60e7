"""Without a GPU: whether a meta-gradient stays on its device, as a CUDA graph needs it.

The device `meta` holds no numbers: what reads one fails there, and what is made on the CPU first
shows in a copy from one device to the other.
"""

from __future__ import annotations

from typing import Any

import pytest
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tests.algorithms.cases import CASES
from workbench.training.execution import MetaGradients

# Those that look at a number, or bring one along, at every step; a GPU runs them eagerly.
READING = {
    "Genetic", "Genetic, rates per step", "CMA-ES", "CMA-ES, no rates", "MAML-RL",
    "MAML-RL, choices", "Task memory", "Task memory, classes", "Neural optimizer, moments",
    "OML", "OML, a deep prediction network", "OML, first order", "OML, Conv4", "ANML",
    "Prototypes of a stream",
}  # fmt: skip


class OneDevice(TorchDispatchMode):
    """Refuses what copies from one device to another."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        tensors = [t for t in (*args, found) if isinstance(t, Tensor)]
        if "copy" in str(func) and len({t.device for t in tensors}) > 1:
            raise RuntimeError(f"{func} copies from one device to another")
        return found


@pytest.mark.parametrize("name", CASES)
@pytest.mark.usefixtures("double")
def test_a_meta_gradient_stays_on_its_device(name: str) -> None:
    learner, episode = CASES[name].build(), CASES[name].episode()
    note = MetaGradients(learner, compiled="on").note
    if note is not None:
        assert "changes while it is trained" in note
        return  # is not captured
    episode.check()
    moved = {key: tensor.to("meta") for key, tensor in episode.tensors().items()}
    there = episode.with_tensors(moved, checked=True)
    learner = learner.to("meta")
    if name in READING:
        with OneDevice(), pytest.raises(RuntimeError, match=r"item|copies"):
            learner.estimator(learner, there, None)
    else:
        with OneDevice():
            learner.estimator(learner, there, None)
