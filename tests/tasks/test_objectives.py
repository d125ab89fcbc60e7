"""Objectives and metrics: standard ones, your own, and what is refused."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from workbench.algorithms import MAML
from workbench.algorithms.gradient.finetune import FineTuningSettings
from workbench.algorithms.gradient.maml import MAMLSettings
from workbench.errors import UserError
from workbench.inspection import Tape, curvature_frame
from workbench.inspection.agreement import shot_gradients
from workbench.models import MLP
from workbench.tasks import Episode, Examples, Shape, load_episode, open_tasks, save_episode
from workbench.tasks.families.sinusoid import FAMILIES, Curves
from workbench.tasks.objectives import CrossEntropy, Metric, SquaredError, standard
from workbench.tasks.sampler import ClassBank, ClassSplit, FewShot


@dataclass(frozen=True)
class Absolute:
    """Absolute error of numbers."""

    power: float = 1.0
    metrics = (Metric("off", "lower", "", 2.0, lambda p, e: e.mean((p - e.y).abs().mean(-1))),)

    def losses(self, prediction: Tensor, examples: Examples) -> Tensor:
        return (prediction - examples.y).abs().pow(self.power).mean(dim=-1)


class Lines(Curves):
    objective = Absolute(1.5)

    def __init__(self) -> None:
        super().__init__("sinusoid", "maml", FAMILIES["sinusoid", "maml"])


SHAPE = Shape(ways=1, shots=5, queries=5)


def test_the_standard_ones_are_those_of_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.zeros(2, 3, 1)
    classes = torch.tensor([[0, 1, 2], [2, 2, 1]])
    logits = torch.randn(2, 3, 3, generator=generator)
    found = CrossEntropy().losses(logits, Examples(x, classes))
    expected = F.cross_entropy(logits.flatten(0, 1), classes.flatten(), reduction="none")
    torch.testing.assert_close(found, expected.view(2, 3))
    y = torch.randn(2, 3, 2, generator=generator)
    guess = torch.randn(2, 3, 2, generator=generator)
    torch.testing.assert_close(
        SquaredError().losses(guess, Examples(x, y)), (guess - y).square().mean(-1)
    )
    assert [standard(k).metrics[0].name for k in ("classification", "regression", "control")] == [
        "accuracy",
        "mse",
        "reward",
    ]


def test_an_episode_knows_what_it_is_judged_by_whatever_is_done_with_it(tmp_path: Any) -> None:
    tasks = Lines()
    episode = tasks.sample(4, seed=0, shape=SHAPE)
    loaded = load_episode(save_episode(tmp_path / "mine.episode", episode))
    for same in (
        episode,
        episode[1:3],
        episode.split(2)[1],
        episode.to(dtype=torch.float64),
        episode.with_tensors(episode.tensors()),
        replace(episode, info={}),
        loaded,
    ):
        assert same.objective == Absolute(1.5)
        assert same.kind == "regression"
    plain = open_tasks("sinusoid").sample(2, seed=0)
    assert plain.objective is standard("regression")
    assert dataclasses.replace(plain, seed=plain.seed + 1).objective is plain.objective


def test_whole_numbers_need_not_be_classes() -> None:
    x, y = torch.zeros(1, 2, 1), torch.tensor([[3, 7]])
    examples = Examples(x, y)
    seed = torch.tensor([0])
    assert Episode(examples, examples, seed).kind == "classification"
    assert Episode(examples, examples, seed, objective=Absolute()).kind == "regression"
    assert Episode(examples, examples, seed, 8, objective=Absolute()).kind == "classification"


def test_one_that_a_file_cannot_hold_is_said_where_it_is_missed(tmp_path: Any) -> None:
    class Local(Absolute):
        pass

    episode = replace(Lines().sample(2, seed=0, shape=SHAPE), objective=Local())
    loaded = load_episode(save_episode(tmp_path / "mine.episode", episode))
    with pytest.raises(UserError, match="judged by .*Local, which its file only names: give it"):
        loaded.loss(torch.zeros(2, 5, 1), loaded.query)
    again = load_episode(save_episode(tmp_path / "again.episode", loaded))
    mended = replace(again, objective=Local())
    assert mended.loss(torch.zeros(2, 5, 1), mended.query).shape == (2,)
    with pytest.raises(UserError, match="Local, which its file only names"):
        again.check()


def test_inner_and_outer_loss_curvature_and_agreement_are_of_the_objective() -> None:
    torch.manual_seed(0)
    episode = Lines().sample(2, seed=0, shape=SHAPE).to(dtype=torch.float64)
    learner = MAML(nn.Linear(1, 1).double(), MAMLSettings(test_steps=1)).eval()
    tape = Tape.record(learner, episode)
    support = episode.support

    def loss(weight: Tensor, bias: Tensor) -> Tensor:
        error = support.x[0] @ weight.T + bias - support.y[0]
        return error.abs().pow(1.5).mean()

    theta = (learner.model.weight, learner.model.bias)
    gradients = torch.autograd.grad(loss(*theta), theta)
    moved = theta[0] - learner.settings.inner_rate * gradients[0]
    torch.testing.assert_close(tape[1].values["weights.weight"][0], moved)
    hessian = torch.func.hessian(loss, argnums=(0, 1))(*theta)
    flat = torch.tensor([[float(h.detach()) for h in row] for row in hessian])
    frame = curvature_frame(learner, episode, [tape[0]], count=2)
    ranked = frame[(frame["task"] == 0) & (frame["part"] == "support")]["eigenvalue"]
    largest = torch.linalg.eigvalsh(flat.double()).flip(0)
    torch.testing.assert_close(torch.tensor(ranked.to_numpy()), largest, rtol=1e-4, atol=1e-6)
    shots = shot_gradients(learner, episode, tape[0], task=0)
    mean = torch.stack([g["weight"][0] for g in shots]).mean(dim=0)
    torch.testing.assert_close(mean, gradients[0])


class Learned(nn.Module):
    """A loss with a parameter of its own."""

    metrics = Absolute.metrics

    def __init__(self) -> None:
        super().__init__()
        self.bent = nn.Parameter(torch.tensor(0.5))

    def losses(self, prediction: Tensor, examples: Examples) -> Tensor:
        error = (prediction - examples.y).square()
        return (error * (1 + self.bent * error)).mean(dim=-1)


class Learning(MAML):
    """Descends a learned loss and is judged by the tasks' own."""

    def __init__(self, loss: Learned, rematerialise: bool = False) -> None:
        super().__init__(MLP(1, 1, hidden=(4,)), MAMLSettings(rematerialise=rematerialise))
        self.descended = loss

    def support_loss(self, weights: Any, adapted: Any, episode: Episode) -> Tensor:
        return super().support_loss(weights, adapted, replace(episode, objective=self.descended))


