"""An objective with a metric of one's own, from outside: nothing of the package is touched."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from workbench.figures import draw, learning_curves, loss_by_step
from workbench.inspection import (
    Tape,
    comparison_frame,
    evaluation_frame,
    metrics_frame,
    stacked,
)
from workbench.measures import measure_in
from workbench.session.following import Followed
from workbench.tasks import Examples, Shape
from workbench.tasks.objectives import Metric
from workbench.training import compare, name_of, preset, train
from workbench.training.evaluation import evaluate


def ordered_pairs(prediction: Tensor, examples: Examples) -> Tensor:
    """The share of pairs that are in their true order."""
    guess, truth = prediction.flatten(1), examples.y.flatten(1)
    product = (guess[:, :, None] - guess[:, None]) * (truth[:, :, None] - truth[:, None])
    count = guess.shape[1] * (guess.shape[1] - 1)
    return (product > 0).to(guess).sum(dim=(1, 2)) / count


def margin(prediction: Tensor, examples: Examples) -> Tensor:
    """The mean loss once more, to be reported beside."""
    return examples.mean(Ranking().losses(prediction, examples))


@dataclass(frozen=True)
class Ranking:
    """Of two examples the greater is to be predicted greater (RankNet's loss)."""

    metrics = (
        Metric("pairs", "higher", "%", 0.5, ordered_pairs, "pairs in order"),
        Metric("margin", "lower", "", None, margin),
    )

    def losses(self, prediction: Tensor, examples: Examples) -> Tensor:
        guess, truth = prediction.flatten(1), examples.y.flatten(1)
        gap = guess[:, :, None] - guess[:, None]
        above = (truth[:, :, None] > truth[:, None]).to(gap)
        above = above + 0.5 * (truth[:, :, None] == truth[:, None])
        return torch.nn.functional.binary_cross_entropy_with_logits(
            gap, above, reduction="none"
        ).mean(dim=-1)


RANKED = """
from tests.test_own_objective import Ranking
from workbench.tasks.families.sinusoid import FAMILIES, Curves


class Ranked(Curves):
    objective = Ranking()

    def __init__(self):
        super().__init__("ranked", "mine", FAMILIES["sinusoid", "maml"])


TASKS = {"mine": ("curves of which only the order of points is asked", Ranked)}
"""


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "tasks.ranked", raising=False)
    Path("tasks").mkdir()
    Path("tasks/ranked.py").write_text(RANKED)
    made = []
    for name, rate in (("slow", 1e-6), ("quick", 3e-3)):
        experiment = preset("sinusoid-maml").stretched(60)
        training = replace(
            experiment.training,
            rate=rate,
            validate_every=20,
            validation_tasks=20,
            log_every=10,
            compiled="off",
        )
        experiment = replace(experiment, tasks="ranked:mine", training=training)
        made.append(train(experiment, tmp_path / "runs" / name, progress=False))
    return made


def test_it_is_trained_evaluated_compared_shown_and_drawn(runs: list[Any], tmp_path: Path) -> None:
    slow, quick = runs
    rows = [row for row in quick.metrics if row["split"] == "validation"]
    assert quick.best.value == max(row["pairs"] for row in rows)  # higher is better
    assert rows[0]["measure"]["better"] == "higher"
    found = [
        evaluate(r.learner, r.tasks, Shape(1, 10, 10), episodes=50, steps=2) for r in (slow, quick)
    ]
    assert found[1].metric == "pairs"
    assert found[1].to_record() | {"better": "higher", "unit": "%", "chance": 0.5} == (
        found[1].to_record()
    )
    assert found[1].mean > max(found[0].mean, 0.6)

    comparison = compare([slow.run, quick.run], episodes=50)
    first = comparison.groups[0]
    assert first.runs == (name_of(quick.run),)  # the best first
    assert comparison.pairs[0].wins > comparison.pairs[0].losses
    plot = draw("comparison", comparison_frame({"slow": found[0], "quick": found[1]}))
    assert plot.alt_text.startswith("pairs in order (%) on 50 tasks.")
    assert any("higher is better" in text.get_text() for text in plot.figure.texts)
    loss_by_step(evaluation_frame({"quick": found[1]}), measure="pairs")

    frames = {o.run.directory.name: metrics_frame(o.run.directory) for o in runs}
    curves = stacked(frames)
    assert measure_in(curves, "pairs").unit == "%"
    assert "pairs in order (%) on validation" in learning_curves(curves).alt_text

    followed = Followed(quick.run)
    followed.look()
    assert followed.summary()["best"]["metric"] == "pairs"
    assert followed.wire is not None
    assert followed.wire["measures"]["pairs"]["chance"] == 0.5


def test_its_tape_keeps_what_its_metrics_are(runs: list[Any], tmp_path: Path) -> None:
    quick = runs[1]
    episode = quick.tasks.sample(3, seed=0, split="test")
    learner = quick.learner.eval()
    tape = Tape.record(learner, episode, steps=2)
    frame = tape.frame("steps")
    assert list(frame.columns) == ["task", "step", "part", "loss", "pairs", "margin"]
    assert frame["margin"].tolist() == pytest.approx(frame["loss"].tolist())
    loaded = Tape.load(tape.save(tmp_path / "mine.metatrace", ["steps"]))
    assert loaded.episode.objective == Ranking()
    for one in (frame, loaded.frame("steps")):
        assert measure_in(one, "pairs").axis == "pairs in order (%)"
        plot = loss_by_step(one, measure="pairs")
        chance = [line for line in plot.figure.axes[0].lines if line.get_linestyle() == ":"]
        assert chance[0].get_ydata()[0] == 50
