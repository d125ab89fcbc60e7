"""Small made-up frames with the columns the figures ask for: for docstrings and first tries."""

from __future__ import annotations

import numpy as np
import pandas as pd

from workbench.figures.examples_of_acting import expectations as expectations
from workbench.figures.examples_of_acting import regret as regret
from workbench.figures.examples_of_acting import rendered as rendered
from workbench.figures.examples_of_acting import returns as returns
from workbench.figures.examples_of_acting import sampling as sampling
from workbench.figures.examples_of_acting import trajectories as trajectories
from workbench.figures.examples_of_mixtures import mixture as mixture
from workbench.figures.examples_of_streams import ranking as ranking
from workbench.figures.examples_of_streams import stream as stream
from workbench.figures.examples_of_streams import transfer as transfer
from workbench.figures.examples_of_sweeps import sweep as sweep
from workbench.figures.examples_of_tables import gaps as gaps
from workbench.figures.examples_of_tables import patients as patients
from workbench.figures.examples_of_tuning import importance as importance
from workbench.figures.examples_of_tuning import study as study


def curves() -> pd.DataFrame:
    """A sinusoid task whose prediction closes in on the truth by nearly half a step."""
    x = np.linspace(-5, 5, 201)
    truth, start = 3 * np.sin(x - 1), 0.4 * np.sin(x) + 0.2
    support = np.array([-4.2, -1.7, 0.3, 1.9, 4.4])
    pieces = [
        pd.DataFrame({"x": x, "y": truth, "kind": "truth", "step": np.nan}),
        pd.DataFrame({"x": support, "y": 3 * np.sin(support - 1), "kind": "support"}),
    ]
    for step in range(6):
        y = truth + (start - truth) * 0.55**step
        pieces.append(pd.DataFrame({"x": x, "y": y, "kind": "prediction", "step": step}))
    return pd.concat(pieces, ignore_index=True)


def images() -> pd.DataFrame:
    """A task of three classes of strokes, one query image of which is taken for another."""
    rng = np.random.default_rng(0)
    rows = []
    for label, name in enumerate(("bar", "bow", "cross")):
        for part, count in (("support", 2), ("query", 4)):
            for shot in range(count):
                wrong = (label, part, shot) == (1, "query", 2)
                rows.append(
                    {
                        "part": part,
                        "label": label,
                        "name": name,
                        "shot": shot,
                        "image": _stroke(label, rng.normal(0, 0.06, 2)),
                        "prediction": (2 if wrong else label) if part == "query" else np.nan,
                        "confidence": (0.5 if wrong else 0.9) if part == "query" else np.nan,
                    }
                )
    return pd.DataFrame(rows)


