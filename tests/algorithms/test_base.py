"""What is refused where a learner is made, meets an episode, or gives its first meta-gradient."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.algorithms.cases import ACTED, CASES, WAYS, bandits, clouds, films, sines, texts
from workbench import UserError
from workbench.algorithms import (
    MAML,
    Adapted,
    AttentionLearner,
    Learner,
    MAMLSettings,
    Prototypical,
    Reptile,
    ReptileSettings,
    adapt,
    last,
)
from workbench.algorithms.values import trainable
from workbench.models import MLP, Conv4
from workbench.tasks import Episode, Examples
from workbench.training import preset
from workbench.training.execution import MetaGradients
from workbench.training.trainer import tried

pytestmark = pytest.mark.usefixtures("double")


class Mean(Learner):
    """Predicts a number of its own, which a step adds the mean of the support to."""

    def __init__(self) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.zeros(()))

    def begin(self, episode: Episode) -> Adapted:
        return Adapted({"mean": self.offset.expand(len(episode), 1, 1)})

    def step(self, adapted: Adapted, episode: Episode) -> Adapted:
        mean = adapted.values["mean"] + episode.support.y.mean(dim=1, keepdim=True)
        return Adapted({"mean": mean}, step=adapted.step + 1)

    def predict(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> Tensor:
        return adapted.values["mean"].expand(-1, x.shape[1], -1)

    def steps(self, episode: Episode) -> int:
        return 1


def bad_labels(part: str, label: int) -> Episode:
    """Classification with one label changed."""
    episode = clouds()
    examples = {name: getattr(episode, name) for name in ("support", "query")}
    y = examples[part].y.clone()
    y[1, 0] = label
    examples[part] = Examples(examples[part].x, y)
    return Episode(**examples, seed=episode.seed, ways=WAYS, info=episode.info)


classifying = pytest.mark.parametrize(
    "name", [name for name, case in CASES.items() if case.episode is clouds]
)


# ---- episodes --------------------------------------------------------------------------------


@classifying
@pytest.mark.parametrize(
    ("part", "label"), [("support", WAYS), ("support", -1), ("query", -100), ("query", WAYS + 2)]
)
def test_a_label_outside_the_ways_is_refused(name: str, part: str, label: int) -> None:
    learner = CASES[name].build()
    with pytest.raises(UserError, match=f"{part} has an example of class {label} .* {WAYS} ways"):
        list(adapt(learner, bad_labels(part, label)))
    with pytest.raises(UserError, match=f"{part} has an example of class {label}"):
        learner.meta_gradient(bad_labels(part, label))
    with pytest.raises(UserError, match=f"{part} has an example of class {label}"):
        MetaGradients(learner, compiled="on")(bad_labels(part, label))


@classifying
@pytest.mark.parametrize("label", [-1, -100, 77])
def test_padding_may_hold_any_label(name: str, label: int) -> None:
    learner, episode = CASES[name].build(), clouds()

    def padded(filling: int) -> Episode:
        parts = []
        for part in (episode.support, episode.query):
            weight = torch.ones(part.y.shape)
            weight[1, -1] = 0
            parts.append(Examples(part.x, torch.where(weight > 0, part.y, filling), weight))
        return Episode(*parts, episode.seed, WAYS, episode.info)

    expected, found = (learner.meta_gradient(padded(filling)) for filling in (0, label))
    torch.testing.assert_close(found.losses, expected.losses, rtol=1e-12, atol=1e-12)


# A Strategist's reward comes from tasks of the support that it watches.
JUDGED_BY_SUPPORT = (
    "Reptile", "Neural optimizer, LSTM", "Neural optimizer, moments", "Strategist",
)  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [n for n, c in CASES.items() if c.episode not in ACTED and n not in JUDGED_BY_SUPPORT],
)
def test_an_empty_query_is_refused_where_it_is_judged(name: str) -> None:
    case = CASES[name]
    episode = case.episode()
    query = Examples(episode.query.x[:, :0], episode.query.y[:, :0])
    if (
        "tuning" in name or "Pretrained" in name or "Rehearsal" in name
    ):  # is pre-trained on support and query
        support, query = query, query
    else:
        support = episode.support
    none = Episode(support, query, episode.seed, episode.ways, episode.info)
    with pytest.raises(UserError, match="give each task at least one query"):
        case.build().meta_gradient(none)


def test_adapting_needs_no_query() -> None:
    learner, episode = CASES["Prototypical"].build(), clouds()
    query = Examples(episode.query.x[:, :0], episode.query.y[:, :0])
    none = Episode(episode.support, query, episode.seed, WAYS)
    assert last(adapt(learner, none)).step == 1


@pytest.mark.parametrize("part", ["support", "query"])
def test_a_task_of_nothing_but_padding_is_refused(part: str) -> None:
    episode = sines()
    examples = {name: getattr(episode, name) for name in ("support", "query")}
    weight = torch.ones(examples[part].y.shape[:2])
    weight[2] = 0
    examples[part] = Examples(examples[part].x, examples[part].y, weight)
    with pytest.raises(UserError, match=f"task 2 has no {part} example"):
        CASES["MAML"].build()(Episode(**examples, seed=episode.seed))


@pytest.mark.parametrize("name", CASES)
def test_an_episode_on_another_device_is_refused(name: str) -> None:
    episode = CASES[name].episode().to("meta")
    with pytest.raises(UserError, match="the episode is on meta and .* on cpu: bring"):
        next(adapt(CASES[name].build(), episode))


@pytest.mark.parametrize(  # texts and films are whole numbers, which have no precision
    "name", [n for n, case in CASES.items() if case.episode not in (*ACTED, texts, films)]
)
def test_an_episode_of_another_precision_is_refused(name: str) -> None:
    episode = CASES[name].episode().to(dtype=torch.float32)
    with pytest.raises(UserError, match="are torch.float32 and .* weights torch.float64: bring"):
        next(adapt(CASES[name].build(), episode))


def test_parts_of_an_episode_on_two_devices_are_refused() -> None:
    episode = sines()
    apart = Examples(episode.query.x, episode.query.y.to("meta"))
    with pytest.raises(UserError, match="query.y is on meta and the episode's seed on cpu"):
        Mean()(Episode(episode.support, apart, episode.seed))


@pytest.mark.parametrize(
    "name",
    ["Prototypical", "Matching", "MetaNet", "MANN", "Attention, soft", "SNAIL",
     "Fine-tuning, linear", "RL², GRU", "SNAIL, trials"],
)  # fmt: skip
def test_a_learner_says_what_it_learns_and_refuses_the_rest(name: str) -> None:
    learner = CASES[name].build()
    for episode in (sines(), clouds(), bandits()):
        if episode.kind in learner.kinds:
            next(adapt(learner, episode))
        else:
            with pytest.raises(UserError, match=f"and these tasks are {episode.kind}: choose"):
                next(adapt(learner, episode))


@pytest.mark.parametrize("part", ["support", "query"])
def test_a_single_example_among_padding_is_refused_under_batch_norm(part: str) -> None:
    episode = sines()
    examples = {name: getattr(episode, name) for name in ("support", "query")}
    weight = torch.ones(examples[part].y.shape[:2])
    weight[1, 1:] = 0
    examples[part] = Examples(examples[part].x, examples[part].y, weight)
    padded = Episode(**examples, seed=episode.seed)
    learner = MAML(MLP(1, 1, hidden=(4,), norm=True))
    with pytest.raises(UserError, match=f"a single {part} example, which has no variance"):
        learner(padded)
    assert MAML(MLP(1, 1, hidden=(4,)))(padded).isfinite().all()
    learner.inductive = True  # then a query's statistics are those of the support
    if part == "query":
        assert learner(padded).isfinite().all()


# ---- classes of learners ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["begin", "step", "predict", "steps"])
def test_a_class_that_leaves_a_method_out_is_refused_when_it_is_made(name: str) -> None:
    methods = {k: getattr(Mean, k) for k in ("begin", "step", "predict", "steps") if k != name}
    cls = type("Half", (Learner,), methods)
    with pytest.raises(UserError, match=f"Half has no method '{name}': write it") as error:
        cls()
    assert "\n" not in str(error.value)


def test_an_abstract_class_in_between_may_leave_methods_out() -> None:
    class Between(Learner):
        @abstractmethod
        def centre(self, episode: Episode) -> Tensor:
            """The centre of each task."""

    class Whole(Between, Mean):
        def centre(self, episode: Episode) -> Tensor:
            return episode.support.y.mean(dim=1)

    with pytest.raises(UserError, match="Between has no method 'begin'"):
        Between()
    assert Whole()(sines()).shape == (3,)
    with pytest.raises(UserError, match=r"no method 'centre': write it \(The centre of each task"):
        type("Half", (Between, Mean), {})()


def test_a_number_of_steps_that_is_no_method_is_refused() -> None:
    with pytest.raises(UserError, match=r"Five.steps is no method: write def steps\(self"):
        type("Five", (Mean,), {"steps": 5})()


@pytest.mark.parametrize(
    ("method", "found", "message"),
    [
        ("step", None, "Own.step returned NoneType and not Adapted"),
        ("step", {"mean": 0.0}, "Own.step returned dict and not Adapted"),
        ("step", Adapted({}), "Own.step made step 0 of step 0"),
        ("begin", None, "Own.begin returned NoneType and not Adapted"),
    ],
)
def test_a_step_that_returns_something_else_is_refused(
    method: str, found: object, message: str
) -> None:
    cls = type("Own", (Mean,), {method: lambda *_: found})
    with pytest.raises(UserError, match=message):
        list(adapt(cls(), sines()))


# ---- meta-parameters -------------------------------------------------------------------------


class Cut(Mean):
    """A learner whose second parameter is cut off from the meta-loss."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ParameterDict({"scale": nn.Parameter(torch.ones(()))})

    def predict(self, adapted: Adapted, x: Tensor, weight: Tensor | None = None) -> Tensor:
        return self.parts["scale"].detach() * super().predict(adapted, x, weight)


