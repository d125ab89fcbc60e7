"""Architecture search in the inner loop against nets that were not searched.

    python -m benchmarks.architectures --workers 5 --seeds 0 1 2 3 4

A net of three layers of 48 on glyphs and on Omniglot (its background set), each layer
with one of five operations, trained for 1,500 outer steps. `search` trains the
mixture and then the weights under each task's own operations (T-NAS). It is read in three ways:
`a net for each task`, `one for all` (the learned alpha's choice), and `the mixture` itself, which
is five times as large. `most frequent, trained anew` is the architecture that most test tasks
chose, trained from the start as plain MAML. `random` are two architectures a seed of the same
size trained as long, `relu` is the usual one. Accuracy on 300 test tasks, which nothing was
chosen on; differences from `a net for each task` are paired over them. `cost` is of a meta-gradient
of eight tasks, in ms: the mixture by its own form, the same layer under `vmap`, one
plain net, and the five plain nets that it mixes together.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from benchmarks.units import Rows, arguments, measure
from workbench.algorithms import MAML, ArchitectureSearch, MAMLSettings, adapt
from workbench.algorithms.base import Learner, last
from workbench.measures import half_width
from workbench.models import MixedSettings
from workbench.models.mixed import OPERATIONS
from workbench.training import Experiment, evaluate, preset, train

STEPS, TESTED, TEST_SEED = 1_500, 300, 77
TASKS = {"glyphs": "glyphs", "omniglot": "omniglot:background-only"}
OURS = "a net for each task"


def experiment_of(tasks: str, seed: int, scale: float, device: str) -> Experiment:
    """The search."""
    base = preset("glyphs-architectures").stretched(max(10, round(scale * STEPS)))
    training = replace(base.training, validate_every=0, diagnose_every=0, compiled="off")
    return replace(base, tasks=TASKS[tasks], training=training, seed=seed, device=device)


def plain(experiment: Experiment, architecture: str) -> Experiment:
    """Plain MAML on a net of chosen operations, trained as long."""
    own: Any = experiment.learner
    learner = MAMLSettings(own.inner_rate, own.train_steps, own.test_steps, rates=own.rates)
    model: Any = experiment.model
    return replace(experiment, learner=learner, model=replace(model, architecture=architecture))


def tested(learner: Learner, experiment: Experiment) -> Tensor:
    """The accuracy on each of the test tasks."""
    found = evaluate(
        learner.eval(), experiment.open_tasks(), experiment.test, episodes=TESTED, split="test",
        seed=TEST_SEED, every_step=False,
    )  # fmt: skip
    return found.per_task


def row(method: str, accuracy: Tensor, **more: Any) -> dict[str, Any]:
    """What is kept of a method: each task's accuracy too, for pairs."""
    each = json.dumps([round(float(a), 4) for a in accuracy])
    return {"method": method, "accuracy": float(accuracy.mean()), **more, "per_task": each}


@torch.no_grad()
def chosen(learner: ArchitectureSearch, experiment: Experiment) -> list[str]:
    """The architecture that each of the test tasks chose."""
    tasks = experiment.open_tasks()
    many = tasks.sample(TESTED, seed=TEST_SEED, split="test", shape=experiment.test)
    many = many.to(experiment.device, experiment.torch_dtype)
    found: list[str] = []
    for part in many.split(25):
        found += learner.architectures(last(adapt(learner, part, steps=learner.searching + 1)))
    return found


def searched(experiment: Experiment) -> Rows:
    """The search in its readings, and the most frequent architecture trained anew."""
    began = time.perf_counter()
    learner: Any = train(experiment, progress=False).learner.eval()
    seconds = time.perf_counter() - began
    rows = []
    for method, discrete in ((OURS, "task"), ("one for all", "all"), ("the mixture", "no")):
        learner.settings = replace(learner.settings, discrete=discrete)
        rows.append(row(method, tested(learner, experiment), seconds=seconds))
    learner.settings = replace(learner.settings, discrete="task")
    (most, count), *_ = (counted := Counter(chosen(learner, experiment))).most_common()
    about = {"architecture": most, "share": count / TESTED, "different": len(counted)}
    rows[0] |= about
    return rows + fixed(experiment, "most frequent, trained anew", most)


def fixed(experiment: Experiment, method: str, architecture: str) -> Rows:
    """A net of chosen operations."""
    began = time.perf_counter()
    own = plain(experiment, architecture)
    learner = train(own, progress=False).learner
    seconds = time.perf_counter() - began
    return [row(method, tested(learner, own), seconds=seconds, architecture=architecture)]


