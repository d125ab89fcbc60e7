"""One training over several processes: what a rank more saves, and what the exchange costs.

    python -m benchmarks.ranks

MAML with 5 inner steps on sine waves (25 tasks, an MLP of 40, 40) and with 1 on images (32 tasks of
`glyphs-maml`, Conv4 of 64 filters), one thread a rank. Measured here, each as the least of several
since other work ran on the machine: the seconds of an outer step with 1 and 2 ranks; of drawing its
tasks, all of which every rank draws; and of an outer step in which nothing is computed, with 2 and
4 ranks and by the numbers in the meta-gradient.

The rest is a model on paper: `seconds(N) = tasks / N computed + all tasks drawn + exchange(N)` with
`exchange(N) = wait + (N - 2) (wait for one more) + bytes / bandwidth`. Rank 0's link, the
fullest, carries `bytes = 4 P (log2 N + 2 (N - 1) / N)` for P meta-parameters: they go down a tree,
slices of the chunks' gradients go to the ranks that add them, the sums to rank 0. What one
more rank waits comes from 4 ranks on 2 cores, so that it is more than on cores of their own. The
network is this machine's loopback as measured, or one of 10 Gbit/s and 50 microseconds a message,
which was not measured. A doubling of the ranks pays while it makes an outer step a fifth shorter.

Memory: the most that a meta-gradient of 4,096 tasks takes above its tasks, in chunks and at once.

![Outer steps by ranks](results/ranks.png)
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.growth import resident
from benchmarks.lines import keep, lines
from benchmarks.units import Rows, arguments, measure

ITERATIONS = {"sine waves": 400, "images": 20}  # outer steps that are timed
SIZES = (1_000, 100_000, 4_000_000)  # numbers in a meta-gradient
MEMORY = [(64, 16), (1024, 16), (4096, 16), (4096, 0)]  # tasks, tasks in a chunk
REPEATS, COUNTED = 40, (1, 2, 8, 64, 512)
MANY = 4_096  # tasks of a large meta-batch
LATENCY, BANDWIDTH = 50e-6, 1.25e9  # of the network on paper: seconds a message, bytes a second
MESSAGES = 4  # one after the other in an exchange: word, meta-parameters, slices, sums
PAYS = 0.8


def experiment(work: str) -> Any:
    """The training that is timed."""
    from workbench.training import preset

    base = preset("sinusoid-maml" if work == "sine waves" else "glyphs-maml")
    if work == "sine waves":
        base = replace(base, learner=replace(base.learner, train_steps=5))
    training = replace(
        base.training,
        iterations=ITERATIONS[work],
        log_every=ITERATIONS[work] // 10,
        validate_every=0,
        diagnose_every=0,
        compiled="off",
        tasks_per_chunk=base.training.tasks_per_chunk or 13,
    )
    return replace(base, training=training)


def stepped(work: str, ranks: int, seed: int) -> Rows:
    """Seconds of an outer step, from the rows that the training writes, and of drawing for it."""
    from workbench.algorithms.values import trainable
    from workbench.training import train
    from workbench.training.stream import EpisodeStream

    wanted = replace(experiment(work), seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        outcome = train(wanted, Path(folder) / "run", ranks=ranks, progress=False)
    at = [row["seconds"] for row in outcome.metrics if row["split"] == "train"]
    every = wanted.training.log_every
    took = min((end - start) / every for start, end in zip(at, at[1:], strict=False))
    stream, start = EpisodeStream(wanted, outcome.tasks), time.perf_counter()
    for iteration in range(0, 3 * stream.block_size, stream.block_size):
        stream[iteration]
    drawn = (time.perf_counter() - start) / (3 * stream.block_size)
    numbers = sum(p.numel() for _, p in trainable(outcome.learner))
    return [{"seconds": took, "drawn": drawn, "numbers": numbers, "tasks": wanted.training.tasks}]


def exchanged(ranks: int, seed: int) -> Rows:
    """Seconds of an outer step in which nothing is computed, by numbers in the meta-gradient."""
    from workbench.training import launching

    launching._FOLLOW = "from benchmarks.ranks import answer; answer()"
    with launching.group_of(ranks) as group:
        assert group is not None
        return [{"numbers": n, "seconds": took} for n, took in _exchanges(group)]


def answer() -> None:
    """What the other ranks of `exchanged` do."""
    import torch

    from workbench.training.launching import joined

    torch.set_num_threads(1)
    for _ in _exchanges(joined()):
        pass


def _exchanges(group: Any) -> Iterator[tuple[int, float]]:
    import torch

    from workbench.algorithms.values import MetaGradient

    group.join(own_gpu=False)
    for numbers in SIZES:
        theta = {"theta": torch.zeros(numbers)}
        part = MetaGradient({"theta": torch.ones(numbers)}, torch.zeros(1))
        times = []
        for _ in range(REPEATS):
            start = time.perf_counter()
            group.tell(0, theta)
            group.summed([range(1)] * group.size, partial(_nothing, part), theta)
            times.append(time.perf_counter() - start)
        yield numbers, min(times)


def _nothing(part: Any, chunks: Sequence[Any]) -> list[Any]:
    return [part for _ in chunks]


def held(tasks: int, chunk: int) -> Rows:
    """Megabytes of a meta-gradient, in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.ranks", "--child", str(tasks), str(chunk)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [json.loads(done.stdout.splitlines()[-1])]