def test_a_meta_parameter_without_a_gradient_is_named() -> None:
    with pytest.raises(UserError, match=r"got no gradient \(parts.scale\) and would never train"):
        Cut().meta_gradient(sines())
    with pytest.raises(UserError, match="would never train"):
        MetaGradients(Cut(), compiled="on")(sines())


def test_a_meta_parameter_that_is_declared_may_lack_its_gradient() -> None:
    declared = type("Declared", (Cut,), {"may_lack_gradient": ("parts.*",)})
    assert declared().meta_gradient(sines()).gradients["parts.scale"] == 0
    one = Cut()
    one.may_lack_gradient = ("parts.scale",)
    assert one.meta_gradient(sines()).gradients["offset"] != 0
    frozen = Cut()
    frozen.parts.requires_grad_(False)
    assert list(frozen.meta_gradient(sines()).gradients) == ["offset"]


def test_a_layer_that_is_never_used_is_named() -> None:
    class Spare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.spare = nn.Linear(1, 1), nn.Linear(1, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.used(x)

    with pytest.raises(UserError, match=r"\(model.spare.weight, model.spare.bias\)"):
        MAML(Spare()).meta_gradient(sines())


IDLE: dict[str, Callable[[], tuple[Learner, Episode]]] = {
    "biases before batch normalisation": lambda: (
        MAML(Conv4((1, 16, 16), WAYS, filters=4)),
        clouds(shape=(1, 16, 16)),
    ),
    "rates of no step": lambda: (
        MAML(MLP(1, 1), MAMLSettings(rates="layer", train_steps=0)),
        sines(),
    ),
    "attention without a base": lambda: (AttentionLearner(MLP(4, None), 40), clouds()),
}


@pytest.mark.parametrize("name", IDLE)
def test_what_is_known_to_be_idle_is_not_refused(name: str) -> None:
    learner, episode = IDLE[name]()
    assert any(bool(g.any()) for g in learner.meta_gradient(episode).gradients.values())


def test_a_meta_loss_of_no_meta_parameter_is_refused() -> None:
    constant = type("Constant", (Mean,), {"meta_loss": lambda *_: torch.zeros(3)})
    with pytest.raises(UserError, match="Constant depends on none of its meta-parameters"):
        constant().meta_gradient(sines())


def test_a_learner_with_all_frozen_is_refused() -> None:
    learner = Mean().requires_grad_(False)
    for ask in (learner.meta_gradient, MetaGradients(Mean()), lambda _: trainable(learner)):
        if isinstance(ask, MetaGradients):
            ask.learner.requires_grad_(False)
        with pytest.raises(UserError, match="no meta-parameter to train, since all that it has is"):
            ask(sines())
    assert last(adapt(learner, sines())).step == 1  # but it adapts
    with pytest.raises(UserError, match="no meta-parameter"):
        Prototypical(nn.Flatten()).meta_gradient(clouds())


def test_a_training_of_what_is_frozen_is_refused_before_it_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    experiment = preset("digits-protonet")
    build = type(experiment.learner).build

    def frozen(*arguments: object) -> Learner:
        return build(*arguments).requires_grad_(False)

    monkeypatch.setattr(type(experiment.learner), "build", frozen)
    with pytest.raises(UserError, match="has no meta-parameter to train"):
        tried(experiment)


def test_reptile_without_a_step_is_refused() -> None:
    with pytest.raises(UserError, match="ask for at least 1 step"):
        Reptile(MLP(1, 1), ReptileSettings(train_steps=0)).meta_gradient(sines())
