"""What a learner can do is what it says by its class: names that happen to be ours mean nothing."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from tests.algorithms.cases import CASES
from workbench.algorithms import Adapted, Learner
from workbench.algorithms.capabilities import Descends, Embeds, live_settings
from workbench.algorithms.memory.learner import MemoryLearner
from workbench.errors import UserError
from workbench.inspection import KINDS, Tape, varied
from workbench.tasks import Shape, open_tasks


@dataclass(frozen=True)
class Settings:
    temperature: float = 2.0  # a parameter starts there
    optimizer: str = "none of yours"


class Namesake(Learner):
    """Has a method or value of nearly every name that the package's methods use, all its own."""

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__()
        self.settings = settings
        self.scale = nn.Parameter(torch.tensor(2.0 if settings is None else settings.temperature))
        self.loop, self.before, self.model, self.learned_rates = 3, "noon", "T", "yes"

    def embed(self) -> str:
        return "a word"

    def reads(self) -> int:
        return 7

    distances = writes = support_loss = parameters_with = slot_values = embed

    def begin(self, episode):
        return Adapted({"weights.head": self.scale.new_zeros(len(episode), episode.ways)})

    def step(self, adapted, episode):
        head = adapted.values["weights.head"] + self.scale
        seen = {"gradient.head": torch.ones(len(episode)), "time": head, "usage": head}
        return Adapted({"weights.head": head}, seen, adapted.step + 1)

    def predict(self, adapted, x, weight=None):
        return adapted.values["weights.head"].unsqueeze(1).expand(-1, x.shape[1], -1) * self.scale

    def steps(self, episode):
        return 2


@pytest.mark.parametrize("settings", [None, Settings()])
def test_names_that_happen_to_be_ours_break_no_inspection(settings, tmp_path):
    learner = Namesake(settings).eval()
    episode = open_tasks("digits").sample(2, seed=0, shape=Shape(2, 1, 3))
    tape = Tape.record(learner, episode)
    assert len(Tape.load(tape.save(tmp_path / "a.metatrace"))) == 3
    assert {"examples", "steps", "predictions", "agreement"} <= set(tape.frames)
    for kind in sorted({*KINDS} - {*tape.frames}):
        with pytest.raises(UserError):
            tape.frame(kind)
    assert live_settings(learner) == []
    with pytest.raises(UserError, match="no setting 'temperature'"):
        varied(learner, temperature=3.0)
    tape.branch(1, steps=3)


def test_every_method_says_what_it_can(subtests):
    for name, case in CASES.items():
        learner = case.build()
        with subtests.test(name):
            assert isinstance(learner, Embeds) == callable(getattr(learner, "embed", None))
            said = isinstance(learner, MemoryLearner)
            assert said == callable(getattr(learner, "reads", None))
            start = learner.begin(case.episode().to(dtype=next(learner.parameters()).dtype))
            fast = any(name.startswith("weights.") for name in start.values)
            assert isinstance(learner, Descends) == fast
            fields = getattr(learner.settings, "__dataclass_fields__", {})
            assert set(live_settings(learner)) <= set(fields)


def test_a_setting_that_only_starts_a_parameter_is_not_offered():
    for name, case in CASES.items():
        if "ttention" in name:
            assert "temperature" not in live_settings(case.build())