def child(tasks: int, chunk: int) -> dict[str, float]:
    """What the fresh process does."""
    from workbench.training.execution import MetaGradients

    wanted = experiment("sine waves")
    learner, family = wanted.build()
    run = MetaGradients(learner, compiled="off", tasks_per_chunk=chunk)
    run(family.sample(4, seed=0, shape=wanted.train))  # imports what no measurement should count
    episode = family.sample(tasks, seed=1, shape=wanted.train)
    before = resident()
    start = time.perf_counter()
    run(episode)
    return {"megabytes": max(0.0, peak() - before), "seconds": time.perf_counter() - start}


def peak() -> float:
    """The most megabytes this process ever held, without what the one that started it did."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def unit(part: str, **unit: Any) -> Rows:
    """A unit of any of the three parts."""
    return {"step": stepped, "exchange": exchanged, "memory": held}[part](**unit)


class Network:
    """How long an exchange takes, by ranks and numbers; as measured here, or on paper."""

    def __init__(self, frame: pd.DataFrame, *, paper: bool) -> None:
        rows = frame[frame["part"] == "exchange"]
        took = rows.groupby(["ranks", "numbers"])["seconds"].min()
        self.wait = float(took[2, SIZES[0]])
        self.more = max(0.0, float(took[4, SIZES[0]] - self.wait) / 2)
        spent = float(took[2, SIZES[-1]]) - self.wait
        self.bandwidth = carried(2, SIZES[-1]) / spent
        if paper:
            self.wait += MESSAGES * LATENCY
            self.bandwidth = BANDWIDTH

    def exchange(self, ranks: int, numbers: int) -> float:
        if ranks == 1:
            return 0.0
        return self.wait + (ranks - 2) * self.more + carried(ranks, numbers) / self.bandwidth


def carried(ranks: int, numbers: int) -> float:
    """Bytes over rank 0's link in an outer step."""
    return 4 * numbers * (math.ceil(math.log2(ranks)) + 2 * (ranks - 1) / ranks)


def modelled(frame: pd.DataFrame, work: str, tasks: int, network: Network) -> dict[int, float]:
    """Seconds of an outer step by ranks, to as many as there are tasks."""
    rows = frame[(frame["part"] == "step") & (frame["work"] == work)]
    one = rows[rows["ranks"] == 1].min(numeric_only=True)
    drawn = float(one["drawn"] / one["tasks"])
    computed = float(one["seconds"] / one["tasks"]) - drawn
    found = {}
    for ranks in (2**i for i in range(10)):
        if ranks <= tasks:
            alone = math.ceil(tasks / ranks) * computed + tasks * drawn
            found[ranks] = alone + network.exchange(ranks, int(one["numbers"]))
    return found


def pays_to(seconds: dict[int, float]) -> int:
    """The number of ranks up to which each doubling makes an outer step a fifth shorter."""
    ranks = 1
    while 2 * ranks in seconds and seconds[2 * ranks] <= PAYS * seconds[ranks]:
        ranks *= 2
    return ranks