@pytest.mark.parametrize("rematerialise", [False, True])
def test_the_parameters_of_a_loss_that_a_learner_holds_are_meta_parameters(
    rematerialise: bool,
) -> None:
    torch.manual_seed(0)
    learner = Learning(Learned(), rematerialise).double()
    episode = open_tasks("sinusoid").sample(3, seed=0, shape=SHAPE).to(dtype=torch.float64)
    found = learner.meta_gradient(episode).gradients["descended.bent"]
    values = []
    for width in (1e-5, -1e-5):
        with torch.no_grad():
            learner.descended.bent += width
            values.append(float(learner(episode).mean()))
            learner.descended.bent -= width
    assert float(found) == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-5)


def test_the_parameters_of_a_loss_that_tasks_hold_are_not() -> None:
    tasks, learner = Lines(), MAML(MLP(1, 1))
    tasks.objective = Learned()
    gradients = learner.meta_gradient(tasks.sample(2, seed=0, shape=SHAPE)).gradients
    assert not [name for name in gradients if "bent" in name]


class NoMetrics:
    def losses(self, prediction: Tensor, examples: Examples) -> Tensor:
        return prediction


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        (object(), "object has no losses"),
        (Absolute, "Absolute has no losses.* give an object of a class"),
        (NoMetrics(), "NoMetrics has no metrics: give it a tuple"),
        (type("Bare", (NoMetrics,), {"metrics": ("mse",)})(), "metric 'mse': make it a Metric"),
        (type("Two", (NoMetrics,), {"metrics": Absolute.metrics * 2})(), "two metrics of one name"),
    ],
)
def test_what_cannot_judge_is_refused(objective: Any, words: str) -> None:
    episode = replace(open_tasks("sinusoid").sample(2, seed=0), objective=objective)
    with pytest.raises(UserError, match=words):
        episode.check()


