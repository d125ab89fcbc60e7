"""The example of CONTRIBUTING.md: it runs as it stands, and keeps the contract."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import torch

from workbench.algorithms import adapt, last
from workbench.inspection import Tape
from workbench.models import MLP
from workbench.tasks import Shape, open_tasks


@pytest.fixture
def blocks(tmp_path, monkeypatch):
    text = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    method, use, *_ = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / "ridge.py").write_text(method, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield method, use
    sys.modules.pop("ridge", None)


def test_the_example_trains_and_is_measured(blocks):
    found: dict[str, object] = {}
    exec(blocks[1], found)
    assert found["accuracy"] > 0.6  # chance is a half


def test_the_example_keeps_the_contract(blocks):
    import ridge

    torch.manual_seed(0)
    learner = ridge.Ridge(MLP(64, None, hidden=(6,), activation="tanh")).double()
    episode = open_tasks("digits").sample(3, seed=0, shape=Shape(2, 1, 3))
    episode = episode.to(dtype=torch.float64)
    first, second = (last(adapt(learner, episode)) for _ in range(2))
    assert torch.equal(first.values["head"], second.values["head"])
    gradients = learner.meta_gradient(episode).gradients
    assert all(g.abs().max() > 0 for g in gradients.values())
    start = learner.predict(learner.begin(episode), episode.query.x)
    assert (start == 0).all()


def test_the_example_is_traced_though_its_embed_is_its_own(blocks, tmp_path):
    import ridge

    torch.manual_seed(0)
    learner = ridge.Ridge(MLP(64, None, hidden=(6,))).eval()
    episode = open_tasks("digits").sample(2, seed=0, shape=Shape(2, 1, 3))
    tape = Tape.load(Tape.record(learner, episode).save(tmp_path / "ridge.metatrace"))
    assert {"examples", "steps", "predictions", "certificate"} <= set(tape.frames)
    assert "Embeds" in tape._refused["embedding"]