def table(frame: pd.DataFrame) -> str:
    """What was measured, the model, and the memory, as Markdown."""
    text = [
        "| measured, ms an outer step | tasks | meta-parameters | 1 rank | 2 ranks | gain "
        "| of it drawing |",
        "|---" * 7 + "|",
    ]
    for work in ITERATIONS:
        rows = frame[(frame["part"] == "step") & (frame["work"] == work)]
        one, two = (rows[rows["ranks"] == n].min(numeric_only=True) for n in (1, 2))
        text.append(
            f"| {work} | {one['tasks']:.0f} | {one['numbers']:,.0f} | {1e3 * one['seconds']:.1f} "
            f"| {1e3 * two['seconds']:.1f} | {one['seconds'] / two['seconds']:.2f} "
            f"| {1e3 * one['drawn']:.2f} |"
        )
    rows = frame[frame["part"] == "exchange"]
    took = rows.groupby(["ranks", "numbers"])["seconds"].min()
    shown = " | ".join(f"{n:,} numbers" for n in SIZES)
    text += ["", f"| measured, ms an exchange | {shown} |", "|---" * (len(SIZES) + 1) + "|"]
    for ranks in (2, 4):
        cells = " | ".join(f"{1e3 * took[ranks, n]:.2f}" for n in SIZES)
        text.append(f"| {ranks} ranks | {cells} |")
    here = Network(frame, paper=False)
    text += [
        "",
        f"So an exchange here waits {1e3 * here.wait:.2f} ms, {1e3 * here.more:.2f} ms more for "
        f"each further rank, and carries {here.bandwidth / 1e9:.2f} GB/s.",
        "",
        f"| model, ms an outer step | tasks | network | "
        f"{' | '.join(f'N = {n}' for n in COUNTED)} | a doubling pays to |",
        "|---" * (len(COUNTED) + 4) + "|",
    ]
    for work in ITERATIONS:
        own = frame[(frame["part"] == "step") & (frame["work"] == work)]["tasks"].iloc[0]
        for tasks in (int(own), MANY):
            for name, paper in (("loopback", False), ("10 Gbit/s", True)):
                found = modelled(frame, work, tasks, Network(frame, paper=paper))
                cells = " | ".join(f"{1e3 * found[n]:.1f}" if n in found else "" for n in COUNTED)
                text.append(f"| {work} | {tasks:,} | {name} | {cells} | N = {pays_to(found)} |")
    text += ["", "| sine waves, memory | at a time | MB | seconds |", "|---|---|---|---|"]
    for _, row in frame[frame["part"] == "memory"].iterrows():
        chunk = f"{row['chunk']:.0f}" if row["chunk"] else "all"
        text.append(
            f"| {row['tasks']:,.0f} tasks | {chunk} | {row['megabytes']:.0f} "
            f"| {row['seconds']:.1f} |"
        )
    return "\n".join(text)


def drawn(frame: pd.DataFrame) -> pd.DataFrame:
    """Milliseconds of an outer step by ranks: measured, and as modelled for 10 Gbit/s."""
    rows = []
    for work in ITERATIONS:
        measured = frame[(frame["part"] == "step") & (frame["work"] == work)]
        own = int(measured["tasks"].iloc[0])
        for ranks, took in measured.groupby("ranks")["seconds"].min().items():
            rows.append((f"{work}, {own} tasks, measured", ranks, 1e3 * took))
        for tasks in (own, MANY):
            found = modelled(frame, work, tasks, Network(frame, paper=True))
            name = f"{work}, {tasks:,} tasks, model"
            rows += [(name, ranks, 1e3 * took) for ranks, took in found.items()]
    return pd.DataFrame(rows, columns=["method", "ranks", "ms"])


def main() -> None:
    """Measure what is missing, print the tables and draw the model."""
    chosen = arguments("ranks", __doc__.splitlines()[0]).parse_args()
    units: list[dict[str, Any]] = [
        {"part": "step", "work": work, "ranks": ranks, "seed": seed}
        for seed in chosen.seeds
        for work in ITERATIONS
        for ranks in (1, 2)
    ]
    units += [{"part": "exchange", "ranks": n, "seed": s} for s in chosen.seeds for n in (2, 4)]
    units += [{"part": "memory", "tasks": tasks, "chunk": chunk} for tasks, chunk in MEMORY]
    frame = measure(units, unit, chosen.out, workers=chosen.workers)
    print(table(frame))
    plot = lines(drawn(frame), x="ranks", y="ms", across="ranks", along="ms an outer step")
    plot.figure.axes[0].set_xscale("log", base=2)
    keep(plot, chosen.out, frame, "ranks")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(child(*map(int, sys.argv[2:]))))
    else:
        main()