def test_mistakes_in_a_metric_are_said() -> None:
    good = Absolute.metrics[0].measure
    with pytest.raises(UserError, match="cannot be named 'loss'"):
        Metric("loss", "lower", "", None, good)
    with pytest.raises(UserError, match="off is better 'up': say lower or higher"):
        Metric("off", "up", "", None, good)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="give a function of"):
        Metric("off", "lower", "", None, 3)  # type: ignore[arg-type]
    whole = Metric("off", "lower", "", None, lambda p, e: p.mean())
    with pytest.raises(UserError, match=r"off measured \[\] of 2 tasks: return one number a task"):
        whole(torch.zeros(2, 5, 1), None)
    examples = Examples(torch.zeros(2, 5, 1), torch.zeros(2, 5, 1))
    wrong = type("Wrong", (Absolute,), {"losses": lambda self, p, e: p.mean(dim=(1, 2))})()
    episode = Episode(examples, examples, torch.arange(2), objective=wrong)
    with pytest.raises(UserError, match=r"Wrong.losses gave \[2\] for examples \[2, 5\]"):
        episode.loss(torch.zeros(2, 5, 1), examples)


def test_tasks_and_their_episodes_cannot_disagree() -> None:
    class Torn(Lines):
        objective = SquaredError()

        def sample(self, *arguments: Any, **options: Any) -> Episode:
            return replace(super().sample(*arguments, **options), objective=Absolute())

    with pytest.raises(UserError, match="Torn samples tasks judged by Absolute, and its own"):
        Torn().sample(2, seed=0)


def test_what_guessing_reaches_follows_the_ways() -> None:
    digits = open_tasks("digits")
    assert digits.measure(Shape(2, 1, 1)).chance == 0.5
    assert digits.measure(Shape((2, 3), 1, 1)).chance is None
    assert Lines().measure(SHAPE).chance == 2.0


# ---- inputs of whole numbers ---------------------------------------------------------------------


class Words(nn.Module):
    """The mean of a sentence's word vectors, and a head where there is one."""

    def __init__(self, outputs: int | None) -> None:
        super().__init__()
        self.vectors = nn.Embedding(12, 6)
        self.head = nn.Identity() if outputs is None else nn.Linear(6, outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.vectors(tokens).mean(dim=-2))


@dataclass(frozen=True)
class WordsSettings:
    def build(self, input_shape: tuple[int, ...], outputs: int | None) -> nn.Module:
        return Words(outputs)


def sentences() -> FewShot:
    """Classes that each have words of their own."""
    dice = torch.Generator().manual_seed(0)
    own = [torch.randint(2 * k, 2 * k + 3, (8, 5), generator=dice) for k in range(5)]
    bank = ClassBank(torch.cat(own), torch.full((5,), 8), tuple("abcde"), scale=None)
    split = ClassSplit.of([0, 1, 2, 3, 4])
    return FewShot(bank, {"train": split}, name="sentences", scheme="mine")


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("settings", [MAMLSettings(), FineTuningSettings()])
def test_inputs_may_be_whole_numbers(settings: Any, padded: bool) -> None:
    tasks = sentences()
    shape = Shape((2, 3), 2, 2) if padded else Shape(3, 2, 2)
    episode = tasks.sample(4, seed=0, shape=shape)
    assert episode.support.x.dtype == torch.int64
    learner = settings.build(WordsSettings(), tasks.spec(shape))
    assert torch.isfinite(learner.meta_gradient(episode).losses).all()
    learner.eval()
    tape = Tape.record(learner, episode, steps=2)
    for kind in ("examples", "steps", "predictions", "influence", "norms"):
        if kind != "norms" or isinstance(settings, MAMLSettings):
            assert len(tape.frame(kind))
