"""A setting is what it says: an adaptation follows the live ones, and only they are offered."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
import torch
from torch import nn

from tests.algorithms.cases import CASES, Case
from workbench.algorithms import Adapted, Learner, adapt, last
from workbench.algorithms.capabilities import live_settings
from workbench.errors import UserError
from workbench.fields import Live, Range, check_fields, live_fields
from workbench.innerloop import InnerOptimizer
from workbench.inspection import varied
from workbench.inspection.variation import reset
from workbench.tasks import Episode
from workbench.widgets import Session, Stage

COSTS = ("rematerialise",)  # declared to matter for time and memory only

OTHER: dict[str, Any] = {
    "inner_rate": lambda old: 1.5 * old,
    "train_steps": lambda old: old + 1,
    "test_steps": lambda old: old + 1,
    "order": lambda old: "first" if old == "second" else "second",
    "truncate": lambda old: old + 1,
    "optimizer": lambda old: InnerOptimizer(
        "sgd" if getattr(old, "kind", "sgd") == "adam" else "adam"
    ),
    "clip": lambda old: 1e-3,
    "rematerialise": lambda old: not old,
    "proximal": lambda old: 0.5,
    "batch": lambda old: old - 1 if old else 2,
    "floor": lambda old: 0.1,
    "augment": lambda old: old + 1,
    "free_rate": lambda old: 2 * old,
    "kept": lambda old: old + 1,
    "passes": lambda old: old + 1,
    "reversal": lambda old: 2 * old,
    "meta_reversal": lambda old: old + 1,
    "scale": lambda old: 2 * old,
    "temperature": lambda old: 2 * old,
    "attention": lambda old: "hard" if old == "soft" else "soft",
    "distance": lambda old: "dot" if old == "euclidean" else "euclidean",
    "sampled": lambda old: 2,
    "decay": lambda old: 0.5,
    "looks": lambda old: old + 1,
    "code_steps": lambda old: old + 1,
    "tuning_steps": lambda old: old + 1,
    "later": lambda old: 0.5 * old,
    "surrogate": lambda old: "ratio" if old == "log" else "log",
    "discount": lambda old: 0.8 * old,
    "trace": lambda old: 0.7 * old,
}

# Settings beside those of the table of cases, on which it depends what others do.
MORE = {
    "MAML": [{"order": "truncated"}],
    "Task memory": [{"attention": "hard"}],
}


def shown(learner: Learner, case: Case) -> list[torch.Tensor]:
    """What an adaptation and its meta-gradient give."""
    episode = case.episode()
    with torch.no_grad():
        path = list(adapt(learner, episode))
        found = [torch.tensor(len(path))]
        found += [t for adapted in path for _, t in sorted(adapted.values.items())]
        if episode.support is not None:
            found.append(learner.predict(last(path), episode.query.x))
    gradients = learner.meta_gradient(episode)
    return [*found, *(g for _, g in sorted(gradients.gradients.items()))]


def same(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return len(a) == len(b) and all(
        x.shape == y.shape and torch.equal(x, y) for x, y in zip(a, b, strict=True)
    )


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("name", CASES)
def test_an_adaptation_follows_the_live_settings_and_those_alone_are_offered(
    name: str, training: bool, subtests: Any
) -> None:
    case = CASES[name]
    for changes in [{}, *MORE.get(name, [])]:
        if training and getattr(case.settings, "train_steps", None) == 0:
            changes = {**changes, "train_steps": 2}  # without a step there is nothing to follow
        learner = case.build(**changes).double().train(training)
        settings: Any = learner.settings
        marked, offered = live_fields(type(settings)), live_settings(learner)
        assert set(offered) <= set(marked)
        before = shown(learner, case)
        for field in dataclasses.fields(settings):
            old = getattr(settings, field.name)
            with subtests.test(field.name, **changes):
                if field.name not in marked:
                    with pytest.raises(UserError, match=f"no setting '{field.name}'"):
                        varied(learner, **{field.name: old})
                    continue
                change = {field.name: OTHER[field.name](old)}
                if field.name not in offered:  # live, but not of this learner as it was made
                    with contextlib.suppress(UserError):  # to move what is no image
                        assert same(before, shown(reset(learner, **change), case))
                elif field.name in COSTS:
                    after = shown(varied(learner, **change), case)
                    torch.testing.assert_close(after, before, rtol=1e-10, atol=1e-12)
                else:
                    assert not same(before, shown(varied(learner, **change), case))


def test_what_was_falsely_offered_is_gone() -> None:
    attention = CASES["Attention, soft"].build()
    assert live_settings(attention) == []
    assert live_settings(CASES["MANN"].build()) == ["decay"]
    assert "sampled" in live_settings(CASES["MetaNet"].build())
    assert "looks" not in live_settings(CASES["Matching"].build())
    assert "inner_rate" not in live_settings(CASES["Meta-SGD"].build())
    assert "share" not in live_settings(CASES["Task memory"].build())  # only `update` follows it


@dataclass(frozen=True)
class MineSettings:
    """A user's own."""

    sharpness: Annotated[float, Range(above=0), Live()] = 1.0  # what distances are multiplied by
    start: Annotated[float, Range(0)] = 0.5  # where a parameter starts

    def __post_init__(self) -> None:
        check_fields(self, "learner")


class Mine(Learner):
    """Sharpened distances to class means of the inputs themselves."""

    kinds = ("classification",)

    def __init__(self, settings: MineSettings) -> None:
        super().__init__()
        self.settings = settings
        self.scale = nn.Parameter(torch.tensor(settings.start))

    def begin(self, episode: Episode) -> Adapted:
        empty = self.scale.new_zeros(
            len(episode), episode.ways or 0, episode.support.x[0, 0].numel()
        )
        return Adapted({"means": empty})

    def step(self, adapted: Adapted, episode: Episode) -> Adapted:
        labels = nn.functional.one_hot(episode.support.y, episode.ways or 0).to(self.scale)
        total = labels.mT @ episode.support.x.flatten(2)
        return Adapted({"means": total / labels.sum(1).unsqueeze(-1)}, {}, adapted.step + 1)

    def predict(
        self, adapted: Adapted, x: torch.Tensor, weight: torch.Tensor | None = None
    ) -> torch.Tensor:
        apart = torch.cdist(x.flatten(2), adapted.values["means"])
        return -self.settings.sharpness * self.scale * apart

    def steps(self, episode: Episode) -> int:
        return 1


def test_panels_offer_the_live_settings_of_one_s_own_method() -> None:
    mine = Mine(MineSettings())
    panel = Stage(Session(mine, tasks="digits", count=1, queries=2))
    assert [c["name"] for c in panel.about["forms"]["settings"]] == ["sharpness"]
    before = panel.shown.frame("predictions")["confidence"]
    panel.shown.vary(sharpness=3.0)
    assert not before.equals(panel.shown.frame("predictions")["confidence"])
    panel.close()


def test_nested_settings_are_as_live_as_the_field_that_holds_them() -> None:
    panel = Stage(Session("sinusoid-maml", count=1, queries=2))
    names = [control["name"] for control in panel.about["forms"]["settings"]]
    assert {"inner_rate", "optimizer.kind", "clip", "test_steps"} <= set(names)
    assert not {"train_steps", "rates", "truncate"} & set(names)  # of no effect on what is shown
    panel.close()