def cost(experiment: Experiment) -> Rows:
    """Milliseconds of a meta-gradient, the least of several."""
    settings: Any = experiment.model
    episode = experiment.open_tasks().sample(8, seed=0, shape=experiment.train)
    shape = experiment.open_tasks().spec(experiment.train).input_shape

    def net(architecture: str = "") -> nn.Module:
        return replace(settings, architecture=architecture).build(shape, 5)

    nets = {"mixture, by its form": net(), "mixture, under vmap": Whole(settings, shape)}
    nets |= {f"plain {name}": net(" ".join([name] * settings.layers)) for name in OPERATIONS}
    least: dict[str, float] = {}
    for _ in range(8):
        for name, module in nets.items():
            learner = MAML(module, MAMLSettings(inner_rate=0.1, rates="layer"))
            learner.meta_gradient(episode)
            began = time.process_time()
            for _ in range(3):
                learner.meta_gradient(episode)
            spent = 1e3 * (time.process_time() - began) / 3
            least[name] = min(least.get(name, spent), spent)
    one = [spent for name, spent in least.items() if name.startswith("plain")]
    kept = {name: ms for name, ms in least.items() if name.startswith("mixture")}
    kept |= {"one plain net": min(one), "five plain nets": sum(one)}
    return [{"method": name, "ms": ms} for name, ms in kept.items()]


class Whole(nn.Module):
    """The same net behind a forward of its own, which stacked tasks run under `vmap`.

    Batch normalisation is written out, since torch's is no friend of `vmap`.
    """

    def __init__(self, settings: MixedSettings, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.net = settings.build(shape, 5)

    def forward(self, x: Tensor) -> Tensor:
        """What the net gives."""
        for layer in self.net:
            if isinstance(layer, nn.BatchNorm1d):
                centred = x - x.mean(dim=0)
                deviation = (centred.square().mean(dim=0) + layer.eps).rsqrt()
                x = centred * deviation * layer.weight + layer.bias
            else:
                x = layer(x)
        return x


def work(tasks: str, part: str, seed: int, *, scale: float, device: str) -> Rows:
    """One part of the comparison: the search, nets that were not searched, or the cost."""
    experiment = experiment_of(tasks, seed, scale, device)
    if part == "search":
        return searched(experiment)
    if part == "cost":
        return cost(experiment)
    draw, names = random.Random(seed), list(OPERATIONS)
    rows = fixed(experiment, "relu", "relu relu relu")
    for _ in range(2):
        rows += fixed(experiment, "random", " ".join(draw.choices(names, k=3)))
    return rows


def table(frame: pd.DataFrame) -> str:
    """Markdown: accuracy over seeds, and what a net for each task gains, paired over tasks."""
    lines = [
        "| tasks | method | accuracy, % | a net for each task minus it, points | s |",
        "|---|---|---|---|---|",
    ]
    told = frame[frame["part"] != "cost"]
    for (tasks, method), rows in told.groupby(["tasks", "method"], sort=False):
        ours = told[(told["tasks"] == tasks) & (told["method"] == OURS)]
        means = 100 * rows.groupby("seed")["accuracy"].mean()
        spread = f" ± {means.std():.1f} over {len(means)} seeds" if len(means) > 1 else ""
        gain = "" if method == OURS else _gain(ours, rows)
        lines.append(
            f"| {tasks} | {method} | {means.mean():.1f}{spread} | {gain} | "
            f"{rows['seconds'].mean():.0f} |"
        )
    for tasks, rows in told[told["method"] == OURS].groupby("tasks", sort=False):
        share, different = 100 * rows["share"].mean(), rows["different"].mean()
        lines.append(
            f"\nOn {tasks}, {TESTED} tasks chose {different:.1f} architectures a seed, "
            f"{share:.0f}% of them the most frequent one."
        )
    ms = frame[frame["part"] == "cost"].groupby("method", sort=False)["ms"].mean()
    if len(ms):
        said = ", ".join(f"{name} {value:.0f}" for name, value in ms.items())
        lines.append(f"\nA meta-gradient of eight tasks takes, in ms of one core: {said}.")
    return "\n".join(lines)


def _gain(ours: pd.DataFrame, rows: pd.DataFrame) -> str:
    """The paired difference in points with its 95% interval over tasks, and seeds where above 0."""
    gains = []
    for seed, own in ours.groupby("seed"):
        others = [json.loads(text) for text in rows[rows["seed"] == seed]["per_task"]]
        if others:
            mean = torch.tensor(others).mean(dim=0)
            gains.append(torch.tensor(json.loads(own["per_task"].iloc[0])) - mean)
    if not gains:
        return ""
    each = 100 * torch.stack(gains).mean(dim=0)
    better = sum(float(gain.mean()) > 0 for gain in gains)
    half = half_width(float(each.std()), len(each))
    return f"{float(each.mean()):+.1f} ± {half:.1f} ({better} of {len(gains)} seeds)"


def main() -> None:
    """Measure the units that are missing, and print the table."""
    parser = arguments("architectures", __doc__.splitlines()[0])
    parser.set_defaults(seeds=[0, 1, 2, 3, 4])
    chosen = parser.parse_args()
    more = {"scale": chosen.scale, "device": chosen.device}
    units = [
        {"tasks": tasks, "part": part, "seed": seed, **more}
        for seed in chosen.seeds
        for tasks in TASKS
        for part in ("search", "fixed")
        if not chosen.only or part in chosen.only or tasks in chosen.only
    ]
    if not chosen.only or "cost" in chosen.only:
        units.append({"tasks": "glyphs", "part": "cost", "seed": 0, **more})
    print(table(measure(units, work, chosen.out, workers=chosen.workers)))


if __name__ == "__main__":
    main()