def _stroke(label: int, shift: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[-1:1:28j, -1:1:28j] - shift[:, None, None]
    distances = (
        np.maximum(np.abs(x), np.abs(y) - 0.6),
        np.abs(np.hypot(x, y) - 0.5) + np.maximum(y - 0.1, 0),
        np.minimum(np.abs(x - y), np.abs(x + y)) / 1.4 + np.maximum(np.abs(x) - 0.5, 0),
    )
    return np.clip(1.6 - distances[label] / 0.09, 0, 1)


def steps() -> pd.DataFrame:
    """The loss of two methods on forty tasks after none to five inner steps."""
    rng = np.random.default_rng(0)
    start = rng.lognormal(1.0, 0.5, 40)
    rows = []
    for method, rate, floor in (("MAML", 0.3, 0.06), ("pretrained", 0.8, 0.03)):
        for step in range(6):
            for part, more in (("support", 0.8), ("query", 1.0)):
                for task, loss in enumerate(start * rng.lognormal(0, 0.1, 40)):
                    value = more * (loss * rate**step + floor)
                    rows.append((method, task, step, part, value))
    return pd.DataFrame(rows, columns=["method", "task", "step", "part", "loss"])


def recall() -> pd.DataFrame:
    """Sixty tasks whose classes are known the better the more often they came."""
    rng = np.random.default_rng(0)
    rows = [
        (task, time, rng.binomial(5, 0.2 if time == 1 else 0.84 - 0.24 / time) / 5)
        for task in range(60)
        for time in range(1, 6)
    ]
    return pd.DataFrame(rows, columns=["task", "time", "accuracy"])


def training() -> pd.DataFrame:
    """Training and validation errors of three seeds over 2,000 outer steps."""
    rng = np.random.default_rng(0)
    rows = []
    for seed in range(3):
        for iteration in range(20, 2001, 20):
            error = 0.45 + 3 * np.exp(-iteration / 350) * (1 + 0.1 * seed)
            value = error * rng.lognormal(0, 0.12)
            rows.append((seed, iteration, "train", "mse", value))
            if iteration % 200 == 0:
                rows.append((seed, iteration, "validation", "mse", error * 1.02))
    return pd.DataFrame(rows, columns=["seed", "iteration", "split", "metric", "value"])


def diagnostics() -> pd.DataFrame:
    """Two quantities along a training of 2,000 outer steps."""
    rows = [
        (iteration, quantity, value)
        for iteration in range(100, 2001, 100)
        for quantity, value in (
            ("agreement of tasks", 0.21 + iteration / 5000),
            ("second-order part (%)", 32 - iteration / 100),
        )
    ]
    return pd.DataFrame(rows, columns=["iteration", "quantity", "value"])


def progress() -> pd.DataFrame:
    """The error along an adaptation, as it was at four validations."""
    rows = [
        (iteration, step, "mse", (3.3 - iteration / 1e4) * np.exp(-step * rate))
        for iteration, rate in ((500, 0.11), (1000, 0.2), (1500, 0.3), (2000, 0.41))
        for step in range(6)
    ]
    return pd.DataFrame(rows, columns=["iteration", "step", "metric", "value"])


def methods() -> pd.DataFrame:
    """The accuracy of three methods on the same 200 tasks."""
    rng = np.random.default_rng(0)
    hardness = rng.normal(0, 0.02, 200)
    pieces = []
    for name, mean in (
        ("MAML", 0.94),
        ("Prototypical Networks", 0.978),
        ("Matching Networks", 0.972),
    ):
        value = mean + hardness + rng.normal(0, 0.03, 200)
        pieces.append(pd.DataFrame({"method": name, "task": range(200), "value": value}))
    return pd.concat(pieces, ignore_index=True).assign(metric="accuracy")


def flow() -> pd.DataFrame:
    """The meta-gradient of eight tasks that shrinks on its way back through ten inner steps."""
    rows = []
    for task in range(8):
        for order, rate in (("second", 0.87), ("first", 1.0)):
            for step in range(11):
                sizes = {"linear1": 0.5, "linear2": 0.8, "head": 0.6}
                decay = {"linear1": rate, "linear2": rate + 0.01, "head": rate**1.3}
                norms = {k: s * (1 + task / 80) * decay[k] ** (10 - step) for k, s in sizes.items()}
                if order == "first":
                    norms = {k: s * (1 + task / 80) for k, s in sizes.items()}
                norms["all"] = float(np.sqrt(sum(n**2 for n in norms.values())))
                rows += [(task, step, layer, order, norm) for layer, norm in norms.items()]
    return pd.DataFrame(rows, columns=["task", "step", "layer", "order", "norm"])


def anatomy() -> pd.DataFrame:
    """A meta-gradient that the second order makes smaller."""
    rows = []
    for layer, share in (("linear1", -0.3), ("linear2", -0.5), ("head", -0.2), ("all", -0.4)):
        parts = [share * weight for weight in (0.5, 0.3, 0.2)]
        terms: list[tuple[str, int | None, float, float]]
        terms = [("first order", None, 1 - share, 0.95)]
        terms += [("step", k, part, -0.8) for k, part in enumerate(parts, 1)]
        terms += [("second order", None, share, -0.85), ("full", None, 1.0, 1.0)]
        rows += [(layer, term, step, abs(s / c), c, s) for term, step, s, c in terms]
    columns = ["layer", "term", "step", "norm", "cosine", "share"]
    return pd.DataFrame(rows, columns=columns).astype({"step": "Int64"})


def agreement() -> pd.DataFrame:
    """Six tasks, one of which pulls the other way."""
    pairs = [(i, j) for i in range(6) for j in range(i + 1, 6)]
    rows = [
        ("tasks", layer, i, j, -0.35 if 4 in (i, j) and i != 0 else 0.4 + 0.04 * (i + j) / 2)
        for layer in ("head", "all")
        for i, j in pairs
    ]
    return pd.DataFrame(rows, columns=["between", "layer", "first", "second", "cosine"])


def norms() -> pd.DataFrame:
    """Norms of three layers over five inner steps."""
    rows = []
    for task in range(4):
        for index, layer in enumerate(("linear1", "linear2", "head")):
            for step in range(6):
                size = (1 + index) * (1 + task / 10) * 0.7**step
                found = {"weights": 4.0 - index, "distance": 0.1 * (1 + index) * step}
                if step:
                    found |= {"gradient": size, "update": 0.1 * size}
                rows += [(task, step, layer, kind, norm) for kind, norm in found.items()]
    return pd.DataFrame(rows, columns=["task", "step", "layer", "kind", "norm"])


def rates() -> pd.DataFrame:
    """Inner rates of four tensors over five steps, that of the last layer growing."""
    tensors = ("linear1.weight", "linear1.bias", "head.weight", "head.bias")
    rows = []
    for step in range(1, 6):
        for i, tensor in enumerate(tensors):
            rate = 0.01 * (1 + (i == 2) * 0.75 * (step - 1))
            rows.append((step, tensor, rate, rate, rate, 0.0))
    return pd.DataFrame(rows, columns=["step", "tensor", "rate", "smallest", "largest", "decay"])


def landscape() -> pd.DataFrame:
    """A bowl that a path of five steps descends."""
    steps = np.arange(6)
    path = np.stack([2 * 0.6**steps - 0.8, 0.5 * (-0.5) ** steps], axis=1)
    grid = np.stack(np.meshgrid(np.linspace(-1.6, 2, 11), np.linspace(-1, 1, 11)), axis=-1)
    pieces = []
    for part, shift in (("support", 0.9), ("query", 1.1)):
        for kind, points in (("grid", grid.reshape(-1, 2)), ("path", path)):
            loss = (points[:, 0] + shift) ** 2 + points[:, 1] ** 2 * (4.5 - shift) / 4 + 0.3
            loss = np.where(np.isclose(points[:, 0], 1.2), loss - 0.1, loss)
            columns = {"kind": kind, "x": points[:, 0], "y": points[:, 1]}
            step = steps if kind == "path" else None
            pieces.append(pd.DataFrame({**columns, "step": step, "part": part, "loss": loss}))
    frame = pd.concat(pieces, ignore_index=True).astype({"step": "Int64"})
    return frame.assign(explained_x=0.92, explained_y=0.05)


def memory() -> pd.DataFrame:
    """Six queries that attend to three support examples, one of them to a wrong one."""
    rows = []
    for query in range(6):
        label = query % 3
        most = 1 if query == 5 else label
        for entry in range(3):
            value = 0.7 if entry == most else 0.15
            rows.append((query, label, entry, entry, "attention", value))
    return pd.DataFrame(rows, columns=["query", "label", "entry", "class", "kind", "value"])


def slots() -> pd.DataFrame:
    """Six support examples written to four slots, two of which came to hold two classes."""
    rows = [
        (step, (step - 1) % 4, step - 1, (step - 1) // 2, 0.9, step > 4) for step in range(1, 7)
    ]
    columns = ["step", "slot", "example", "class", "weight", "erased"]
    return pd.DataFrame(rows, columns=columns)


def usage() -> pd.DataFrame:
    """Four slots over six steps; in the fifth what the first one held has to go."""
    rows = []
    for step in range(1, 7):
        for slot in range(4):
            last = max((s for s in range(1, step + 1) if (s - 1) % 4 == slot), default=0)
            used = 0.9 ** (step - last) if last else 0.0
            gone = step == 5 and slot == 0
            rows.append((step, slot, float(step == last), float(last > 0), used, gone, gone))
    columns = ["step", "slot", "written", "held", "usage", "erased", "evicted"]
    return pd.DataFrame(rows, columns=columns)


def reliability() -> pd.DataFrame:
    """A learner that is a little surer than it is right."""
    low = np.arange(5) / 5
    confidence = low + 0.1
    return pd.DataFrame(
        {
            "low": low,
            "high": low + 0.2,
            "examples": [10, 20, 30, 60, 80],
            "confidence": confidence,
            "accuracy": confidence - 0.05,
            "error": 0.05,
        }
    )


def loss_shape() -> pd.DataFrame:
    """A learned loss that is steeper than the true one, and a little off."""
    frames = []
    for target, off in ((-1.0, -0.2), (1.0, 0.0)):
        prediction = np.arange(-15, 16) / 5
        learned = 3 * np.abs(prediction - target - off) + 0.5
        true = (prediction - target) ** 2
        frames.append(
            pd.DataFrame(
                {
                    "task": 0,
                    "target": f"{target:g}",
                    "prediction": prediction,
                    "learned": learned,
                    "true": true,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def signal() -> pd.DataFrame:
    """Gradients of tasks that agree more than those of shots."""
    rows = []
    for between, count, ratio, conflict in (("tasks", 6, 0.7, 0.2), ("shots", 5, 0.45, 0.4)):
        for layer, factor in (("linear1", 0.8), ("linear2", 1.0), ("head", 1.3), ("all", 0.98)):
            signal, noise = factor * ratio, 1.0
            rows.append((between, layer, count, signal, noise, signal / noise, 0.2, conflict))
    columns = ["between", "layer", "count", "signal", "noise", "ratio", "cosine", "conflict"]
    return pd.DataFrame(rows, columns=columns)


def certificate() -> pd.DataFrame:
    """A meta-gradient that central differences agree with."""
    error = [2e-8, 2e-7, 5e-8, 1e-7]
    claimed = np.array([1.3, 0.2, -0.4, 0.1])
    return pd.DataFrame(
        {
            "direction": ["gradient", "random 1", "random 2", "random 3"],
            "claimed": claimed,
            "measured": claimed * (1 + np.array(error)),
            "error": error,
            "unsure": [4e-8, 1e-7, 6e-8, 3e-8],
        }
    )


def influence() -> pd.DataFrame:
    """Five support examples, one of which does harm."""
    influence = [0.3, 0.15, 0.8, -0.2, 0.05]
    columns = {"task": 0, "example": range(5), "target": 0.0, "loss": 0.5}
    frame = pd.DataFrame({**columns, "influence": influence})
    return frame.assign(without=frame["loss"] + frame["influence"])


def curvature() -> pd.DataFrame:
    """Three eigenvalues that shrink as four tasks adapt for five steps."""
    rows = [
        (task, step, part, rank, scale * (1 + task / 50) * 8 * 0.4**rank * (0.5 + 0.5 * 0.5**step))
        for task in range(4)
        for step in range(6)
        for part, scale in (("support", 1.0), ("query", 1.2))
        for rank in range(3)
    ]
    return pd.DataFrame(rows, columns=["task", "step", "part", "rank", "eigenvalue"])


def embedding() -> pd.DataFrame:
    """Three classes that an inner step draws apart."""
    rng = np.random.default_rng(0)
    rows = []
    for step, apart in ((0, 0.5), (1, 3.0)):
        for label in range(3):
            centre = apart * np.array([np.cos(2.1 * label), np.sin(2.1 * label)])
            for part, count in (("support", 1), ("query", 4)):
                for example in range(count):
                    x, y = centre + rng.normal(0, 0.5, 2)
                    rows.append((step, part, label * count + example, label, x, y))
    columns = ["step", "part", "example", "label", "x", "y"]
    return pd.DataFrame(rows, columns=columns).assign(explained_x=0.7, explained_y=0.2)


def predictions() -> pd.DataFrame:
    """Six queries of three classes, all but one of which are told apart after two steps."""
    rows = []
    for step in range(3):
        for example in range(6):
            label = example % 3
            truth = 0.3 if example == 4 else 0.35 + 0.3 * step - 0.02 * example
            correct = (step == 0 and label == 0) or (step > 0 and example != 4)
            given = label if correct else (label + 1) % 3
            rows.append((step, example, label, given, max(truth, 0.4), truth, correct))
    columns = ["step", "example", "label", "prediction", "confidence", "truth", "correct"]
    return pd.DataFrame(rows, columns=columns)


def pulls() -> pd.DataFrame:
    """A trial of six pulls in which the best of three arms is found."""
    rows = []
    chances, pulled, rewards = (0.2, 0.5, 0.9), (0, 1, 2, 2, 2, 2), (0, 1, 1, 0, 1, 1)
    for step, (chosen, reward) in enumerate(zip(pulled, rewards, strict=True), 1):
        for arm, chance in enumerate(chances):
            probability = 0.6 if arm == chosen else 0.2
            got = float(reward) if arm == chosen else np.nan
            rows.append((step, step, arm, probability, arm == chosen, got, 3.0 - step / 3, chance))
    columns = ["step", "move", "arm", "probability", "pulled", "reward", "value", "chance"]
    return pd.DataFrame(rows, columns=columns)
