"""What is inspected of a branch is what it did: its first steps by the settings of then."""

from __future__ import annotations

import pytest
import torch

from workbench.algorithms import MAML, MAMLSettings
from workbench.errors import UserError
from workbench.innerloop import InnerOptimizer
from workbench.inspection import Tape, anatomy, varied
from workbench.inspection.kinds import KINDS
from workbench.models import MLP
from workbench.tasks import Shape, open_tasks


@pytest.fixture
def tape():
    torch.manual_seed(0)
    learner = MAML(MLP(1, 1, hidden=(8, 8)), MAMLSettings(inner_rate=0.05)).double().eval()
    episode = open_tasks("sinusoid").sample(2, seed=1, split="test", shape=Shape(1, 4, 6))
    return Tape.record(learner, episode.to(dtype=torch.float64), steps=3)


def by_hand(tape: Tape, at: int, changes: dict) -> dict[str, torch.Tensor]:
    """The meta-gradient with both learners called in turn."""
    learner, episode = tape.learner, tape.episode
    steps = {"train_steps": tape.steps, "test_steps": tape.steps}
    before, after = varied(learner, **steps), varied(learner, **steps, **changes)
    adapted = before.begin(episode)
    for _ in range(at):
        adapted = before.step(adapted, episode)
    if "optimizer" in changes:
        adapted = type(adapted)(
            {n: t for n, t in adapted.values.items() if not n.startswith("optimizer.")},
            adapted.seen,
            adapted.step,
        )
    for _ in range(at, tape.steps):
        adapted = after.step(adapted, episode)
    loss = after.meta_loss([adapted], episode).mean()
    names, parameters = zip(*learner.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(loss, parameters), strict=True))


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize(
    "changes",
    [{"inner_rate": 0.3}, {"optimizer": InnerOptimizer("adam")}, {"clip": 0.01}],
    ids=["rate", "optimizer", "clip"],
)
def test_the_meta_gradient_of_a_branch_goes_through_what_was_done(tape, at, changes):
    branch = tape.branch(at, **changes)
    assert isinstance(branch.learner, MAML)
    wanted = by_hand(tape, at, changes)
    parts = anatomy(branch.learner, branch.episode, list(branch))
    for name, gradient in wanted.items():
        total = parts.first_order[name] + sum(c[name] for c in parts.corrections.values())
        torch.testing.assert_close(total, gradient, rtol=1e-9, atol=1e-12)
    again = varied(branch.learner, test_steps=tape.steps).meta_gradient(branch.episode).gradients
    for name, gradient in wanted.items():
        torch.testing.assert_close(again[name], gradient, rtol=1e-9, atol=1e-12)


def test_a_branch_of_a_branch_remembers_both(tape):
    second = tape.branch(1, inner_rate=0.3).branch(2, inner_rate=0.1)
    values = [tape[1], tape.branch(1, inner_rate=0.3)[2]]
    assert torch.equal(second[1].values["weights.head.bias"], values[0].values["weights.head.bias"])
    assert torch.equal(second[2].values["weights.head.bias"], values[1].values["weights.head.bias"])
    adapted = second.learner.begin(tape.episode)
    for expected in list(second)[1:]:
        adapted = second.learner.step(adapted, tape.episode)
        assert torch.equal(
            adapted.values["weights.head.bias"], expected.values["weights.head.bias"]
        )


def test_a_branch_with_other_examples_refuses_what_it_cannot_say(tape):
    other = open_tasks("sinusoid").sample(2, seed=2, split="test", shape=Shape(1, 4, 6))
    other = other.to(dtype=torch.float64)
    branch = tape.branch(2, episode=other)
    for kind in sorted(name for name, one in KINDS.items() if one.cost == "adapts anew"):
        with pytest.raises(UserError, match="branch at step 0"):
            branch.frame(kind)
    assert len(branch.frame("steps")) > 0
    with pytest.raises(UserError, match="branch at step 0"):
        branch.branch(3, inner_rate=0.3).frame("flow")
    assert len(tape.branch(0, episode=other).frame("flow")) > 0
